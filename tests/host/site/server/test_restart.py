"""A person has a service started again, whether its node is connected or away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealcore import messages
from tests.worlds.link_world import LinkWorld, Node, serving, until
from triseal import database
from triseal.site.errors import NodeRetired, NotAssigned, UnknownNode
from triseal.site.views import placements

RUNNING = messages.STATES.index("running")
INSTALLING = messages.STATES.index("installing")
FAILED = messages.STATES.index("failed")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LinkWorld]:
    with LinkWorld(tmp_path / "site") as made:
        made.deploy("kitchen", "thermo", "light")
        yield made


def holding(world: LinkWorld, port: int) -> Node:
    """The node, connected, with a seal of each of its services."""
    node = world.node("kitchen", port)
    node.hello()
    for _ in range(2):
        node.expect(messages.ASSIGN)
    return node


def test_a_connected_node_is_told_and_answers(world: LinkWorld) -> None:
    with serving(world) as served:
        node = holding(world, served.port)
        world.manager.restart("kitchen", "thermo")
        assert node.expect(messages.RESTART) == (["thermo"],)
        assert world.manager.restarting("kitchen", "thermo")
        serial = node.serial("thermo")
        node.send(messages.REPORT, "thermo", serial, INSTALLING, "restart", "", 1, [])
        until(lambda: not world.manager.restarting("kitchen", "thermo"), "it has answered")


def test_a_node_that_was_away_is_told_until_it_has_answered(world: LinkWorld) -> None:
    with serving(world) as served:
        node = holding(world, served.port)
        held = {name: node.serial(name) for name in ("light", "thermo")}
        for name, serial in held.items():
            node.send(messages.REPORT, name, serial, RUNNING, "", "", 0, [])
        node.close()
        world.manager.restart("kitchen", "thermo")
        for _ in range(2):  # the first answer is lost on its way
            node = world.node("kitchen", served.port)
            node.hello(**held)
            assert node.expect(messages.RESTART) == (["thermo"],)
            node.close()
        node = world.node("kitchen", served.port)
        node.hello(**held)
        node.expect(messages.RESTART)
        node.send(messages.REPORT, "thermo", held["thermo"], INSTALLING, "restart", "", 1, [])
        until(lambda: not world.manager.restarting("kitchen", "thermo"), "it has answered")
        world.manager.grant("light", ["log"])
        assert node.read()[0] == messages.RENEWNOW  # and no RESTART


def test_what_a_node_starts_by_itself_is_counted_and_shown(world: LinkWorld) -> None:
    with serving(world) as served:
        node = holding(world, served.port)
        serial = node.serial("thermo")
        detail = "app.py:3: no sensor"
        node.send(messages.REPORT, "thermo", serial, FAILED, "OSError", detail, 7, [])
        until(lambda: shown(world).restarts == 7, "the count has come")
        assert shown(world).why == "OSError: app.py:3: no sensor"


def shown(world: LinkWorld) -> placements.PlaceFacts:
    with database.reading(world.manager.engine) as connection:
        now = int(time.time())
        every = placements.places(connection, world.manager.issuer, now)
        (found,) = [one for one in every if one.service == "thermo"]
        return found


REFUSED: tuple[tuple[str, str, str, type[Exception]], ...] = (
    ("a node that there is not", "cellar", "thermo", UnknownNode),
    ("a service that it does not have", "kitchen", "fan", NotAssigned),
    ("a node that was retired", "hall", "thermo", NodeRetired),
)


@pytest.mark.parametrize(("sentence", "node", "service", "kind"), REFUSED)
def test_what_can_not_be_started_again(
    world: LinkWorld, sentence: str, node: str, service: str, kind: type[Exception]
) -> None:
    world.add_node("hall")
    world.manager.retire("hall")
    with pytest.raises(kind):
        world.manager.restart(node, service)
    assert not world.manager.restarting(node, service)
