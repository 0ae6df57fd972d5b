"""Nobody but a developer with the kind has an agent installed on a node: each other party tries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from boards.code import mpy, romfs
from sealcore import limits, messages
from tests.device.by_hand import SPKI, ByHand, connected
from tests.device.conftest import Start
from tests.device.node import NAME
from tests.device.site import Deployment, Site
from tests.device.test_tamper import flip
from triseal.signer import KeySigner, generate

IMAGE = romfs.pack({"nlsm/boot.mpy": mpy.compile_source(b"1 / 0\n", "boot", mpy.Target(6, 0, ""))})
BOTH = limits.SERVICE | limits.AGENT


def sealed(
    site: Site,
    spki: bytes,
    name: str = "nlsm",
    *,
    node: str = NAME,
    said: str = "agent",
    seal: str = "agent",
) -> Deployment:
    """An agent under three right seals; or the metadata or the site's seal say another kind."""
    needs = {"kind": said} if said else {}
    return site.deploy(name, IMAGE, node, spki, entry="app.romfs", needs=needs, kind=seal)


def swapped(site: Site, spki: bytes, name: str) -> Deployment:
    own = sealed(site, spki, name)
    return sealed(site, spki, name, said="").with_file("metadata.json", own.files["metadata.json"])


def reused(site: Site, spki: bytes, name: str) -> Deployment:
    """The site seals an agent, and names the seal of the Store for a service."""
    own, service = sealed(site, spki, name), sealed(site, spki, name, said="")
    mixed = Deployment(name, {**own.files, "store.der": service.files["store.der"]})
    return mixed.with_file("site.der", site.reseal(mixed, NAME, spki, of=own, kind="agent"))


def cut(site: Site, spki: bytes, name: str) -> Deployment:
    own = sealed(site, spki, name)
    return own.with_file("site.der", flip(own.files["site.der"], -1))


def other_image(site: Site, spki: bytes, name: str) -> Deployment:
    return sealed(site, spki, name).with_file("app.romfs", IMAGE + b"x")


Make = Callable[[Site, bytes, str], Deployment]
ATTEMPTS: tuple[tuple[str, str, Make, str], ...] = (
    ("developer", "that nobody trusts",
     lambda s, k, n: sealed(replace(s, developer=KeySigner(generate("p256"))), k, n),
     "untrusted-signer"),
    ("Store", "signs as a developer",
     lambda s, k, n: sealed(replace(s, developer=s.store), k, n), "untrusted-signer"),
    ("Store", "gives a service the metadata of an agent", swapped, "metadata-mismatch"),
    ("Store", "gives an agent other code", other_image, "hash-mismatch"),
    ("SLSM", "seals a service as the agent", lambda s, k, n: sealed(s, k, n, said=""),
     "wrong-kind"),
    ("SLSM", "seals firmware as the agent",
     lambda s, k, n: sealed(s, k, n, said="firmware"), "wrong-kind"),
    ("SLSM", "seals an agent as a service", lambda s, k, n: sealed(s, k, n, seal="service"),
     "wrong-kind"),
    ("SLSM", "gives a service's Store seal to an agent", reused,
     "predecessor-mismatch"),
    ("network", "changes the site's seal", cut, "bad-signature"),
    ("network", "brings what another site has sealed",
     lambda s, k, n: sealed(Site("farm", kinds=BOTH), k, n), "bad-signature"),
    ("other node", "passes its own on", lambda s, k, n: sealed(s, k, n, node="hall-2"),
     "wrong-node"),
    ("other node", "has one made for its key",
     lambda s, k, n: sealed(s, s.store.spki, n), "wrong-key"),
)  # fmt: skip


def refusal(link: ByHand, one: Deployment) -> str:
    """The code with which the node refuses what it is given; raises EOFError if it takes it."""
    link.assign(one)
    while True:
        kind, values = link.read()
        if kind == messages.FETCH:
            link.give(values, one)
        elif kind == messages.REPORT:
            name, _, state, code = values[:4]
            if name == one.name and messages.STATES[state] == "refused":
                return str(code)


def test_each_other_party_tries_to_have_an_agent_installed(
    site: Site, spki: bytes, start: Start, directory: Path
) -> None:
    """Though the developer whom the node trusts may sign agents."""
    wider = replace(site, kinds=BOTH, version=site.version + 1)
    found = []
    with connected(start, directory, site.slsm(SPKI)) as (_, link):
        link.welcome(site, wider.bundle())
        for number, (party, sentence, make, _) in enumerate(ATTEMPTS):
            one = make(wider, spki, f"nlsm{number}")
            found.append((party, sentence, refusal(link, one)))
    assert found == [(party, sentence, code) for party, sentence, _, code in ATTEMPTS]
    assert not (directory / "flash/agent").exists()


def test_a_developer_with_the_kind_has_one_installed(
    site: Site, spki: bytes, start: Start, directory: Path
) -> None:
    """The node takes it as soon as its roots have signed that it may come from her."""
    wider = replace(site, kinds=BOTH, version=site.version + 1)
    with connected(start, directory, site.slsm(SPKI)) as (_, link):
        link.welcome(site)
        own = sealed(site, spki)
        assert refusal(link, own) == "untrusted-kind"
        link.again()
        thief = replace(wider, signers=[site.authority])  # it has the site's key, and no root
        link.welcome(site, thief.bundle())
        with pytest.raises(EOFError):  # the node hangs up
            link.read()
        link.again()
        link.welcome(site)
        assert refusal(link, own) == "untrusted-kind"
        link.again()
        link.welcome(site, wider.bundle())
        with pytest.raises(EOFError):
            refusal(link, own)
        assert (directory / "flash/agent/a/app.romfs").read_bytes() == IMAGE
