"""The site's own clock, and when it is not believed.

What the site signs raises the floors of its nodes' time, and a floor never goes down: a clock that
jumps forward once, and is set right again, would leave them refusing the right time. So a server

- notes in the database, from time to time, what time it has;
- compares the clock with one that only counts, suspended time included: forward or back by more
  than MOST_JUMP is no time that passed;
- does not start before the latest time that was noted (LEAST_BACK of slack), nor more than
  MOST_AWAY after it: what was off for a week can't be told from a jump of a week, but after more
  than a month no seal is alive, and somebody may well look.

In doubt nothing is signed until the clock is right again or a person says that it is.

A smaller step is no doubt. Nodes follow one forward by what is signed, but they were later all the
time than was noted of them: see `nodeclock.stepped`. They follow none back, as their floors have
risen. So the time that is signed never goes back: it goes on at half the speed until the clock has
caught up.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Callable

from sqlalchemy import BigInteger, Boolean, Column, Connection, String, Table, func, select

from triseal import database
from triseal.errors import Failure
from triseal.site.records import node_clocks, tables

MOST_JUMP = node_clocks.MOST_STEP
MOST_AWAY = 31 * 86400
LEAST_BACK = 60
LEAST_STEP = 1.0
# Of each second: by how much the time that is signed falls back towards a clock that was set back.
_SLOWED = 0.5
_DRIFT = 0.001  # of the time that has passed: how wrong a counter may be

# What each machine that served the site knows. Gone when a person has accepted the time.
clocks = Table(
    "clocks",
    tables.metadata,
    Column("host", String(255), primary_key=True),
    Column("seen_at", BigInteger, nullable=False),
    Column("doubted", Boolean, nullable=False),
    Column("ahead_ms", BigInteger),  # the clock's lead over the counter, see `since_boot`
)


class ClockDoubted(Failure):
    """This computer's clock does not go on from where it was."""

    code = "clock-doubted"
    advice = "Set the clock right (NTP); if it is right as it is: triseal site clock --accept."


def since_boot() -> float:
    """Seconds that only count up, those of a suspended machine among them where it can tell."""
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):  # Linux; macOS, where that counts sleep too
        if hasattr(time, name):
            return time.clock_gettime(getattr(time, name))
    return time.monotonic()


class Guard:
    """Compares a clock with a counter. Safe for several threads.

    Args:
        clock: Unix seconds.
        counter: seconds that only count up.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        counter: Callable[[], float] = since_boot,
    ) -> None:
        self._clock = clock
        self._counter = counter
        self._turn = threading.Lock()
        self.believe()

    def believe(self) -> None:
        """From now on the clock is right."""
        with self._turn:
            self._offset = self._lead = self.ahead()
            self._began = self._looked = self._counter()

    def ahead(self) -> float:
        """The clock's lead over the counter, seconds."""
        return self._clock() - self._counter()

    def now(self) -> float:
        """The time to sign, Unix seconds: the clock's, but never earlier than before."""
        jumped = self.jump()
        with self._turn:
            counted = self._counter()
            wished = self._lead if jumped else self.ahead()
            slowed = self._lead - max(0.0, counted - self._looked) * _SLOWED
            self._lead, self._looked = max(wished, slowed), counted
            return counted + self._lead

    def go_on_from(self, seconds: float) -> None:
        """Another process has signed this time: do so too, if it is a little late only."""
        with self._turn:
            lead = seconds - self._counter()
            if lead - self._lead <= LEAST_BACK:
                self._lead = max(self._lead, lead)

    def jump(self) -> float:
        """Seconds by which the clock is ahead of time that passed; 0 for as good as none."""
        counted = self._counter()
        ahead = self._clock() - counted - self._offset
        bound = MOST_JUMP + _DRIFT * (counted - self._began)
        return ahead if abs(ahead) > bound else 0.0

    def check(self) -> None:
        """Raises ClockDoubted."""
        ahead = self.jump()
        if ahead:
            raise ClockDoubted(f"it jumped by {ahead:+.0f} s")


