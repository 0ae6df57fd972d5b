"""Nobody but a developer with the kind `agent` has an agent installed: each other party tries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealcore import bundle, custody, seal, sealwriter, upstream
from sealcore.compat import sha256
from sealcore.errors import SealError
from tests.worlds.site_world import NOW, YEAR, World, code_of, make_developer
from triseal import bundles, certificate, database
from triseal.certificate import Validity
from triseal.cli import main
from triseal.developer import agent
from triseal.developer.home import Developer
from triseal.developer.sign import Release, sign
from triseal.package import Package, read
from triseal.signer import KeySigner, Signer
from triseal.site.records import labels, vitals
from triseal.site.records.vitals import Vitals

BOTH = bundles.kinds_of(["service", "agent"])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "site") as made:
        made.add_node("kitchen")
        yield made


def of_agent(
    world: World,
    developer: Developer | None = None,
    text: bytes | None = None,
    version: str = "1.0",
) -> Package:
    """The agent, sealed by a developer and the Store; or the same code with another metadata."""
    found = agent.read()
    release = Release("nlsm", version, 1, agent.metadata() if text is None else text)
    validity = Validity(NOW - 100, NOW + YEAR)
    signed = sign(developer or world.developer, release, found.name, found.content, validity)
    return world.store.countersign(signed)


def allowed(world: World) -> None:
    """The site lets the developer sign agents."""
    key = world.developer.signer.spki
    world.manager.trust_developer(world.developer.name, key, kinds=BOTH)


def knows(world: World, flash: int = 1 << 20, python: str = "1.28.0", mpy: str = "6.3") -> None:
    """The node has said what it is."""
    with database.writing(world.manager.engine) as connection:
        labels.tell(connection, "kitchen", {"micropython": python, "mpy": mpy}, NOW)
        vitals.tell(connection, "kitchen", Vitals(1 << 16, flash, 1, 0, 0, "", NOW))


def as_node(
    world: World,
    package: Package,
    uri: str,
    kind: str,
    *,
    key: bytes = b"",
    signer: Signer | None = None,
) -> str:
    """What the node says to a package, as what it would take it, under a seal of the real SLCA, or
    of another `signer`; for its key, or another one."""
    store = seal.parse(package.store_seal, seal.STORE)
    node_key = KeySigner(world.node_keys["kitchen"]).spki
    issuer = world.manager.issuer
    value = sealwriter.service_seal(store.core, sha256(package.store_seal), ())
    tbs = certificate.tbs(
        issuer.algorithm,
        issuer.name,
        bytes(store.subject),
        key or node_key,
        Validity(NOW, NOW + 5000),
        certificate.new_serial(),
        certificate.site_seal_extensions(issuer.spki, value, uri),
    )
    signature = (signer or world.manager.authority._signer).sign(tbs)
    der = sealwriter.signed(tbs, issuer.algorithm, signature)
    trust = bundle.parse(world.manager.bundle().der)
    opened = package.opened()
    seals = seal.read(opened, seal.brief(der, seal.SITE))
    place = "kitchen", str(store.service), node_key
    return code_of(lambda: custody.check(seals, opened, trust, place, NOW, 0, kind))


AGENT = "spiffe://house/node/kitchen/agent/"
SERVICE = "spiffe://house/node/kitchen/service/"


def test_a_developer_for_services_signs_no_agent(world: World) -> None:
    package = of_agent(world)
    assert code_of(lambda: world.manager.add_service(package)) == "untrusted-kind"
    assert as_node(world, package, AGENT + "nlsm", "agent") == "untrusted-kind"
    allowed(world)
    world.manager.add_service(package)
    assert as_node(world, package, AGENT + "nlsm", "agent") == ""


def test_a_developer_who_lost_the_right_has_nothing_sealed(world: World) -> None:
    allowed(world)
    knows(world)
    world.manager.add_service(of_agent(world))
    world.manager.assign("kitchen", "nlsm")
    world.manager.distrust_developer("Ada")
    world.manager.trust_developer("Ada", world.developer.signer.spki)
    with pytest.raises(SealError, match="the site takes no agent") as refusal:
        world.manager.deployment("kitchen", "nlsm")
    assert refusal.value.code == "untrusted-kind"


def test_the_seal_of_an_agent_is_none_of_a_service(world: World) -> None:
    allowed(world)
    knows(world)
    world.manager.add_service(of_agent(world))
    world.manager.assign("kitchen", "nlsm")
    made = world.manager.deployment("kitchen", "nlsm")
    found = seal.parse(made.seal.der, seal.SITE)
    assert found.uri == AGENT + "nlsm"
    assert code_of(lambda: world.check(made)) == "wrong-kind"


def test_a_site_makes_no_agent_of_a_service(world: World) -> None:
    """Who has its key may write any SPIFFE ID, but the metadata says what it is."""
    allowed(world)
    service, own = world.package("thermo"), of_agent(world)
    for sentence, package, uri, kind in (
        ("a service under an agent's seal", service, AGENT + "thermo", "agent"),
        ("a service under its own seal, taken as the agent", service, SERVICE + "thermo", "agent"),
        ("an agent under a service's seal", own, SERVICE + "nlsm", "service"),
        ("an agent under its own seal, taken as a service", own, AGENT + "nlsm", "service"),
        ("an agent as firmware", own, AGENT[:-6] + "firmware/nlsm", "firmware"),
    ):
        assert as_node(world, package, uri, kind) == "wrong-kind", sentence


def test_a_store_makes_no_agent_of_a_service(world: World) -> None:
    """It can change neither the metadata nor the developer."""
    allowed(world)
    found = agent.read()
    service = of_agent(world, text=b"{}")
    swapped = Package(
        found.name,
        service.executable,
        of_agent(world).metadata,
        service.developer_seal,
        service.store_seal,
    )
    assert code_of(lambda: world.manager.add_service(swapped)) == "metadata-mismatch"
    assert as_node(world, swapped, AGENT + "nlsm", "agent") == "metadata-mismatch"
    own = of_agent(world, make_developer("Ada"))
    assert code_of(lambda: world.manager.add_service(own)) == "untrusted-signer"
    assert as_node(world, own, AGENT + "nlsm", "agent") == "untrusted-signer"


REFUSED: tuple[tuple[str, dict[str, object], str], ...] = (
    ("the agent's code as firmware", {"kind": "firmware"}, "bad-metadata"),
    ("the agent's code as a service", {}, "bad-executable"),
    ("a kind within another value", {"x": {"kind": "agent"}}, "bad-metadata"),
    ("no such kind", {"kind": "driver"}, "bad-metadata"),
)


@pytest.mark.parametrize(("sentence", "values", "code"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_no_agent_is_refused(
    sentence: str, values: dict[str, object], code: str, world: World
) -> None:
    world.manager.trust_developer(
        "Ada", world.developer.signer.spki, kinds=bundles.kinds_of(["service", "agent", "firmware"])
    )
    text = json.dumps(values).encode()
    found = code_of(lambda: world.manager.add_service(of_agent(world, text=text)))
    assert found == code, sentence


def test_a_name_keeps_its_kind(world: World) -> None:
    allowed(world)
    world.manager.add_service(world.package("nlsm", version="0.9"))
    assert code_of(lambda: world.manager.add_service(of_agent(world))) == "bad-metadata"


def test_a_board_that_can_not_take_it_is_named_before_anything_is_sent(world: World) -> None:
    allowed(world)
    world.manager.add_service(of_agent(world))
    assign = lambda: world.manager.assign("kitchen", "nlsm")  # noqa: E731
    assert code_of(assign) == "unfit-boards"  # it has never said anything
    for sentence, facts in (
        ("too little flash", {"flash": 50_000}),
        ("too old a MicroPython", {"python": "1.21.0"}),
        ("other .mpy files", {"mpy": "5.1"}),
        ("no .mpy files", {"mpy": ""}),
    ):
        knows(world, **facts)
        assert code_of(assign) == "unfit-boards", sentence
    knows(world)
    assert code_of(assign) == ""
    knows(world, flash=50_000)
    held = world.manager.add_service(of_agent(world, version="1.1"), hold=True)
    assert held.service_version == "1.1"
    assert code_of(lambda: world.manager.rollout("nlsm", ["kitchen"])) == "unfit-boards"
    assert code_of(lambda: world.manager.rollout("nlsm", None)) == "unfit-boards"


def test_the_same_sources_make_the_same_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRISEAL_HOME", str(tmp_path))
    home = ["--home", str(tmp_path / "ada")]
    assert main.main(["dev", "init", "--name", "Ada", "--no-passphrase", *home]) == 0
    words = ["dev", "sign", "--agent", "--name", "nlsm", "--security-version", "1", *home]
    for number in ("1.0", "1.1"):
        out = str(tmp_path / f"{number}.triseal")
        assert main.main([*words, "--version", number, "--out", out]) == 0
    one, other = (read(tmp_path / f"{number}.triseal") for number in ("1.0", "1.1"))
    assert one.executable == other.executable
    assert json.loads(one.metadata)["kind"] == "agent"
    entry = (
        bytes(sealwriter.name("Ada")),
        bytes(seal.parse(one.developer_seal, seal.DEVELOPER).spki),
    )
    upstream.verify_submission(
        one.opened(), [entry], int(seal.parse(one.developer_seal, seal.DEVELOPER).not_before)
    )
    said = capsys.readouterr().out
    assert "files, " in said
    assert said.count("\n") < 60, "not a line for each module"
    assert main.main(["dev", "sign", "app.py", *words[2:], "--version", "2"]) == 2
