"""The site shows what follows from its knowledge and from the time when it was heard: after the end
of a seal nothing runs, whatever the node said before.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select, text

from tests.worlds.site_world import World
from triseal import database
from triseal.site.errors import NotConfirmed
from triseal.site.records import ledger, node_clocks, reports, tables
from triseal.site.records.placement import Place
from triseal.site.views import figures as site_figures
from triseal.site.views.figures import Figures
from triseal.site.views.placements import PlaceFacts, places
from triseal.site.views.rollout_status import Watch


def two_nodes(made: World) -> None:
    """Two nodes that run a service, as they have said."""
    made.manager.add_service(made.package())
    for node in ("hall", "kitchen"):
        made.add_node(node)
        made.manager.assign(node, "thermo")
        seal(made, node)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "site", begin=two_nodes) as made:
        yield made


def seal(world: World, node: str) -> None:
    """A node takes a fresh seal and reports that its service runs."""
    made = world.manager.deployment(node, "thermo")
    serial = ledger.serial_bytes(made.seal.serial)
    world.manager.heard(node, {"thermo": (serial, "running")}, 1)


def shown(world: World) -> dict[str, PlaceFacts]:
    with database.reading(world.manager.engine) as connection:
        return {one.node: one for one in places(connection, world.manager.issuer, world.now)}


def last_moment(world: World, node: str) -> int:
    """The last second in which the newest seal of a node may be valid by the node's own clock."""
    with database.reading(world.manager.engine) as connection:
        until, lifetime = ledger.newest_expiry(connection, Place(node, "thermo"))
        return until + node_clocks.of(connection, node).adds(until, lifetime)


def test_what_a_node_said_counts_until_its_seal_has_ended(world: World) -> None:
    heard = world.now
    world.now = last_moment(world, "hall")
    assert {one.state for one in shown(world).values()} == {"running"}
    assert {one.heard_at for one in shown(world).values()} == {heard}
    world.now += 1
    assert {one.state for one in shown(world).values()} == {"ended"}
    assert not any(one.as_due() for one in shown(world).values())
    seal(world, "hall")
    found = shown(world)
    assert (found["hall"].state, found["kitchen"].state) == ("running", "ended")
    assert found["hall"].heard_at == world.now


def test_a_node_whose_clock_is_late_may_run_for_longer(world: World) -> None:
    ended = last_moment(world, "hall") + 1
    with database.writing(world.manager.engine) as connection:
        node_clocks.note(connection, [node_clocks.Said("hall", 100, world.now)])
    world.now = ended
    assert {node: one.state for node, one in shown(world).items()} == {
        "hall": "running",
        "kitchen": "ended",
    }
    world.now = last_moment(world, "hall") + 1
    assert shown(world)["hall"].state == "ended"


def test_a_retired_node_is_shown_until_its_last_seal_has_ended(world: World) -> None:
    world.manager.retire("hall")
    world.now = last_moment(world, "hall")
    assert shown(world)["hall"].state == "running"
    world.now += 1
    assert list(shown(world)) == ["kitchen"]


def test_a_node_that_was_only_sent_a_seal_has_said_nothing(world: World) -> None:
    world.add_node("attic")
    world.manager.assign("attic", "thermo")
    world.manager.deployment("attic", "thermo")
    found = shown(world)["attic"]
    assert (found.state, found.heard_at, found.version) == ("sent", None, None)


def test_after_a_key_is_distrusted_each_node_has_a_bound(world: World) -> None:
    ends = last_moment(world, "hall")
    world.now += 10
    version = world.manager.distrust_developer("Ada").version
    found = world.manager.guarantee_of_bundle(version)
    assert (found.confirmed, found.waiting, found.by) == ((), {"hall": ends, "kitchen": ends}, ends)
    world.manager.heard("hall", {}, version)
    found = world.manager.guarantee_of_bundle(version)
    assert (found.confirmed, list(found.waiting)) == (("hall",), ["kitchen"])
    world.now = ends + 1
    found = world.manager.guarantee_of_bundle(version)
    assert (found.waiting, found.ended) == ({}, ("kitchen",))


