"""Waves of agents in a soak: good ones for all nodes, bad ones that the first nodes give up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from random import Random
from typing import TYPE_CHECKING

from boards.code import mpy, romfs
from triseal import database
from triseal.developer import agent
from triseal.developer.sign import Release
from triseal.site.records import vitals
from triseal.site.views import placements
from triseal.site.views.placements import PlaceFacts

if TYPE_CHECKING:
    from tests.lifecycle.stage import Stage

NAME = "nlsm"
HOG = "hog"
TRIAL = 30  # seconds
_INSTALLED = 180.0
_STEP = 0.5
# What each bad agent has in place of one of its modules.
_BAD = (
    ("nlsm/agent", b"raise ValueError('of no use')\n"),
    (
        "nlsm/dial",
        b"from . import link\nclass Dial(link.Link):\n    def tick(self):\n        pass\n",
    ),
    ("nlsm/loader", b"def load(services, one):\n    one.fail(ValueError('forgotten'))\n"),
)
_HOG = b"""\
import asyncio
async def main(ctx):
    hoard = []
    while True:
        hoard.append(bytearray(2048))
        await asyncio.sleep_ms(5)
"""


class Updates:
    """The agents that a site gives to its nodes while other faults go on.

    Args:
        stage: the site and its nodes.

    Attributes:
        bad: versions that no node may keep.
    """

    def __init__(self, stage: Stage) -> None:
        self.bad: set[str] = set()
        self._stage = stage
        self._number = 0
        self._version = ""
        self._modules = agent.read().packed

    def begin(self) -> None:
        """Give all nodes an agent over the link while nothing goes wrong. Raises RuntimeError."""
        stage = self._stage
        stage.site.add_service(HOG, _HOG, b"{}")
        self._add()
        self._wait("has said what it is", lambda: all(map(self._is_known, stage.boards)))
        for node in stage.boards:
            stage.site.manager.assign(node, NAME)
        self._wait("runs its agent", lambda: all(self._is_right(one) for one in self._places()))

    def good(self) -> None:
        """The next good agent, for all nodes."""
        self._add()
        self._stage.site.manager.rollout(NAME)

    def wrong(self, drawn: Random) -> list[str]:
        """A bad agent for the first nodes of a wave, which goes no further. Returns these nodes."""
        nodes = list(self._stage.boards)
        self._add(drawn.choice(_BAD))
        first = drawn.sample(nodes, max(1, len(nodes) // 4))
        self._stage.site.manager.rollout(NAME, first)
        return first

    def hog(self, node: str) -> None:
        """Give a node a service that eats its heap."""
        self._stage.site.manager.assign(node, HOG)

    def relieve(self, node: str) -> None:
        """Take it back."""
        self._stage.site.manager.undeploy(node, HOG)

    def finish(self, drawn: Random) -> tuple[int, int, int]:
        """When all faults are over: a bad agent for some nodes, then a good one for all.

        Returns: how many nodes have given the bad one up, how many have the good one, and how many
            have kept the one before.
        """
        first = self.wrong(drawn)
        given_up = self._settle(first, self._has_fallen)
        self.good()
        nodes = list(self._stage.boards)
        self._settle(nodes, lambda one: self._is_right(one) or self._has_fallen(one))
        new = sum(self._is_right(one) for one in self._places())
        return given_up, new, len(nodes) - new

    def _settle(self, nodes: list[str], is_fine: Callable[[PlaceFacts], bool]) -> int:
        """Wait until the agents of these nodes are fine. Returns on how many they are."""
        # A node that has failed to connect for many times waits for minutes.
        health = [self._stage.observer.health[node] for node in nodes]
        back = [one.away_until for one in health if one.away_until < float("inf")]
        needed = 4 * TRIAL + self._stage.observer.parameters.settle
        end = max([time.time(), *back]) + needed
        fine = 0
        while fine < len(nodes) and time.time() < end:
            self._stage.look()
            time.sleep(_STEP)
            found = [one for one in self._places() if one.node in nodes]
            fine = sum(is_fine(one) for one in found)
        for one in found:
            if not is_fine(one) or one.version in self.bad:
                self._stage.observer.violation(
                    "agent", f"{one.node}: {one.state} {one.version}, due {one.due}: {one.why}"
                )
        return fine

    def _add(self, changed: tuple[str, bytes] | None = None) -> None:
        manager = self._stage.site.manager
        if self._version in self.bad:
            manager.roll_back(NAME, None)
        self._number += 1
        self._version = f"1.{self._number}"
        # No two are the same: a node does not fetch what it has.
        modules = dict(self._modules)
        modules["nlsm/number.mpy"] = mpy.compile_source(b"NUMBER = %d\n" % self._number, "number")
        if changed:
            self.bad.add(self._version)
            module, source = changed
            modules[f"{module}.mpy"] = mpy.compile_source(source, module)
        release = Release(NAME, self._version, 1, agent.metadata())
        package = self._stage.site.package(release, "app.romfs", romfs.pack(modules))
        manager.add_service(package, hold=self._number > 1)

    def _wait(self, what: str, is_done: Callable[[], bool]) -> None:
        end = time.monotonic() + _INSTALLED
        while not is_done():
            if time.monotonic() > end:
                places = [f"{one.node} {one.state} {one.why}" for one in self._places()]
                raise RuntimeError(f"not each node {what}: {places}")
            self._stage.revive()
            time.sleep(_STEP)

    def _is_known(self, node: str) -> bool:
        with database.reading(self._stage.site.manager.engine) as connection:
            return vitals.of(connection, node) is not None

    def _places(self) -> Iterator[PlaceFacts]:
        manager = self._stage.site.manager
        with database.reading(manager.engine) as connection:
            found = placements.places(connection, manager.issuer, manager.time())
        return (one for one in found if one.service == NAME)

    def _is_right(self, one: PlaceFacts) -> bool:
        return one.state == "running" and one.version == one.due

    def _has_fallen(self, one: PlaceFacts) -> bool:
        """Tell whether a node has given the newest agent up and runs another one."""
        fell = one.why is not None and one.why.startswith(f"fell-back: {self._version} ")
        return one.state == "running" and fell
