"""Grants and what a change of them guarantees: where it is in force, by when elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sealcore import errors
from tests.host.site_world import NOW, World
from triseal.site import ledger
from triseal.site.guarantee import Guarantee

LIFETIME = 5000
GRANT = "bus.publish:home/x"

Act = Callable[[World], object]


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "site")
    made.manager.add_service(made.package())
    for name in ("hall", "kitchen"):
        made.add_node(name)
        made.manager.assign(name, "thermo")
    return made


def granted(world: World, node: str) -> tuple[str, ...]:
    return world.check(world.manager.deployment(node, "thermo")).grants


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


def test_more_grants_than_a_seal_holds_are_refused(world: World) -> None:
    many = [f"bus.publish:home/{number}" for number in range(65)]
    with pytest.raises(errors.TooLarge):
        world.manager.grant("thermo", many)
    world.manager.grant("thermo", many[:64])
    assert len(granted(world, "hall")) == 64


def told(world: World, node: str) -> None:
    """The node takes a fresh seal and says so."""
    made = world.manager.deployment(node, "thermo")
    serial = ledger.serial_octets(made.seal.serial)
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
    assert found.waiting == {"hall": NOW + 100 + LIFETIME, "kitchen": NOW + 100 + LIFETIME}
    assert found.by == NOW + 100 + LIFETIME


def test_a_node_confirms_by_holding_the_new_seal(world: World) -> None:
    told(world, "hall")
    told(world, "kitchen")
    world.manager.grant("thermo", ["log"])
    told(world, "hall")
    found = world.manager.grant("thermo", ["log"])
    assert found == Guarantee(("hall",), {"kitchen": NOW + LIFETIME})


def test_a_change_on_one_node_concerns_that_node_alone(world: World) -> None:
    told(world, "hall")
    told(world, "kitchen")
    found = world.manager.grant("thermo", ["pin:4"], ["kitchen"])
    assert found == Guarantee(("hall",), {"kitchen": NOW + LIFETIME})


def test_when_the_last_old_seal_is_over_the_change_is_in_force(world: World) -> None:
    told(world, "hall")
    world.manager.undeploy("hall", "thermo")
    world.now = NOW + LIFETIME
    assert world.manager.retire("hall").by == NOW + LIFETIME
    world.now += 1
    world.manager.add_node("attic")
    assert world.manager.grant("thermo", ["log"]).by is None


@pytest.mark.parametrize("act", ["undeploy", "retire"])
def test_what_is_taken_away_is_gone_when_the_node_says_so(world: World, act: str) -> None:
    told(world, "hall")
    if act == "undeploy":
        found = world.manager.undeploy("hall", "thermo")
    else:
        found = world.manager.retire("hall")
    assert found == Guarantee((), {"hall": NOW + LIFETIME})
    world.manager.heard("hall", {}, 3)
    after = world.manager.grant("thermo", ["log"])
    assert "hall" not in after.waiting


def test_a_new_package_counts_as_a_change(world: World) -> None:
    told(world, "hall")
    world.manager.add_service(world.package(version="2.0"))
    found = world.manager.undeploy("kitchen", "thermo")
    assert found.by is None
    assert world.manager.grant("thermo", ["log"]).waiting == {"hall": NOW + LIFETIME}
    assert world.check(world.manager.deployment("hall", "thermo")).service_version == "2.0"
