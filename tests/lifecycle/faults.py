"""What goes wrong in a soak, and how it is made good again."""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.lifecycle.flood import flood

if TYPE_CHECKING:
    from tests.lifecycle.stage import Stage
    from tests.lifecycle.updates import Updates

_FLOOD_SECONDS = 6.0


class Faults:
    """Does one thing after the other to a running site.

    Args:
        stage: what it is done to.
        seed: of what is done when.

    Attributes:
        counts: how often each was done.
        attacks: hostile connections that were made.
    """

    def __init__(self, stage: Stage, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self.attacks = 0
        self._stage = stage
        self._drawn = random.Random(seed)
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._threads: list[threading.Thread] = []
        self._kinds: tuple[tuple[str, int, Callable[[], None]], ...] = (
            ("server killed", 2, self._kill_server),
            ("network gone", 4, lambda: self._nodes(self._cut_network, (4, 22))),
            ("process frozen", 3, lambda: self._nodes(self._freeze, (2, 16))),
            ("power cut", 3, lambda: self._nodes(self._cut_power, (1, 8))),
            ("all stopped", 1, self._stop_all),
            ("grant changed", 4, self._change_grant),
            ("undeployed", 2, self._undeploy),
            ("flood", 2, self._flood),
            *([("clock set", 2, self._set_clock)] if stage.observer.parameters.steps else []),
            *(self._updating(stage.updates) if stage.updates else []),
        )

    def _updating(self, updates: Updates) -> list[tuple[str, int, Callable[[], None]]]:
        return [
            ("agent updated", 3, updates.good),
            ("bad agent", 2, self._bad_agent),
            ("out of memory", 3, lambda: self._nodes(self._starve, (4, 12))),
        ]

    def everything_once(self) -> list[str]:
        """Every kind, in an order by chance."""
        names = [name for name, _, _ in self._kinds]
        self._drawn.shuffle(names)
        return names

    def any(self) -> str:
        """One kind, by its weight."""
        weights = [weight for _, weight, _ in self._kinds]
        return self._drawn.choices(self._kinds, weights)[0][0]

    def do(self, name: str) -> None:
        """Do one now."""
        self._stage.say(name)
        self.counts[name] += 1
        next(act for kind, _, act in self._kinds if kind == name)()

    def make_good(self, *, all_of_it: bool = False) -> None:
        """Undo what has lasted long enough, or all."""
        while self._later and (all_of_it or self._later[0][0] <= time.monotonic()):
            heapq.heappop(self._later)[2]()

    def join(self) -> None:
        """Wait for what goes on beside."""
        for thread in self._threads:
            thread.join()

    def _after(self, seconds: float, undo: Callable[[], None]) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._order), undo))

    def _nodes(self, fault: Callable[[str, float], None], seconds: tuple[int, int]) -> None:
        free = [node for node, one in self._stage.observer.health.items() if not one.disturbed]
        count = min(len(free), self._drawn.randint(1, max(1, len(self._stage.boards) // 4)))
        for node in self._drawn.sample(free, count):
            fault(node, self._drawn.uniform(*seconds))

    def _kill_server(self) -> None:
        if not self._stage.server.is_up:
            return
        self._stage.disturb_all()
        self._stage.server.kill()
        self._after(self._drawn.uniform(0, 5), self._start_server)

    def _start_server(self) -> None:
        self._stage.server.start()
        self._stage.calm_all()

    def _cut_network(self, node: str, seconds: float) -> None:
        stage = self._stage
        stage.disturb(node)
        stage.network.cut(node)
        drop = self._drawn.random() < 0.5

        def mend() -> None:
            stage.network.mend(node, drop=drop)
            stage.calm(node)

        self._after(seconds, mend)

    def _freeze(self, node: str, seconds: float) -> None:
        stage = self._stage
        stage.disturb(node)
        stage.boards[node].freeze()

        def thaw() -> None:
            stage.observer.health[node].thawed = time.time()
            stage.boards[node].thaw()
            stage.calm(node)

        self._after(seconds, thaw)

    def _cut_power(self, node: str, seconds: float) -> None:
        stage = self._stage
        stage.disturb(node)
        stage.boards[node].cut()

        def power_on() -> None:
            stage.boards[node].start()
            stage.calm(node)

        self._after(seconds, power_on)

    def _bad_agent(self) -> None:
        if self._stage.updates:
            self._stage.updates.wrong(self._drawn)

    def _starve(self, node: str, seconds: float) -> None:
        stage = self._stage
        if stage.updates is None:
            return
        updates = stage.updates
        stage.disturb(node)
        updates.hog(node)

        def relieve() -> None:
            updates.relieve(node)
            stage.calm(node)

        self._after(seconds, relieve)

    def _stop_all(self) -> None:
        for node, health in self._stage.observer.health.items():
            if not health.disturbed:
                self._cut_power(node, 2.0)

    def _change_grant(self) -> None:
        service = self._drawn.choice(self._stage.services)
        self._stage.change_grant(service)

    def _undeploy(self) -> None:
        stage = self._stage
        place = (self._drawn.choice(list(stage.boards)), self._drawn.choice(stage.services))
        if not stage.observer.wishes[place].assigned:
            return
        stage.undeploy(*place)
        self._after(self._drawn.uniform(5, 15), lambda: stage.deploy(*place))

    def _set_clock(self) -> None:
        """The clock of the site's computer is set, forward and back, and stays near the true time:
        a clock that goes ever further away is in doubt."""
        most = self._stage.observer.parameters.steps
        self._stage.set_clock(self._drawn.uniform(-most / 2, most / 2))

    def _flood(self) -> None:
        port, seed = self._stage.server.port, self._drawn.getrandbits(32)

        def attack() -> None:
            self.attacks += flood(port, _FLOOD_SECONDS, seed)

        self._threads.append(threading.Thread(target=attack))
        self._threads[-1].start()
