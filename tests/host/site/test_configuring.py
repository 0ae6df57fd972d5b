"""Settings that a site changes on nodes: what they may be, what is secret, how far nodes are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.worlds.site_world import World, code_of
from triseal import database
from triseal.site import vault
from triseal.site.records import nodes, vitals
from triseal.site.records.vitals import Vitals
from triseal.site.rules import configuring

PASSWORD = "hunter2hunter2"
SERVERS = [["a.example", 7443], ["192.0.2.4", 7443]]
WIFI = [["Plant", PASSWORD], ["Open", ""]]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "site") as made:
        made.add_node("hall")
        made.add_node("kitchen")
        yield made


def values(world: World, node: str) -> object:
    """What the node would be sent."""
    with database.reading(world.manager.engine) as connection:
        return json.loads(configuring.assembled(connection, node, world.manager.vault.open))


def tell(world: World, node: str, settings: int, gave_up: int = 0) -> None:
    now = Vitals(1, 1, 1, settings, gave_up, "", world.now)
    with database.writing(world.manager.engine) as connection:
        vitals.tell(connection, node, now)
        configuring.settled(connection, node, settings)


def test_settings_add_up_and_each_change_is_a_version(world: World) -> None:
    site = world.manager
    assert site.change_settings(["hall", "kitchen"], {"server": SERVERS, "wifi": WIFI}) == {
        "hall": 1,
        "kitchen": 1,
    }
    assert site.change_settings(["hall"], {"config": {"unit": "celsius", "x": "1"}}) == {"hall": 2}
    site.change_settings(["hall"], {"config": {"x": None}, "spread": 9})
    assert values(world, "hall") == {
        "server": SERVERS,
        "wifi": WIFI,
        "spread": 9,
        "config": {"unit": "celsius", "x": None},
    }
    assert values(world, "kitchen") == {"server": SERVERS, "wifi": WIFI}
    site.change_settings(["kitchen"], {"wifi": None, "server": ["b.example", 1]})
    assert values(world, "kitchen") == {"server": [["b.example", 1]], "wifi": None}


def test_a_password_is_in_no_file_and_shown_to_nobody(world: World) -> None:
    site = world.manager
    site.change_settings(["hall"], {"wifi": WIFI})
    (one,) = site.settings()
    assert one.shown == {"wifi": "Plant, Open"}
    site.close()  # nothing of the database is left in other files
    found = {path.name: path.read_bytes() for path in world.folder.iterdir() if path.is_file()}
    assert b"Plant, Open" in found["site.sqlite"]
    assert [name for name, data in found.items() if PASSWORD.encode() in data] == []
    assert (world.folder / vault.KEY).stat().st_mode & 0o077 == 0


def test_a_secret_opens_for_its_purpose_alone(world: World) -> None:
    one = world.manager.vault
    sealed = one.seal(b"secret", "wifi of hall")
    assert one.open(sealed, "wifi of hall") == b"secret"
    assert sealed != one.seal(b"secret", "wifi of hall")
    wrong = (
        (sealed, "wifi of kitchen"),
        (sealed[:-1] + bytes((sealed[-1] ^ 1,)), "wifi of hall"),
        (sealed[:40], "wifi of hall"),
        (b"", "wifi of hall"),
    )
    for blob, purpose in wrong:
        assert code_of(lambda b=blob, p=purpose: one.open(b, p)) == "secret-lost"  # type: ignore[misc]
    (world.folder / vault.KEY).unlink()
    assert code_of(lambda: world.manager.vault.open(sealed, "wifi of hall")) == "secret-lost"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"server": []}, "bad-settings"),
        ({"server": None}, "bad-settings"),
        ({"server": [["a", 0]]}, "bad-address"),
        ({"server": [["a", 1]] * 5}, "bad-settings"),
        ({"wifi": [["x" * 33, "12345678"]]}, "bad-settings"),
        ({"wifi": [["x", "short"]]}, "bad-settings"),
        ({"wifi": [["x"]]}, "bad-settings"),
        ({"wifi": [["x", ""]] * 5}, "bad-settings"),
        ({"grace": -1}, "bad-settings"),
        ({"watchdog": 7}, "bad-settings"),
        ({"trial": 0}, "bad-settings"),
        ({"config": {"a b": "1"}}, "bad-settings"),
        ({"config": {"a": "x" * 5000}}, "too-large"),
        ({"token": "00"}, "bad-settings"),
        ({"version": 9}, "bad-settings"),
        ({"node": "hall"}, "bad-settings"),
    ],
)
def test_what_no_node_could_use_changes_nothing(
    world: World, changes: Mapping[str, object], code: str
) -> None:
    assert code_of(lambda: world.manager.change_settings(["hall", "kitchen"], changes)) == code
    assert world.manager.settings() == []


def test_all_nodes_or_none(world: World) -> None:
    change = {"spread": 5}
    assert code_of(lambda: world.manager.change_settings(["hall", "attic"], change)) == (
        "unknown-node"
    )
    assert world.manager.settings() == []


def test_how_far_a_node_is(world: World) -> None:
    site = world.manager

    def state() -> str:
        return site.settings()[0].state

    site.change_settings(["hall"], {"spread": 5})
    assert state() == "not known"
    tell(world, "hall", 0)
    assert state() == "to be told"
    tell(world, "hall", 0, gave_up=1)
    assert state() == "given up"
    site.change_settings(["hall"], {"spread": 6})
    assert state() == "to be told"
    tell(world, "hall", 2)
    assert state() == "in force"


def test_grace_counts_for_bounds_from_the_moment_of_the_change(world: World) -> None:
    def grace() -> int:
        with database.reading(world.manager.engine) as connection:
            return nodes.grace_of(connection, "hall")

    world.manager.change_settings(["hall"], {"grace": 600})
    assert grace() == 600
    world.manager.change_settings(["hall"], {"grace": 60})
    assert grace() == 600  # it may still have the old one
    tell(world, "hall", 1)
    assert grace() == 600
    tell(world, "hall", 2)
    assert grace() == 60


def test_what_is_provisioned_at_a_cable_replaces_all(world: World) -> None:
    site = world.manager
    assert site.provisioned("hall") == {}
    site.change_settings(["hall"], {"spread": 5, "wifi": WIFI})
    assert site.provisioned("hall") == {"version": 2}
    assert values(world, "hall") == {}
    tell(world, "hall", 2)
    (one,) = site.settings()
    assert (one.version, one.state, one.shown) == (2, "in force", {})
    assert code_of(lambda: site.provisioned("attic")) == "unknown-node"
