"""The agent as the client of a real site: over TLS, from the first service to the last renewal."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import func, select

from boards.port import Port
from boards.virtual.board import VirtualBoard
from sealcore import encode, identity, messages, seal
from tests.device import linked
from tests.device.linked import TICKING, deploy, lifetime, package
from tests.device.node import Node as Watched
from tests.device.node import spki
from tests.full import Sweep
from tests.worlds.link_world import LinkWorld, serving, until
from triseal import database
from triseal.certificate import Validity
from triseal.package import Package
from triseal.site.cable.agent import NodeStatus
from triseal.site.records import holdings, reports, tables
from triseal.site.records.placement import Place
from triseal.site.records.reports import refusals
from triseal.site.server.signing.desired_state import files_of
from triseal.site.slca.authority import Authority, Certified

NODE = "kitchen"
DAY = 86400


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinkWorld]:
    with linked.make_world(tmp_path_factory.mktemp("link")) as made:
        yield made


@pytest.fixture(scope="module")
def enrolled(world: LinkWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a board that is the node NODE; copy it."""
    return linked.enrol(world, NODE, tmp_path_factory.mktemp("enrolled"))


Connect = Callable[..., Watched]


@pytest.fixture
def connect(world: LinkWorld, enrolled: Path, tmp_path: Path) -> Iterator[Connect]:
    """Starts the node with the server at a port."""
    directory = Path(shutil.copytree(enrolled, tmp_path / "board"))
    with ExitStack() as stack:

        def run(port: int, heap: str = "256k") -> Watched:
            settings = {"server": ["127.0.0.1", port], "spread": 1}
            path = directory / "flash/triseal/settings.json"
            path.write_text(json.dumps(settings))
            virtual = stack.enter_context(VirtualBoard(directory, heap))
            return Watched(world, virtual, stack.enter_context(Port(virtual.port)))  # type: ignore[arg-type]

        yield run


@pytest.fixture(autouse=True)
def _clean(world: LinkWorld) -> Iterator[None]:
    yield
    linked.clean(world, NODE)


def states(status: NodeStatus) -> set[str]:
    return {one.state for one in status.services}


def all_run(count: int) -> Callable[[NodeStatus], bool]:
    return lambda status: len(status.services) == count and states(status) == {"running"}


def serials(status: NodeStatus) -> set[bytes]:
    return set(status.serials.values())


def test_services_come_and_run(world: LinkWorld, connect: Connect) -> None:
    deploy(world, NODE, package(world, "thermo", pad=9000), package(world, "lamp"))
    with serving(world) as server:
        node = connect(server.port)
        status = node.until(all_run(2))
        assert status.time
        node.until_line("thermo: tick of 1.0")
        node.virtual.reset()
        assert serials(node.until(all_run(2))) == serials(status), "what was installed is kept"
        assert server.counted("triseal_answers_total", outcome="assigned") == 2


def test_seals_are_renewed_by_deltas_while_the_service_runs_on(
    world: LinkWorld, connect: Connect
) -> None:
    deploy(world, NODE, package(world, "clock"))
    lifetime(world, 8)
    with serving(world) as server:
        node = connect(server.port)
        seen = serials(node.until(all_run(1)))
        while len(seen) < 4:
            status = node.ask()
            assert states(status) == {"running"}, status
            seen |= serials(status)
        assert server.counted("triseal_answers_total", outcome="delta") >= 3
        assert server.counted("triseal_answers_total", outcome="assigned") == 1


@pytest.mark.long  # test_put_off.py has more than wait at once, test_heap.py the heap
def test_many_services_come_and_are_renewed_on_a_small_heap(
    world: LinkWorld, connect: Connect, sweep: Sweep[str]
) -> None:
    # Far more than wait on the node at once; by default just more.
    names = sweep([f"radio-{number}" for number in range(8)], 4)
    fields = {"executable": TICKING, "metadata": b'{"capabilities": ["log", "pin:4"]}'}
    deploy(world, NODE, *(world.package(name, **fields) for name in names))
    ran: dict[str, set[bytes]] = {name: set() for name in names}

    def ran_with(count: int) -> Callable[[NodeStatus], bool]:
        """Each has run with so many seals by now. Not all at once: on a busy computer, some of the
        short ones have expired before the others have come, and the node fetches the next ones."""

        def look(now: NodeStatus) -> bool:
            for one in now.services:
                if one.state == "running":
                    ran[one.name].add(now.serials[one.name])
            return all(len(seals) >= count for seals in ran.values())

        return look

    with serving(world) as server:
        node = connect(server.port, "208k")
        node.until(all_run(len(names)))
        node.until(ran_with(1))
        lifetime(world, 20)
        for name in names:
            world.manager.grant(name, ["pin:4"])
        node.until(ran_with(2))
        node.until(ran_with(3))


