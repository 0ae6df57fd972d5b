"""The names that Triseal itself gives: one common name each, and labels for what has a place."""

from . import errors
from .compat import const
from .der import single

_SET = const(0x31)
_OID = const(0x06)
_COMMON_NAME = b"\x55\x04\x03"
_MAX_COMMON_NAME = const(64)  # ub-common-name, RFC 5280 appendix A.1
_MAX_LABEL = const(63)


def common_name(name) -> str:
    """The text of a Name (DER) that is one UTF8String common name and nothing else."""
    rdns = single(name)
    rdn = rdns.enter(_SET)
    rdns.end()
    attribute = rdn.enter()
    rdn.end()
    if attribute.value(_OID) != _COMMON_NAME:
        raise errors.ProfileViolation("a name is one common name")
    text = attribute.text(1, _MAX_COMMON_NAME)
    attribute.end()
    return text


def check_label(text: str) -> str:
    """Returns a site's, node's or service's name: 1 to 63 of a-z 0-9 . - _, no sign in front.

    So it is one path segment of a SPIFFE ID and one file name on every file system that boards
    have, on FAT (which folds case) too. Raises ProfileViolation.
    """
    for letter in text:
        if not ("a" <= letter <= "z" or "0" <= letter <= "9" or letter in ".-_"):
            raise errors.ProfileViolation("a name has only a-z 0-9 . - _")
    if not 1 <= len(text) <= _MAX_LABEL or text[0] in ".-_":
        raise errors.ProfileViolation("a name has 1 to 63 letters, no sign in front")
    return text
