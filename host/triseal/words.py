"""Short texts of people that other people read: reasons, and the names of those who gave them."""

from __future__ import annotations

from triseal.errors import BadReason

MAX_REASON = 200


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
