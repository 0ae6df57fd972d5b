"""What a Store answers to a package that was sent to it: its seal and the proof."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sealcore import seal
from sealcore.errors import SealError
from triseal.errors import BadAnswer, Failure
from triseal.log import entry, proof
from triseal.package import Package


def sealed_by(submitted: Package, answer: Mapping[str, Any]) -> Package:
    """Return a package as the Store has sealed it.

    Args:
        submitted: the package that was sent.
        answer: the Store's answer.

    Raises:
        BadAnswer: it is about another package, or of another form.
    """
    try:
        sealed = base64.b64decode(answer["store_seal"], validate=True)
        proved = proof.parse(answer["proof"])
        proved.check_path()
        made = replace(submitted, store_seal=sealed, proof=answer["proof"])
        own = seal.parse(submitted.developer_seal, seal.DEVELOPER)
        same = bytes(seal.parse(sealed, seal.STORE).core) == bytes(own.core)
        digests = made.digest().hex(), entry.parse(proved.leaf).package.hex()
        fits = same and digests == (answer["package"], answer["package"])
    except (AttributeError, KeyError, TypeError, ValueError, Failure, SealError):
        fits = False
    if not fits:
        raise BadAnswer("it is about another package")
    return made
