"""Grants and what a change of them guarantees: where it is in force, by when elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sealcore import errors
from tests.worlds.site_world import NOW, World, ends
from triseal import database
from triseal.site.records import ledger, services, tables
from triseal.site.rules import grants
from triseal.site.rules.guarantee import Guarantee

LIFETIME = 5000
GRANT = "bus.publish:home/x"

Act = Callable[[World], object]


def two_nodes(made: World) -> None:
    made.manager.add_service(made.package())
    for name in ("hall", "kitchen"):
        made.add_node(name)
        made.manager.assign(name, "thermo")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "site", begin=two_nodes) as made:
        yield made


def granted(world: World, node: str) -> tuple[str, ...]:
    return tuple(world.check(world.manager.deployment(node, "thermo")).grants)


def code_of(world: World, act: Act) -> str:
    try:
        act(world)
    except Exception as error:
        return str(getattr(error, "code", repr(error)))
    return ""


GRANTS: tuple[tuple[str, Act, str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("to all nodes", lambda w: w.manager.grant("thermo", [GRANT]), "", (GRANT,), (GRANT,)),
    (
        "to one node",
        lambda w: w.manager.grant("thermo", ["pin:4"], ["kitchen"]),
        "",
        (),
        ("pin:4",),
    ),
    (
        "the same twice",
        lambda w: w.manager.grant("thermo", ["log", "log"]),
        "",
        ("log",),
        ("log",),
    ),
    (
        "less than the service asks for",
        lambda w: w.manager.grant("thermo", ["bus.publish:home/+/y"]),
        "",
        ("bus.publish:home/+/y",),
        ("bus.publish:home/+/y",),
    ),
    (
        "more than the service asks for",
        lambda w: w.manager.grant("thermo", ["log", "bus.publish:#"]),
        "not-requested",
        (),
        (),
    ),
    (
        "more than the service asks for, by force",
        lambda w: w.manager.grant("thermo", ["bus.publish:#"], force=True),
        "",
        ("bus.publish:#",),
        ("bus.publish:#",),
    ),
    (
        "what is no grant, by force even",
        lambda w: w.manager.grant("thermo", ["root"], force=True),
        "bad-grant",
        (),
        (),
    ),
    ("to no service", lambda w: w.manager.grant("heater", ["log"]), "unknown-service", (), ()),
    (
        "to two nodes of which one isn't there",
        lambda w: w.manager.grant("thermo", ["log"], ["kitchen", "attic"]),
        "unknown-node",
        (),
        (),
    ),
)


@pytest.mark.parametrize(
    ("sentence", "act", "code", "hall", "kitchen"), GRANTS, ids=[row[0] for row in GRANTS]
)
def test_granting(
    world: World,
    sentence: str,
    act: Act,
    code: str,
    hall: tuple[str, ...],
    kitchen: tuple[str, ...],
) -> None:
    assert code_of(world, act) == code
    assert granted(world, "hall") == hall
    assert granted(world, "kitchen") == kitchen


REVOCATIONS: tuple[tuple[str, Act, str, tuple[str, ...], tuple[str, ...]], ...] = (
    (
        "everywhere",
        lambda w: w.manager.revoke("thermo", ["log"]),
        "",
        ("pin:4",),
        (),
    ),
    (
        "everywhere, also where a node has its own",
        lambda w: w.manager.revoke("thermo", ["pin:4"]),
        "",
        ("log",),
        ("log",),
    ),
    (
        "from the node that alone has it",
        lambda w: w.manager.revoke("thermo", ["pin:4"], ["hall"]),
        "",
        ("log",),
        ("log",),
    ),
    (
        "from one node what all have",
        lambda w: w.manager.revoke("thermo", ["log"], ["hall"]),
        "granted-everywhere",
        ("log", "pin:4"),
        ("log",),
    ),
    (
        "from one node what another one alone has",
        lambda w: w.manager.revoke("thermo", ["pin:4"], ["kitchen"]),
        "no-such-grant",
        ("log", "pin:4"),
        ("log",),
    ),
    (
        "from no service",
        lambda w: w.manager.revoke("heater", ["log"]),
        "unknown-service",
        ("log", "pin:4"),
        ("log",),
    ),
    (
        "what nobody has, together with what all have",
        lambda w: w.manager.revoke("thermo", ["log", GRANT]),
        "no-such-grant",
        ("log", "pin:4"),
        ("log",),
    ),
)


@pytest.mark.parametrize(
    ("sentence", "act", "code", "hall", "kitchen"), REVOCATIONS, ids=[r[0] for r in REVOCATIONS]
)
def test_revoking(
    world: World,
    sentence: str,
    act: Act,
    code: str,
    hall: tuple[str, ...],
    kitchen: tuple[str, ...],
) -> None:
    world.manager.grant("thermo", ["log"])
    world.manager.grant("thermo", ["pin:4"], ["hall"])
    assert code_of(world, act) == code
    assert granted(world, "hall") == hall
    assert granted(world, "kitchen") == kitchen


@pytest.mark.parametrize("before", [(), ("hall", "kitchen")], ids=["assigned", "not yet"])
def test_more_grants_than_a_seal_holds_are_refused(world: World, before: tuple[str, ...]) -> None:
    for node in before:
        world.manager.undeploy(node, "thermo")
    many = [f"bus.publish:home/{number}" for number in range(65)]
    with pytest.raises(errors.TooLarge):
        world.manager.grant("thermo", many)
    world.manager.grant("thermo", many[:64])
    world.manager.assign("hall", "thermo")
    assert len(granted(world, "hall")) == 64


def told(world: World, node: str) -> None:
    """The node takes a fresh seal and says so."""
    made = world.manager.deployment(node, "thermo")
    serial = ledger.serial_bytes(made.seal.serial)
    world.manager.heard(node, {"thermo": (serial, "running")}, 3)


def test_a_change_before_any_seal_concerns_nobody_for_long(world: World) -> None:
    assert world.manager.grant("thermo", ["log"]) == Guarantee(("hall", "kitchen"), {})


def test_a_node_that_was_not_heard_bounds_the_change_by_its_newest_seal(world: World) -> None:
    told(world, "hall")
    world.now += 100
    told(world, "hall")
    world.manager.deployment("kitchen", "thermo")  # may have arrived, or not
    world.now += 100
    found = world.manager.grant("thermo", ["log"])
    assert ends(found) == {"hall": NOW + 100 + LIFETIME, "kitchen": NOW + 100 + LIFETIME}
    assert found.by == max(found.waiting.values())


def test_a_node_confirms_by_holding_the_new_seal(world: World) -> None:
    told(world, "hall")
    told(world, "kitchen")
    world.manager.grant("thermo", ["log"])
    told(world, "hall")
    found = world.manager.grant("thermo", ["log"])
    assert (found.confirmed, ends(found)) == (("hall",), {"kitchen": NOW + LIFETIME})


def test_a_change_on_one_node_concerns_that_node_alone(world: World) -> None:
    told(world, "hall")
    told(world, "kitchen")
    found = world.manager.grant("thermo", ["pin:4"], ["kitchen"])
    assert (found.confirmed, ends(found)) == (("hall",), {"kitchen": NOW + LIFETIME})


def test_when_the_last_old_seal_is_over_the_change_is_in_force(world: World) -> None:
    told(world, "hall")
    world.manager.undeploy("hall", "thermo")
    world.now = NOW + LIFETIME
    found = world.manager.retire("hall")
    assert ends(found) == {"hall": NOW + LIFETIME}
    assert found.by is not None
    world.now = found.by
    world.manager.add_node("attic")
    assert world.manager.grant("thermo", ["log"]).by == found.by
    world.now += 1
    after = world.manager.grant("thermo", ["log"])
    assert (after.by, after.confirmed, after.ended) == (None, ("kitchen",), ("hall",))


def test_a_node_with_grace_is_named_until_it_says_that_it_has_changed(world: World) -> None:
    told(world, "hall")
    told(world, "kitchen")
    world.manager.allow_grace("hall", 60, in_force=True)
    found = world.manager.grant("thermo", ["log"])
    assert ends(found) == {"hall": NOW + LIFETIME, "kitchen": NOW + LIFETIME}
    assert (found.confirmed, found.grace) == ((), {"hall": 60})
    world.now = max(found.waiting.values()) + 1
    # It may lie in a drawer with the old seal, and not know that it is over.
    assert world.manager.grant("thermo", ["log"]) == Guarantee((), {}, {"hall": 60}, ("kitchen",))
    told(world, "hall")
    after = world.manager.grant("thermo", ["log"])
    assert after == Guarantee(("hall",), {}, ended=("kitchen",))


def test_a_grace_counts_from_when_it_may_be_in_force_to_when_it_is_not(world: World) -> None:
    told(world, "hall")
    world.manager.expect("hall", bytes(16), 1000, grace=30, replace=True)  # an image of it
    assert world.manager.grant("thermo", ["log"], ["hall"]).grace == {"hall": 30}
    for seconds, in_force, noted in (
        (60, False, {"hall": 60}),
        (0, False, {"hall": 60}),
        (90, False, {"hall": 90}),
        (10, True, {"hall": 10}),
        (0, True, {}),
    ):
        world.manager.allow_grace("hall", seconds, in_force=in_force)
        assert world.manager.grant("thermo", ["log"], ["hall"]).grace == noted, seconds


@pytest.mark.parametrize("act", ["undeploy", "retire"])
def test_what_is_taken_away_is_gone_when_the_node_says_so(world: World, act: str) -> None:
    told(world, "hall")
    if act == "undeploy":
        found = world.manager.undeploy("hall", "thermo")
    else:
        found = world.manager.retire("hall")
    assert (found.confirmed, ends(found)) == ((), {"hall": NOW + LIFETIME})
    world.manager.heard("hall", {}, 3)
    after = world.manager.grant("thermo", ["log"])
    assert "hall" not in after.waiting


def test_a_new_package_counts_as_a_change(world: World) -> None:
    told(world, "hall")
    world.manager.add_service(world.package(version="2.0"))
    found = world.manager.undeploy("kitchen", "thermo")
    assert found.by is None
    assert ends(world.manager.grant("thermo", ["log"])) == {"hall": NOW + LIFETIME}
    assert world.check(world.manager.deployment("hall", "thermo")).service_version == "2.0"


OVERFULL: tuple[tuple[str, Act, Act], ...] = (
    (
        "to one node, and then more to all",
        lambda w: w.manager.grant("thermo", bus("a", 40), ["hall"]),
        lambda w: w.manager.grant("thermo", bus("b", 40)),
    ),
    (
        "to all, and then more to one node",
        lambda w: w.manager.grant("thermo", bus("a", 40)),
        lambda w: w.manager.grant("thermo", bus("b", 40), ["hall"]),
    ),
    (
        "fewer than 64, but more bytes than a seal has",
        lambda w: w.manager.grant("thermo", ["log"]),
        lambda w: w.manager.grant("thermo", bus("x" * 90, 45)),
    ),
)


def bus(topic: str, count: int) -> list[str]:
    return [f"bus.publish:home/{topic}/{number:02}" for number in range(count)]


@pytest.mark.parametrize(("sentence", "before", "act"), OVERFULL, ids=[row[0] for row in OVERFULL])
def test_grants_that_no_seal_can_hold_are_not_kept(
    world: World, sentence: str, before: Act, act: Act
) -> None:
    before(world)
    had = granted(world, "hall"), granted(world, "kitchen")
    assert code_of(world, act) == "too-large"
    assert (granted(world, "hall"), granted(world, "kitchen")) == had


def test_a_service_with_more_grants_than_a_node_can_hold_is_not_assigned(world: World) -> None:
    world.add_node("attic")
    world.manager.grant("thermo", bus("a", 40), ["attic"])
    world.manager.grant("thermo", bus("b", 40))
    assert code_of(world, lambda w: w.manager.assign("attic", "thermo")) == "too-large"
    assert world.manager.assigned("attic") == []


def test_a_package_that_leaves_no_room_for_the_grants_is_not_taken(world: World) -> None:
    fill(world)
    before = granted(world, "hall")
    update = world.package(version="9" * 9 + ".999999999" * 2 + ".9")
    assert code_of(world, lambda w: w.manager.add_service(update)) == "too-large"
    assert granted(world, "hall") == before
    assert world.check(world.manager.deployment("hall", "thermo")).service_version == "1.0"


def fill(world: World) -> None:
    """Grant until the seals have no room for another topic."""
    for size in [100] * 40 + list(range(99, 0, -1)):
        one = f"bus.publish:home/{len(granted_rows(world)):02}{'y' * (size - 1)}"
        code_of(world, lambda w, one=one: w.manager.grant("thermo", [one]))  # type: ignore[misc]


def granted_rows(world: World) -> tuple[str, ...]:
    with database.reading(world.manager.engine) as connection:
        return grants.effective(connection, "thermo", "hall")


def test_what_was_granted_too_much_long_ago_can_still_be_taken(world: World) -> None:
    told(world, "hall")
    overfill(world, "thermo")
    found = world.manager.revoke("thermo", ["bus.publish:home/a/00"])
    assert ends(found) == {"hall": NOW + LIFETIME}


def overfill(world: World, service: str) -> None:
    """Grants as they could be stored before anybody looked at the whole."""
    rows = [{"service": service, "node": "", "grant": one} for one in bus("a", 70)]
    with database.writing(world.manager.engine) as connection:
        connection.execute(tables.grants.insert(), rows)


def test_a_node_has_as_many_services_as_it_can_name(world: World) -> None:
    with database.writing(world.manager.engine) as connection:
        package = services.get(connection, "thermo")
        for number in range(64):
            values = {**package._mapping, "name": f"s{number}"}
            connection.execute(tables.services.insert().values(values))
    for number in range(63):
        world.manager.assign("hall", f"s{number}")
    assert code_of(world, lambda w: w.manager.assign("hall", "s63")) == "too-large"
    world.manager.assign("hall", "s0")
    assert len(world.manager.assigned("hall")) == 64


def test_a_change_and_back_is_bounded_by_the_seal_that_a_node_has_not_told_of(
    world: World,
) -> None:
    """It said the right thing before; since then the wrong one has left for it."""
    told(world, "hall")
    world.now += 100
    world.manager.grant("thermo", [GRANT])
    assert granted(world, "hall") == (GRANT,)
    found = world.manager.revoke("thermo", [GRANT])
    assert ends(found) == {"hall": world.now + LIFETIME}
    world.now += 100
    told(world, "hall")
    assert world.manager.guarantee(service="thermo").waiting == {}
