"""The guard of the server's clock: it decides whether the site may sign with the present time.

Everything that the site signs raises the floor of its nodes' time, and a floor never goes down. If
a clock jumped forward once and was then corrected, the nodes would refuse the correct time
(anti-rollback). A server therefore

- notes its time in the database at intervals;
- compares its clock with a counter of seconds that also counts while the machine is suspended: a
  difference of more than MOST_JUMP means that the clock was set;
- does not start with a time more than LEAST_BACK before the latest one that was noted, nor more
  than MOST_AWAY after it. A server that was off for a week can't be told from a jump of a week; but
  after more than a month no seal is valid any more, and a person can be asked.

While the clock is in doubt, the site signs nothing, until the clock is right again or a person
accepts it.

A smaller step causes no doubt. After a step forward the nodes follow what is signed, but until then
they were later than noted, see `node_clocks.stepped`. Nodes can't follow a step back, since their
floors have risen. The time that is signed therefore never goes back: it runs slower by a tenth
until the clock has caught up. Not slower than that: the clocks of nodes run at full speed, and a
seal of a short lifetime that is signed far behind them would have expired when it arrives.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Callable

from sqlalchemy import Connection, func, select, true

from triseal import database
from triseal.errors import Failure
from triseal.site.records import node_clocks
from triseal.site.records.clocks import clocks

MOST_JUMP = node_clocks.MOST_STEP
MOST_AWAY = 31 * 86400
# A server that runs follows a step of this size without a doubt. So does one that starts.
LEAST_BACK = MOST_JUMP
LEAST_STEP = 1.0
# While a clock that was set back catches up, the signed time loses this share of each second.
SLOWED = 0.1
_LATEST = select(func.max(clocks.c.seen_at))
_DRIFT = 0.001  # largest relative error of a counter


class ClockDoubted(Failure):
    """The server's clock does not continue from where it was."""

    code = "clock-doubted"
    advice = "Correct the clock (NTP); if it is right as it is: triseal site clock --accept."


def since_boot() -> float:
    """Return the seconds of a counter that never goes back, suspended time included if possible."""
    # The first exists on Linux. On macOS the second counts suspended time too.
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        if hasattr(time, name):
            return time.clock_gettime(getattr(time, name))
    return time.monotonic()


class Guard:
    """A comparison of a clock with a counter. Several threads may use it.

    Args:
        clock: returns Unix seconds.
        counter: returns seconds that never go back.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        counter: Callable[[], float] = since_boot,
    ) -> None:
        self._clock = clock
        self._counter = counter
        self._turn = threading.Lock()
        self.trust()

    def trust(self) -> None:
        """Trust the clock from now on: a person has accepted it."""
        with self._turn:
            self._offset = self._lead = self.ahead()
            self._began = self._looked = self._counter()

    def ahead(self) -> float:
        """Return the lead of the clock over the counter, seconds."""
        return self._clock() - self._counter()

    def now(self) -> float:
        """Return the time to sign, Unix seconds: the clock's time, but never less than before."""
        jumped = self.jump()
        with self._turn:
            counted = self._counter()
            wished = self._lead if jumped else self.ahead()
            slowed = self._lead - max(0.0, counted - self._looked) * SLOWED
            self._lead, self._looked = max(wished, slowed), counted
            return counted + self._lead

    def go_on_from(self, seconds: float) -> None:
        """Continue from a time that another process has signed, if this clock is only a bit behind.

        Args:
            seconds: that time, Unix seconds.
        """
        with self._turn:
            lead = seconds - self._counter()
            if lead - self._lead <= LEAST_BACK:
                self._lead = max(self._lead, lead)

    def lead(self) -> float:
        """Return the lead of the signed time over the clock, seconds; 0 if that is in doubt."""
        return 0.0 if self.jump() else max(0.0, self.now() - self._clock())

    def jump(self) -> float:
        """Return the seconds by which the clock has jumped, 0 for a difference without meaning."""
        counted = self._counter()
        ahead = self._clock() - counted - self._offset
        bound = MOST_JUMP + _DRIFT * (counted - self._began)
        return ahead if abs(ahead) > bound else 0.0

    def check(self) -> None:
        """Raise ClockDoubted if the clock has jumped."""
        ahead = self.jump()
        if ahead:
            raise ClockDoubted(f"it jumped by {ahead:+.0f} s")


def check(connection: Connection, now: int) -> None:
    """Compare a time with the times that were noted.

    Args:
        connection: any transaction.
        now: the time of this computer, Unix seconds.

    Raises:
        ClockDoubted: the time does not continue from a noted one, or a doubt was noted that
            nobody has accepted, see `_doubts`.
    """
    row = connection.execute(_LATEST).scalar()
    if row is None:
        return
    latest = int(row)
    if now < latest - LEAST_BACK:
        raise ClockDoubted(f"it is {latest - now} s before the last time that was noted")
    if now > latest + MOST_AWAY:
        days = (now - latest) // 86400
        raise ClockDoubted(f"it is {days} days after the last time that was noted")
    if _doubts(connection):
        raise ClockDoubted("it jumped, and nobody has accepted the new time")


