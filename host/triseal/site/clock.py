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
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from sqlalchemy import BigInteger, Boolean, Column, Connection, String, Table, func, select

from triseal import database
from triseal.errors import Failure
from triseal.site import state

MOST_JUMP = 300  # seconds
MOST_AWAY = 31 * 86400
LEAST_BACK = 60
_DRIFT = 0.001  # of the time that has passed: how wrong a counter may be

# What each machine that served the site knows. Gone when a person has accepted the time.
clocks = Table(
    "clocks",
    state.metadata,
    Column("host", String(255), primary_key=True),
    Column("seen_at", BigInteger, nullable=False),
    Column("doubted", Boolean, nullable=False),
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
        self.believe()

    def believe(self) -> None:
        """From now on the clock is right."""
        self._offset = self._clock() - self._counter()
        self._began = self._counter()

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


def note(connection: Connection, now: int, *, doubted: bool) -> None:
    """Note what time it is.

    Args:
        now: as the server has it; where it is in doubt, as it would be without the jump.
        doubted: whether it is.
    """
    host = socket.gethostname()
    row = {"host": host, "seen_at": now, "doubted": doubted}
    database.insert_new(connection, clocks, [row])  # several processes may serve a site here
    here = clocks.c.host == host
    seen = connection.execute(select(clocks.c.seen_at).where(here)).scalar_one()
    values = {"seen_at": max(now, seen), "doubted": doubted}
    connection.execute(clocks.update().where(here).values(values))


def is_accepted(connection: Connection) -> bool:
    """Whether a person has accepted the time since this machine noted a doubt."""
    return not _doubts(connection)


def accept(connection: Connection) -> None:
    """The time is right, whatever was noted."""
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
