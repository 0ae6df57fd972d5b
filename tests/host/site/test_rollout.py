"""A new version reaches the nodes that it was rolled out to, and no other one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from sealcore import seal
from tests.worlds.site_world import (
    NOW,
    YEAR,
    World,
    code_of,
    ends,
    make_developer,
    make_request,
    signed_package,
)
from triseal import database, evidence, signer
from triseal.site.errors import NotConfirmed
from triseal.site.manager import Manager
from triseal.site.records import ledger, pruning, reports, tables
from triseal.site.records.placement import Place
from triseal.site.views.placements import PlaceFacts, places
from triseal.site.views.rollout_status import Watch

NODES = ("attic", "hall", "kitchen")
OLD = b"async def main(ctx):\n    ctx.log('old')\n"


def three_nodes(made: World) -> None:
    """Version 1.0 on three nodes, all of which hold a seal of it."""
    made.manager.add_service(made.package(executable=OLD))
    for node in NODES:
        made.add_node(node)
        made.manager.assign(node, "thermo")
        take(made, node)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "site", begin=three_nodes) as made:
        yield made


def take(world: World, node: str, state_told: str = "running", *, at: Manager | None = None) -> str:
    """A node takes a fresh seal, runs it by its own check and says so; the version."""
    made = (at or world.manager).deployment(node, "thermo")
    version = world.check(made).service_version
    serial = ledger.serial_bytes(made.seal.serial)
    world.manager.heard(node, {"thermo": (serial, state_told)}, 1)
    return str(version)


def hold(world: World, version: str = "2.0", security_version: int = 1, **fields: Any) -> None:
    package = world.package(version=version, security_version=security_version, **fields)
    world.manager.add_service(package, hold=True)


def due(world: World) -> dict[str, str]:
    """The version that each node is sealed."""
    return {node: take(world, node) for node in NODES}


def facts(world: World) -> dict[str, PlaceFacts]:
    with database.reading(world.manager.engine) as connection:
        return {one.node: one for one in places(connection, world.manager.issuer, world.now)}


def add(world: World, version: str) -> None:
    world.manager.add_service(world.package(version=version))


def out(world: World, *nodes: str) -> None:
    world.manager.rollout("thermo", nodes)


def back(world: World, *nodes: str) -> None:
    world.manager.roll_back("thermo", nodes or None)


def twice(world: World, *, hold: bool) -> None:
    package = world.package(version="2.0")
    world.manager.add_service(package, hold=True)
    world.manager.add_service(package, hold=hold)


def resealed(world: World) -> None:
    package = world.package(version="2.0")
    world.manager.add_service(package, hold=True)
    out(world, "hall")
    world.manager.add_service(world.store.countersign(package), hold=True)


Step = Callable[[World], object]
MOVES: tuple[tuple[str, tuple[Step, ...], str], ...] = (
    ("a new version goes everywhere", (lambda w: add(w, "2.0"),), "2.0 2.0 2.0"),
    ("one that is held goes nowhere", (hold,), "1.0 1.0 1.0"),
    ("to one node", (hold, lambda w: out(w, "hall")), "1.0 2.0 1.0"),
    ("to none", (hold, out), "1.0 1.0 1.0"),
    ("to one node twice", (hold, lambda w: out(w, "hall", "hall")), "1.0 2.0 1.0"),
    ("to all", (hold, lambda w: w.manager.rollout("thermo")), "2.0 2.0 2.0"),
    (
        "to all, and again",
        (hold, lambda w: w.manager.rollout("thermo"), lambda w: w.manager.rollout("thermo")),
        "2.0 2.0 2.0",
    ),
    ("to one where nothing is held", (lambda w: out(w, "hall"),), "1.0 1.0 1.0"),
    (
        "one node back",
        (hold, lambda w: out(w, "hall", "attic"), lambda w: back(w, "hall")),
        "2.0 1.0 1.0",
    ),
    (
        "all back",
        (hold, lambda w: out(w, "hall", "attic"), back),
        "1.0 1.0 1.0",
    ),
    (
        "a third version is held: each goes on with what it has",
        (hold, lambda w: out(w, "hall"), lambda w: hold(w, "3.0")),
        "1.0 2.0 1.0",
    ),
    (
        "and is rolled out in its turn",
        (hold, lambda w: out(w, "hall"), lambda w: hold(w, "3.0"), lambda w: out(w, "attic")),
        "3.0 2.0 1.0",
    ),
    (
        "a third version that is not held goes everywhere",
        (hold, lambda w: out(w, "hall"), lambda w: add(w, "3.0")),
        "3.0 3.0 3.0",
    ),
    (
        "the held package once more changes nothing",
        (lambda w: twice(w, hold=False),),
        "1.0 1.0 1.0",
    ),
    ("nor does it held once more", (lambda w: twice(w, hold=True),), "1.0 1.0 1.0"),
    (
        "a new Store seal for the held package is held, too",
        (resealed,),
        "1.0 2.0 1.0",
    ),
    (
        "a node that is undeployed and deployed again goes on with what it had",
        (hold, lambda w: out(w, "hall"), lambda w: w.manager.undeploy("hall", "thermo"),
         lambda w: w.manager.assign("hall", "thermo")),
        "1.0 2.0 1.0",
    ),
    (
        "one that is deployed meanwhile gets what the others have",
        (lambda w: w.manager.undeploy("hall", "thermo"), hold,
         lambda w: w.manager.assign("hall", "thermo")),
        "1.0 1.0 1.0",
    ),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "steps", "expected"), MOVES, ids=[row[0] for row in MOVES])
def test_who_gets_what(world: World, sentence: str, steps: tuple[Step, ...], expected: str) -> None:
    for step in steps:
        step(world)
    expected_by_node = dict(zip(NODES, expected.split(), strict=True))
    with database.reading(world.manager.engine) as connection:
        assert {
            one.node: one.due for one in places(connection, world.manager.issuer, world.now)
        } == expected_by_node
    assert due(world) == expected_by_node


REFUSED: tuple[tuple[str, Step, str], ...] = (
    ("a service that isn't there", lambda w: w.manager.rollout("heater"), "unknown-service"),
    ("a node that isn't there", lambda w: out(w, "shed"), "unknown-node"),
    ("a node without the service", lambda w: out(w, "hall", "bare"), "not-assigned"),
    ("a retired node", lambda w: out(w, "hall", "gone"), "node-retired"),
    ("another version", lambda w: w.manager.rollout("thermo", version="3.0"), "other-version"),
    ("the right version", lambda w: w.manager.rollout("thermo", version="2.0"), ""),
    ("back, of a service that isn't there", lambda w: w.manager.roll_back("x"), "unknown-service"),
    ("back, a node without the service", lambda w: back(w, "bare"),
     "not-assigned"),
    ("once its seals have expired", lambda w: later(w, lambda: out(w, "hall")), "expired"),
    ("back, once the old seals have expired", lambda w: later(w, lambda: back(w)),
     "expired"),
    ("once nobody trusts its developer", lambda w: distrusted(w, lambda: out(w, "hall")),
     "untrusted-signer"),
)  # fmt: skip


def later(world: World, call: Callable[[], object]) -> None:
    world.now = NOW + 2 * YEAR
    call()


def distrusted(world: World, call: Callable[[], object]) -> None:
    world.manager.distrust_developer("Ada")
    call()


@pytest.mark.parametrize(("sentence", "call", "code"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_refused_changes_nothing(
    world: World, sentence: str, call: Step, code: str
) -> None:
    world.add_node("bare")
    world.add_node("gone")
    world.manager.assign("gone", "thermo")
    world.manager.retire("gone")
    hold(world)
    before = rows(world)
    assert code_of(lambda: call(world)) == code
    assert (rows(world) == before) == bool(code)


def rows(world: World) -> list[tuple[str, str, bytes]]:
    with database.reading(world.manager.engine) as connection:
        return sorted(tuple(row) for row in connection.execute(select(tables.releases)))


def test_nothing_is_held_nothing_to_go_back_to(world: World) -> None:
    assert code_of(lambda: world.manager.roll_back("thermo")) == "nothing-held"
    hold(world)
    world.manager.rollout("thermo")
    assert code_of(lambda: world.manager.roll_back("thermo")) == "nothing-held"


def refuse(world: World, node: str, code: str = "too-large") -> None:
    """A node goes on with the seal that it holds, and refuses the other one that it is offered."""
    world.manager.deployment(node, "thermo")
    tell(world, node, "refused", code)
    tell(world, node, "running")


def tell(world: World, node: str, became: str, code: str = "") -> None:
    """What a node says of the service while it holds on to its seal."""
    world.manager.heard(node, {"thermo": (held(world, node), became)}, 1)
    if code:
        report(world, Place(node, "thermo"), code)


def held(world: World, node: str) -> bytes:
    which = (tables.holdings.c.node == node) & (tables.holdings.c.service == "thermo")
    with database.reading(world.manager.engine) as connection:
        query = select(tables.holdings.c.serial).where(which)
        return bytes(connection.execute(query).scalar_one())


def replace_board(world: World) -> None:
    """Another board takes the node's place: its floors are its own."""
    take(world, "hall")
    world.node_keys["hall"] = signer.generate("p256")
    world.manager.enrol("hall", make_request(world.node_keys["hall"], "hall"), replace=True)


