"""What Stores have told the site: their decisions, and the lists of their signing keys.

Nothing here says whom the site trusts: that is in the trust bundle alone.
"""

from __future__ import annotations

from sqlalchemy import Column, Connection, Integer, LargeBinary, String, Table, select

from triseal import notices, storekeys
from triseal.notices import Change
from triseal.site.records import tables
from triseal.storekeys import StoreKeys

store_changes = Table(
    "store_changes",
    tables.metadata,
    Column("store", String(64), primary_key=True),  # name of the Store
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("der", LargeBinary, nullable=False),
)

# The newest list of the signing keys of each Store.
store_lists = Table(
    "store_lists",
    tables.metadata,
    Column("store", String(64), primary_key=True),
    Column("der", LargeBinary, nullable=False),
)


def changes(connection: Connection, store: str) -> list[Change]:
    """Return what a Store has told, oldest first.

    Args:
        connection: any transaction.
        store: name of the Store.
    """
    table = store_changes.c
    query = select(table.der).where(table.store == store).order_by(table.number)
    return [notices.parse_change(bytes(der)) for der in connection.scalars(query)]


def stores(connection: Connection) -> list[str]:
    """Return the names of the Stores that have told something, sorted.

    Args:
        connection: any transaction.
    """
    return sorted(set(connection.scalars(select(store_changes.c.store))))


def newest_list(connection: Connection, store: str) -> StoreKeys | None:
    """Return the newest list of a Store's signing keys; None if it has told none.

    Args:
        connection: any transaction.
        store: name of the Store.
    """
    query = select(store_lists.c.der).where(store_lists.c.store == store)
    der = connection.execute(query).scalar_one_or_none()
    return None if der is None else storekeys.parse(bytes(der))


def keep(connection: Connection, store: str, new: list[Change], listed: StoreKeys | None) -> None:
    """Keep what a Store has told.

    Args:
        connection: a writing transaction.
        store: name of the Store.
        new: the changes that the site did not know.
        listed: the newest list of the Store's keys, or None.
    """
    rows = [{"store": store, "number": one.number, "der": one.der()} for one in new]
    if rows:
        connection.execute(store_changes.insert(), rows)
    if listed is not None:
        connection.execute(store_lists.delete().where(store_lists.c.store == store))
        connection.execute(store_lists.insert().values(store=store, der=listed.der))


def forget(connection: Connection, store: str) -> None:
    """Forget what a Store has told, but not its list of keys: a person takes its history anew.

    Args:
        connection: a writing transaction.
        store: name of the Store.
    """
    connection.execute(store_changes.delete().where(store_changes.c.store == store))
