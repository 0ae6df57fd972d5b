"""Labels, rules that deploy by selectors, and the ends of nodes and services."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sealcore import messages
from tests.worlds.site_world import World, code_of
from triseal import database
from triseal.site.records import holdings, tables
from triseal.site.records.placement import Place


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A site with three nodes and a service that is on none of them."""
    with World(tmp_path / "site") as made:
        for name in ("hall", "kitchen"):
            made.add_node(name)
        made.manager.add_node("attic")
        made.manager.add_service(made.package())
        yield made


def has(world: World, node: str) -> list[str]:
    return world.manager.assigned(node)


def tell(world: World, node: str, serial: int, state: str = "running") -> None:
    """The node says what it holds of `thermo`."""
    held = {"thermo": (serial.to_bytes(16, "big"), state)} if serial else {}
    world.manager.heard(node, held, 1)


def test_nodes_that_match_have_the_service_and_those_that_do_not_lose_it(world: World) -> None:
    site = world.manager
    assert site.add_rule("thermo", "floor=2").given == ()
    _, done = site.label("hall", {"floor": "2"})
    assert done.given == (Place("hall", "thermo"),)
    assert (has(world, "hall"), has(world, "kitchen")) == (["thermo"], [])
    seal = site.deployment("hall", "thermo").seal
    tell(world, "hall", seal.serial)
    _, done = site.label("hall", {"floor": "3"})
    assert done.taken == (Place("hall", "thermo"),)
    assert site.guarantee_of(done).by is not None  # until its seal ends, whoever reaches it
    assert has(world, "hall") == []
    world.manager.add_node("floor")
    _, done = site.label("floor", {"floor": "2"})
    assert has(world, "floor") == ["thermo"]


def test_what_a_node_says_counts_like_a_label(world: World) -> None:
    site = world.manager
    site.add_rule("thermo", "chip=esp32c3,state=enrolled")
    for node in ("hall", "attic"):  # the second one is not enrolled
        site.tell(node, {"chip": "esp32c3"})
    assert (has(world, "hall"), has(world, "attic")) == (["thermo"], [])
    site.tell("hall", {"chip": "rp2040"})
    assert has(world, "hall") == []
    site.tell("kitchen", {"state": "retired", "node": "hall"})  # a lie about what the site knows
    assert site.matching("state=enrolled") == ["hall", "kitchen"]
    assert site.matching("node=hall") == ["hall"]


def test_a_person_wins_over_a_rule(world: World) -> None:
    site = world.manager
    site.assign("hall", "thermo")
    site.add_rule("thermo", "node!=attic")
    assert code_of(lambda: site.undeploy("kitchen", "thermo")) == "by-rule"
    assert code_of(lambda: site.undeploy("hall", "thermo")) == "by-rule"
    assert has(world, "hall") == has(world, "kitchen") == ["thermo"]
    assert site.remove_rule("thermo", "node!=attic").taken == (Place("kitchen", "thermo"),)
    assert has(world, "hall") == ["thermo"]
    site.add_rule("thermo", "node=kitchen")
    site.assign("kitchen", "thermo")  # now a person wants it too
    site.remove_rule("thermo", "node=kitchen")
    assert has(world, "kitchen") == ["thermo"]


def test_two_rules_for_one_place(world: World) -> None:
    site = world.manager
    site.add_rule("thermo", "node=hall")
    site.add_rule("thermo", "state=enrolled")
    site.add_rule("thermo", "state=enrolled")  # once is enough
    assert site.remove_rule("thermo", "node=hall").changed == []
    assert has(world, "hall") == ["thermo"]
    assert [one.rule.selector for one in site.rules()] == ["state=enrolled"]
    assert site.rules()[0].nodes == ("hall", "kitchen")
    assert code_of(lambda: site.remove_rule("thermo", "node=hall")) == "no-such-rule"
    assert code_of(lambda: site.add_rule("light", "node=hall")) == "unknown-service"
    assert code_of(lambda: site.add_rule("thermo", "node=*")) == "bad-selector"


def test_a_node_that_is_added_or_enrolled_later(world: World) -> None:
    world.manager.add_rule("thermo", "state=enrolled")
    world.manager.add_rule("thermo", "node=new")
    world.manager.add_node("new")
    assert has(world, "new") == ["thermo"]
    world.add_node("newer")
    assert has(world, "newer") == ["thermo"]
    world.manager.retire("newer")
    assert world.manager.rules()[1].nodes == ("hall", "kitchen")


