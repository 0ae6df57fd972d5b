"""A site notices two boards that claim to be one node, and says so."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.worlds.link_world import LinkWorld, serving, until
from triseal import database
from triseal.site.server import watch
from triseal.site.server.sessions import twins
from triseal.site.views import overview

A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"
# (what happens, seconds and addresses of the connections in their order, how often it is said)
ROWS: tuple[tuple[str, list[tuple[float, str]], int], ...] = (
    ("a node comes again", [(0, A), (60, A), (120, A)], 0),
    ("it gets another address", [(0, A), (60, B)], 0),
    ("and a third one", [(0, A), (60, B), (120, C)], 0),
    ("and the first one again", [(0, A), (60, B), (120, A)], 0),
    ("two boards", [(0, A), (60, B), (120, A), (180, B)], 1),
    ("two boards for long", [(60 * n, A if n % 2 else B) for n in range(9)], 2),
    ("two boards that are slow", [(2500 * n, A if n % 2 else B) for n in range(9)], 0),
    ("two boards behind one address", [(100 * n, A) for n in range(9)], 1),
    ("a bad connection", [(900 * n, A) for n in range(30)], 0),
)


@pytest.mark.parametrize(("sentence", "connections", "times"), ROWS, ids=[row[0] for row in ROWS])
def test_two_boards_are_told_from_one(
    sentence: str, connections: list[tuple[float, str]], times: int
) -> None:
    seen = twins.Twins()
    said = [
        seen.replaced("kitchen", older, newer, now)
        for (_, older), (now, newer) in pairwise(connections)
    ]
    assert sum(said) == times


def test_each_node_is_looked_at_by_itself() -> None:
    seen = twins.Twins()
    assert not any(seen.replaced(f"node-{n}", A, A, 1.0 * n) for n in range(100))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LinkWorld]:
    with LinkWorld(tmp_path / "site") as made:
        yield made


def test_the_site_says_which_node_has_a_twin(
    world: LinkWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "_HEARD_EVERY", 0.0)
    for name in ("kitchen", "hall"):
        world.add_node(name)

    def state_of(name: str) -> str:
        with database.reading(world.manager.engine) as connection:
            every = overview.all_nodes(connection, world.manager.issuer)
            return {one.name: one.state for one in every}[name]

    with serving(world) as server, caplog.at_level(logging.WARNING):
        for _ in range(9):
            assert state_of("kitchen") == "enrolled"
            world.node("kitchen", server.port).hello()
        until(lambda: state_of("kitchen") == "claimed by two boards", "it is said")
        assert state_of("hall") == "enrolled"
    said = [one for one in caplog.records if one.getMessage() == "claimed by two boards"]
    assert [one.__dict__["node"] for one in said] == ["kitchen"]
    assert "--replace" in said[0].__dict__["detail"]
