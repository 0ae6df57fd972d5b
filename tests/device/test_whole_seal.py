"""A whole seal for a service that is installed: what is refused leaves the one that is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sealcore import messages
from tests.device.by_hand import SPKI, ByHand, connected, listed
from tests.device.conftest import Start
from tests.device.node import NAME, put
from tests.device.site import Site

IDLE = b"import asyncio\nasync def main(ctx):\n    await asyncio.sleep(1000)\n"

# (what comes for a seal, made of the one that is there; how it is refused)
REFUSED: tuple[tuple[str, Callable[[bytes], bytes], str], ...] = (
    ("nothing", lambda _: b"", "malformed-der"),
    ("half of it", lambda der: der[: len(der) // 2], "malformed-der"),
    ("another signature", lambda der: der[:-1] + bytes((der[-1] ^ 1,)), "bad-signature"),
    ("more than a seal may be", lambda _: bytes(4097), "too-large"),
)


def test_what_is_refused_changes_nothing(
    site: Site, spki: bytes, start: Start, directory: Path
) -> None:
    made = site.deploy("idle", IDLE, NAME, spki)
    installed = put(directory / "flash", made) / "site.der"
    before = installed.read_bytes()
    with connected(start, directory, site.slsm(SPKI)) as (_, link):
        link.welcome(site)
        reported(link, "running")
        for sentence, change, code in REFUSED:
            link.send(messages.ASSIGN, "idle", change(before), listed(made.files))
            assert reported(link, "refused") == (code, []), sentence
            assert installed.read_bytes() == before, sentence


def test_seals_that_contradict_each_other_are_sent_as_evidence(
    site: Site, spki: bytes, start: Start, directory: Path
) -> None:
    made = site.deploy("idle", IDLE, NAME, spki)
    newer = site.deploy("idle", IDLE, NAME, spki, version="1.0.1")
    put(directory / "flash", made)
    rest = [made.files["store.der"], made.files["developer.der"]]
    with connected(start, directory, site.slsm(SPKI)) as (_, link):
        link.welcome(site)
        for der, code in (
            (newer.files["site.der"], "predecessor-mismatch"),
            (site.reseal(made, NAME, spki, of=newer), "seal-mismatch"),
        ):
            link.send(messages.ASSIGN, "idle", der, listed(made.files))
            assert reported(link, "refused") == (code, [der, *rest])


def reported(link: ByHand, state: str) -> tuple[str, list[bytes]]:
    """Wait until the node reports a state; the code and the evidence that go with it."""
    while True:
        kind, values = link.read()
        if kind == messages.REPORT and messages.STATES[values[2]] == state:
            return values[3], values[-1]
