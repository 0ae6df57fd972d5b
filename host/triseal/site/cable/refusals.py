"""What a node refused, as the refusal that it is: from its name or its code."""

from __future__ import annotations

from sealcore import errors
from sealcore.errors import SealError
from triseal.advice import REFUSALS


def named(name: str) -> type[SealError] | None:
    """The refusal of this class name; None if there is none."""
    if not name.isidentifier() or not name[0].isupper():
        return None
    # `errors` makes a class of any name, so that boards need no list of them.
    leaf: type[SealError] = getattr(errors, name)
    return leaf if getattr(leaf, "code", None) in REFUSALS else None


def coded(code: str) -> type[SealError] | None:
    """The refusal of this code; None if there is none."""
    if code not in REFUSALS:
        return None
    name = "".join(word.capitalize() for word in code.split("-"))
    return named(name.replace("Der", "DER"))