def refuse_and_take(world: World) -> None:
    refuse(world, "hall")
    world.now += 1
    world.manager.deployment("hall", "thermo")


WAYS_BACK: tuple[tuple[str, int, Step, str], ...] = (
    ("the same security version", 1, lambda w: take(w, "hall"), ""),
    ("a higher one that the node took", 2, lambda w: take(w, "hall"), "no-way-back"),
    ("a higher one that left for it", 2, lambda w: w.manager.deployment("hall", "thermo"),
     "no-way-back"),
    ("a higher one that failed there", 2, lambda w: take(w, "hall", "failed"), "no-way-back"),
    ("a higher one that never left", 2, lambda w: None, ""),
    ("a higher one that the node refused", 2, lambda w: refuse(w, "hall"), ""),
    ("one that was offered to it once more", 2, refuse_and_take, "no-way-back"),
    ("one while what it held was not granted something", 2,
     lambda w: refuse(w, "hall", "not-granted"), "no-way-back"),
    ("one while what it held failed with an error of its own", 2,
     lambda w: refuse(w, "hall", "ValueError"), "no-way-back"),
    ("a higher one that another board took", 2, replace_board, ""),
)  # fmt: skip


@pytest.mark.parametrize(
    ("sentence", "security_version", "before", "code"), WAYS_BACK, ids=[row[0] for row in WAYS_BACK]
)
def test_the_way_back(
    world: World, sentence: str, security_version: int, before: Step, code: str
) -> None:
    hold(world, security_version=security_version)
    out(world, "hall", "kitchen")
    before(world)
    for on in (["hall"], None):
        assert code_of(lambda: world.manager.roll_back("thermo", on)) == code  # noqa: B023
        expected = ("2.0", "2.0") if code else ("1.0", "2.0" if on else "1.0")
        assert (facts(world)["hall"].due, facts(world)["kitchen"].due) == expected
    if code:
        world.manager.roll_back("thermo", ["kitchen"])


