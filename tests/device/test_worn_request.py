"""The request by which a node's certificate is renewed, after its flash has worn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sealcore import messages
from tests.device.by_hand import SPKI, connected
from tests.device.conftest import Start
from tests.device.node import NAME
from tests.device.site import Site
from tests.worlds.site_world import make_request
from triseal import signer

HALF_YEAR = 183 * 86400
FILES = [(name, 9, bytes(32)) for name in ("app.py", "metadata.json", "developer.der", "store.der")]
SAID = "node.csr is damaged: triseal node provision"

# (what becomes of it, how, what the node says about it; nothing where only the site can tell)
WORN: tuple[tuple[str, Callable[[bytes], bytes], str], ...] = (
    ("gone", lambda _: b"", f"malformed-der: {SAID}"),
    ("half of it", lambda good: good[: len(good) // 2], f"malformed-der: {SAID}"),
    ("zeros", lambda good: bytes(len(good)), f"malformed-der: {SAID}"),
    ("longer than any", lambda good: good + bytes(9000), f"malformed-der: {SAID}"),
    (
        "another key's",
        lambda _: make_request(signer.generate("p256"), NAME),
        f"wrong-key: {SAID}",
    ),
    ("its signature", lambda good: good[:-1] + bytes([good[-1] ^ 1]), ""),
)


@pytest.mark.parametrize(("sentence", "wear", "said"), WORN, ids=[row[0] for row in WORN])
def test_the_link_goes_on_without_it(
    sentence: str,
    wear: Callable[[bytes], bytes],
    said: str,
    site: Site,
    spki: bytes,
    start: Start,
    directory: Path,
) -> None:
    state = directory / "flash/triseal"
    (state / "node.crt").write_bytes(site.node(NAME, spki, site.now - HALF_YEAR))
    worn = wear((state / "node.csr").read_bytes())
    (state / "node.csr").write_bytes(worn)
    with connected(start, directory, site.slsm(SPKI)) as (node, link):
        link.welcome(site)
        if said:
            assert node.until_line("triseal: link: ") == f"triseal: link: {said}"
        else:
            assert link.read() == (messages.ENROL, (worn, b""))
            link.send(messages.REFUSED, NAME, "bad-request")
            node.until_line(f"triseal: {NAME}: the site refuses: bad-request")
        # Something that is answered, behind what must not have been said.
        link.send(messages.ASSIGN, "thermo", b"0", FILES)
        assert link.read()[0] == messages.FETCH, sentence
