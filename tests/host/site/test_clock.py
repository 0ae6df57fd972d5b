"""A clock that jumps: nothing is signed, until it is right or a person says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.worlds.link_world import SECONDS, LinkWorld
from tests.worlds.site_world import World
from triseal import database, signer
from triseal.signer import KeySigner
from triseal.site import clock
from triseal.site.clock import ClockDoubted, Guard
from triseal.site.records import node_clocks
from triseal.site.server import timekeeper
from triseal.site.server.duties import Duty
from triseal.site.server.signing.pipeline import Pipeline
from triseal.site.server.signing.task import Answer, Snapshot

DAY = 86400


class Clocks:
    """A wall clock and a counter."""

    def __init__(self) -> None:
        self.wall = 1.8e9
        self.counter = 50.0

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.counter += seconds

    def guard(self) -> Guard:
        return Guard(lambda: self.wall, lambda: self.counter)


# (what happens, seconds that pass, by how much the clock moves besides, whether that is doubt)
JUMPS = [
    ("nothing", 0, 0, False),
    ("time passes", 3600, 0, False),
    ("a computer that was suspended for a week", 7 * DAY, 0, False),
    ("a correction by a minute", 10, 60, False),
    ("a correction back by a minute", 10, -60, False),
    ("a counter that is slow, over a year", 365 * DAY, 365 * 30, False),
    ("an hour ahead", 10, 3600, True),
    ("an hour back", 10, -3600, True),
    ("a day ahead, after a month", 30 * DAY, DAY, True),
    ("to another century", 1, 3e9, True),
]


@pytest.mark.parametrize(
    ("passed", "moved", "doubt"), [row[1:] for row in JUMPS], ids=[row[0] for row in JUMPS]
)
def test_while_it_runs(passed: float, moved: float, doubt: bool) -> None:
    clocks = Clocks()
    guard = clocks.guard()
    clocks.pass_(passed)
    clocks.wall += moved
    assert bool(guard.jump()) == doubt
    if doubt:
        with pytest.raises(ClockDoubted):
            guard.check()
        guard.trust()
    guard.check()


def test_a_clock_that_is_set_right_again_is_believed() -> None:
    clocks = Clocks()
    guard = clocks.guard()
    clocks.wall += DAY
    assert guard.jump()
    clocks.wall -= DAY
    guard.check()


# (steps: seconds that pass, by how much the clock moves besides; the time to sign, after each)
SIGNED = (
    ("it is the clock's", [(5, 0), (0.5, 0)], [5, 5.5]),
    ("a step forward counts at once", [(1, 250)], [251]),
    ("it never goes back", [(0, -250), (0, 0)], [0, 0]),
    ("but on, slower by a tenth", [(0, -4), (20, 0), (20, 0), (2, 0)], [0, 18, 36, 38]),
    ("however often it is asked", [(0, -2)] + [(5, 0)] * 5, [0, 4.5, 9, 13.5, 18, 23]),
    ("and forward again", [(0, -250), (10, 0), (0, 250)], [0, 9, 10]),
    ("what is in doubt does not count", [(1, 86400), (1, 0), (1, -86400)], [1, 2, 3]),
    ("nor does it backwards", [(1, -86400), (1, 0)], [1, 2]),
)


@pytest.mark.parametrize(
    ("steps", "shown"), [row[1:] for row in SIGNED], ids=[r[0] for r in SIGNED]
)
def test_the_time_to_sign(steps: list[tuple[float, float]], shown: list[float]) -> None:
    clocks = Clocks()
    guard = clocks.guard()
    began, found = clocks.wall, []
    for passed, moved in steps:
        clocks.pass_(passed)
        clocks.wall += moved
        found.append(round(guard.now() - began, 6))
    assert found == shown


def test_a_person_that_accepts_the_time_sets_it() -> None:
    clocks = Clocks()
    guard = clocks.guard()
    clocks.wall -= DAY
    assert guard.now() == clocks.wall + DAY
    guard.trust()
    assert guard.now() == clocks.wall


@pytest.mark.parametrize(("late", "goes_on"), [(0, True), (300, True), (301, False), (-50, False)])
def test_a_server_goes_on_from_what_was_signed_before(late: int, goes_on: bool) -> None:
    clocks = Clocks()
    guard = clocks.guard()
    guard.go_on_from(clocks.wall + late)
    assert guard.now() == clocks.wall + (late if goes_on else 0)


# (by how much the clock moves between two notes, by how much nodes are later)
STEPS = (
    ("nothing", [0.0, 0.0], 0),
    ("what is no step", [0.9], 0),
    ("a second", [1.0], 1),
    ("more than one", [1.2], 2),
    ("many small ones", [0.4] * 5, 2),
    ("two", [250.0, 30.0], 280),
    ("back: who was told the time before is early", [-250.0], 0),
    ("back, and forward again", [-2.0, 2.0], 2),
    ("what is doubt, or another start", [301.0], 0),
)


@pytest.mark.parametrize(("moves", "later"), [row[1:] for row in STEPS], ids=[r[0] for r in STEPS])
def test_steps_are_noted_of_all_nodes(moves: list[float], later: int, tmp_path: Path) -> None:
    with World(tmp_path / "site") as world:
        world.add_node("hall")
        ahead = 1e9
        for move in [0.0, *moves]:
            ahead += move
            with database.writing(world.manager.engine) as connection:
                clock.note(connection, world.now, doubted=False, ahead=ahead)
        with database.reading(world.manager.engine) as connection:
            assert node_clocks.of(connection, "hall").behind == later


def test_a_jump_that_is_accepted_makes_nodes_late(tmp_path: Path) -> None:
    with World(tmp_path / "site") as world:
        world.add_node("hall")
        with database.writing(world.manager.engine) as connection:
            ahead = world.now - clock.since_boot()
            clock.note(connection, world.now, doubted=False, ahead=ahead)
            clock.note(connection, world.now, doubted=True)
        world.now += DAY
        for _ in range(2):
            world.manager.accept_clock()
            with database.reading(world.manager.engine) as connection:
                assert DAY <= node_clocks.of(connection, "hall").behind <= DAY + 3


def test_a_step_counts_before_it_was_noted(tmp_path: Path) -> None:
    with World(tmp_path / "site") as world, database.writing(world.manager.engine) as connection:
        now = world.now
        assert clock.step_since(connection, now) == 0
        clock.note(connection, now, doubted=False, ahead=now - clock.since_boot())
        assert clock.step_since(connection, now) == 0
        assert 250 <= clock.step_since(connection, now + 250) <= 252
        assert clock.step_since(connection, now + 400) == 0
        assert clock.step_since(connection, now - 250) == 0


def noted(world: World, host: str, after: int = 0, *, doubted: bool = False) -> None:
    """A computer of this name notes the time, so many seconds later."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("socket.gethostname", lambda: host)
        with database.writing(world.manager.engine) as connection:
            moment = world.now + after
            ahead = moment - clock.since_boot()
            clock.note(connection, moment, doubted=doubted, ahead=None if doubted else ahead)


