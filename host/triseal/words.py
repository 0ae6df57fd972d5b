"""Short texts that people read: their reasons, the names of those who gave them, and counts."""

from __future__ import annotations

from triseal.errors import BadReason

MAX_REASON = 200


def count(number: int, what: str, many: str = "") -> str:
    """Return how many of something there are, such as "1 release" or "2 releases".

    Args:
        number: how many.
        what: one of them.
        many: several of them; with an s at the end if it is not given.
    """
    return f"{number} {what if number == 1 else many or what + 's'}"


def check_reason(text: str, most: int = MAX_REASON) -> str:
    """Check that a text is one line that people can read.

    Args:
        text: the text.
        most: the largest size, bytes of UTF-8.

    Returns: the text.

    Raises:
        BadReason: it is empty, too long, or holds a control or format character.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise BadReason("not text") from None
    if not 1 <= size <= most or not text.isprintable() or not text.strip():
        raise BadReason(f"{text[:most]!a} has {size} bytes")
    return text