def test_the_refusal_names_the_nodes_and_both_versions(world: World) -> None:
    hold(world, security_version=2)
    out(world, "hall", "kitchen")
    take(world, "hall")
    with pytest.raises(Exception, match=r"^hall: security version 1 of 1\.0 is below") as caught:
        world.manager.roll_back("thermo")
    assert "kitchen" not in str(caught.value)


def test_all_back_means_all_that_can(world: World) -> None:
    """No node bars the way that has the service no longer, and none keeps what it never had."""
    for node in ("away", "unborn"):
        world.manager.add_node(node)
        world.manager.assign(node, "thermo")
    hold(world, security_version=2)
    out(world, *NODES, "away", "unborn")
    for node in ("attic", "hall"):
        take(world, node)
    for node in ("attic", "away"):
        world.manager.undeploy(node, "thermo")
    world.manager.retire("hall")
    assert code_of(lambda: world.manager.roll_back("thermo")) == ""
    for node in ("attic", "away"):
        world.manager.assign(node, "thermo")
    found = {node: one.due for node, one in facts(world).items() if node != "hall"}
    assert found == {"attic": "2.0", "away": "1.0", "kitchen": "1.0", "unborn": "1.0"}


def test_only_upwards_from_all_that_was_ever_taken_in(world: World) -> None:
    hold(world, "2.0", 5)
    lower = world.package(version="2.1", security_version=4)
    assert code_of(lambda: world.manager.add_service(lower)) == "rollback"
    assert code_of(lambda: world.manager.add_service(lower, hold=True)) == "rollback"
    other = world.package(version="2.0", security_version=5, executable=b"pass\n")
    assert code_of(lambda: world.manager.add_service(other, hold=True)) == "rollback"
    world.manager.roll_back("thermo")
    assert code_of(lambda: world.manager.add_service(lower)) == "rollback"