def test_a_node_with_no_room_is_named(world: World) -> None:
    site = world.manager
    with database.writing(site.engine) as connection:
        row = connection.execute(tables.services.select()).one()._asdict()
        for number in range(messages.MAX_LIST):
            name = f"s{number}"
            connection.execute(tables.services.insert().values({**row, "name": name}))
            place = {"node": "hall", "service": name, "assigned_at": 0}
            connection.execute(tables.assignments.insert().values(place))
    done = site.add_rule("thermo", "state=enrolled")
    assert done.unable == (Place("hall", "thermo"),)
    (rule,) = site.rules()
    assert (rule.nodes, rule.lacking) == (("hall", "kitchen"), ("hall",))


def test_labels_are_bounded(world: World) -> None:
    many: dict[str, str | None] = {f"k{number}": "1" for number in range(32)}
    world.manager.label("hall", many)
    assert code_of(lambda: world.manager.label("hall", {"more": "1"})) == "bad-selector"
    labels, _ = world.manager.label("hall", {"k0": None, "more": "1"})
    assert (len(labels), "k0" in labels) == (32, False)
    assert code_of(lambda: world.manager.label("cellar", {})) == "unknown-node"


def test_only_a_retired_node_that_runs_nothing_is_forgotten(world: World) -> None:
    site = world.manager
    site.label("hall", {"floor": "2"})
    site.assign("hall", "thermo")
    tell(world, "hall", site.deployment("hall", "thermo").seal.serial)
    assert code_of(lambda: site.forget("hall")) == "not-retired"
    site.retire("hall")
    assert code_of(lambda: site.forget("hall")) == "may-run"  # nobody knows that it is off
    world.now += 3 * site.lifetime
    site.forget("hall")
    assert code_of(lambda: site.forget("hall")) == "unknown-node"
    assert code_of(lambda: site.forget("kitchen")) == "not-retired"
    site.add_node("hall")  # another node, which has nothing of the old one
    assert (has(world, "hall"), site.label("hall", {})[0]) == ([], {})
    assert code_of(lambda: site.matching("floor=2")) == "no-node-matches"


def test_a_node_gets_another_name(world: World) -> None:
    site = world.manager
    site.label("attic", {"floor": "4"})
    site.assign("attic", "thermo")
    assert site.rename("attic", "roof").by is None
    assert (has(world, "roof"), site.matching("floor=4")) == (["thermo"], ["roof"])
    assert code_of(lambda: site.check_node("attic")) == "unknown-node"
    # An enrolled one is retired: its old name is in its certificate and its seals.
    site.assign("hall", "thermo")
    site.grant("thermo", ["log"], ["hall"])
    tell(world, "hall", site.deployment("hall", "thermo").seal.serial)
    bound = site.rename("hall", "lobby")
    assert list(bound.waiting) == ["hall"]
    assert code_of(lambda: site.check_node("hall")) == "node-retired"
    assert has(world, "lobby") == ["thermo"]
    for new, code in (("roof", "name-taken"), ("hall", "name-taken"), ("A B", "bad-label")):
        assert code_of(lambda new=new: site.rename("kitchen", new)) == code  # type: ignore[misc]
    assert code_of(lambda: site.rename("cellar", "x")) == "unknown-node"


def test_a_service_is_removed_when_nothing_stands_in_the_way(world: World) -> None:
    site = world.manager
    site.assign("hall", "thermo")
    site.grant("thermo", ["log"])
    assert code_of(lambda: site.remove_service("thermo")) == "still-needed"
    serial = site.deployment("hall", "thermo").seal.serial
    tell(world, "hall", serial)
    site.undeploy("hall", "thermo")
    assert code_of(lambda: site.remove_service("thermo")) == "may-run"
    site.add_rule("thermo", "floor=9")
    tell(world, "hall", 0)
    assert code_of(lambda: site.remove_service("thermo")) == "still-needed"
    site.remove_rule("thermo", "floor=9")
    site.remove_service("thermo")
    assert code_of(lambda: site.remove_service("thermo")) == "unknown-service"
    with database.reading(site.engine) as connection:
        assert holdings.find(connection, Place("hall", "thermo")) is None
        assert connection.execute(tables.packages.select()).all() == []
        assert connection.execute(tables.grants.select()).all() == []
    site.add_service(world.package())
    site.assign("hall", "thermo")
    assert world.check(site.deployment("hall", "thermo"))


def test_the_lifetime_of_seals_changes(world: World) -> None:
    site = world.manager
    site.assign("hall", "thermo")
    before = site.deployment("hall", "thermo").seal.validity
    assert before.not_after - before.not_before == 5000
    assert site.set_lifetime(600) == before.not_after
    after = site.deployment("hall", "thermo").seal.validity
    assert after.not_after - after.not_before == 600
    with world.open() as other:
        assert other.lifetime == 600
    world.now += 5001
    assert site.set_lifetime(600) is None
    for wrong in (9, 0, -1, 31 * 86400):
        with pytest.raises(ValueError, match="lifetime"):
            site.set_lifetime(wrong)
    assert site.lifetime == 600
