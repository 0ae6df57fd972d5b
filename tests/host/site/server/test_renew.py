"""The link as a node sees it: seals come, are renewed, change and go."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509
from sqlalchemy import select

from sealcore import bundle, errors, messages, signedtime
from tests.worlds.link_world import (
    SECONDS,
    LinkWorld,
    Node,
    Serving,
    parsed,
    serving,
    until,
)
from tests.worlds.site_world import NOW, YEAR, World, ends, make_developer
from triseal import bundles, database
from triseal.certificate import Validity
from triseal.developer import agent
from triseal.developer.sign import Release, sign
from triseal.serving.jsonlog import JsonLines
from triseal.site.records import node_clocks, reports, services, tables
from triseal.site.records.ledger import find_seal
from triseal.site.records.placement import Place
from triseal.site.rules.guarantee import Guarantee, of, places_of
from triseal.site.server.signing.desired_state import DesiredState, Plan
from triseal.site.views import overview

RUNNING = messages.STATES.index("running")
STOPPED = messages.STATES.index("stopped")
REFUSED = messages.STATES.index("refused")
CLOSED = "triseal_closed_connections_total"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinkWorld]:
    with LinkWorld(tmp_path_factory.mktemp("link")) as made:
        made.deploy("kitchen", "thermo", "light")
        made.deploy("hall", "thermo")
        yield made


@pytest.fixture(scope="module")
def site(world: LinkWorld) -> Iterator[Serving]:
    with serving(world) as running:
        yield running


@pytest.fixture
def kitchen(world: LinkWorld, site: Serving) -> Node:
    return world.node("kitchen", site.port)


def holding(node: Node) -> Node:
    """Connected, with a seal of each of its services."""
    node.hello()
    for _ in range(2):
        node.expect(messages.ASSIGN)
    return node


def test_a_fresh_node_gets_time_bundle_and_seals(world: LinkWorld, kitchen: Node) -> None:
    _, der = kitchen.hello()
    assert bundle.parse(der).version == world.manager.bundle().version
    services = {kitchen.expect(messages.ASSIGN)[0] for _ in range(2)}
    assert services == {"thermo", "light"}
    assert parsed(kitchen.seals["thermo"]).uri == "spiffe://house/node/kitchen/service/thermo"


def test_a_renewal_is_a_delta_that_was_recorded(world: LinkWorld, kitchen: Node) -> None:
    holding(kitchen)
    before = kitchen.seals["thermo"]
    kitchen.send(messages.RENEW, 0, [("thermo", kitchen.serial("thermo"))])
    kitchen.expect(messages.RENEWED)
    after = kitchen.seals["thermo"]
    assert after != before
    with database.reading(world.manager.engine) as connection:
        assert find_seal(connection, parsed(after).serial) == after


def test_a_node_says_why_it_was_reset_and_what_time_it_has(world: LinkWorld, kitchen: Node) -> None:
    kitchen.connect()
    late = int(time.time()) - 255
    protocol = messages.PROTOCOL
    kitchen.send(messages.HELLO, protocol, "kitchen", bytes(16), 0, bytes(16), late, "watchdog", [])
    kitchen.expect(messages.WELCOME)
    with database.reading(world.manager.engine) as connection:
        every = overview.all_nodes(connection, world.manager.issuer)
        (one,) = [row for row in every if row.name == "kitchen"]
        assert one.reset_cause == "watchdog"
        assert 256 <= node_clocks.of(connection, "kitchen").behind <= 260 + SECONDS
    for _ in range(2):
        kitchen.expect(messages.ASSIGN)
    kitchen.send(messages.RENEW, int(time.time()) + 1, [("thermo", kitchen.serial("thermo"))])
    kitchen.expect(messages.RENEWED)
    with database.reading(world.manager.engine) as connection:
        assert node_clocks.of(connection, "kitchen").behind <= SECONDS


def test_a_node_asks_for_the_time_again(world: LinkWorld, kitchen: Node) -> None:
    holding(kitchen)
    for nonce in (bytes(16), b"n" * 16):
        kitchen.send(messages.ASK_TIME, nonce, 0)
        (signed,) = kitchen.expect(messages.TIME)
        now = signedtime.read(signed, world.manager.bundle().site_keys, "house", nonce)
        assert kitchen.now <= now <= time.time()


def test_files_come_in_chunks(world: LinkWorld, kitchen: Node) -> None:
    holding(kitchen)
    package = world.package("thermo")
    for name, size, digest in kitchen.files["thermo"]:
        octets = b""
        while len(octets) < size:
            kitchen.send(messages.FETCH, digest, len(octets), 100)
            octets += kitchen.expect(messages.CHUNK)[2]
        assert len(octets) == size
        if name == "app.py":
            assert octets == package.executable


def test_a_grant_reaches_a_connected_node(world: LinkWorld, kitchen: Node) -> None:
    holding(kitchen)
    world.manager.grant("thermo", ["pin:4"], ["kitchen"])
    assert kitchen.expect(messages.RENEWNOW) == (["thermo"],)
    kitchen.send(messages.RENEW, 0, [("thermo", kitchen.serial("thermo"))])
    kitchen.expect(messages.ASSIGN)
    assert parsed(kitchen.seals["thermo"]).grants == ("pin:4",)
    confirm(kitchen, "thermo")
    until(lambda: "kitchen" in guarantee(world, "thermo").confirmed, "confirmed")


def test_a_connected_node_comes_again_for_a_newer_trust_bundle(
    world: LinkWorld, site: Serving, kitchen: Node
) -> None:
    holding(kitchen)
    trusted = world.manager.trust_developer("Bob", make_developer().signer.spki)
    world.manager.grant("thermo", ["log"])
    with pytest.raises(EOFError):  # before it is told of anything that may need it
        kitchen.read()
    until(lambda: site.counted(CLOSED, code="trust-changed") == 1, "closed")
    assert bundle.parse(kitchen.hello()[1]).version == trusted.version
    world.manager.revoke("thermo", ["log"])


def test_a_revocation_is_confirmed_or_bounded(world: LinkWorld, site: Serving) -> None:
    hall = world.node("hall", site.port)
    world.manager.grant("thermo", ["log"])
    hall.hello()
    hall.expect(messages.ASSIGN)
    until_seconds = parsed(hall.seals["thermo"]).not_after
    found = world.manager.revoke("thermo", ["log"])
    assert ends(found)["hall"] == until_seconds
    hall.hello(thermo=hall.serial("thermo"))
    hall.expect(messages.ASSIGN)
    assert parsed(hall.seals["thermo"]).grants == ()
    confirm(hall, "thermo")
    until(lambda: "hall" in guarantee(world, "thermo").confirmed, "confirmed")


def test_a_service_goes_and_comes(world: LinkWorld, kitchen: Node) -> None:
    holding(kitchen)
    world.manager.undeploy("kitchen", "light")
    assert kitchen.expect(messages.REMOVE) == (["light"],)
    confirm(kitchen, "light")  # it had fetched it just then
    assert kitchen.expect(messages.REMOVE) == (["light"],)
    kitchen.send(messages.REPORT, "light", b"", STOPPED, "", "", 0, [])
    until(lambda: guarantee(world, "light").by is None, "stopped everywhere")
    kitchen.send(messages.RENEW, 0, [("light", kitchen.serial("light"))])
    assert kitchen.expect(messages.REFUSED) == ("light", "not-assigned")
    world.manager.assign("kitchen", "light")
    assert kitchen.expect(messages.ASSIGN)[0] == "light"


def test_what_a_node_refuses_stands_in_the_log(
    kitchen: Node, caplog: pytest.LogCaptureFixture
) -> None:
    """Who waits for a rollout is told to look there."""
    holding(kitchen)
    said: list[tuple[object, ...]] = [
        ("light", b"", REFUSED, "hash-mismatch", "app.py\n", 0, []),
        ("light", kitchen.serial("light"), RUNNING, "", "", 0, []),
    ]
    with caplog.at_level(logging.INFO):
        for one in said:
            kitchen.send(messages.REPORT, *one)
        kitchen.send(messages.RENEW, 0, [("thermo", kitchen.serial("thermo"))])
        kitchen.expect(messages.RENEWED)  # what it said before has been heard
    found, *_ = [one for one in caplog.records if one.getMessage() == "state changed"]
    line = json.loads(JsonLines().format(found))
    assert {**line, "time": ""} == {
        "time": "",
        "level": "warning",
        "event": "state changed",
        "node": "kitchen",
        "service": "light",
        "before": "sent",
        "state": "refused",
        "code": "hash-mismatch",
        "detail": "app.py\n",
    }


def test_a_removal_that_crosses_a_new_seal_does_not_hide_it(
    world: LinkWorld, kitchen: Node
) -> None:
    holding(kitchen)
    world.manager.undeploy("kitchen", "light")
    assert kitchen.expect(messages.REMOVE) == (["light"],)
    world.manager.assign("kitchen", "light")
    kitchen.expect(messages.ASSIGN)
    kitchen.send(messages.REPORT, "light", b"", STOPPED, "removed", "", 0, [])
    kitchen.send(messages.RENEW, 0, [("thermo", kitchen.serial("thermo"))])
    kitchen.expect(messages.RENEWED)  # what it said before has been heard
    found = world.manager.undeploy("kitchen", "light")
    assert ends(found) == {"kitchen": parsed(kitchen.seals["light"]).not_after}
    world.manager.assign("kitchen", "light")


def test_what_a_node_held_back_is_removed_when_it_says_so(world: LinkWorld, kitchen: Node) -> None:
    kitchen.hello(relic=bytes(16))
    kinds = [kitchen.read() for _ in range(3)]
    assert (messages.REMOVE, (["relic"],)) in kinds


def test_an_expired_seal_comes_anew_with_the_welcome(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    world.store.began -= world.manager.lifetime + 1
    world.deploy("kitchen", "thermo")
    world.now -= world.manager.lifetime + 1
    old = world.manager.deployment("kitchen", "thermo").seal.der
    serial = parsed(old).serial.to_bytes(16, "big")
    with serving(world) as site:
        node = world.node("kitchen", site.port)
        node.hello(thermo=serial)
        node.expect(messages.ASSIGN)
        assert parsed(node.seals["thermo"]).not_before == node.now


def test_a_seal_that_lives_is_left_alone(world: LinkWorld, kitchen: Node) -> None:
    holding(kitchen)
    held = {service: kitchen.serial(service) for service in kitchen.seals}
    kitchen.hello(**held)
    kitchen.send(messages.RENEW, 0, [("thermo", held["thermo"])])
    kitchen.expect(messages.RENEWED)  # and nothing before


def test_a_batch_of_thirty(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(LinkWorld(tmp_path, "rsa2048"))
    services = [f"service{number}" for number in range(30)]
    world.deploy("kitchen", *services)
    with serving(world) as site:
        node = world.node("kitchen", site.port)
        node.hello()
        for _ in services:
            node.expect(messages.ASSIGN)
        node.send(messages.RENEW, 0, [(service, node.serial(service)) for service in services])
        renewed: list[str] = []
        while len(renewed) < 30:
            renewed += [one[0] for one in node.expect(messages.RENEWED)[2]]
        assert sorted(renewed) == sorted(services)
        authority = x509.load_der_x509_certificate(world.manager.issuer.certificate)
        for service in services:
            seal = x509.load_der_x509_certificate(node.seals[service])
            seal.verify_directly_issued_by(authority)


def test_a_seal_that_expired_on_its_way_comes_anew(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    world.deploy("kitchen", "thermo")
    passed = 0.0
    with serving(world, clock=lambda: time.time() + passed) as site:
        node = world.node("kitchen", site.port)
        node.hello()
        node.expect(messages.ASSIGN)
        before = node.seals["thermo"]
        passed = world.manager.lifetime + 1
        node.send(messages.REPORT, "thermo", b"", REFUSED, "expired", "", 0, [])
        assert node.expect(messages.ASSIGN)[0] == "thermo"
        assert node.seals["thermo"] != before


def test_a_seal_that_is_valid_is_not_replaced_for_a_node_whose_clock_is_ahead(
    world: LinkWorld, kitchen: Node
) -> None:
    holding(kitchen)
    light = kitchen.serial("light")
    kitchen.send(messages.REPORT, "thermo", b"", REFUSED, "expired", "", 0, [])
    kitchen.send(messages.RENEW, 0, [("light", light)])
    kitchen.expect(messages.RENEWED)  # and nothing before


def test_evidence_is_kept_and_bounded(world: LinkWorld, kitchen: Node) -> None:
    holding(kitchen)
    serial = kitchen.serial("thermo")
    for number in range(reports.MOST_REFUSALS + 10):
        detail = f"refusal {number}"
        evidence = [b"one seal", b"another"]
        told = "seal-mismatch", detail, 0, evidence
        kitchen.send(messages.REPORT, "thermo", serial, REFUSED, *told)
    kitchen.send(messages.RENEW, 0, [("thermo", serial)])
    kitchen.expect(messages.RENEWED)
    with database.reading(world.manager.engine) as connection:
        rows = connection.execute(select(reports.refusals)).all()
    assert len(rows) == reports.MOST_REFUSALS
    assert rows[-1].detail == f"refusal {reports.MOST_REFUSALS + 9}"
    assert b"another" in rows[-1].evidence


def test_why_an_agent_fell_is_kept_once_for_each_attempt(world: LinkWorld, kitchen: Node) -> None:
    """The node says it again after each of its starts. It counts again if the node refuses it."""
    holding(kitchen)
    serial = kitchen.serial("thermo")
    first, second = (f"1.1 (seal {number * 8}): no WELCOME" for number in "12")
    with database.reading(world.manager.engine) as connection:
        before = reports.last(connection)
    told = [(RUNNING, first)] * 3 + [(REFUSED, first), (RUNNING, first), (RUNNING, second)] * 2
    for state, detail in told:
        kitchen.send(messages.REPORT, "thermo", serial, state, "fell-back", detail, 0, [])
    kitchen.send(messages.REPORT, "thermo", serial, RUNNING, "not-granted", "log", 0, [])
    kitchen.send(messages.REPORT, "thermo", serial, RUNNING, "not-granted", "log", 0, [])
    kitchen.send(messages.RENEW, 0, [("thermo", serial)])
    kitchen.expect(messages.RENEWED)
    with database.reading(world.manager.engine) as connection:
        query = select(reports.refusals.c.detail).where(reports.refusals.c.id > before)
        kept = connection.scalars(query.order_by(reports.refusals.c.id)).all()
    assert kept == [first, first, second, first, "log", "log"]


def test_the_seal_of_an_agent_comes_whole_each_time(tmp_path: Path, stack: ExitStack) -> None:
    """It is not where the node has the seals of its services, so a delta would be of no use."""
    world = stack.enter_context(LinkWorld(tmp_path))
    developer = world.developer
    kinds = bundles.kinds_of(["service", "agent"])
    world.manager.trust_developer(developer.name, developer.signer.spki, kinds=kinds)
    release = Release("nlsm", "1.0", 1, agent.metadata())
    found = agent.read()
    signed = sign(developer, release, found.name, found.content, Validity(NOW - 100, NOW + YEAR))
    world.manager.add_service(world.store.countersign(signed))
    world.deploy("kitchen", "thermo")
    with database.writing(world.manager.engine) as connection:
        services.assign(connection, Place("kitchen", "nlsm"), NOW)
    site = stack.enter_context(serving(world))
    kitchen = holding(world.node("kitchen", site.port))
    held = [(name, kitchen.serial(name)) for name in ("nlsm", "thermo")]
    kitchen.send(messages.RENEW, 0, held)
    assert kitchen.expect(messages.ASSIGN)[0] == "nlsm"
    assert [name for name, _, _ in kitchen.expect(messages.RENEWED)[2]] == ["thermo"]
    assert kitchen.serial("nlsm") != held[0][1]


def confirm(node: Node, service: str) -> None:
    node.send(messages.REPORT, service, node.serial(service), RUNNING, "", "", 0, [])


def guarantee(world: LinkWorld, service: str) -> Guarantee:
    with database.reading(world.manager.engine) as connection:
        places = places_of(connection, service=service)
        return of(connection, world.manager.preparer, places, world.now)


def test_a_service_that_cannot_be_sealed_is_refused_alone(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    world.deploy("kitchen", "thermo", "light")
    rows = [{"service": "light", "node": "", "grant": f"bus.publish:{n}"} for n in range(65)]
    with database.writing(world.manager.engine) as connection:
        connection.execute(tables.grants.insert(), rows)
    with serving(world) as site:
        node = world.node("kitchen", site.port)
        node.hello()
        got = dict(node.read() for _ in range(2))
        assert got[messages.REFUSED] == ("light", "too-large")
        assert got[messages.ASSIGN][0] == "thermo"


def test_a_refusal_for_the_time_ends_with_the_time(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(World(tmp_path / "site"))
    world.manager.add_service(world.package())
    world.add_node("kitchen")
    world.manager.assign("kitchen", "thermo")
    plans = DesiredState(world.manager.preparer)
    with database.reading(world.manager.engine) as connection:
        plans.refresh(connection)
        for moment, code in ((NOW - 9999, "not-yet-valid"), (NOW, ""), (NOW + 2 * YEAR, "expired")):
            plan = plans.of(connection, "kitchen", moment).get("thermo")
            assert plan is not None
            assert validity_code(plan, moment) == code


def validity_code(plan: Plan, moment: int) -> str:
    try:
        plan.validity(moment, 5000)
    except errors.SealError as refusal:
        return refusal.code
    return ""
