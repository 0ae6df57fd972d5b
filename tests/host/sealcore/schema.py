"""Triseal's own structures, compiled from the ASN.1 of the specification.

The texts of `common/PROFILE.md` and `common/PROTOCOL.md` are the source. `asn1tools` is a compiler
that knows nothing of Triseal: so the specification and the code can be compared.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

COMMON = Path(__file__).resolve().parents[3] / "common"
SPECIFICATION = COMMON / "PROFILE.md"
PROTOCOL = COMMON / "PROTOCOL.md"


def module(path: Path) -> str:
    """The ASN.1 module of a page: all its blocks marked `asn1`, in order."""
    blocks = re.findall(r"^```asn1\n(.*?)^```$", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return "\n".join(blocks)


@functools.cache
def compiled() -> Any:
    """Both compiled modules: they have `types`, `decode` and `encode`."""
    import asn1tools  # which takes long, and few processes need it

    return asn1tools.compile_string(module(SPECIFICATION) + module(PROTOCOL), "der")


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
