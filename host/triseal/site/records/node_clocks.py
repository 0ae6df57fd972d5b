"""The clocks of nodes: how late each may be, and what that adds to the bound of a change.

A node checks seals with its own clock. It sends its time in each HELLO, RENEW and ASK_TIME, and
the site keeps the seconds by which it was behind, for the time when the node is silent. After that
its counter may lose up to 1 %, which the bound includes.

The site limits the effect of what a node says. A node that is ahead stops early, which makes no
bound shorter. A node that claims to be far behind gets at most one lifetime, or one step of the
site's clock that causes no doubt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select

from triseal.site.records import tables

MOST_STEP = 300  # largest step of a site's clock while it serves, seconds, see `clock`
# The slowest counter loses one of so many seconds, which is 1 % of the time it counts.
_LOSES_ONE_IN = 99
_HEARD = (
    tables.nodes.update()
    .where(tables.nodes.c.name == bindparam("of"))
    .values(clock_at=bindparam("at"))
)
_TOLD = _HEARD.values(clock_behind=bindparam("behind"))


@dataclass(frozen=True)
class Lag:
    """How late the clock of a node is.

    Attributes:
        behind: seconds by which it was behind the site's clock when the node last sent its time; 0
            if it never did.
        at: when that was, Unix seconds of the site; None if it never did.
    """

    behind: int = 0
    at: int | None = None

    def adds(self, until: int, lifetime: int) -> int:
        """Compute how many seconds longer a seal may be valid on the node than by the site's clock.

        Args:
            until: the seal's notAfter, Unix seconds.
            lifetime: the seal's validity, seconds. A node exchanges the time with the site at least
                once in a lifetime, and after its newest seal at most one more lifetime passes.
        """
        since = until - lifetime if self.at is None else self.at
        counted = min(max(until + self.behind - since, lifetime), 2 * lifetime)
        return self.behind - (-counted // _LOSES_ONE_IN)


def of(connection: Connection, node: str) -> Lag:
    """Return how late the clock of a node is, retired or not.

    Args:
        connection: any transaction.
        node: name of the node.
    """
    table = tables.nodes.c
    query = select(table.clock_behind, table.clock_at).where(table.name == node)
    row = connection.execute(query).one_or_none()
    return Lag() if row is None else Lag(row.clock_behind or 0, row.clock_at)


def of_all(connection: Connection) -> dict[str, Lag]:
    """Return how late the clock of each node is, retired or not.

    Args:
        connection: any transaction.
    """
    table = tables.nodes.c
    rows = connection.execute(select(table.name, table.clock_behind, table.clock_at))
    return {row.name: Lag(row.clock_behind or 0, row.clock_at) for row in rows}


@dataclass(frozen=True)
class Said:
    """The time that a node says it has.

    Attributes:
        node: name of the node.
        told: Unix seconds, or 0 if the node does not know the time. It then runs nothing until it
            gets the time. The seconds noted before are kept: a lying node must not gain by saying
            less.
        now: the time of the site's clock then, Unix seconds.
    """

    node: str
    told: int
    now: int

    @property
    def behind(self) -> int:
        """Seconds by which the node is behind, at most one second too many."""
        # Both times are cut to whole seconds: the difference can be up to one second more.
        return max(0, self.now - self.told + 1)


def note(connection: Connection, said: Sequence[Said]) -> None:
    """Note the times that nodes say they have.

    Args:
        connection: a writing transaction.
        said: what they say, all within a second or so; of two from one node, the later one comes
            last.
    """
    if rows := [{"of": one.node, "at": one.now} for one in said if not one.told]:
        connection.execute(_HEARD, rows)
    rows = [
        {"of": one.node, "at": one.now, "behind": _bounded(connection, one)}
        for one in said
        if one.told
    ]
    if rows:
        connection.execute(_TOLD, rows)


def _bounded(connection: Connection, said: Said) -> int:
    """Return the seconds by which a node is behind, as far as they are believed."""
    if said.behind <= MOST_STEP:  # nearly always: the rest is not asked for then
        return said.behind
    most = max(of(connection, said.node).behind, _lifetime(connection), MOST_STEP)
    return min(said.behind, most)


def stepped(connection: Connection, seconds: int) -> None:
    """Note that the site's clock was set forward: all nodes are later by so much.

    Args:
        connection: a writing transaction.
        seconds: size of the step.
    """
    behind = func.coalesce(tables.nodes.c.clock_behind, 0) + seconds
    connection.execute(tables.nodes.update().values(clock_behind=behind))


def _lifetime(connection: Connection) -> int:
    return int(connection.execute(select(tables.site.c.lifetime)).scalar_one())
