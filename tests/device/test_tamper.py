"""Every file of a node changed behind its back: each is refused with its own code, alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sealcore import errors
from tests.device.conftest import Start
from tests.device.node import NAME, PATIENCE, by_name, put
from tests.device.site import Deployment, Site


def flip(data: bytes, at: int) -> bytes:
    """The data with one bit changed."""
    place = at % len(data)
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


Change = Callable[[Path], object]


def flipped(name: str, at: int) -> Change:
    return lambda folder: (folder / name).write_bytes(flip((folder / name).read_bytes(), at))


def cut(name: str, left: int) -> Change:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:left])


def added(name: str, data: bytes = b"raise SystemExit\n") -> Change:
    return lambda folder: (folder / name).write_bytes(data)


def gone(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


SERVICE = (
    ("one bit of the executable", flipped("app.py", 40), "hash-mismatch"),
    ("the executable's last byte missing", cut("app.py", -1), "hash-mismatch"),
    ("the executable empty", cut("app.py", 0), "hash-mismatch"),
    ("no executable", gone("app.py"), "hash-mismatch"),
    ("a second executable", added("app.mpy"), "hash-mismatch"),
    ("a module that nobody sealed", added("util.py"), "hash-mismatch"),
    ("a folder that import would prefer", lambda f: (f / "app").mkdir(), "hash-mismatch"),
    ("one bit of the metadata", flipped("metadata.json", 5), "metadata-mismatch"),
    ("metadata missing", gone("metadata.json"), "metadata-mismatch"),
    ("metadata too long", added("metadata.json", b" " * 8193), "too-large"),
    ("the site seal's signature", flipped("site.der", -1), "bad-signature"),
    ("the site seal's first byte", flipped("site.der", 0), "malformed-der"),
    ("the site seal cut", cut("site.der", 100), "malformed-der"),
    ("no site seal", gone("site.der"), "malformed-der"),
    ("the site seal too long", added("site.der", b"0" * 4097), "too-large"),
    ("the Store seal's signature", flipped("store.der", -1), "predecessor-mismatch"),
    ("no Store seal", gone("store.der"), "malformed-der"),
    ("the developer seal's signature", flipped("developer.der", -1), "predecessor-mismatch"),
    ("no developer seal", gone("developer.der"), "malformed-der"),
)


@pytest.mark.parametrize(("sentence", "change", "code"), SERVICE, ids=[row[0] for row in SERVICE])
def test_a_changed_service_is_refused_and_no_other(
    sentence: str,
    change: Change,
    code: str,
    directory: Path,
    start: Start,
    site: Site,
    spki: bytes,
    echo: Deployment,
) -> None:
    app = b"async def main(ctx):\n    pass\n" + b"# padding\n" * 4
    folder = put(directory / "flash", site.deploy("changed", app, NAME, spki))
    change(folder)
    node = start(echo)
    status = node.tell_time()
    assert by_name(status) == {"changed": "refused", "echo": "running"}, sentence
    assert status.serials["changed"] == b"", "so its site gives it anew"
    assert node.state("changed").code == code, sentence


def test_a_seal_with_a_grant_that_is_none_is_refused(
    directory: Path, start: Start, site: Site, spki: bytes, echo: Deployment
) -> None:
    """Though its site signed it: `#` in the middle stood for all topics once."""
    app = b"async def main(ctx):\n    pass\n"
    grants = ("log", "bus.publish:#/b")
    put(directory / "flash", site.deploy("odd", app, NAME, spki, grants=grants))
    node = start(echo)
    assert by_name(node.tell_time()) == {"odd": "refused", "echo": "running"}
    assert node.state("odd").code == "bad-grant"


NODE = (
    ("one bit of the trust bundle's end", "bundle.der", -1, "bad-signature"),
    ("of its beginning", "bundle.der", 0, "malformed-der"),
    ("of the node's certificate", "node.crt", -1, "bad-signature"),
    ("of the public half in the node's key", "node.key", -1, "wrong-key"),
    ("of the floors' sum", "floors", 0, "rollback"),
    ("of the floors", "floors", -2, "rollback"),
)


@pytest.mark.parametrize(("sentence", "name", "at", "code"), NODE, ids=[row[0] for row in NODE])
def test_a_node_whose_own_files_changed_runs_nothing_and_says_why(
    sentence: str, name: str, at: int, code: str, directory: Path, start: Start, ticker: Deployment
) -> None:
    path = directory / "flash/triseal" / name
    path.write_bytes(flip(path.read_bytes(), at))
    node = start(ticker)
    status = node.ask()
    assert by_name(status) == {"ticker": "refused"}, sentence
    assert status.services[0].code == code, sentence
    with pytest.raises(errors.SealError) as caught:
        node.tell_time()
    assert caught.value.code == code


ELSEWHERE = (
    ("of another node", lambda site, spki: site.deploy("x", b"1", "hall-2", spki), "wrong-node"),
    ("for another key", lambda site, _: site.deploy("x", b"1", NAME, site.store.spki), "wrong-key"),
    ("of another service", lambda site, spki: site.deploy("y", b"1", NAME, spki), "wrong-service"),
    (
        "of another site",
        lambda _, spki: Site("farm").deploy("x", b"1", NAME, spki),
        "bad-signature",
    ),
)


@pytest.mark.parametrize(("sentence", "make", "code"), ELSEWHERE, ids=[row[0] for row in ELSEWHERE])
def test_what_was_sealed_for_elsewhere_is_refused(
    sentence: str,
    make: Callable[[Site, bytes], Deployment],
    code: str,
    start: Start,
    site: Site,
    spki: bytes,
    echo: Deployment,
) -> None:
    node = start(echo, Deployment("x", make(site, spki).files))
    assert by_name(node.tell_time()) == {"echo": "running", "x": "refused"}, sentence
    assert node.state("x").code == code, sentence


def test_what_the_site_has_signed_is_its_word_that_it_is_so_late(
    start: Start, site: Site, spki: bytes
) -> None:
    app = b"import asyncio\nasync def main(ctx):\n    await asyncio.sleep(600)\n"
    later = site.deploy("later", app, NAME, spki, life=(600, 900))
    # What somebody else has signed says nothing.
    false = Site(site.name).deploy("false", app, NAME, spki, life=(6000, 9000))
    node = start(later, false)
    status = node.tell_time()
    assert by_name(status) == {"later": "running", "false": "refused"}
    assert 600 <= status.time - site.now < 600 + PATIENCE
    with pytest.raises(errors.Rollback):
        node.tell_time()


def test_an_older_security_version_is_refused_for_good(
    start: Start, directory: Path, site: Site, spki: bytes
) -> None:
    app = b"import asyncio\nasync def main(ctx):\n    await asyncio.sleep(60)\n"
    node = start(site.deploy("meter", app, NAME, spki, security=7))
    assert by_name(node.tell_time()) == {"meter": "running"}
    put(node.root, site.deploy("meter", app, NAME, spki, security=6))
    node.virtual.reset()
    node.tell_time()
    assert (node.state("meter").state, node.state("meter").code) == ("refused", "rollback")
    put(node.root, site.deploy("meter", app, NAME, spki, security=7))
    node.virtual.reset()
    assert by_name(node.tell_time()) == {"meter": "running"}
