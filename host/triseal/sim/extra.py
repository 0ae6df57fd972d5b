"""The check for the packages of the extra `sim`."""

from __future__ import annotations

from importlib.util import find_spec

from triseal.sim.errors import MissingExtra

PACKAGES = ("numpy", "matplotlib")


def require() -> None:
    """Raise MissingExtra unless all packages of the extra are installed."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise MissingExtra(f"the simulation needs {' and '.join(missing)}")