def test_another_developers_package_is_not_held_unnoticed_either(world: World) -> None:
    bob = make_developer("Bob")
    world.manager.trust_developer("Bob", bob.signer.spki)
    other = world.store.countersign(signed_package(bob, version="2.0"))
    assert code_of(lambda: world.manager.add_service(other, hold=True)) == "other-developer"
    assert rows(world) == []


def test_the_guarantee_speaks_of_who_was_moved(world: World) -> None:
    end = world.now + world.manager.lifetime
    hold(world)
    found = world.manager.rollout("thermo", ["hall"])
    assert (found.confirmed, ends(found)) == ((), {"hall": end})
    # The others have what they shall: the old version is no longer bounded by anything.
    assert ends(world.manager.guarantee(service="thermo")) == {"hall": end}
    take(world, "hall")
    assert world.manager.guarantee(service="thermo").confirmed == NODES
    found = world.manager.rollout("thermo")
    assert (found.confirmed, ends(found)) == (("hall",), {"attic": end, "kitchen": end})
    world.now = max(found.waiting.values()) + 1
    after = world.manager.guarantee(service="thermo")
    assert (after.by, after.confirmed, after.ended) == (None, ("hall",), ("attic", "kitchen"))


def test_a_way_back_is_guaranteed_as_well(world: World) -> None:
    hold(world)
    out(world, "hall")
    world.now += 100
    take(world, "hall")
    found = world.manager.roll_back("thermo")
    assert ends(found) == {"hall": world.now + world.manager.lifetime}
    take(world, "hall")
    assert world.manager.guarantee(service="thermo").confirmed == NODES


def test_a_change_of_grants_reaches_both_versions(world: World) -> None:
    hold(world)
    out(world, "hall")
    due(world)
    found = world.manager.grant("thermo", ["log"])
    assert set(found.waiting) == set(NODES)
    for node in NODES:
        made = world.manager.deployment(node, "thermo")
        assert world.check(made).grants == ("log",)


GRANTS: tuple[tuple[str, str, str], ...] = (
    ("what both ask for", "log", ""),
    ("what only the held one asks for", "pin:4", ""),
    ("what only the newest asks for", "pin:5", ""),
    ("what none asks for", "pin:6", "not-requested"),
)


@pytest.mark.parametrize(("sentence", "grant", "code"), GRANTS, ids=[row[0] for row in GRANTS])
def test_grants_for_what_any_release_in_use_asks(
    world: World, sentence: str, grant: str, code: str
) -> None:
    hold(world, metadata=b'{"capabilities": ["log", "pin:5"]}')
    assert code_of(lambda: world.manager.grant("thermo", [grant])) == code
    assert code_of(lambda: world.manager.grant("thermo", [grant], ["hall"])) == code
    world.manager.rollout("thermo")
    if grant == "pin:4":
        assert code_of(lambda: world.manager.grant("thermo", [grant], ["attic"])) == "not-requested"


def test_a_held_node_ends_with_the_seals_of_what_it_holds(world: World) -> None:
    hold(world)
    out(world, "kitchen")
    world.now = NOW + YEAR + 1  # the old one's developer seal ends with its Store seal
    assert code_of(lambda: world.manager.deployment("hall", "thermo")) == "expired"
    assert facts(world)["hall"].due == "1.0", "and is given nothing else unasked"


def test_pruning_keeps_what_is_held(world: World) -> None:
    hold(world)
    out(world, "hall")
    take(world, "hall")
    world.now += 200 * pruning.DAY
    pruning.prune(world.manager.engine, world.now, 90)
    assert {one.node: (one.due, one.version) for one in facts(world).values()} == {
        "attic": ("1.0", "1.0"),
        "hall": ("2.0", "2.0"),
        "kitchen": ("1.0", "1.0"),
    }
    assert due(world) == {"attic": "1.0", "hall": "2.0", "kitchen": "1.0"}


def test_a_release_too_large_for_a_nodes_grants_is_not_rolled_out(world: World) -> None:
    fill(world)
    world.manager.add_service(world.package(version="2." + "1" * 30), hold=True)
    assert code_of(lambda: world.manager.rollout("thermo", ["hall"])) == "too-large"
    assert code_of(lambda: world.manager.rollout("thermo")) == "too-large"
    assert due(world) == dict.fromkeys(NODES, "1.0")


