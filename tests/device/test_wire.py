"""The agent at a serial line of a real site: no network, and renewed all the same.

`HEAP=44k MICROPYTHON=...` tries another heap, on another interpreter.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from boards.board import Board
from boards.virtual.board import VirtualBoard
from tests.device import linked
from tests.device.linked import LOUD, deploy, lifetime, package
from tests.full import OneOf
from tests.worlds.link_world import LinkWorld, Serving, serving, until
from triseal import database
from triseal.site.cable import dialogue, installation
from triseal.site.records import reports, tables
from triseal.site.server.limits import Limits

NODE = "shed"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinkWorld]:
    with linked.make_world(tmp_path_factory.mktemp("wire")) as made:
        yield made


@pytest.fixture(scope="module")
def enrolled(world: LinkWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a board that is the node NODE, without a network; copy it."""
    return linked.enrol(world, NODE, tmp_path_factory.mktemp("enrolled"))


@pytest.fixture
def board(enrolled: Path, tmp_path: Path) -> Iterator[VirtualBoard]:
    copied = shutil.copytree(enrolled, tmp_path / "board")
    with VirtualBoard(copied, os.environ.get("HEAP", "256k")) as virtual:
        yield virtual


@pytest.fixture(autouse=True)
def _clean(world: LinkWorld) -> Iterator[None]:
    yield
    clean(world)


def clean(world: LinkWorld) -> None:
    """Make the site as a test finds it."""
    linked.clean(world, NODE)
    with world.manager._changing() as connection:
        connection.execute(tables.holdings.delete())


def told(world: LinkWorld) -> dict[str, tuple[str, bytes]]:
    """What the node has told of its services: state and serial."""
    with database.reading(world.manager.engine) as connection:
        table = tables.holdings.c
        rows = connection.execute(
            select(table.service, table.state, table.serial).where(table.node == NODE)
        )
        return {row.service: (row.state, row.serial) for row in rows}


def all_run(world: LinkWorld, *services: str) -> Callable[[], bool]:
    return lambda: (
        {name: one[0] for name, one in told(world).items()} == dict.fromkeys(services, "running")
    )


def failures(world: LinkWorld) -> set[str]:
    """The codes that the node has reported."""
    with database.reading(world.manager.engine) as connection:
        return set(connection.execute(select(reports.refusals.c.code)).scalars())


def answers(server: Serving, outcome: str) -> float:
    return server.counted("triseal_answers_total", outcome=outcome)


@contextmanager
def at(world: LinkWorld, *ports: str, proof: float = 10.0) -> Iterator[Serving]:
    """A server that looks after silent nodes soon."""
    with serving(world, Limits(quiet_seconds=1.0, hello_seconds=proof), serial=ports) as server:
        yield server


def test_services_come_and_run(world: LinkWorld, board: VirtualBoard) -> None:
    deploy(world, NODE, package(world, "thermo", pad=5000), package(world, "lamp"))
    with at(world, board.port) as server:
        until(all_run(world, "thermo", "lamp"), "both run")
        assert server.lines.nodes == {board.port: NODE}
        assert server.counted("triseal_line_up", port=board.port) == 1
        assert [one.node for one in server.server.registry] == [NODE]
        before = told(world)["thermo"]
        world.manager.add_service(package(world, "thermo", "2.0", pad=5000))
        until(lambda: told(world)["thermo"][1] != before[1], "the new version comes")
        until(all_run(world, "thermo", "lamp"), "it runs")
        assert answers(server, "pieces") == 1, "as the difference to the old one"


def test_a_node_that_was_reset_is_told_the_time_and_runs_again(
    world: LinkWorld, board: VirtualBoard
) -> None:
    deploy(world, NODE, package(world, "clock"))
    with at(world, board.port) as server:
        until(all_run(world, "clock"), "it runs")
        before = told(world)
        board.reset()
        until(lambda: closed(server, "node-restarted") == 1, "seen")
        until(lambda: server.lines.nodes == {board.port: NODE}, "served again")
        until(lambda: told(world) == before, "what was installed is kept")


@pytest.mark.long  # the test of what a service prints renews by deltas, too
def test_seals_are_renewed_by_deltas(world: LinkWorld, board: VirtualBoard) -> None:
    deploy(world, NODE, package(world, "pump"))
    lifetime(world, 8)
    seen: set[tuple[str, bytes]] = set()
    with at(world, board.port) as server:
        until(all_run(world, "pump"), "it runs")
        while len(seen) < 3:
            seen |= set(told(world).values())
            time.sleep(0.05)
        assert answers(server, "delta") >= 2
        assert answers(server, "assigned") == 1
    assert {state for state, _ in seen} == {"running"}


