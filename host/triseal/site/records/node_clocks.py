"""How late the clock of a node may be, and what that adds to the bound of a change.

A node judges seals by its own clock. It says what that shows in each HELLO, RENEW and ASK_TIME, and
the site keeps by how much it was behind, for the time when the node is silent. From then on a
counter may lose up to 1 %: a bound counts that too.

What a node says can only be kept within limits. One that is ahead stops early, so it makes no bound
shorter; one that says it is far behind gets no more for it than a lifetime, or a step of the site's
clock that nobody doubts.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from triseal.site.records import tables

MOST_STEP = 300  # seconds by which a site's clock may be set while it serves, see `clock`
# Of so many seconds the slowest counter loses one, so that 1 % of its time are missing.
_LOSES_ONE_IN = 99


@dataclass(frozen=True)
class Lag:
    """How late a node is.

    Attributes:
        behind: seconds, when it last said its time; 0 if it never did.
        at: when that was, Unix seconds of the site; None if it never did.
    """

    behind: int = 0
    at: int | None = None

    def adds(self, until: int, lifetime: int) -> int:
        """Seconds by which a seal may hold longer on the node than by the site's clock.

        Args:
            until: when the seal ends, Unix seconds.
            lifetime: how long it holds, seconds: a node says its time, or is told it, at least once
                in a lifetime, and after its newest seal no more than another one passes.
        """
        since = until - lifetime if self.at is None else self.at
        counted = min(max(until + self.behind - since, lifetime), 2 * lifetime)
        return self.behind - (-counted // _LOSES_ONE_IN)


def of(connection: Connection, node: str) -> Lag:
    """What was noted of a node, retired or not."""
    table = tables.nodes.c
    query = select(table.clock_behind, table.clock_at).where(table.name == node)
    row = connection.execute(query).one_or_none()
    return Lag() if row is None else Lag(row.clock_behind or 0, row.clock_at)


def note(connection: Connection, node: str, told: int, now: int) -> None:
    """Note what time a node says that it is.

    Args:
        told: Unix seconds, or 0 where it does not know: it runs nothing then until it is told the
            time. What was noted of it before stays, since who may lie gains nothing by saying less.
        now: what it is by the site's clock.
    """
    which = tables.nodes.c.name == node
    values = {"clock_at": now}
    if told:
        most = max(of(connection, node).behind, _lifetime(connection), MOST_STEP)
        # Both are cut to whole seconds: it can be up to one more.
        values["clock_behind"] = min(max(0, now - told + 1), most)
    connection.execute(tables.nodes.update().where(which).values(values))


def stepped(connection: Connection, seconds: int) -> None:
    """The site's clock was set forward: by its new time each node is so much later than noted."""
    behind = func.coalesce(tables.nodes.c.clock_behind, 0) + seconds
    connection.execute(tables.nodes.update().values(clock_behind=behind))


def _lifetime(connection: Connection) -> int:
    return int(connection.execute(select(tables.site.c.lifetime)).scalar_one())