def check(connection: Connection, now: int) -> None:
    """Compare the time with what was noted. Raises: ClockDoubted."""
    row = connection.execute(select(func.max(clocks.c.seen_at))).scalar()
    if row is None:
        return
    latest = int(row)
    if now < latest - LEAST_BACK:
        raise ClockDoubted(f"it is {latest - now} s before what it was")
    if now > latest + MOST_AWAY:
        raise ClockDoubted(f"it is {(now - latest) // 86400} days after what it was")
    if _doubts(connection):
        raise ClockDoubted("it jumped, and nobody has accepted that")


def note(connection: Connection, now: int, *, doubted: bool, ahead: float | None = None) -> None:
    """Note what time it is, and for its nodes if the clock was set forward.

    Args:
        now: as the server has it; where it is in doubt, as it would be without the jump.
        doubted: whether it is.
        ahead: the clock's lead over the counter, seconds, unless it is in doubt.
    """
    host = socket.gethostname()
    row = {"host": host, "seen_at": now, "doubted": doubted}
    database.insert_new(connection, clocks, [row])  # several processes may serve a site here
    here = clocks.c.host == host
    seen = connection.execute(select(clocks).where(here).with_for_update()).one()
    values = {"seen_at": max(now, seen.seen_at), "doubted": doubted}
    if ahead is not None:
        step = _step(seen.ahead_ms, ahead)
        if step:
            node_clocks.stepped(connection, math.ceil(step))
        # Else it stays, until many small ones are one.
        if step or seen.ahead_ms is None or abs(ahead - seen.ahead_ms / 1000) >= LEAST_STEP:
            values["ahead_ms"] = round(ahead * 1000)
    connection.execute(clocks.update().where(here).values(values))


def step_since(connection: Connection, now: int) -> int:
    """By how many seconds the clock of this machine was set forward since it was noted last.

    Args:
        now: what it shows, Unix seconds.
    """
    column = clocks.c.ahead_ms
    row = connection.execute(select(column).where(clocks.c.host == socket.gethostname())).first()
    step = _step(row[0], now - since_boot()) if row else 0.0
    return math.ceil(step) + 1 if step else 0  # `now` is cut to a second


def _step(before: int | None, ahead: float) -> float:
    """Seconds by which a clock was set forward: 0 for less than LEAST_STEP, and for more than may
    be one step. That is doubt, or the machine was started again meanwhile and counts anew."""
    step = 0.0 if before is None else ahead - before / 1000
    return step if LEAST_STEP <= step <= MOST_JUMP else 0.0


def is_accepted(connection: Connection) -> bool:
    """Whether a person has accepted the time since this machine noted a doubt."""
    return not _doubts(connection)


def accept(connection: Connection, now: int) -> None:
    """The time is right, whatever was noted; nodes have not followed a jump yet.

    Args:
        now: what the clock of this machine shows, Unix seconds.
    """
    here = clocks.c.host == socket.gethostname()
    row = connection.execute(select(clocks.c.ahead_ms).where(here & clocks.c.doubted)).first()
    if row is not None and row[0] is not None:
        jumped = math.ceil(now - since_boot() - row[0] / 1000)
        if jumped > 0:
            node_clocks.stepped(connection, jumped + 1)
    connection.execute(clocks.delete())


def latest(connection: Connection) -> tuple[int | None, bool]:
    """The latest time that was noted, and whether a machine is in doubt of its clock."""
    seen = connection.execute(select(func.max(clocks.c.seen_at))).scalar()
    doubted = connection.execute(select(clocks.c.host).where(clocks.c.doubted)).first()
    return None if seen is None else int(seen), doubted is not None


def _doubts(connection: Connection) -> bool:
    """Whether this machine has noted a doubt that nobody has answered."""
    table = clocks.c
    which = (table.host == socket.gethostname()) & table.doubted
    return connection.execute(select(table.host).where(which)).first() is not None
