"""Triseal's own structures, compiled from the ASN.1 of the specification.

The text of `common/PROFILE.md` is the source, and `asn1tools` is a compiler that knows nothing of
Triseal: so what the specification says, and what the code reads and writes, can be compared.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import asn1tools

SPECIFICATION = Path(__file__).resolve().parents[2] / "common" / "PROFILE.md"


def module(path: Path = SPECIFICATION) -> str:
    """The ASN.1 module of a specification: all its blocks marked `asn1`, in order."""
    blocks = re.findall(r"^```asn1\n(.*?)^```$", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return "\n".join(blocks)


@functools.cache
def compiled() -> Any:
    """The compiled module: it has `types`, `decode` and `encode`."""
    return asn1tools.compile_string(module(), "der")


def read(kind: str, der: bytes) -> Any:
    """Read one structure with all bounds that the specification gives.

    Args:
        kind: its name in the specification.
        der: all of its bytes.

    Returns: what `asn1tools` makes of it: a dict by the names of the fields.

    Raises:
        asn1tools.Error: it is not of this form, or out of bounds.
        ValueError: it is not DER, since writing it anew gives other bytes.
    """
    found = compiled().decode(kind, der, check_constraints=True)
    if compiled().encode(kind, found) != der:
        raise ValueError(f"{kind}: not in DER")
    return found
