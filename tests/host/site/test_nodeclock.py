"""What a bound adds for a late node: as much as it said, and what a counter may lose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worlds.site_world import NOW, World, ends
from triseal import database
from triseal.site.records import ledger, node_clocks, tables
from triseal.site.records.node_clocks import Lag

LIFETIME = 5000
LOST = 51  # seconds that a counter that is 1 % slow loses in it, rounded up

# (what is known of the node, when its seal ends, what that adds)
ADDED = (
    ("it never said its time", Lag(), NOW, LOST),
    ("it was right when the seal was made", Lag(0, NOW - LIFETIME), NOW, LOST),
    ("it was late", Lag(55, NOW - LIFETIME), NOW, 55 + LOST + 1),
    ("it said so half a lifetime before", Lag(0, NOW - LIFETIME - 2500), NOW, 76),
    ("it said so a year before, but was told the time since", Lag(0, NOW - 10**7), NOW, 102),
    ("it said so after the seal was made", Lag(0, NOW - 10), NOW, LOST),
    ("and after its end", Lag(0, NOW + 10**7), NOW, LOST),
)


@pytest.mark.parametrize(("sentence", "lag", "until", "added"), ADDED, ids=[r[0] for r in ADDED])
def test_what_is_added(sentence: str, lag: Lag, until: int, added: int) -> None:
    assert lag.adds(until, LIFETIME) == added, sentence


@pytest.mark.parametrize("slow", [0, 100, 10_000])
@pytest.mark.parametrize("late", [0.0, 0.9, 55.0])
def test_it_is_enough_for_a_clock_of_that_speed(slow: int, late: float) -> None:
    """The node counts on from what it said, and stops in the second after its seal's end."""
    told = int(NOW + 0.99 - late)
    behind = max(0, NOW - told + 1)
    end = NOW + LIFETIME
    stops = NOW + 0.99 + (end + 1 - (NOW + 0.99 - late)) / (1 - slow / 1e6)
    assert stops <= end + Lag(behind, NOW).adds(end, LIFETIME) + 1


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "site") as made:
        made.manager.add_service(made.package())
        made.add_node("hall")
        made.manager.assign("hall", "thermo")
        yield made


def says(world: World, told: int) -> Lag:
    with database.writing(world.manager.engine) as connection:
        node_clocks.note(connection, [node_clocks.Said("hall", told, world.now)])
        return node_clocks.of(connection, "hall")


# (what a node says that it is, relative to the site's time; by how much it is taken to be behind)
SAID = (
    ("the site's time: it is cut to a second there and here", 0, 1),
    ("later", 1, 0),
    ("much later, to make the bound shorter", 10**9, 0),
    ("earlier", -55, 56),
    ("a lifetime earlier", -LIFETIME, LIFETIME),
    ("any time at all, to make the bound longer", 1 - NOW, LIFETIME),
)


@pytest.mark.parametrize(("sentence", "said", "behind"), SAID, ids=[row[0] for row in SAID])
def test_what_a_node_says(world: World, sentence: str, said: int, behind: int) -> None:
    assert says(world, NOW + said) == Lag(behind, NOW), sentence


def test_a_node_without_a_time_says_nothing_new(world: World) -> None:
    says(world, NOW - 55)
    world.now += 100
    assert says(world, 0) == Lag(56, NOW + 100)
    assert says(world, NOW + 101) == Lag(0, NOW + 100)


def test_many_nodes_say_their_times_at_once(world: World) -> None:
    for node in ("attic", "cellar"):
        world.add_node(node)
    said = (("hall", NOW - 55), ("attic", 0), ("unknown", NOW), ("cellar", 1), ("hall", NOW - 60))
    with database.writing(world.manager.engine) as connection:
        node_clocks.note(connection, [node_clocks.Said(node, told, NOW) for node, told in said])
        assert node_clocks.of_all(connection) == {
            "hall": Lag(61, NOW),
            "attic": Lag(0, NOW),
            "cellar": Lag(LIFETIME, NOW),
        }


def holds(world: World) -> None:
    made = world.manager.deployment("hall", "thermo")
    serial = ledger.serial_bytes(made.seal.serial)
    world.manager.heard("hall", {"thermo": (serial, "running")}, 3, world.now - 55)


def test_a_revocation_is_not_in_force_while_a_late_node_may_go_on(world: World) -> None:
    world.manager.grant("thermo", ["log"])
    holds(world)
    found = world.manager.revoke("thermo", ["log"])
    end = NOW + LIFETIME
    assert ends(found) == {"hall": end}
    assert found.clocks == {"hall": 56 + LOST + 1}
    for later in (end + 1, end + 55, found.waiting["hall"]):
        world.now = later
        assert world.manager.guarantee(service="thermo") == found
    world.now += 1
    after = world.manager.guarantee(service="thermo")
    assert (after.confirmed, after.waiting, after.ended) == ((), {}, ("hall",))


def test_a_step_of_the_sites_own_clock_makes_all_nodes_late(world: World) -> None:
    says(world, NOW + 1)
    with database.writing(world.manager.engine) as connection:
        for _ in range(2):
            node_clocks.stepped(connection, 250)
        assert node_clocks.of(connection, "hall") == Lag(500, NOW)
    assert says(world, NOW - 500) == Lag(501, NOW)


def test_it_is_kept_with_the_site(world: World) -> None:
    says(world, NOW - 55)
    world.manager.engine.dispose()
    world.manager = world.open()
    with database.reading(world.manager.engine) as connection:
        assert node_clocks.of(connection, "hall") == Lag(56, NOW)
        assert node_clocks.of(connection, "nobody") == Lag()
        assert connection.execute(tables.nodes.select()).one().name == "hall"