def doubts(world: World, host: str) -> bool:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("socket.gethostname", lambda: host)
        try:
            world.manager.check_clock()
        except ClockDoubted:
            return True
        return False


def test_a_doubt_is_not_forgotten_with_the_name_of_a_container(tmp_path: Path) -> None:
    with World(tmp_path / "site") as world:
        noted(world, "old")
        noted(world, "one", 10, doubted=True)
        # The next container, and one of before that comes back; both have the same clock.
        assert [doubts(world, host) for host in ("one", "two", "old")] == [True, True, True]
        noted(world, "beside", 20)  # it serves while the other one doubts
        assert not doubts(world, "beside")
        world.manager.accept_clock()
        assert not any(doubts(world, host) for host in ("one", "two", "old"))


def test_a_step_is_not_forgotten_with_the_name_of_a_container(tmp_path: Path) -> None:
    with World(tmp_path / "site") as world:
        world.add_node("hall")
        noted(world, "one")
        noted(world, "two", 250)
        noted(world, "two", 250)
        noted(world, "one", 250)  # what it had noted itself counts first
        with database.reading(world.manager.engine) as connection:
            behind = node_clocks.of(connection, "hall").behind
        assert 500 <= behind <= 504


# (what the computer did between two starts, seconds since it was last seen, whether that is doubt)
STARTS = [
    ("it was started again", 1, False),
    ("it was off for a week", 7 * DAY, False),
    ("it was off for a month", 31 * DAY, False),
    ("it was off for longer", 31 * DAY + 1, True),
    ("its clock was corrected by five minutes", -300, False),
    ("its clock was corrected by more", -301, True),
    ("its clock was lost", -3 * DAY, True),
    ("its clock is years ahead", 3000 * DAY, True),
]