def test_whatever_a_service_prints_the_link_holds_and_seals_are_renewed(
    world: LinkWorld, board: VirtualBoard, one_of: OneOf
) -> None:
    deploy(world, NODE, package(world, "loud", source=LOUD), package(world, "calm"))
    lifetime(world, 20)
    seen: dict[str, set[bytes]] = {"loud": set(), "calm": set()}
    with at(world, board.port) as server:
        until(all_run(world, "loud", "calm"), "both run")
        while min(map(len, seen.values())) < 4 // one_of(2):
            for name, (_, serial) in told(world).items():
                seen[name].add(serial)
            time.sleep(0.05)
        assert server.counted("triseal_garbled_lines_total") == 0
        assert server.lines.nodes == {board.port: NODE}
        # Its longest lines may find no room in a heap that has fallen into pieces: then it starts
        # again after a second.
        until(all_run(world, "loud", "calm"), "both run again")
        assert failures(world) <= {"MemoryError"}
        assert answers(server, "delta") >= 1
        world.manager.revoke("loud", ["log"])
        until(lambda: guaranteed(world, "loud"), "the node has confirmed")
        page = server.metrics.text(None).decode()
        assert "triseal_closed_connections_total{" not in page, page


def test_whatever_a_service_prints_what_is_done_over_the_cable_is_done(
    world: LinkWorld, board: VirtualBoard
) -> None:
    services = ["noisy", "quiet"]
    deploy(world, NODE, package(world, "noisy", source=LOUD), package(world, "quiet"))
    with Board(board.port) as link:
        for _ in range(2):
            accepted, status = installation.deploy(world.manager, link, NODE, services, _silent)
            assert [one.deployment.place.service for one in accepted] == services
            assert [one.state for one in status.services] == ["running"] * 2
            status = installation.renew(world.manager, link, NODE, _silent)
            assert [one.state for one in status.services] == ["running"] * 2
            link.soft_reset()
            status = dialogue.tell_time(world.manager, link)
            assert [one.state for one in status.services] == ["running"] * 2
        world.manager.undeploy(NODE, "noisy")
        status = installation.remove(world.manager, link, NODE, ["noisy"], _silent)
        assert [one.name for one in status.services] == ["quiet"]


def _silent(*_: object) -> None:
    """Report nothing."""


def test_changes_are_confirmed_by_the_node(world: LinkWorld, board: VirtualBoard) -> None:
    deploy(world, NODE, package(world, "radio"))
    with at(world, board.port):
        until(all_run(world, "radio"), "it runs")
        world.manager.revoke("radio", ["log"])
        until(lambda: guaranteed(world, "radio"), "the node has confirmed")
        until(lambda: told(world)["radio"][0] == "failed", "and what it took shows")
        world.manager.grant("radio", ["log"])
        until(all_run(world, "radio"), "it runs again")
        world.manager.add_service(package(world, "radio", "2.0", pad=5000))
        until(lambda: guaranteed(world, "radio"), "the new version is there")
        world.manager.undeploy(NODE, "radio")
        until(lambda: not told(world), "it is gone")


def test_a_newer_trust_bundle_ends_what_it_does_not_bear_out(
    world: LinkWorld, board: VirtualBoard
) -> None:
    deploy(world, NODE, package(world, "gone"))
    with at(world, board.port):
        until(all_run(world, "gone"), "it runs")
        developer = world.developer
        world.manager.distrust_developer(developer.name)
        try:
            until(lambda: told(world)["gone"][0] == "refused", "it is refused")
        finally:
            world.manager.trust_developer(developer.name, developer.signer.spki)


def test_a_port_that_vanishes_is_served_when_it_is_back(
    world: LinkWorld, enrolled: Path, tmp_path: Path
) -> None:
    deploy(world, NODE, package(world, "plug"))
    directory = shutil.copytree(enrolled, tmp_path / "board")
    port = tmp_path / "port"
    with at(world, str(port)) as server:
        for _ in range(2):
            with VirtualBoard(directory) as virtual:
                port.symlink_to(virtual.port)
                until(lambda: server.lines.nodes[str(port)] == NODE, "it is served")
                until(all_run(world, "plug"), "and runs")
                port.unlink()
            until(lambda: not server.lines.nodes[str(port)], "it is gone")
        assert closed(server, "board-gone") == 2
        assert closed(server, "no-port") >= 1


def test_a_node_with_a_network_is_left_to_it(
    world: LinkWorld, enrolled: Path, tmp_path: Path
) -> None:
    directory = shutil.copytree(enrolled, tmp_path / "board")
    settings = directory / "flash/triseal/settings.json"
    settings.write_text('{"server": ["127.0.0.1", 1]}')
    with VirtualBoard(directory) as virtual, at(world, virtual.port, proof=1.0) as server:
        until(lambda: closed(server, "no-proof") >= 1, "it does not take the line")


def closed(server: Serving, code: str) -> float:
    return server.counted("triseal_closed_connections_total", code=code)


def guaranteed(world: LinkWorld, service: str) -> bool:
    return world.manager.guarantee(service=service).confirmed == (NODE,)
