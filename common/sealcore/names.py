"""The names that Triseal gives: common names of certificates, and labels of sites, nodes and
services."""

from . import errors
from .compat import const
from .der import Reader

_MAX_COMMON_NAME = const(64)  # ub-common-name, RFC 5280 appendix A.1
_MAX_LABEL = const(63)


def common_name(name) -> str:
    """Return the text of a Name that is one UTF8String common name and nothing else.

    Args:
        name: DER. The text has at most 64 bytes (ub-common-name, RFC 5280 appendix A.1).

    Raises: ProfileViolation for any other name, MalformedDER if its text is malformed.
    """
    size = len(name)
    if not 13 < size <= 13 + _MAX_COMMON_NAME:
        raise errors.ProfileViolation
    # SEQUENCE { SET { SEQUENCE { type, text } } }, each as long as the rest
    head = (0x30, size - 2, 0x31, size - 4, 0x30, size - 6, 0x06, 3, 0x55, 0x04, 3, 0x0C)
    if name[:12] != bytes(head):
        raise errors.ProfileViolation
    reader = Reader(name[11:])
    text = reader.text(1, _MAX_COMMON_NAME)
    reader.end()
    return text


def check_label(text: str) -> str:
    """Return `text` if it can name a site, a node or a service.

    A label has 1 to 63 of a-z 0-9 . - _ and no sign in front. So it is one path segment of a SPIFFE
    ID, and one file name on every file system that boards have, also on FAT, which ignores case.

    Raises: ProfileViolation.
    """
    sign = True
    for byte in text.encode():
        if 0x61 <= byte <= 0x7A or 0x30 <= byte <= 0x39:
            sign = False
        elif sign or byte not in b".-_":
            raise errors.ProfileViolation
    if not 1 <= len(text) <= _MAX_LABEL:
        raise errors.ProfileViolation
    return text