def test_nor_is_one_gone_back_to(world: World) -> None:
    add(world, "1." + "1" * 30)
    hold(world)
    out(world, "hall")
    fill(world, "hall")
    assert code_of(lambda: back(world, "hall")) == "too-large"
    assert take(world, "hall") == "2.0"


def fill(world: World, *on: str) -> None:
    """Grants until a seal has room for no other one."""
    for size in (100, 50, 10, 1):
        for number in range(64):
            grant = f"bus.publish:{number:02}{'x' * size}"
            if code_of(lambda: world.manager.grant("thermo", [grant], on, force=True)):  # noqa: B023
                break


SHARES: tuple[tuple[int, list[str], list[str]], ...] = (
    (1, [], ["attic"]),
    (33, [], ["attic"]),
    (34, [], ["attic", "hall"]),
    (100, [], ["attic", "hall", "kitchen"]),
    (34, ["hall"], ["hall", "attic"]),
    (67, ["kitchen"], ["kitchen", "attic", "hall"]),
    (34, ["kitchen", "hall"], ["hall", "kitchen"]),
    (1, ["kitchen", "hall"], ["hall", "kitchen"]),
    (100, ["kitchen", "hall"], ["hall", "kitchen", "attic"]),
)


@pytest.mark.parametrize(("share", "moved", "wave"), SHARES)
def test_a_share_counts_who_has_it(
    world: World, share: int, moved: list[str], wave: list[str]
) -> None:
    world.manager.add_node("a-board-that-was-not-made-yet")
    world.manager.assign("a-board-that-was-not-made-yet", "thermo")
    hold(world)
    out(world, *moved)
    assert world.manager.wave("thermo", share) == wave


def test_of_a_first_version_there_is_nothing_to_hold(world: World) -> None:
    world.manager.add_service(world.package("lamp"), hold=True)
    world.manager.assign("hall", "lamp")
    assert world.check(world.manager.deployment("hall", "lamp"))


def test_waiting_tells_who_failed_and_why(world: World) -> None:
    hold(world)
    watch = Watch(world.manager, "thermo")
    out(world, "hall", "attic")
    found = watch.look(NODES)
    assert {node: one.text for node, one in found.items()} == {
        "attic": "outdated",
        "hall": "outdated",
        "kitchen": "running",
    }
    take(world, "attic")
    refuse(world, "hall")
    with pytest.raises(NotConfirmed, match=r"^thermo on hall: refused: too-large: of it$"):
        watch.wait(["attic", "hall"], 60)
    assert facts(world)["hall"].why == "too-large: of it"
    take(world, "hall", "failed")
    with pytest.raises(NotConfirmed, match=r"^thermo on hall: failed"):
        watch.wait(["attic", "hall"], 60)
    take(world, "hall")
    watch.wait(["attic", "hall"], 0, 0)


NO_VERDICTS: tuple[tuple[str, str, str], ...] = (
    ("what runs was not granted something", "running", "not-granted"),
    ("what ran failed", "failed", "ValueError"),
    ("what ran failed with a refusal", "failed", "too-large"),
    ("what ran has expired", "expired", "expired"),
)


@pytest.mark.parametrize(
    ("sentence", "became", "code"), NO_VERDICTS, ids=[row[0] for row in NO_VERDICTS]
)
def test_what_became_of_the_old_version_is_no_verdict_on_the_new_one(
    world: World, sentence: str, became: str, code: str
) -> None:
    hold(world)
    watch = Watch(world.manager, "thermo")
    out(world, "hall")
    tell(world, "hall", became, code)
    assert not watch.look(["hall"])["hall"].broken


def test_nor_is_what_was_refused_before(world: World) -> None:
    refuse(world, "hall")
    hold(world)
    watch = Watch(world.manager, "thermo")
    out(world, "hall")
    assert not watch.look(["hall"])["hall"].broken
    refuse(world, "hall")
    assert watch.look(["hall"])["hall"].broken


