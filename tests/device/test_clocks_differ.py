"""Clocks that differ: the site's is set while nodes are connected, those of nodes are fast or slow.

Seals live for seconds, so that a node that did not follow would stop its service soon.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from boards.virtual.board import VirtualBoard
from boards.virtual.flaws import GOOD, Flaws
from tests import full
from tests.device import linked
from tests.device.linked import deploy, lifetime, package
from tests.worlds.link_world import LinkWorld, Serving, serving, until
from triseal import database
from triseal.site.clock import Guard
from triseal.site.records import node_clocks, tables

NODE = "loft"
LIFETIME = 10  # seconds
AWAY = 6.0  # for which it may be away, on a busy machine
PATIENCE = 60.0


class Moved:
    """A site's clock, and by how many seconds somebody has set it forward."""

    def __init__(self) -> None:
        self.by = 0.0

    def __call__(self) -> float:
        return time.time() + self.by


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinkWorld]:
    with linked.make_world(tmp_path_factory.mktemp("differ")) as made:
        deployed = package(made, "thermo")
        linked.enrol(made, NODE, made.folder.parent / "enrolled")
        deploy(made, NODE, deployed)
        lifetime(made, LIFETIME)
        yield made


@contextmanager
def running(
    world: LinkWorld, folder: Path, moved: Moved, *, cable: bool, flaws: Flaws = GOOD
) -> Iterator[Serving]:
    """A node whose service runs, over TLS or at a serial line."""
    clear(world)
    directory = Path(shutil.copytree(world.folder.parent / "enrolled", folder / "board"))
    with VirtualBoard(directory, flaws=flaws) as board:
        serial = [board.port] if cable else []
        with serving(world, clock=Guard(moved).now, serial=serial) as site:
            if not cable:
                settings = {"server": ["127.0.0.1", site.port], "spread": 1}
                path = directory / "flash/triseal/settings.json"
                path.write_text(json.dumps(settings))
                board.reset()
            until(lambda: became(world) == "running", "it runs")
            yield site


def clear(world: LinkWorld) -> None:
    with database.writing(world.manager.engine) as connection:
        connection.execute(tables.holdings.delete())
        connection.execute(tables.nodes.update().values(clock_behind=None, clock_at=None))


def became(world: LinkWorld) -> str:
    """The state of the service, as the node told last."""
    with database.reading(world.manager.engine) as connection:
        return connection.execute(select(tables.holdings.c.state)).scalar_one_or_none() or ""


def issued(world: LinkWorld) -> int:
    """How many seals there were so far."""
    with database.reading(world.manager.engine) as connection:
        return connection.execute(select(func.count()).select_from(tables.seals)).scalar_one()


def lives(world: LinkWorld) -> None:
    """For more than two lifetimes the node runs the service on, or again within seconds, and asks
    for as many seals as that takes."""
    before = issued(world)
    since = begin = time.monotonic()
    while (now := time.monotonic()) < begin + 2.5 * LIFETIME:
        if became(world) == "running":
            since = now
        assert now < since + AWAY, became(world)
        time.sleep(0.05)
    assert became(world) == "running"
    assert 2 <= issued(world) - before <= 16


SET = [(False, 2.0), (False, 250.0), (False, -250.0), (True, 55.0), (True, -55.0)]


@pytest.mark.parametrize(("cable", "by"), full.rows(SET, 2, 3))
def test_the_sites_clock_is_set(world: LinkWorld, tmp_path: Path, cable: bool, by: float) -> None:
    moved = Moved()
    with running(world, tmp_path, moved, cable=cable):
        moved.by = by
        lives(world)


@pytest.mark.parametrize("drift", full.rows([10_000, -10_000], 0))
def test_a_node_is_fast_or_slow(world: LinkWorld, tmp_path: Path, drift: int) -> None:
    """By 1 %, and its counters come round after a few seconds."""
    with running(world, tmp_path, Moved(), cable=False, flaws=Flaws(drift=drift, wrap=8.0)):
        lives(world)


def test_the_site_learns_that_a_node_is_late(world: LinkWorld, tmp_path: Path) -> None:
    moved = Moved()
    with running(world, tmp_path, moved, cable=False):
        moved.by = 250.0
        end = time.monotonic() + PATIENCE
        while behind(world) < 200:  # it says so when it asks for its next seal
            assert time.monotonic() < end
            time.sleep(0.02)
        while behind(world) > 100:
            assert time.monotonic() < end
            time.sleep(0.02)
        assert became(world) == "running"


def behind(world: LinkWorld) -> int:
    with database.reading(world.manager.engine) as connection:
        return node_clocks.of(connection, NODE).behind
