"""What a package is on a node: a service, the agent or the firmware.

A node loads this module only for a package whose metadata states a kind, and to refuse a seal for
another place: most packages need neither.
"""

from . import errors
from .compat import const

_WORDS = const(b'service"agent"  firmware"')  # in the order of their bits, 8 bytes for each
_KEY = const(b'"kind":"')


def of(metadata) -> int:
    """Return the kind that metadata states: 0 for a service, 1 for the agent, 2 for the firmware.

    Metadata is JSON in its only form, without blanks, and a quotation mark inside of a text has a
    backslash before it. So the key is found without reading the rest, for which a small board has
    no room.

    Args:
        metadata: bytes.

    Raises: WrongKind.
    """
    at = metadata.find(_KEY)
    if at < 0:
        return 0
    at += len(_KEY)
    found = _WORDS.find(metadata[at : metadata.find(b'"', at) + 1] or b"-")
    if found % 8:
        raise errors.WrongKind
    return found // 8


def check(metadata, may: int, due: str) -> None:
    """Check that a developer may sign what metadata states.

    Args:
        metadata: bytes.
        may: the bits of the kinds that the developer may sign, as in a trust bundle.
        due: the kind that it must state; "" for any.

    Raises: WrongKind, UntrustedKind.
    """
    kind = of(metadata)
    if due and ("service", "agent", "firmware")[kind] != due:
        raise errors.WrongKind
    if not may << kind & 0x80:
        raise errors.UntrustedKind


def refuse(found: list, due: list) -> None:
    """Refuse a seal for another place.

    Args:
        found: the parts of its SPIFFE ID between slashes.
        due: those that were due.

    Raises: WrongSite, WrongNode, WrongKind or WrongService: the first part that differs.
    """
    for size, error in (
        (3, errors.WrongSite),
        (5, errors.WrongNode),
        (6, errors.WrongKind),
    ):
        if found[:size] != due[:size]:
            raise error("/".join(found))
    raise errors.WrongService("/".join(found))