FALLS: tuple[tuple[str, str, bool], ...] = (
    ("this version", "2.0 (seal 0badcafe): no WELCOME", True),
    ("an earlier one", "1.9 (seal 0badcafe): no WELCOME", False),
    ("one whose name is the begin of this", "2 (seal 0badcafe): no WELCOME", False),
    ("one whose name begins with this", "2.0.1 (seal 0badcafe): no WELCOME", False),
    ("one that an older agent does not name", "no WELCOME", True),
)


@pytest.mark.parametrize(("sentence", "detail", "broken"), FALLS, ids=[row[0] for row in FALLS])
def test_a_node_that_gave_up_an_agent_says_which(
    world: World, sentence: str, detail: str, broken: bool
) -> None:
    """It may come to say so only after the next version was rolled out to it."""
    hold(world)
    watch = Watch(world.manager, "thermo")
    out(world, "hall")
    world.manager.heard("hall", {"thermo": (held(world, "hall"), "running")}, 1)
    report(world, Place("hall", "thermo"), "fell-back", detail)
    assert watch.look(["hall"])["hall"].broken == broken


@pytest.mark.parametrize(("sentence", "detail", "broken"), FALLS, ids=[row[0] for row in FALLS])
def test_so_does_one_that_had_none_before(
    world: World, sentence: str, detail: str, broken: bool
) -> None:
    hold(world)
    watch = Watch(world.manager, "thermo")
    out(world, "hall")
    world.manager.heard("hall", {}, 1)
    report(world, Place("hall", "thermo"), "fell-back", detail)
    assert watch.look(["hall"])["hall"].broken == broken


def test_what_a_node_has_given_up_before_is_told_at_the_end_of_the_wait(world: World) -> None:
    """A person may have asked for another try, so it is no verdict at once."""
    hold(world)
    report(world, Place("hall", "thermo"), "fell-back", "2.0 (seal 0badcafe): no WELCOME")
    watch = Watch(world.manager, "thermo")
    out(world, "hall")
    found = watch.look(["hall"])["hall"]
    assert not found.broken
    assert found.text == "given up before: fell-back: 2.0 (seal 0badcafe): no WELCOME"
    world.manager.heard("hall", {}, 1)
    assert watch.look(["hall"])["hall"] == found


def test_waiting_for_what_a_node_never_had_ends_with_its_refusal(world: World) -> None:
    world.manager.add_service(world.package("lamp"))
    watch = Watch(world.manager, "lamp")
    world.manager.assign("hall", "lamp")
    assert watch.look(["hall"])["hall"].text == "not sent"
    world.manager.deployment("hall", "lamp")
    world.manager.heard("hall", {}, 1)
    for code in ("expired", "removed"):  # the site sends it anew; it was there before
        report(world, Place("hall", "lamp"), code)
        assert not watch.look(["hall"])["hall"].broken
    report(world, Place("hall", "lamp"), "MemoryError")
    with pytest.raises(NotConfirmed, match=r"^lamp on hall: not installed: MemoryError: of it$"):
        watch.wait(["hall"], 60)
    with database.reading(world.manager.engine) as connection:
        (found,) = [
            one
            for one in places(connection, world.manager.issuer, world.now)
            if one.service == "lamp"
        ]
    assert (found.state, found.why) == (None, "MemoryError: of it")


def report(world: World, place: Place, code: str, detail: str = "of it") -> None:
    with database.writing(world.manager.engine) as connection:
        reports.keep(connection, place, code, detail, [], world.now)


def test_a_node_that_refused_is_taken_back_at_once(world: World) -> None:
    hold(world)
    out(world, "hall")
    world.now += 100
    refuse(world, "hall")
    watch = Watch(world.manager, "thermo")
    assert world.manager.roll_back("thermo").confirmed == ("hall",)
    watch.wait(["hall"], 0, 0)


def test_what_left_for_a_node_is_bounded_though_it_was_taken_back(world: World) -> None:
    hold(world)
    out(world, "hall")
    world.now += 100
    world.manager.deployment("hall", "thermo")
    assert ends(world.manager.roll_back("thermo")) == {"hall": world.now + 5000}


def test_seals_of_two_versions_contradict_nothing(world: World) -> None:
    before = world.manager.deployment("hall", "thermo").seal.der
    hold(world)
    out(world, "hall")
    after = world.manager.deployment("hall", "thermo").seal.der
    assert code_of(lambda: evidence.make(before, after)) == "no-contradiction"
    assert seal.parse(after, seal.SITE).service_version == "2.0"
