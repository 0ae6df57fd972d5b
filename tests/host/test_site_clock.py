"""A clock that jumps: nothing is signed, until it is right or a person says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.host.link_world import SECONDS, LinkWorld
from tests.host.site_world import World
from triseal import database, signer
from triseal.signer import KeySigner
from triseal.site import clock
from triseal.site.clock import ClockDoubted, Guard
from triseal.site.link import timekeeper
from triseal.site.link.desk import Desk
from triseal.site.link.drafts import Draft, Look

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
        guard.believe()
    guard.check()


def test_a_clock_that_is_set_right_again_is_believed() -> None:
    clocks = Clocks()
    guard = clocks.guard()
    clocks.wall += DAY
    assert guard.jump()
    clocks.wall -= DAY
    guard.check()


# (what the computer did between two starts, seconds since it was last seen, whether that is doubt)
STARTS = [
    ("it was started again", 1, False),
    ("it was off for a week", 7 * DAY, False),
    ("it was off for a month", 31 * DAY, False),
    ("it was off for longer", 31 * DAY + 1, True),
    ("its clock was corrected by a minute", -60, False),
    ("its clock was corrected by more", -61, True),
    ("its clock was lost", -3 * DAY, True),
    ("its clock is years ahead", 3000 * DAY, True),
]


@pytest.mark.parametrize(
    ("since", "doubt"), [row[1:] for row in STARTS], ids=[row[0] for row in STARTS]
)
def test_between_two_starts(since: int, doubt: bool, tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(World(tmp_path / "site"))
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
    desk = Desk(world.manager.engine, world.manager.authority, lambda: clocks.wall, guard)
    tasks = [asyncio.create_task(desk.run()), asyncio.create_task(timekeeper.keep(desk, guard))]
    try:
        await desk.ask(sign)
        clocks.wall += DAY
        world.now += DAY
        with pytest.raises(ClockDoubted):
            await desk.ask(sign)
        await becomes(lambda: latest(world)[1], "the doubt is noted")
        with pytest.raises(ClockDoubted):
            await desk.ask(sign)
        assert latest(world)[0] == world.now - DAY, "the wrong time is not"
        world.manager.accept_clock()
        await becomes(lambda: not guard.jump(), "it goes on")
        await desk.ask(sign)
    finally:
        for task in reversed(tasks):
            task.cancel()
            await asyncio.wait([task])


def sign(look: Look) -> Draft:
    look.authority.sign_time(bytes(16), look.now)
    return Draft()


def latest(world: LinkWorld) -> tuple[int | None, bool]:
    with database.reading(world.manager.engine) as connection:
        return clock.latest(connection)


async def becomes(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end, f"never: {what}"
        await asyncio.sleep(0.05)
