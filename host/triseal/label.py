"""Names that people give to sites, nodes and services."""

from __future__ import annotations

from sealcore import errors, names
from triseal.errors import BadLabel


def check(name: str, what: str) -> str:
    """The name, if it can be one of a site, node or service; see sealcore.names.check_label.

    Args:
        name: as somebody typed it.
        what: of what.

    Raises: BadLabel.
    """
    try:
        return str(names.check_label(name))
    except errors.ProfileViolation:
        raise BadLabel(f"{name!r} can't be the name of a {what}") from None
