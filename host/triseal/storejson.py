"""The JSON that a Store answers with."""

from __future__ import annotations

import json
from typing import Any

from triseal.errors import BadAnswer

_MOST_VALUES = 1 << 20  # small values need much more memory than their text


def parsed(what: str, data: bytes) -> dict[str, Any]:
    """Parse an object of JSON.

    Args:
        what: what it is, such as its path.
        data: its contents.

    Raises:
        BadAnswer: it is not the JSON of a Store.
    """
    found = _value(what, data)
    if not isinstance(found, dict):
        raise BadAnswer(f"{what} is not the JSON of a Store")
    return found


def rows(what: str, data: bytes) -> list[dict[str, Any]]:
    """Parse a list of objects of JSON. Raises as `parsed`.

    Args:
        what: what it is.
        data: its contents.
    """
    found = _value(what, data)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise BadAnswer(f"{what} is not the JSON of a Store")
    return found


def _value(what: str, data: bytes) -> object:
    if data.count(b",") > _MOST_VALUES:
        raise BadAnswer(f"{what} has more than {_MOST_VALUES} values")
    try:
        text = data.decode()
        found: object = json.loads(text)
        if "\\u" in text:
            json.dumps(found, ensure_ascii=False).encode()  # halves of characters are no text
    except (ValueError, RecursionError):
        found = None
    return found
