"""Facts about the keys of a site, for people and programs."""

from __future__ import annotations

from pathlib import Path

from sealcore import timetext
from triseal import request, signer
from triseal.site import home
from triseal.site.rules.rotation import Progress
from triseal.site.slca.authority import Issuer

_STEPS = ("prepared_at", "activated_at", "tainted_at", "revoked_at")


def all_facts(folder: Path, issuer: Issuer, progress: Progress) -> list[dict[str, object]]:
    """Return the facts about each key of a site, by number.

    Args:
        folder: the folder of the site.
        issuer: the public part of its SLCA.
        progress: how far a change of the key has come.
    """
    ends = {one.term.number: one.validity.not_after for one in issuer.all}
    found: list[dict[str, object]] = []
    for key in progress.keys:
        done = {name: getattr(key, name) for name in _STEPS}
        found.append(
            {
                "number": key.number,
                "state": key.state,
                "algorithm": signer.algorithm_of(key.spki),
                "fingerprint": request.fingerprint(key.spki),
                "file": str(home.key_file(folder, key.number)),
                "not_after": timetext.iso(ends[key.number]) if key.number in ends else None,
                "since_bundle": key.since,
                "until_bundle": key.until,
            }
            | {name: None if at is None else timetext.iso(at) for name, at in done.items()}
        )
    return found