@pytest.mark.parametrize(
    ("since", "doubt"), [row[1:] for row in STARTS], ids=[row[0] for row in STARTS]
)
def test_between_two_starts(since: int, doubt: bool, tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(World(tmp_path / "site"))
    world.now += 5 * DAY  # its certificate began before all of these times
    world.add_node("hall")
    world.manager.check_clock()  # nothing was noted yet
    note(world, world.now, doubted=False)
    world.now += since
    signing: list[Callable[[], object]] = [
        world.manager.check_clock,
        lambda: world.manager.sign_time(bytes(16)),
        lambda: world.add_node(f"n{since % 1000}"),
        lambda: world.manager.trust_developer("Eve", KeySigner(signer.generate("p256")).spki),
    ]
    for one in signing:
        if doubt:
            with pytest.raises(ClockDoubted):
                one()
        else:
            one()
    world.manager.accept_clock()
    for one in signing[:2]:
        one()


# (seconds that the signed time was ahead of the clock when it was noted; that have passed since, by
# the clock; by which the time to sign is then ahead of the clock)
GO_ON = [(0, 0, 0), (0, 60, 0), (200, 0, 200), (200, 9, 200), (200, -30, 230), (3, 9, 3)]


@pytest.mark.parametrize(("lead", "passed", "left"), GO_ON)
def test_nothing_is_signed_before_what_was_signed(
    lead: int, passed: int, left: int, tmp_path: Path, stack: ExitStack
) -> None:
    world = stack.enter_context(World(tmp_path / "site"))
    with database.writing(world.manager.engine) as connection:
        clock.note(connection, world.now + lead, doubted=False, lead=float(lead))
    now = world.now + passed
    with database.reading(world.manager.engine) as connection:
        assert clock.signed_by(connection, now) == now + left
        assert clock.to_sign(connection, now) == now + left


def test_the_lead_is_what_the_clock_was_set_back_by_and_shrinks() -> None:
    clocks = Clocks()
    guard = clocks.guard()
    assert guard.lead() == 0
    clocks.wall -= 100
    assert guard.lead() == 100
    clocks.pass_(500)
    assert guard.lead() == 50
    clocks.pass_(600)
    assert guard.lead() == 0


def test_what_was_noted_never_goes_back(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(World(tmp_path / "site"))
    for seconds in (0, 100, 50):
        note(world, world.now + seconds, doubted=False)
    with database.reading(world.manager.engine) as connection:
        assert clock.latest(connection) == (world.now + 100, False)


def test_a_jump_outlasts_the_process_that_saw_it(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(World(tmp_path / "site"))
    note(world, world.now, doubted=False)
    note(world, world.now, doubted=True)
    world.now += DAY
    with pytest.raises(ClockDoubted):
        world.manager.check_clock()
    world.manager.accept_clock()
    world.manager.check_clock()


def note(world: World, now: int, *, doubted: bool) -> None:
    with database.writing(world.manager.engine) as connection:
        clock.note(connection, now, doubted=doubted)


def test_a_server_signs_nothing_until_a_person_has_accepted_the_time(
    tmp_path: Path, stack: ExitStack
) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    asyncio.run(serve(world))


async def serve(world: LinkWorld) -> None:
    clocks = Clocks()
    clocks.wall = float(world.now)
    guard = clocks.guard()
    pipeline = Pipeline(world.manager.engine, world.manager.authority, lambda: clocks.wall, guard)
    tasks = [
        asyncio.create_task(pipeline.run()),
        asyncio.create_task(timekeeper.keep(pipeline, guard, Duty(timekeeper.DUTY))),
    ]
    try:
        await pipeline.answer(sign)
        clocks.wall += DAY
        world.now += DAY
        with pytest.raises(ClockDoubted):
            await pipeline.answer(sign)
        await becomes(lambda: latest(world)[1], "the doubt is noted")
        with pytest.raises(ClockDoubted):
            await pipeline.answer(sign)
        assert latest(world)[0] == world.now - DAY, "the wrong time is not"
        world.manager.accept_clock()
        await becomes(lambda: not guard.jump(), "it goes on")
        await pipeline.answer(sign)
    finally:
        for task in reversed(tasks):
            task.cancel()
            await asyncio.wait([task])


def sign(snapshot: Snapshot) -> Answer:
    snapshot.authority.sign_time(bytes(16), snapshot.now)
    return Answer()


def latest(world: LinkWorld) -> tuple[int | None, bool]:
    with database.reading(world.manager.engine) as connection:
        return clock.latest(connection)


async def becomes(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end, f"never: {what}"
        await asyncio.sleep(0.05)
