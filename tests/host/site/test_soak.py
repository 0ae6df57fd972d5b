"""A new version is in force only after it has run for a while without a fall."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.worlds import seals
from tests.worlds.site_world import World, code_of
from triseal import database
from triseal.choices import SOAK
from triseal.site.errors import ManyNodes, NotConfirmed
from triseal.site.records import holdings, ledger, nodes, reports, tables
from triseal.site.records.placement import Place
from triseal.site.views.rollout_status import Watch

NODES = ("attic", "hall")
STEP = 20  # seconds that pass between two looks


def two_nodes(made: World) -> None:
    """Version 1.0 runs on two nodes, and 2.0 is held."""
    made.manager.add_service(made.package())
    for node in NODES:
        made.add_node(node)
        made.manager.assign(node, "thermo")
        take(made, node)
    made.manager.add_service(made.package(version="2.0"), hold=True)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "site", begin=two_nodes) as made:
        yield made


def take(world: World, node: str, told: str = "running") -> None:
    """The node takes a fresh seal and says how the service is."""
    made = world.manager.deployment(node, "thermo")
    world.manager.heard(node, {"thermo": (ledger.serial_bytes(made.seal.serial), told)}, 1)


def tell(world: World, told: str, restarts: int | None = None) -> None:
    """The hall says how the service is that it holds."""
    place = Place("hall", "thermo")
    with database.writing(world.manager.engine) as connection:
        held = holdings.serial(connection, place)
        assert held is not None
        holdings.confirm(connection, place, held, told, world.now, restarts)


def fails(world: World) -> None:
    tell(world, "failed")
    with database.writing(world.manager.engine) as connection:
        place = Place("hall", "thermo")
        reports.keep(connection, place, "ValueError", "app.py:7", [], world.now)


def fails_and_runs_again(world: World) -> None:
    """Between two looks, as often as a service that loops may do."""
    fails(world)
    tell(world, "running", 1)


def is_restarted_unseen(world: World) -> None:
    tell(world, "running", 1)


def is_reset(world: World) -> None:
    """It fills the heap until the board is reset, and is back between two looks."""
    with database.writing(world.manager.engine) as connection:
        nodes.greeted(connection, "hall", seals.NOW, (0, None), "watchdog")
    tell(world, "waiting-for-time")
    tell(world, "running", 0)


def is_installed_anew(world: World) -> None:
    with database.writing(world.manager.engine) as connection:
        holdings.gone(connection, Place("hall", "thermo"))


FALLS: tuple[tuple[str, Callable[[World], None], str], ...] = (
    ("it fails", fails, "thermo on hall: it ran and fell (ValueError: app.py:7); now failed"),
    (
        "it fails and runs again",
        fails_and_runs_again,
        "thermo on hall: it ran and fell (ValueError: app.py:7); now it runs again",
    ),
    (
        "it is restarted",
        is_restarted_unseen,
        "thermo on hall: it ran and fell (no error was reported; the last reset of the node:"
        " unknown); now it runs again",
    ),
    (
        "the node is reset",
        is_reset,
        "thermo on hall: it ran and fell (no error was reported; the last reset of the node:"
        " watchdog); now it runs again",
    ),
    (
        "it is quarantined",
        lambda world: tell(world, "quarantined"),
        "thermo on hall: it ran and fell (no error was reported; the last reset of the node:"
        " unknown); now quarantined",
    ),
    (
        "it ends by itself",
        lambda world: tell(world, "stopped"),
        "thermo on hall: it ran and fell (no error was reported; the last reset of the node:"
        " unknown); now stopped",
    ),
)


def rolled_out(world: World) -> Watch:
    watch = Watch(world.manager, "thermo")
    world.manager.rollout("thermo", NODES)
    for node in NODES:
        take(world, node)
    return watch


def soak(world: World, watch: Watch, at: int = -1, event: Callable[[World], None] = fails) -> int:
    """Wait for the nodes; before look number `at` something happens. The seconds until it ended."""
    began, looks = world.now, 0

    def look(_: int) -> None:
        nonlocal looks
        looks += 1
        world.now += STEP
        if looks == at:
            event(world)

    watch.wait(NODES, 60, report=look)
    return world.now - began


def test_it_is_in_force_when_the_soak_is_over(world: World) -> None:
    watch = rolled_out(world)
    assert SOAK <= soak(world, watch) <= SOAK + 2 * STEP


def test_without_a_soak_the_first_look_is_enough(world: World) -> None:
    rolled_out(world).wait(NODES, 60, 0)


@pytest.mark.parametrize(("sentence", "event", "told"), FALLS, ids=[row[0] for row in FALLS])
@pytest.mark.parametrize("at", [1, 3])
def test_a_fall_during_the_soak_stops_the_wave(
    world: World, sentence: str, event: Callable[[World], None], told: str, at: int
) -> None:
    watch = rolled_out(world)
    with pytest.raises(NotConfirmed) as caught:
        soak(world, watch, at, event)
    assert str(caught.value) == told


def test_falls_before_the_new_version_ran_do_not_count(world: World) -> None:
    fails_and_runs_again(world)
    watch = rolled_out(world)
    fallen = falls(world)
    assert fallen == {"attic": 0, "hall": 1}
    soak(world, watch)
    assert falls(world) == fallen


def test_reports_of_what_runs_anyway_are_no_falls(world: World) -> None:
    """A node that connects again names all that it runs; a renewal changes the serial."""
    watch = rolled_out(world)
    assert soak(world, watch, 2, lambda world: take(world, "hall")) <= SOAK + 2 * STEP
    tell(world, "running", 0)
    assert falls(world) == {"attic": 0, "hall": 0}


def test_a_node_that_is_slow_begins_the_soak_for_all(world: World) -> None:
    watch = Watch(world.manager, "thermo")
    world.manager.rollout("thermo", NODES)
    take(world, "hall")
    took = soak(world, watch, 3, lambda world: take(world, "attic"))
    assert took >= 3 * STEP + SOAK


def test_a_fall_while_others_are_not_there_yet_counts(world: World) -> None:
    watch = Watch(world.manager, "thermo")
    world.manager.rollout("thermo", NODES)
    take(world, "hall")
    with pytest.raises(NotConfirmed, match="hall: it ran and fell"):
        soak(world, watch, 2, is_reset)


def test_what_is_gone_is_missing(world: World) -> None:
    watch = rolled_out(world)
    with pytest.raises(NotConfirmed, match="thermo on hall"):
        soak_shortly(world, watch)


def soak_shortly(world: World, watch: Watch) -> None:
    looks = 0

    def look(_: int) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            is_installed_anew(world)

    watch.wait(NODES, 0, report=look)


def falls(world: World) -> dict[str, int]:
    table = tables.holdings.c
    with database.reading(world.manager.engine) as connection:
        rows = connection.execute(select(table.node, table.falls).order_by(table.node))
        return {row.node: row.falls for row in rows}


# --- A new version for all nodes at once ------------------------------------------------------


def test_who_gets_a_package_is_told(world: World) -> None:
    manager = world.manager
    assert manager.take_in(world.package("lamp"), most=1).nodes == []
    manager.assign("hall", "lamp")
    assert manager.take_in(world.package("lamp", version="2.0"), most=1).nodes == ["hall"]
    manager.assign("attic", "lamp")
    newer = world.package("lamp", version="3.0")
    assert manager.take_in(newer, hold=True, most=1).nodes == []
    assert manager.take_in(newer, most=1).nodes == []  # the same again changes nothing
    assert manager.take_in(world.package("lamp", version="4.0")).nodes == ["attic", "hall"]


def test_nodes_that_are_retired_get_nothing(world: World) -> None:
    world.manager.retire("attic")
    assert world.manager.take_in(world.package(version="3.0"), most=1).nodes == ["hall"]


def test_too_many_at_once_is_refused_and_nothing_is_done(world: World) -> None:
    newer = world.package(version="3.0")
    with pytest.raises(ManyNodes, match=r"^thermo 3\.0 would go to 2 nodes at once: attic, hall$"):
        world.manager.take_in(newer, most=1)
    for node in NODES:
        take(world, node)
    with database.reading(world.manager.engine) as connection:
        found = connection.scalars(select(tables.services.c.service_version)).all()
        kept = connection.scalars(select(tables.packages.c.digest)).all()
    assert (found, len(kept)) == (["2.0"], 2)
    assert code_of(lambda: world.manager.take_in(newer, most=2)) == ""
