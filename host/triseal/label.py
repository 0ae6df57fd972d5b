"""The names of sites, nodes and services."""

from __future__ import annotations

from sealcore import errors, names
from triseal.errors import BadLabel


def check(name: str, what: str) -> str:
    """Check that a name is allowed for a site, node or service, see sealcore.names.check_label.

    Args:
        name: the name.
        what: "site", "node" or "service", for the error.

    Returns: the name.

    Raises:
        BadLabel: the name is not allowed.
    """
    try:
        return str(names.check_label(name))
    except errors.ProfileViolation:
        raise BadLabel(f"{name!r} can't be the name of a {what}") from None
