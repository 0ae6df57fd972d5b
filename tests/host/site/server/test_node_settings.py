"""Settings reach a node that has said which version it has, and no other one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealcore import messages, settings
from tests.worlds.link_world import LinkWorld, Node, serving, until
from triseal.site import vault


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LinkWorld]:
    with LinkWorld(tmp_path) as made:
        made.deploy("hall", "thermo")
        yield made


def facts(node: Node, version: int, gave_up: int = 0) -> None:
    node.send(messages.FACTS, version, gave_up, 0, 1, 1, 1, [])


def arrived(world: LinkWorld, node: Node, had: int) -> tuple[int, object]:
    """The settings that come next, as the node reads them."""
    (der,) = node.expect(messages.SETTINGS)
    bundle = world.manager.bundle()
    version, _, values = settings.read(der, bundle.site_keys, world.manager.name, "hall", had)
    return version, json.loads(values)


def greeted(world: LinkWorld, port: int) -> Node:
    node = world.node("hall", port)
    node.hello()
    node.expect(messages.ASSIGN)
    return node


def state(world: LinkWorld) -> str:
    return world.manager.settings()[0].state


def test_settings_come_once_and_again_when_they_change(world: LinkWorld) -> None:
    site = world.manager
    site.change_settings(["hall"], {"wifi": [["Plant", "correct horse"]], "spread": 5})
    with serving(world) as server, contextlib.closing(greeted(world, server.port)) as node:
        facts(node, 0)
        assert arrived(world, node, 0) == (1, {"wifi": [["Plant", "correct horse"]], "spread": 5})
        facts(node, 1)
        until(lambda: state(world) == "in force", "FACTS")
        site.change_settings(["hall"], {"spread": 6})
        version, values = arrived(world, node, 1)
        assert (version, values["spread"]) == (2, 6)  # type: ignore[index]
        site.grant("thermo", ["log"])
        node.expect(messages.RENEWNOW)  # and not the same settings before it


def test_what_a_node_gave_up_is_not_sent_again_even_after_its_reset(world: LinkWorld) -> None:
    site = world.manager
    site.change_settings(["hall"], {"spread": 5})
    with serving(world) as server:
        for gave_up in (1, 0):  # after its reset it does not remember
            with contextlib.closing(greeted(world, server.port)) as node:
                facts(node, 0, gave_up)
                until(lambda: state(world) == "given up", "FACTS")
                site.grant("thermo", ["pin:4" if gave_up else "log"])
                node.expect(messages.RENEWNOW)
        with contextlib.closing(greeted(world, server.port)) as node:
            facts(node, 0)
            site.change_settings(["hall"], {"spread": 6})
            assert arrived(world, node, 0)[0] == 2


@pytest.mark.parametrize(("told", "gave_up", "sent"), [(7, 0, 8), (2, 7, 8), (7, 7, 8)])
def test_what_a_restored_database_has_counts_as_newer(
    world: LinkWorld, told: int, gave_up: int, sent: int
) -> None:
    site = world.manager
    site.change_settings(["hall"], {"spread": 5})
    with serving(world) as server, contextlib.closing(greeted(world, server.port)) as node:
        facts(node, told, gave_up)  # the site had come further than this database
        assert arrived(world, node, told) == (sent, {"spread": 5})
        until(lambda: site.settings()[0].version == sent, "the version is kept")
        assert state(world) == "to be told"
        site.change_settings(["hall"], {"spread": 6})
        assert arrived(world, node, sent) == (sent + 1, {"spread": 6})


def test_a_node_that_makes_up_the_last_version_ends_nothing(world: LinkWorld) -> None:
    world.manager.change_settings(["hall"], {"spread": 5})
    with serving(world) as server, contextlib.closing(greeted(world, server.port)) as node:
        facts(node, 2**31 - 1)
        world.manager.grant("thermo", ["log"])
        node.expect(messages.RENEWNOW)
    assert world.manager.settings()[0].version == 1


def test_no_watchdog_is_the_same_as_at_a_cable(world: LinkWorld) -> None:
    world.manager.change_settings(["hall"], {"watchdog": 0})
    with serving(world) as server, contextlib.closing(greeted(world, server.port)) as node:
        facts(node, 0)
        assert arrived(world, node, 0) == (1, {"watchdog": None})


def test_an_agent_that_says_no_facts_gets_no_settings(world: LinkWorld) -> None:
    world.manager.change_settings(["hall"], {"spread": 5})
    with serving(world) as server, contextlib.closing(greeted(world, server.port)) as node:
        world.manager.change_settings(["hall"], {"spread": 6})
        world.manager.grant("thermo", ["log"])
        node.expect(messages.RENEWNOW)


def test_a_lost_vault_stops_settings_and_nothing_else(world: LinkWorld) -> None:
    world.manager.change_settings(["hall"], {"wifi": [["Plant", "correct horse"]]})
    (world.folder / vault.KEY).unlink()
    with serving(world) as server, contextlib.closing(greeted(world, server.port)) as node:
        facts(node, 0)
        world.manager.grant("thermo", ["log"])
        node.expect(messages.RENEWNOW)
        assert state(world) == "to be told"
