"""What people have decided at the Store, each with its reason, its time and who did it.

The table only grows. Sites are told of it in a file (`notices`), and the log takes it as entries.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from sqlalchemy import Connection, func, insert, select, text

from triseal import notices, words
from triseal.errors import BadReason, BadWho
from triseal.notices import Change
from triseal.store.tables import CHANGES

MAX_WHO = 64  # bytes
# What `Why.who` begins with: how the Store knows the name. No name can bring the other beginning.
LOCAL = "local:"  # a user of the Store's computer, as the kernel or the command says
CERTIFIED = "certificate:"  # the common name in a client's certificate
# The kinds that are about releases, and about services; `name` is that of the service.
OF_RELEASES = (notices.WITHDRAWN, notices.QUARANTINED, notices.CLEARED)
OF_SERVICES = (
    *OF_RELEASES,
    notices.HANDED_OVER,
    notices.SERVICE_QUARANTINED,
    notices.SERVICE_CLEARED,
    notices.ARCHIVED,
    notices.REOPENED,
)


@dataclass(frozen=True)
class Why:
    """The reason of a change.

    Attributes:
        reason: the text for people; "" only where nobody had to give one.
        who: the user who made the change: LOCAL or CERTIFIED, and the name.
    """

    reason: str = ""
    who: str = ""

    def check(self) -> None:
        """Check the form of both. Raises BadReason."""
        if self.reason:
            words.check_reason(self.reason)
        if self.who:
            words.check_reason(self.who, MAX_WHO)


NO_REASON = Why()


def local(name: str, number: int) -> str:
    """Return how a user of this computer is recorded.

    Args:
        name: name of the user; "" if there is none.
        number: the user's number, in the place of a name that can't be recorded.
    """
    try:
        words.check_reason(name, MAX_WHO - len(LOCAL))
    except BadReason:
        name = ""
    return LOCAL + (name or f"uid {number}")


def check_wanted(wanted: str) -> None:
    """Check that a search that found nothing says how the Store knows the person.

    Older programs recorded a name alone, so that it can be found. A name of today is never alone.

    Args:
        wanted: the person, or LOCAL or CERTIFIED for all of them.

    Raises:
        BadWho: it begins with neither.
    """
    if not wanted.startswith((LOCAL, CERTIFIED)):
        raise BadWho(f"nobody is recorded as {wanted!r}")


def matches(who: str, wanted: str) -> bool:
    """Tell whether a change was made by a person, or by one who is known in some way.

    Args:
        who: who made it.
        wanted: the person, or LOCAL or CERTIFIED for all of them.
    """
    return who.startswith(wanted) if wanted in (LOCAL, CERTIFIED) else who == wanted


def record(connection: Connection, now: int, why: Why, what: Change) -> Change:
    """Record a change. It must be the last step of its transaction, which holds the table now.

    Args:
        connection: a writing transaction.
        now: the time, Unix seconds.
        why: the reason.
        what: the change without number, time and reason.

    Returns: the whole change.

    Raises:
        BadReason: the reason is not a readable text.
    """
    why.check()
    if connection.dialect.name != "sqlite":  # where a writing transaction is alone
        connection.execute(text("LOCK TABLE changes IN SHARE ROW EXCLUSIVE MODE"))
    number = last(connection) + 1
    made = replace(what, number=number, time=now, reason=why.reason, who=why.who)
    connection.execute(insert(CHANGES).values(**asdict(made)))
    return made


def last(connection: Connection) -> int:
    """Return the number of the newest change, 0 if there is none.

    Args:
        connection: any transaction.
    """
    return connection.execute(select(func.max(CHANGES.c.number))).scalar_one() or 0


def about(connection: Connection, service: str) -> dict[tuple[str, str], Change]:
    """Return the last change of each kind about a service, by kind and version.

    Args:
        connection: any transaction.
        service: name of the service.
    """
    query = select(CHANGES).where(CHANGES.c.name == service, CHANGES.c.kind.in_(OF_SERVICES))
    rows = connection.execute(query.order_by(CHANGES.c.number)).mappings()
    found = [Change(**row) for row in rows]
    return {(one.kind, one.version): one for one in found}


def listed(connection: Connection, since: int = 0) -> list[Change]:
    """Return changes, oldest first.

    Args:
        connection: any transaction.
        since: only those with a higher number.
    """
    query = select(CHANGES).where(CHANGES.c.number > since).order_by(CHANGES.c.number)
    return [Change(**row) for row in connection.execute(query).mappings()]
