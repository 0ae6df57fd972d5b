"""The refusals of a node as exceptions of this side, found by their name or code."""

from __future__ import annotations

from sealcore import errors
from sealcore.errors import SealError
from triseal.advice import REFUSALS


def named(name: str) -> type[SealError] | None:
    """Return the refusal with a class name, or None if there is none.

    Args:
        name: name of the class, such as "BadSignature".
    """
    if not name.isidentifier() or not name[0].isupper():
        return None
    # `errors` makes a class for any name, so that boards need no list of them.
    leaf: type[SealError] = getattr(errors, name)
    return leaf if getattr(leaf, "code", None) in REFUSALS else None


def coded(code: str) -> type[SealError] | None:
    """Return the refusal with a code, or None if there is none.

    Args:
        code: the stable code, such as "bad-signature".
    """
    if code not in REFUSALS:
        return None
    name = "".join(word.capitalize() for word in code.split("-"))
    return named(name.replace("Der", "DER"))
