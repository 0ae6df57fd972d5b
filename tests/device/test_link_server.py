"""The agent and a server that is not its site's manager, or says what no manager may."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sealcore import messages
from tests.device.by_hand import SPKI, connected
from tests.device.conftest import Start
from tests.device.node import NAME
from tests.device.site import Site


def of_a_node(site: Site) -> bytes:
    return site.node("hall", SPKI)


def a_site_seal(site: Site) -> bytes:
    return site.deploy("x", b"1", NAME, SPKI).files["site.der"]


def of_another_authority(site: Site) -> bytes:
    return Site(site.name).slsm(SPKI)


def ended_before_what_the_node_knows(site: Site) -> bytes:
    return Site(site.name, site.now - 7200, authority=site.authority).slsm(SPKI)


def of_another_site(site: Site) -> bytes:
    return Site("farm", authority=site.authority).slsm(SPKI)


NOT_OURS: tuple[tuple[Callable[[Site], bytes], str], ...] = (
    (of_a_node, "wrong-node"),
    (a_site_seal, "profile-violation"),
    (of_another_authority, "bad-signature"),
    (of_another_site, "wrong-node"),
    (ended_before_what_the_node_knows, "expired"),
)


@pytest.mark.parametrize(("make", "code"), NOT_OURS, ids=[row[0].__name__ for row in NOT_OURS])
def test_who_is_not_the_sites_manager_hears_nothing(
    make: Callable[[Site], bytes], code: str, site: Site, start: Start, directory: Path
) -> None:
    with connected(start, directory, make(site)) as (node, link):
        with pytest.raises(EOFError):
            link.read()
        node.until_line(f"triseal: link: {code}")


SAID: tuple[tuple[str, bool, int, tuple[object, ...], str], ...] = (
    ("anything before WELCOME", False, messages.REMOVE, (["x"],), "bad-message"),
    ("what only a node says", True, messages.RENEW, (0, []), "bad-message"),
    ("a piece that nobody asked for", True, messages.CHUNK, (bytes(32), 0, b"x"), "bad-message"),
    ("a service that leads out", True, messages.ASSIGN, ("../x", b"0", []), "profile-violation"),
    ("no files", True, messages.ASSIGN, ("x", b"0", []), "bad-message"),
    (
        "a file that leads out",
        True,
        messages.ASSIGN,
        ("x", b"0", [("../main.py", 1, bytes(32))]),
        "bad-message",
    ),
)


@pytest.mark.parametrize(
    ("sentence", "welcomes", "kind", "values", "code"), SAID, ids=[row[0] for row in SAID]
)
def test_a_manager_that_says_what_it_may_not_is_left(
    sentence: str,
    welcomes: bool,
    kind: int,
    values: tuple[object, ...],
    code: str,
    site: Site,
    start: Start,
    directory: Path,
) -> None:
    with connected(start, directory, site.slsm(SPKI)) as (node, link):
        if welcomes:
            link.welcome(site)
        link.send(kind, *values)
        node.until_line(f"triseal: link: {code}")
    assert node.ask().node == NAME, sentence


def test_a_manager_whose_certificate_has_ended_is_left(
    site: Site, start: Start, directory: Path
) -> None:
    """TLS on a board looks at no validity, and before WELCOME the node knows no time."""
    before = Site(site.name, site.now - 3900, authority=site.authority)
    with connected(start, directory, before.slsm(SPKI)) as (node, link):
        link.welcome(site)
        node.until_line("triseal: link: expired")