def test_a_deployment_is_watched_until_the_node_runs_it(world: World) -> None:
    watch = Watch(world.manager, "thermo")
    assert watch.started("hall", 0)
    world.add_node("attic")
    world.manager.assign("attic", "thermo")
    assert world.manager.heard_at("attic") is None
    assert not watch.started("attic", 0.3)
    made = world.manager.deployment("attic", "thermo")
    serial = ledger.serial_bytes(made.seal.serial)
    world.manager.heard("attic", {"thermo": (serial, "failed")}, 1)
    assert world.manager.heard_at("attic") == world.now
    with pytest.raises(NotConfirmed, match=r"^thermo on attic: failed$"):
        watch.started("attic", 60)


def figures(world: World) -> Figures:
    with database.reading(world.manager.engine) as connection:
        return site_figures.read(connection, world.manager.issuer, world.now)


def test_metrics_count_what_has_ended_and_forget_who_is_retired(world: World) -> None:
    world.now += 10
    found = figures(world)
    assert (found.expiry, len(found.ended)) == (world.manager.lifetime - 10, 0)
    assert found.silent == {"hall": 10, "kitchen": 10}
    world.now += world.manager.lifetime
    seal(world, "kitchen")
    found = figures(world)
    assert (found.expiry, len(found.ended)) == (world.manager.lifetime, 1)
    world.manager.retire("hall")
    found = figures(world)
    assert (found.expiry, len(found.ended), list(found.silent)) == (
        world.manager.lifetime,
        0,
        ["kitchen"],
    )
    world.now += 2 * world.manager.lifetime
    assert (figures(world).expiry, len(figures(world).ended)) == (None, 1)


def test_more_places_take_no_more_queries(world: World) -> None:
    def queries() -> int:
        asked: list[str] = []

        def note(_: Any, __: Any, statement: str, *___: Any) -> None:
            asked.append(statement)

        event.listen(world.manager.engine, "before_cursor_execute", note)
        assert len(shown(world)) == len(world.node_keys)
        event.remove(world.manager.engine, "before_cursor_execute", note)
        return len(asked)

    def report_from_all() -> None:
        with database.writing(world.manager.engine) as connection:
            for node in world.node_keys:
                place = Place(node, "thermo")
                reports.keep(connection, place, "rollback", "", [], world.now)

    report_from_all()
    for_two = queries()
    for node in ("attic", "cellar", "garage"):
        world.add_node(node)
        world.manager.assign(node, "thermo")
        seal(world, node)
    report_from_all()
    assert queries() == for_two


def test_the_version_is_that_of_the_seal_that_a_node_holds(world: World) -> None:
    world.manager.add_service(world.package(version="2.0"))
    seal(world, "hall")
    assert {node: (one.version, one.due) for node, one in shown(world).items()} == {
        "hall": ("2.0", "2.0"),
        "kitchen": ("1.0", "2.0"),
    }
    with database.writing(world.manager.engine) as connection:
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        for digest in connection.scalars(select(tables.packages.c.digest)).all():
            for column in (tables.packages.c.digest, tables.services.c.package):
                other = column.table.update().where(column == digest)
                connection.execute(other.values({column: digest[::-1]}))
    # No package is known by the digest that the seal names, and so the seal itself is read.
    assert {node: one.version for node, one in shown(world).items()} == {
        "hall": "2.0",
        "kitchen": "1.0",
    }


def test_grants_of_one_node_come_to_those_of_all(world: World) -> None:
    world.manager.grant("thermo", ["log"])
    world.manager.grant("thermo", ["bus.publish:home/hall/t", "log"], on=["hall"])
    assert {node: one.grants for node, one in shown(world).items()} == {
        "hall": ("bus.publish:home/hall/t", "log"),
        "kitchen": ("log",),
    }
