"""What a site's word changes on a node that runs services, at a connection after the first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sealcore import messages, seal
from tests.device.by_hand import SPKI, ByHand, connected, listed
from tests.device.conftest import Start
from tests.device.node import NAME, Node, by_name
from tests.device.site import Deployment, Site
from triseal import signer

IDLE = b"""\
import asyncio
async def main(ctx):
    await asyncio.sleep(1000)
"""
# It takes a while to end.
CLINGS = b"""\
import asyncio
async def main(ctx):
    try:
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep_ms(500)
"""


@pytest.fixture
def radio(site: Site, spki: bytes) -> Deployment:
    return site.deploy("radio", IDLE, NAME, spki)


@pytest.fixture
def running(
    site: Site, radio: Deployment, start: Start, directory: Path
) -> Iterator[tuple[Node, ByHand]]:
    """A node that runs a service, and its link."""
    with connected(lambda: start(radio), directory, site.slsm(SPKI)) as (node, link):
        link.welcome(site)
        node.until(lambda status: by_name(status) == {"radio": "running"})
        yield node, link


def test_a_newer_bundle_ends_what_runs_and_a_newer_one_lets_it_run_again(
    running: tuple[Node, ByHand], site: Site
) -> None:
    node, link = running
    stranger = signer.KeySigner(signer.generate("p256"))
    for service in ("bundle.der", "bundle.der.new"):  # so they may be called; their files come
        (node.root / "triseal/incoming" / service).mkdir(parents=True)
    link.again()
    link.welcome(site, Site(**{**vars(site), "version": 2, "developer": stranger}).bundle())
    assert told(link)[2:4] == (messages.STATES.index("refused"), "untrusted-signer")
    link.again()
    link.welcome(site)
    assert told(link)[3] == "untrusted-signer", "it says so whenever it comes"
    link.again()
    link.welcome(site, Site(**{**vars(site), "version": 3}).bundle())
    node.until(lambda status: by_name(status) == {"radio": "running"})


# (what a service of ours does, its state, and that which it reports with a fresh seal)
RESEALED: tuple[tuple[str, bytes, str, str], ...] = (
    ("runs", IDLE, "running", "running"),
    ("has failed for good", b"async def main(ctx):\n    1 / 0\n", "failed", "failed"),
    ("has come to its end", b"async def main(ctx):\n    pass\n", "stopped", "stopped"),
)


@pytest.mark.parametrize(
    ("sentence", "source", "state", "then"), RESEALED, ids=[row[0] for row in RESEALED]
)
def test_a_whole_seal_for_what_is_there_fetches_nothing(
    sentence: str,
    source: bytes,
    state: str,
    then: str,
    start: Start,
    directory: Path,
    site: Site,
    spki: bytes,
) -> None:
    radio = site.deploy("radio", source, NAME, spki)
    with connected(lambda: start(radio), directory, site.slsm(SPKI)) as (_, link):
        link.welcome(site)
        until(link, radio, state)
        newer = site.reseal(radio, NAME, spki)
        link.send(messages.ASSIGN, "radio", newer, listed(radio.files))
        serial = seal.parse(newer, seal.SITE).serial.to_bytes(16, "big")
        while (report := told(link))[1] != serial:  # what it had to say before
            continue
        assert messages.STATES[report[2]] == then, sentence
        other = site.reseal(radio, NAME, spki, grants=("log",))
        link.send(messages.ASSIGN, "radio", other, listed(radio.files))
        until(link, radio, "installing")  # nobody could take back what it holds
        until(link, radio, state)


def test_what_has_come_and_is_refused_leaves_what_runs(
    running: tuple[Node, ByHand], site: Site, radio: Deployment, directory: Path
) -> None:
    node, link = running
    state = directory / "flash/triseal"
    for name in ("radio", "lamp"):
        wrong = site.deploy(name, IDLE + b"#", NAME, site.store.spki)
        link.assign(wrong)
        assert until(link, wrong, "refused") == (name, "wrong-key")
        assert not (state / "incoming" / name).exists(), "nor does it take room"
    assert by_name(node.ask()) == {"radio": "running", "lamp": "refused"}
    there = {path.name: path.read_bytes() for path in (state / "services/radio").iterdir()}
    assert there == radio.files


def test_what_was_checked_takes_its_place_whatever_comes_until_then(
    start: Start, directory: Path, site: Site, spki: bytes
) -> None:
    one, two, three = [
        site.deploy("radio", source, NAME, spki, version=version)
        for version, source in (("1", CLINGS), ("2", IDLE), ("3", IDLE + b"#"))
    ]
    with connected(lambda: start(one), directory, site.slsm(SPKI)) as (node, link):
        link.welcome(site)
        link.assign(two)
        until(link, two, "installing")
        link.assign(three)
        kind, fetch = link.read()
        assert kind == messages.FETCH
        until(link, two, "running")
        assert node.state("radio").version == "2"
        link.give(fetch, three)
        until(link, three, "running")
        assert node.state("radio").version == "3"


@pytest.mark.parametrize("version", ["1", "2"])
def test_what_is_deployed_again_while_it_still_ends_stays(
    version: str, start: Start, directory: Path, site: Site, spki: bytes
) -> None:
    one = site.deploy("radio", CLINGS, NAME, spki, version="1")
    again = site.deploy("radio", CLINGS, NAME, spki, version=version)
    if version == "1":
        again = one.with_file("site.der", site.reseal(one, NAME, spki))
    with connected(lambda: start(one), directory, site.slsm(SPKI)) as (node, link):
        link.welcome(site)
        node.until(lambda status: by_name(status) == {"radio": "running"})
        link.send(messages.REMOVE, ["radio"])
        link.assign(again)
        until(link, again, "running")
        assert node.state("radio").version == version
        folder = node.root / "triseal/services/radio"
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == again.files


def test_what_is_removed_while_it_comes_is_not_installed(
    start: Start, directory: Path, site: Site, spki: bytes, radio: Deployment
) -> None:
    with connected(start, directory, site.slsm(SPKI)) as (node, link):
        link.welcome(site)
        link.assign(radio)
        left = len(radio.files) - 1
        while left:
            kind, values = link.read()
            assert kind == messages.FETCH
            left -= 1
            if not left:
                link.send(messages.REMOVE, ["radio"])
            link.give(values, radio)
        folder = node.root / "triseal/incoming/radio"
        node.until(lambda _: not folder.exists())
        assert by_name(node.ask()) == {}
        link.assign(radio)
        until(link, radio, "running")


def until(link: ByHand, one: Deployment, state: str) -> tuple[str, str]:
    """Give the node what it fetches until it has told of this state: of which service, and why."""
    while True:
        kind, values = link.read()
        if kind == messages.FETCH:
            link.give(values, one)
        elif kind == messages.REPORT and messages.STATES[values[2]] == state:
            return values[0], values[3]


def told(link: ByHand) -> tuple[Any, ...]:
    """The next message, which must be a REPORT."""
    kind, values = link.read()
    assert kind == messages.REPORT, (kind, values)
    return values
