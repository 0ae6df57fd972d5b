"""How the files of a service come over the link: what was asked for, once, and whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sealcore import identity, messages, sealwriter
from sealcore.compat import sha256
from tests.device import on_micropython
from tests.device.by_hand import SPKI, ByHand, connected, listed
from tests.device.conftest import Start
from tests.device.node import NAME, by_name
from tests.device.site import Deployment, Site
from triseal import certificate

IDLE = b"""\
import asyncio
async def main(ctx):
    await asyncio.sleep(1000)
"""
INCOMING = "flash/triseal/incoming"
_CORE = sealwriter.core(bytes(32), 1, bytes(32), "1.0", 1)
Chunk = tuple[bytes, int, bytes]


@pytest.fixture
def radio(site: Site, spki: bytes) -> Deployment:
    """A service of three pieces and a rest."""
    return site.deploy("radio", IDLE + b"#" * 7000, NAME, spki)


# (what comes in place of the first piece, as it is made of that, the code with which the node goes)
PIECES: tuple[tuple[str, Callable[[bytes, int, bytes], Chunk], str], ...] = (
    ("of another file", lambda digest, at, data: (bytes(32), at, data), "bad-message"),
    ("from another place", lambda digest, at, data: (digest, at + 1, data), "bad-message"),
    ("nothing", lambda digest, at, data: (digest, at, b""), "bad-message"),
    (
        "more than there is",
        lambda digest, at, data: (digest, at, data + b"#" * 5100),
        "bad-message",
    ),
)


@pytest.mark.parametrize(("sentence", "make", "code"), PIECES, ids=[row[0] for row in PIECES])
def test_another_piece_than_was_asked_for_ends_the_connection(
    sentence: str,
    make: Callable[[bytes, int, bytes], Chunk],
    code: str,
    site: Site,
    radio: Deployment,
    start: Start,
    directory: Path,
) -> None:
    with connected(start, directory, site.slsm(SPKI)) as (node, link):
        link.welcome(site)
        link.assign(radio)
        digest, offset, length = fetched(link)
        link.send(messages.CHUNK, *make(digest, offset, radio.files["app.py"][:length]))
        node.until_line(f"triseal: link: {code}")
        assert by_name(node.ask()) == {}, sentence


def test_a_file_that_was_changed_on_its_way_is_forgotten_and_fetched_anew(
    site: Site, radio: Deployment, start: Start, directory: Path
) -> None:
    with connected(start, directory, site.slsm(SPKI)) as (node, link):
        link.welcome(site)
        link.assign(radio)
        for _ in range(4):
            digest, offset, length = fetched(link)
            link.send(messages.CHUNK, digest, offset, bytes(length))
        node.until_line("triseal: link: hash-mismatch: app.py")
        assert parts(directory) == []
        link.again()
        link.welcome(site)
        link.assign(radio)
        assert fetched(link) == (digest, 0, messages.MAX_CHUNK)


def test_it_goes_on_where_the_connection_ended(
    site: Site, radio: Deployment, spki: bytes, start: Start, directory: Path
) -> None:
    with connected(start, directory, site.slsm(SPKI)) as (node, link):
        link.welcome(site)
        link.assign(radio)
        link.give(fetched(link), radio)
        first = fetched(link)
        link.again()
        assert parts(directory) == [messages.MAX_CHUNK]
        link.welcome(site)
        link.assign(radio)
        link.assign(radio)  # as the site may, and it counts once
        assert fetched(link) == first
        link.give(first, radio)
        assert serve(link, radio) == 5  # of the executable 2, and 3 whole files
        node.until(lambda status: by_name(status) == {"radio": "running"})
        lamp = site.deploy("lamp", IDLE, NAME, spki)
        link.assign(lamp)
        assert fetched(link)[0] == sha256(lamp.files["app.py"])


@pytest.mark.long  # the rows of `test_difference` have no server
def test_a_server_that_knows_no_difference_hangs_up_until_the_node_fetches_the_whole_file(
    site: Site, radio: Deployment, spki: bytes, start: Start, directory: Path
) -> None:
    code = IDLE + b"#" * 7000 + b"\n# more"
    newer = site.deploy("radio", code, NAME, spki, version="1.0.1")
    with connected(start, directory, site.slsm(SPKI), radio) as (_, link):
        for _ in range(3):
            link.welcome(site)
            link.assign(newer)
            kind, values = next_of(link)
            assert (kind, values[0], values[1]) == (messages.DIFFER, sha256(code), 0)
            assert values[2] == sha256(radio.files["store.der"])
            link.again()
        link.welcome(site)
        link.assign(newer)
        assert serve(link, newer) >= 4 + 2, "four pieces, the metadata and the seal of the Store"
        assert installed(directory) == newer.files


def test_what_has_come_for_another_version_is_thrown_away(
    site: Site, radio: Deployment, spki: bytes, start: Start, directory: Path
) -> None:
    newer = site.deploy("radio", IDLE, NAME, spki, version="1.0.1")
    with connected(start, directory, site.slsm(SPKI)) as (node, link):
        link.welcome(site)
        link.assign(radio)
        link.give(fetched(link), radio)
        fetched(link)
        link.again()
        link.welcome(site)
        link.assign(newer)
        serve(link, newer)
        status = node.until(lambda status: by_name(status) == {"radio": "running"})
        assert status.services[0].version == "1.0.1"
        assert installed(directory) == newer.files


def test_a_grant_makes_no_service_an_agent(
    site: Site, spki: bytes, start: Start, directory: Path
) -> None:
    """What a seal is of is said by its SPIFFE ID alone, and topics may look like a part of it."""
    topics = "bus.publish:home/agent/radio", "bus.subscribe:home/firmware/radio/#"
    radio = site.deploy("radio", IDLE, NAME, spki, grants=topics)
    with connected(start, directory, site.slsm(SPKI)) as (node, link):
        link.welcome(site)
        link.assign(radio)
        serve(link, radio)
        node.until(lambda status: by_name(status) == {"radio": "running"})


@pytest.mark.parametrize("kind", ["service", "agent", "firmware"])
@pytest.mark.parametrize("name", ["a", "radio", "r" * 63])
def test_what_is_not_a_service_is_told_by_its_spiffe_id(kind: str, name: str, site: Site) -> None:
    """With short and long lengths in DER."""
    for node in ("n", "n" * 63):
        uri = identity.service("s" * 63, node, name, kind)
        grants = [f"bus.publish:home/{other}/{name}" for other in ("agent", "firmware")]
        sealed = sealwriter.service_seal(_CORE, bytes(32), grants)
        made = certificate.site_seal_extensions(site.authority.spki, sealed, uri)
        der = site._issue(name, site.authority.spki, 0, 1, made)
        asked = name, name[1:], "x" + name, "/" + name, f"{kind}/{name}"
        due = {"agent": "nlsm.swap", "firmware": "nlsm.spare"}.get(kind)
        found = on_micropython.run("other", f"others({asked!r}, {der!r})").split()
        assert found == [str(due), *["None"] * 4], node


def test_a_seal_that_can_not_be_read_is_that_of_a_service() -> None:
    """It is refused as one, with the reason."""
    whole = b"\x06\x03\x55\x1d\x11\x04\x0b\x30\x09\x86\x07/agent/"
    cut = [*(whole[:size] for size in range(len(whole))), whole + b"a", whole[:-1]]
    for seal in cut:
        assert on_micropython.run("other", f"others(['a'], {seal!r})") == "None\n", seal


def newer_version(site: Site, spki: bytes) -> Deployment:
    return site.deploy("radio", IDLE + b"#" * 3000, NAME, spki, version="1.0.1")


def other_seals(site: Site, spki: bytes) -> Deployment:
    return site.deploy("radio", IDLE + b"#" * 7000, NAME, spki)


# (what is assigned while something comes, the how manieth piece that is, how many are asked for
#  after it)
Row = tuple[str, Callable[[Site, bytes], Deployment], int, int]
MEANWHILE: tuple[Row, ...] = (
    ("another version", newer_version, 1, 5),
    ("the same with other seals", other_seals, 1, 6),
    ("another version, with the last piece", newer_version, 7, 4),  # its metadata has come
    ("the same with other seals, with the last piece", other_seals, 7, 2),
)


@pytest.mark.parametrize("row", MEANWHILE, ids=[row[0] for row in MEANWHILE])
def test_what_is_assigned_meanwhile_comes_in_place_of_what_came(
    row: Row, site: Site, radio: Deployment, spki: bytes, start: Start, directory: Path
) -> None:
    sentence, make, before, after = row
    last = make(site, spki)
    with connected(start, directory, site.slsm(SPKI)) as (_, link):
        link.welcome(site)
        link.assign(radio)
        for _ in range(before - 1):
            link.give(fetched(link), radio)
        asked = fetched(link)
        link.assign(last)
        link.give(asked, radio)
        assert serve(link, last) == after, sentence
        assert installed(directory) == last.files


def test_what_is_assigned_when_all_has_come_counts_too(
    site: Site, radio: Deployment, spki: bytes, start: Start, directory: Path
) -> None:
    last = newer_version(site, spki)
    with connected(start, directory, site.slsm(SPKI)) as (_, link):
        link.welcome(site)
        link.assign(radio)
        for _ in range(7):
            link.give(fetched(link), radio)
        link.assign(last)  # before or after the first one is checked
        serve(link, last)
        if installed(directory) != last.files:
            serve(link, last)
        assert installed(directory) == last.files


def test_what_is_assigned_anew_while_it_waits_is_never_fetched_as_it_was(
    site: Site, radio: Deployment, spki: bytes, start: Start, directory: Path
) -> None:
    lamp, last = site.deploy("lamp", IDLE, NAME, spki), newer_version(site, spki)
    with connected(start, directory, site.slsm(SPKI)) as (_, link):
        link.welcome(site)
        for one in (lamp, radio, last):
            link.assign(one)
        assert serve(link, lamp, last) == 4 + 5
        assert installed(directory) == last.files


WHOLE = {"app.py": b"1", "metadata.json": b"2", "developer.der": b"3", "store.der": b"4"}


def without(*names: str) -> list[tuple[str, int, bytes]]:
    return [one for one in listed(WHOLE) if one[0] not in names]


# (what the site says that a service consists of)
LISTS: tuple[tuple[str, list[tuple[str, int, bytes]]], ...] = (
    ("without a seal", without("store.der")),
    ("without an executable", without("app.py")),
    ("with two of them", [*without(), ("app.mpy", 1, bytes(32))]),
    ("with one that is not imported", [*without("app.py"), ("app.so", 1, bytes(32))]),
    ("a file twice", [*without(), without()[1]]),
    ("the site seal, which comes by itself", [*without(), ("site.der", 1, bytes(32))]),
    ("a file of nothing", [*without("app.py"), ("app.py", 0, bytes(32))]),
    ("one larger than any", [*without("app.py"), ("app.py", (1 << 24) + 1, bytes(32))]),
)


@pytest.mark.parametrize(("sentence", "files"), LISTS, ids=[row[0] for row in LISTS])
def test_what_is_no_service_is_not_fetched(
    sentence: str,
    files: list[tuple[str, int, bytes]],
    site: Site,
    start: Start,
    directory: Path,
) -> None:
    with connected(start, directory, site.slsm(SPKI)) as (node, link):
        link.welcome(site)
        link.send(messages.ASSIGN, "radio", b"0", files)
        node.until_line("triseal: link: bad-message")
        with pytest.raises(EOFError):
            link.read()
        assert not (directory / INCOMING).exists(), sentence


def test_what_the_flash_has_no_room_for_is_refused_once_and_leaves_its_room_to_the_next(
    tmp_path: Path,
) -> None:
    said = on_micropython.run("no_room_download", arguments=[tmp_path])
    assert said.splitlines() == [
        f"{messages.FETCH} 2048",
        f"{messages.REPORT} huge too-large",
        "triseal: huge refused: too-large: flash: 28",
        f"{messages.FETCH} 7",
        "['lamp']",
        f"{messages.REPORT} thermo too-large",
        "triseal: thermo refused: too-large: flash: 28",
        "[]",
        "too-large",
    ]


def fetched(link: ByHand) -> tuple[Any, ...]:
    """The next FETCH: SHA-256, offset, length."""
    kind, values = next_of(link)
    assert kind == messages.FETCH
    return values


def next_of(link: ByHand) -> tuple[int, tuple[Any, ...]]:
    """The next message but REPORT."""
    kind = messages.REPORT
    while kind == messages.REPORT:
        kind, values = link.read()
    return kind, values


def serve(link: ByHand, *made: Deployment) -> int:
    """Give the node what it fetches until it has told that the last one runs; how often it did."""
    count = 0
    while True:
        kind, values = link.read()
        if kind == messages.FETCH:
            link.give(values, *made)
            count += 1
        elif kind == messages.REPORT:
            name, _, state = values[:3]
            if name == made[-1].name and messages.STATES[state] == "running":
                return count


def installed(directory: Path) -> dict[str, bytes]:
    """The files of the service, as they lie on the flash."""
    folder = directory / "flash/triseal/services/radio"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def parts(directory: Path) -> list[int]:
    """How much has come of each file that is not whole."""
    return [path.stat().st_size for path in (directory / INCOMING / "radio").glob("*.part")]
