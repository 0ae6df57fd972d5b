"""Versions of services: their form and their order.

A version is 1 to 8 numbers between dots without leading zeros: `1`, `1.2.0`, `2026.11`. Versions
are compared number by number from the left, and a missing number counts as 0: `1.2` and `1.2.0`
are the same version, and neither is newer. There are no suffixes: a release that is not meant for
boards is not signed.
"""

from __future__ import annotations

import re

from sealcore import limits
from triseal.errors import BadVersion

_NUMBERS = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*)){0,7}", re.ASCII)


def parse(text: str) -> tuple[int, ...]:
    """Return the numbers of a version without zeros at the end; such tuples compare like versions.

    Args:
        text: the version.

    Raises:
        BadVersion: it does not have the form of a version.
    """
    if len(text) > limits.MAX_VERSION_TEXT or not _NUMBERS.fullmatch(text):
        raise BadVersion(f"{text[: limits.MAX_VERSION_TEXT]!r} is not a version")
    numbers = [int(number) for number in text.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