def test_what_the_site_takes_away_stops(world: LinkWorld, connect: Connect) -> None:
    deploy(world, NODE, package(world, "radio"))
    with serving(world) as server:
        node = connect(server.port)
        node.until(all_run(1))
        world.manager.revoke("radio", ["log"])
        status = node.until(lambda now: states(now) == {"failed"})
        assert status.services[0].code == "not-granted"
        world.manager.grant("radio", ["log"])
        node.until(all_run(1))
        world.manager.undeploy(NODE, "radio")
        node.until(lambda now: not now.services)
        assert not (node.root / "triseal/services/radio").exists()


def test_a_new_version_takes_the_place_of_the_old_one(world: LinkWorld, connect: Connect) -> None:
    """It comes as the difference to the old one."""
    deploy(world, NODE, package(world, "meter", pad=5000))
    with serving(world) as server:
        node = connect(server.port)
        node.until(all_run(1))
        world.manager.add_service(package(world, "meter", "2.0", pad=5000))
        node.until(lambda now: now.services[0].version == "2.0" and states(now) == {"running"})
        node.until_line("meter: tick of 2.0")
        assert server.counted("triseal_answers_total", outcome="pieces") == 1


def test_without_the_site_services_live_as_long_as_their_seals(
    world: LinkWorld, connect: Connect
) -> None:
    deploy(world, NODE, package(world, "lone"))
    lifetime(world, 6)
    with serving(world) as server:
        node = connect(server.port)
        status = node.until(all_run(1))
    end = max(one.not_after for one in status.services)
    status = node.until(lambda now: states(now) != {"running"})
    assert states(status) == {"expired"}
    assert end < status.time
    with serving(world) as server:
        settings(node, server.port)
        node.virtual.reset()
        node.until(all_run(1))


def test_a_newer_trust_bundle_reaches_the_node_and_ends_what_it_does_not_bear_out(
    world: LinkWorld, connect: Connect
) -> None:
    deploy(world, NODE, package(world, "gone"))
    with serving(world) as server:
        node = connect(server.port)
        before = node.until(all_run(1))
        developer = world.developer
        world.manager.distrust_developer(developer.name)
        try:
            status = node.until(lambda now: states(now) == {"refused"})
            assert status.services[0].code == "untrusted-signer"
            assert status.bundle_version > before.bundle_version
        finally:
            world.manager.trust_developer(developer.name, developer.signer.spki)
        node.until(all_run(1))


def test_a_new_seal_that_is_refused_is_evidence_and_changes_nothing(
    world: LinkWorld, connect: Connect
) -> None:
    made = package(world, "tuner")
    deploy(world, NODE, made)
    with serving(world) as server:
        node = connect(server.port)
        before = node.until(all_run(1))
        foreign = seal_on_another_store_seal(world, made, spki(node.root))
        server.tell(NODE, messages.ASSIGN, "tuner", foreign, files_of(made))
        node.until_line("triseal: tuner refused: predecessor-mismatch")
        assert serials(node.until(all_run(1))) == serials(before)
        for name in ("main.py", "triseal/node.key", "triseal/services/tuner/site.der"):
            assert (node.root / name).exists(), name
        seals = [foreign, made.store_seal, made.developer_seal]
        evidence = encode.sequence(*[encode.octets(one) for one in seals])
        until(lambda: ("predecessor-mismatch", evidence) in kept(world), "evidence")
        (serial,) = before.serials.values()
        until(lambda: held_on(world, "tuner") == ("running", serial), "what it holds on to")


