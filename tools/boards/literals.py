"""What a board prints, read as values: whatever is at the other end, it is a value or one error."""

import binascii
from typing import Any

from boards.code import trees
from boards.errors import DeviceFailed

_SHA256 = 32
# Of the text of a value: what is read as one takes 500 times as much memory.
_LONGEST = 1 << 16


def value(text: str, *kinds: type) -> Any:
    """A value that the board has printed as a literal.

    Args:
        text: as it came.
        kinds: exact types, one of which it must have; none for any.

    Raises:
        DeviceFailed: it is none, or longer than any.
    """
    if len(text) > _LONGEST:
        raise _nothing()
    try:
        found = trees.literal(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise _nothing() from None
    if kinds and type(found) not in kinds:
        raise _nothing()
    return found


def pair(text: str, *kinds: type) -> tuple[str, Any]:
    """A literal of a text and a value of one of these types; raises as `value`."""
    found = value(text, tuple)
    if [type(one) for one in found[:1]] != [str] or len(found) != 2:
        raise _nothing()
    if kinds and type(found[1]) not in kinds:
        raise _nothing()
    return found[0], found[1]


def octets(lines: str) -> bytes:
    """The octets of lines of base64; raises as `value`."""
    try:
        return b"".join(binascii.a2b_base64(line) for line in lines.splitlines())
    except ValueError:
        raise _nothing() from None


def digest(text: str) -> bytes:
    """A SHA-256 in hexadecimal; raises as `value`."""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        raise _nothing() from None
    if len(found) != _SHA256:
        raise _nothing()
    return found


def _nothing() -> DeviceFailed:
    return DeviceFailed("the board's answer is no value")
