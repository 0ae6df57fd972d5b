"""Read the literals that a board prints. Anything else that it prints raises DeviceFailed."""

import binascii
from typing import Any

from boards.code import trees
from boards.errors import DeviceFailed

_SHA256 = 32
# Longest text of a value: reading a literal takes up to 500 times as much memory.
_LONGEST = 1 << 16


def value(text: str, *kinds: type) -> Any:
    """Return the value of a literal that the board has printed.

    Args:
        text: as it came.
        kinds: exact types, one of which it must have; none for any.

    Raises:
        DeviceFailed: it is no such literal, or too long.
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
    """Return a text and a value, printed as one literal.

    Args:
        text: as it came.
        kinds: exact types, one of which the value must have; none for any.

    Raises:
        DeviceFailed: it is no such literal, or too long.
    """
    found = value(text, tuple)
    if [type(one) for one in found[:1]] != [str] or len(found) != 2:
        raise _nothing()
    if kinds and type(found[1]) not in kinds:
        raise _nothing()
    return found[0], found[1]


def base64_lines(lines: str) -> bytes:
    """Return the bytes in `lines` of base64.

    Raises:
        DeviceFailed: they are not base64.
    """
    try:
        return b"".join(binascii.a2b_base64(line) for line in lines.splitlines())
    except ValueError:
        raise _nothing() from None


def digest(text: str) -> bytes:
    """Return the bytes of a SHA-256 that `text` has in hexadecimal.

    Raises:
        DeviceFailed: it is no SHA-256.
    """
    try:
        found = bytes.fromhex(text)
    except ValueError:
        raise _nothing() from None
    if len(found) != _SHA256:
        raise _nothing()
    return found


def _nothing() -> DeviceFailed:
    return DeviceFailed("the board's answer is no value")