def test_what_a_service_says_never_ends_the_connection(world: LinkWorld, connect: Connect) -> None:
    raising = b"async def main(ctx):\n    raise Exception('\\ud800')\n"
    metadata = b'{"capabilities": ["log"]}'
    odd = world.package("odd", version="1", executable=raising, metadata=metadata)
    deploy(world, NODE, odd, package(world, "even"))
    with serving(world) as server:
        node = connect(server.port)
        node.until(lambda now: states(now) == {"failed", "running"})
        until(lambda: ("Exception", encode.sequence()) in kept(world), "reported")
        assert server.counted("triseal_connected_nodes") == 1
        assert server.counted("triseal_closed_connections_total", code="malformed-der") == 0


def kept(world: LinkWorld) -> set[tuple[str, bytes]]:
    with database.reading(world.manager.engine) as connection:
        rows = connection.execute(select(refusals.c.code, refusals.c.evidence)).all()
    return {(row.code, bytes(row.evidence)) for row in rows}


def held_on(world: LinkWorld, service: str) -> tuple[str, bytes | None]:
    """The last word of the node, and the seal that it holds on to, as it refused another one."""
    place = Place(NODE, service)
    with database.reading(world.manager.engine) as connection:
        found = holdings.find(connection, place)
        return str(found and found.state), reports.held_on(connection, place)


def seal_on_another_store_seal(world: LinkWorld, made: Package, key: bytes) -> bytes:
    slca = world.manager.authority
    store = seal.parse(made.store_seal, seal.STORE)
    prepared = slca.issuer.prepare(NODE, key, store, bytes(32), ["log"])
    now = int(time.time())
    return slca.seal(prepared, Validity(now - 10, now + 1000)).der


def test_a_server_of_another_site_hears_nothing(
    world: LinkWorld, connect: Connect, tmp_path: Path, stack: ExitStack
) -> None:
    stranger = stack.enter_context(LinkWorld(tmp_path / "other", "rsa2048"))
    stranger.manager.add_node(NODE)
    with serving(stranger) as server:
        node = connect(server.port)
        node.until_line("triseal: link: ")
        assert not node.ask().time


def settings(node: Watched, port: int) -> None:
    path = node.root / "triseal/settings.json"
    path.write_text(json.dumps({"server": ["127.0.0.1", port], "spread": 1}))


def age(world: LinkWorld, root: Path, days: int) -> bytes:
    """Give the node a certificate of a year of which so many days are over."""
    path = root / "flash/triseal/node.crt"
    spki = bytes(identity.parse(path.read_bytes()).spki)
    begin = world.now - days * DAY
    old = world.manager.authority.certify_node(NODE, spki, Validity(begin, begin + 365 * DAY))
    path.write_bytes(old.der)
    return old.der


def issued(world: LinkWorld) -> int:
    uri = identity.node("house", NODE)
    count = select(func.count()).where(tables.certificates.c.uri == uri)
    with database.reading(world.manager.engine) as connection:
        return int(connection.execute(count).scalar_one())


def test_in_the_second_half_of_its_life_it_is_renewed(
    world: LinkWorld,
    connect: Connect,
    tmp_path: Path,
) -> None:
    old = age(world, tmp_path / "board", 200)
    before = issued(world)
    with serving(world) as server:
        node = connect(server.port)
        path = node.root / "triseal/node.crt"
        until(lambda: path.read_bytes() != old, "renewed")
        new = identity.parse(path.read_bytes())
        assert new.spki == identity.parse(old).spki
        assert new.not_after > world.now + 364 * DAY
        node.virtual.reset()
        node.until(lambda now: now.time > 0)  # it is let in with it
    assert issued(world) == before + 1, "and asks for no other"


def test_before_that_it_is_not(
    world: LinkWorld,
    connect: Connect,
    tmp_path: Path,
) -> None:
    old = age(world, tmp_path / "board", 180)
    before = issued(world)
    with serving(world) as server:
        node = connect(server.port)
        node.until(lambda now: now.time > 0)
    assert issued(world) == before
    assert (node.root / "triseal/node.crt").read_bytes() == old


def test_one_for_another_key_is_refused(
    world: LinkWorld,
    connect: Connect,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = age(world, tmp_path / "board", 200)
    other = world.add_node("other")
    honest = Authority.certify_node

    def lying(slca: Authority, node: str, spki: bytes, validity: Validity) -> Certified:
        return honest(slca, node, other, validity)

    monkeypatch.setattr(Authority, "certify_node", lying)
    with serving(world) as server:
        node = connect(server.port)
        node.until_line("triseal: link: wrong-key")
    assert (node.root / "triseal/node.crt").read_bytes() == old