def note(
    connection: Connection,
    now: int,
    *,
    doubted: bool,
    ahead: float | None = None,
    lead: float = 0.0,
) -> None:
    """Note the time of this computer, and add a step forward to the lateness of all nodes.

    Args:
        connection: a writing transaction.
        now: the server's time, Unix seconds; if it is in doubt, the time as it would be without the
            jump.
        doubted: whether the time is in doubt.
        ahead: lead of the clock over the counter, seconds; None if the time is in doubt.
        lead: lead of the signed time over the clock, seconds.
    """
    host = socket.gethostname()
    before = _noted_ahead(connection)
    row = {"host": host, "seen_at": now, "doubted": doubted}
    database.insert_new(connection, clocks, [row])  # several processes may serve a site here
    here = clocks.c.host == host
    seen = connection.execute(select(clocks).where(here).with_for_update()).one()
    values = {
        "seen_at": max(now, seen.seen_at),
        "doubted": doubted,
        "signed_ms": round(lead * 1000),
    }
    if ahead is not None:
        step = _step(before, ahead)
        if step:
            node_clocks.stepped(connection, math.ceil(step))
        # Smaller steps add up until they count as one step.
        if step or seen.ahead_ms is None or abs(ahead - seen.ahead_ms / 1000) >= LEAST_STEP:
            values["ahead_ms"] = round(ahead * 1000)
    connection.execute(clocks.update().where(here).values(values))


def step_since(connection: Connection, now: int) -> int:
    """Return the seconds by which this computer's clock was set forward since it was last noted.

    Args:
        connection: any transaction.
        now: the time of the clock, Unix seconds.
    """
    step = _step(_noted_ahead(connection), now - since_boot())
    return math.ceil(step) + 1 if step else 0  # `now` is cut to a second


def _noted_ahead(connection: Connection) -> int | None:
    """Return the lead of the clock over the counter that was noted last, milliseconds.

    If this computer has noted none, that of the last one which did counts: it may be the same
    computer under another name. If it is another one, the difference is rarely as small as a step.
    """
    table = clocks.c
    mine = (table.host == socket.gethostname()).desc()
    query = select(table.ahead_ms).where(table.ahead_ms.is_not(None))
    return connection.execute(query.order_by(mine, table.seen_at.desc()).limit(1)).scalar()


def _step(before: int | None, ahead: float) -> float:
    """Compute by how many seconds a clock was set forward.

    A difference below LEAST_STEP counts as 0. So does one that is larger than a step may be: then
        the
    time is in doubt, or the machine was started again meanwhile and its counter began again.
    """
    step = 0.0 if before is None else ahead - before / 1000
    return step if LEAST_STEP <= step <= MOST_JUMP else 0.0


def is_accepted(connection: Connection) -> bool:
    """Tell whether a person has accepted the time since a doubt was noted, see `_doubts`.

    Args:
        connection: any transaction.
    """
    return not _doubts(connection)


def accept(connection: Connection, now: int) -> None:
    """Accept the time of this computer, whatever was noted before.

    Args:
        connection: a writing transaction.
        now: the time of this computer, Unix seconds.
    """
    here = clocks.c.host == socket.gethostname()
    row = connection.execute(select(clocks.c.ahead_ms).where(here & clocks.c.doubted)).first()
    if row is not None and row[0] is not None:
        jumped = math.ceil(now - since_boot() - row[0] / 1000)
        if jumped > 0:
            node_clocks.stepped(connection, jumped + 1)
    connection.execute(clocks.delete())


def to_sign(connection: Connection, now: int) -> int:
    """Return the time to sign outside of a server: never less than a server has noted.

    Args:
        connection: any transaction.
        now: the time of this computer, Unix seconds.

    Raises:
        ClockDoubted: see `check`.
    """
    check(connection, now)
    return int(signed_by(connection, now))


def signed_by(connection: Connection, now: float) -> float:
    """Return the earliest time that is not before any time that the site has signed.

    The signed time of a server was ahead of its clock if that was set back. This lead shrinks until
    it is gone, so what was noted of it is enough, however long ago it was.

    Args:
        connection: any transaction.
        now: the time of this computer's clock, Unix seconds.

    Returns: Unix seconds; `now` if nothing was noted.
    """
    noted = connection.execute(select(clocks.c.seen_at, clocks.c.signed_ms)).all()
    return max(now, *(float(max(seen, now + (lead or 0) / 1000)) for seen, lead in noted), 0.0)


def latest(connection: Connection) -> tuple[int | None, bool]:
    """Return the latest time that was noted.

    Args:
        connection: any transaction.

    Returns: the time, Unix seconds, or None; and whether a computer doubts its clock.
    """
    seen = connection.execute(select(func.max(clocks.c.seen_at))).scalar()
    doubted = connection.execute(select(clocks.c.host).where(clocks.c.doubted)).first()
    return None if seen is None else int(seen), doubted is not None


def _doubts(connection: Connection) -> bool:
    """Tell whether a doubt concerns this computer that nobody has accepted.

    Another computer may have another clock. But a name says little: a new container has a new one,
    and the clock of the container before. So a doubt of another name counts too, unless this
    computer has noted the time since: then it serves the site beside the one that doubts.
    """
    table = clocks.c
    here = table.host == socket.gethostname()
    own = connection.execute(select(table.seen_at, table.doubted).where(here)).first()
    if own is not None and own.doubted:
        return True
    since = table.seen_at >= own.seen_at if own is not None else true()
    which = table.doubted & since
    return connection.execute(select(table.host).where(which)).first() is not None
