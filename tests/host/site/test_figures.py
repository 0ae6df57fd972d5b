"""The figures of a site: states by service, bundles, ends of certificates. All of them bounded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worlds.site_world import NOW, YEAR, World
from triseal import database
from triseal.serving import jsonlog
from triseal.site.manager import NODE_SECONDS
from triseal.site.records import clocks, ledger, twins
from triseal.site.server.metrics import Metrics
from triseal.site.slca.authority import CA_SECONDS
from triseal.site.views import ends, figures
from triseal.site.views.figures import Figures

DAY = 86400


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "site") as made:
        made.manager.add_service(made.package())
        for node in ("attic", "hall", "kitchen"):
            made.add_node(node)
            made.manager.assign(node, "thermo")
        yield made


def read(world: World) -> Figures:
    with database.reading(world.manager.engine) as connection:
        return figures.read(connection, world.manager.issuer, world.now)


def hold(world: World, node: str, state: str) -> None:
    made = world.manager.deployment(node, "thermo")
    serial = ledger.serial_bytes(made.seal.serial)
    world.manager.heard(node, {"thermo": (serial, state)}, 3)


def test_states_are_counted_by_service(world: World) -> None:
    hold(world, "hall", "running")
    hold(world, "kitchen", "on fire")  # what no node of this release says
    world.manager.deployment("attic", "thermo")
    states = {("thermo", "running"): 1, ("thermo", "other"): 1, ("thermo", "sent"): 1}
    assert read(world).states == states
    world.manager.heard("attic", {}, 3)
    world.now += world.manager.lifetime + 1
    assert read(world).states == {("thermo", "ended"): 2, ("thermo", "none"): 1}
    hold(world, "hall", "running")
    world.manager.retire("kitchen")
    assert read(world).states == {("thermo", "running"): 1, ("thermo", "none"): 1}


def test_the_site_is_counted(world: World) -> None:
    for node in ("hall", "kitchen"):
        hold(world, node, "running")
    world.manager.add_node("cellar")
    found = read(world)
    assert (found.lifetime, found.enrolled, found.claimed) == (world.manager.lifetime, 3, 0)
    assert (found.bundle_version, found.behind, found.doubted) == (3, 0, 0)
    world.manager.distrust_developer("Ada")
    with database.writing(world.manager.engine) as connection:
        twins.note(connection, ["hall", "gone"], world.now)
        doubt = {"host": "other", "seen_at": world.now, "doubted": True}
        connection.execute(clocks.clocks.insert().values(doubt))
    found = read(world)
    assert (found.bundle_version, found.behind) == (4, 2)
    assert (found.claimed, found.doubted) == (1, 1)
    world.now += twins.SECONDS + 1
    assert read(world).claimed == 0


def test_the_earliest_end_of_each_kind(world: World) -> None:
    begin = world.now
    world.now += 30 * DAY
    world.add_node("late")
    assert read(world).ends == {
        "site": NOW + CA_SECONDS,
        "store": NOW + YEAR,
        "node": begin + NODE_SECONDS,
        "package": NOW + YEAR,
    }
    assert read(world).near == ()
    world.now = NOW + YEAR - ends.WARN["store"]
    assert read(world).near == ()
    world.now += 1
    assert read(world).near == (("store", "Store"),)
    world.now = begin + NODE_SECONDS - ends.WARN["node"] + 1
    found = read(world).near
    assert set(found) == {
        *(("node", name) for name in ("attic", "hall", "kitchen")),
        ("package", "thermo"),
        ("store", "Store"),
    }
    for node in ("attic", "hall", "kitchen", "late"):
        world.manager.retire(node)
    assert "node" not in read(world).ends


def test_an_unused_package_ends_for_nobody(world: World) -> None:
    for node in ("attic", "hall", "kitchen"):
        world.manager.undeploy(node, "thermo")
    assert "package" not in read(world).ends


def test_a_node_can_not_make_up_labels() -> None:
    metrics = Metrics()
    for number in range(100):
        metrics.reported("thermo", f"code {number}", 0, fell_back=False)
    metrics.reported("thermo", "rollback", 3, fell_back=True)
    metrics.reported("thermo", "", 0, fell_back=False)
    text = metrics.text(Figures()).decode()
    assert [line for line in text.splitlines() if line.startswith("triseal_reports_total{")] == [
        'triseal_reports_total{code="other"} 100.0',
        'triseal_reports_total{code="rollback"} 1.0',
    ]
    assert metrics.value("triseal_service_restarts_total", {"service": "thermo"}) == 3
    assert metrics.value("triseal_fallbacks_total", {"service": "thermo"}) == 1


def test_a_line_that_the_log_lost_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics()
    for lost in (0, 2, 2, 5):
        monkeypatch.setattr(jsonlog, "dropped", lambda lost=lost: lost)
        metrics.text(None)
        assert metrics.value("triseal_dropped_log_lines_total", {}) == lost


def test_figures_that_can_not_be_read_leave_no_old_ones_on_the_page() -> None:
    metrics = Metrics()
    full = Figures(states={("thermo", "running"): 1}, silent={"hall": 1}, ends={"site": 1})
    metrics.text(full)
    text = metrics.text(None).decode()
    assert "hall" not in text
    assert "triseal_service_nodes{" not in text
    assert "triseal_ended_services NaN" in text
