"""Looks on from outside, and writes down what must not be."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import func, select

from sealcore import renewal
from tests.lifecycle.parameters import Parameters
from triseal import database
from triseal.site import clock
from triseal.site.manager import Manager
from triseal.site.records import tables

Place = tuple[str, str]  # node and service
_STEP = 2.0  # seconds: what is read late and in whole seconds looks like less


@dataclass
class Wish:
    """What a service shall be on a node, and from when on anything else is a violation."""

    assigned: bool = True
    granted: bool = True
    by: float = 0.0
    said: str = ""  # by the command that changed it

    def late(self, now: float) -> str:
        """How much later something is than it may be."""
        return f"{now - self.by:.1f} s late; {self.said}"


@dataclass
class Health:
    """What is known of a node.

    Attributes:
        disturbed: whether a fault holds it now.
        calm_from: since when none does.
        thawed: when it last went on after standing still.
        away_until: by when it must be connected.
        connected_from: since when it is; None if it is not.
        absent: seconds for which it was not connected so far.
        ahead: seconds by which its newest seal's begin was ahead of the true time.
        learned: when it learned last that the site's clock was set forward: by that time its
            seals have ended, and it needs new ones.
    """

    disturbed: bool = False
    calm_from: float = 0.0
    thawed: float = 0.0
    away_until: float = float("inf")
    connected_from: float | None = None
    absent: float = 0.0
    ahead: float = float("inf")
    learned: float = 0.0


@dataclass
class Observer:
    """All checks of a soak.

    Attributes:
        parameters: what is allowed for.
        manager: the site, for its ledger.
        violations: what must not be, a sentence each.
        ticks: signs of life.
        checked: seals on nodes that were found in the ledger.
        health, wishes: by node, and by place.
        last: when each service last showed that it runs.
        lifted: quarantines that a person has lifted.
        kinds: how many violations there are of each kind.
        ahead: seconds by which the time that the site signs is ahead of the true time, within a
            second or two.
        words: what a node has printed of a service.
        starved: for how many seconds since a time a node, or what it needs, had to wait for a
            processor or the disk. A busy machine is no fault of theirs.
    """

    parameters: Parameters
    manager: Manager
    violations: list[str] = field(default_factory=list)
    ticks: int = 0
    checked: int = 0
    health: dict[str, Health] = field(default_factory=dict)
    wishes: dict[Place, Wish] = field(default_factory=dict)
    last: dict[Place, float] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    ahead: float = 0.0
    lifted: int = 0
    words: Callable[[str, str], str] = field(default=lambda _node, _service: "")
    starved: Callable[[str, float], float] = field(default=lambda _node, _since: 0.0)
    _ends: dict[Place, float] = field(default_factory=dict)
    _newest: dict[Place, int] = field(default_factory=dict)
    _looked: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._lifetime = self.parameters.installing

    def shorten(self) -> None:
        """From now on, new seals have the lifetime of the soak; called while none is issued."""
        self._note_ends()
        self._lifetime = self.parameters.lifetime

    def violation(self, kind: str, text: str) -> None:
        """Write one down; of each kind, only the first few with all their words."""
        with self._lock:
            self.kinds[kind] += 1
            if self.kinds[kind] <= 10:
                self.violations.append(f"{time.time():.1f} {kind}: {text}")

    def tick(self, node: str, service: str, granted: bool, now: float) -> None:
        """A service has shown that it runs, and whether it has its grant."""
        place = (node, service)
        self.ticks += 1
        self.last[place] = now
        health = self.health[node]
        if now - health.thawed < self.parameters.slack:
            return  # whoever stood still has to notice first that it is late
        self._check_expiry(place, now)
        wish = self.wishes[place]
        if now > wish.by:
            if not wish.assigned:
                self.violation("late-change", f"{node} {service} runs, {wish.late(now)}")
            elif granted != wish.granted:
                found = f"{node} {service} granted: {granted}, {wish.late(now)}"
                self.violation("late-change", found)

    def held(self, node: str, serials: dict[str, bytes]) -> None:
        """A node has told which seals it holds: each must be in the ledger, for this place."""
        table = tables.seals.c
        with database.reading(self.manager.engine) as connection:
            query = select(table.serial, table.service).where(table.node == node)
            known = {
                (row.service, row.serial)
                for row in connection.execute(query.where(table.serial.in_(serials.values())))
            }
        for service, serial in serials.items():
            if serial and (service, serial) not in known:
                self.violation("not-recorded", f"{node} {service} {serial.hex()}")
            self.checked += bool(serial)

    def look(self, now: float, connected: set[str] | None) -> None:
        """Check what does not announce itself.

        Args:
            now: Unix seconds.
            connected: nodes that the server has; None if it can't be asked.
        """
        self._note_ends()
        passed, self._looked = now - (self._looked or now), now
        for node, health in self.health.items():
            health.absent += passed * (connected is None or node not in connected)
            if connected is None or node not in connected or health.disturbed:
                if self.parameters.updates and health.connected_from is not None:
                    # Before a node resets itself for another agent, it stops all of its services.
                    health.away_until = max(health.away_until, now + self.parameters.reconnect)
                health.connected_from = None
            elif health.connected_from is None:
                health.connected_from = now
            if health.disturbed or connected is None:
                continue
            if health.connected_from is None:
                if now > health.away_until:
                    self.violation("stays-away", f"{node}, back since {health.calm_from:.1f}")
                    health.away_until = float("inf")
                continue
            since = max(health.connected_from, health.calm_from, health.learned)
            self._check_alive(node, since, now)

    def _check_alive(self, node: str, since: float, now: float) -> None:
        for place, wish in self.wishes.items():
            if place[0] != node or not wish.assigned:
                continue
            if now < max(since, wish.by) + self.parameters.settle:
                continue
            last = self.last.get(place, 0.0)
            silent = now - last
            if silent <= self.parameters.silence:
                continue
            # It may have stopped because its seal could not be renewed in the time for that.
            starved = self.starved(node, last - renewal.SHARE / 1000 * self._lifetime)
            if silent > self.parameters.silence + starved:
                said = f"silent for {silent:.1f} s ({starved:.1f} s without a processor or disk)"
                said += f", connected: {self.words(node, place[1])}"
                self.violation("stopped", f"{place} {said}")
                self.last[place] = now

    def reached(self, signed: float, now: float) -> float:
        """Return when the time that the site signs is so late at the latest, true Unix seconds."""
        left = signed - self.ahead - now
        return now + left * (1 + self._slowed())

    def _slowed(self) -> float:
        """By which part the site's seconds may be longer: after its clock was set back, its time
        runs slower until the clock has caught up."""
        return 1 / (1 - clock.SLOWED) - 1 if self.parameters.steps else 0.0

    def _check_expiry(self, place: Place, now: float) -> None:
        # The begin of a seal sets a slow clock forward; what it loses from then on is its drift.
        slow = self.parameters.drift / 1_000_000 + self._slowed()
        late = now - self.parameters.slack - 1 - slow * self._lifetime
        if late > self._ends.get(place, 0):
            self._note_ends()
        if late > (end := self._ends.get(place, 0)):
            self.violation("ran-past-expiry", f"{place} at {now:.1f}, its seal ended {end:.1f}")

    def _note_ends(self) -> None:
        """Keep when the newest seal of each place ends, in true time: the site's may be set."""
        table = tables.seals.c
        query = select(table.node, table.service, func.max(table.not_before))
        with database.reading(self.manager.engine) as connection:
            rows = connection.execute(query.group_by(table.node, table.service)).all()
        now = time.time()
        for node, service, newest in rows:
            if self._newest.get((node, service)) != newest:
                self._newest[node, service] = newest
                self.ahead = newest - now
                self._ends[node, service] = now + self._lifetime
                self._learn(self.health[node], now)

    def _learn(self, health: Health, now: float) -> None:
        """Note when a seal leads a node to a time that lies ahead of the one that it had."""
        if self.ahead - health.ahead > _STEP:
            health.learned = now
        health.ahead = self.ahead
