"""Versions of services: their one spelling and their order.

A version is 1 to 8 numbers between dots, none with a leading zero: `1`, `1.2.0`, `2026.11`. They
are compared number by number from the left; what a shorter one lacks counts as 0, so `1.2` and
`1.2.0` are the same version and neither is newer than the other. There are no suffixes: what is
not meant for boards is not signed.
"""

from __future__ import annotations

import re

from sealcore import limits
from triseal.errors import BadVersion

_NUMBERS = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*)){0,7}", re.ASCII)


def parse(text: str) -> tuple[int, ...]:
    """The numbers of a version without zeros at the end; such tuples compare as versions do.

    Raises:
        BadVersion: it is not written as a version is.
    """
    if len(text) > limits.MAX_VERSION_TEXT or not _NUMBERS.fullmatch(text):
        raise BadVersion(f"{text[: limits.MAX_VERSION_TEXT]!r} is no version")
    numbers = [int(number) for number in text.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
