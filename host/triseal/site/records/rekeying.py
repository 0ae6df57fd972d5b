"""Nodes that are to make another key, and keys that they have made and not used yet.

The site asks a node once: a node that can't do it, for lack of memory, must not be asked again and
again. The old key counts until the node connects with the new one, because an answer may be lost.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, select

from triseal.site.records import revision, tables

_nodes = tables.nodes.c


def ask(connection: Connection, names: Collection[str], now: int) -> None:
    """Ask nodes for another key, also those that were asked before.

    Args:
        connection: a writing transaction.
        names: names of the nodes.
        now: the time, Unix seconds.
    """
    asked = {"rekey_at": now, "rekey_told_at": None, "next_spki": None}
    connection.execute(tables.nodes.update().where(_nodes.name.in_(names)).values(**asked))
    revision.jump(connection, revision.current(connection) + 1)


def is_asked(connection: Connection, node: str) -> bool:
    """Tell whether a person wants another key of a node.

    Args:
        connection: any transaction.
        node: name of the node.
    """
    return _is(connection, node, _nodes.rekey_at.is_not(None))


def to_tell(connection: Connection, node: str) -> bool:
    """Tell whether a node is to be told that it must make another key.

    Args:
        connection: any transaction.
        node: name of the node.
    """
    wanted = _nodes.rekey_at.is_not(None) & _nodes.rekey_told_at.is_(None)
    return _is(connection, node, wanted)


def told(connection: Connection, node: str, now: int) -> None:
    """Note that a node was told.

    Args:
        connection: a writing transaction.
        node: name of the node.
        now: the time, Unix seconds.
    """
    change = tables.nodes.update().where(_nodes.name == node)
    connection.execute(change.values(rekey_told_at=now))


def made(connection: Connection, node: str, spki: bytes) -> None:
    """Note the key that a node has made.

    Args:
        connection: a writing transaction.
        node: name of the node.
        spki: the public key, DER SubjectPublicKeyInfo.
    """
    connection.execute(tables.nodes.update().where(_nodes.name == node).values(next_spki=spki))


def is_next(connection: Connection, node: str, spki: bytes) -> bool:
    """Tell whether this is the key that a node has made and not used yet.

    Args:
        connection: any transaction.
        node: name of the node.
        spki: the public key, DER SubjectPublicKeyInfo.
    """
    return _is(connection, node, (_nodes.next_spki == spki) & _nodes.retired_at.is_(None))


def used(connection: Connection, node: str, spki: bytes) -> None:
    """Let the new key of a node take the place of the old one.

    Args:
        connection: a writing transaction.
        node: name of the node.
        spki: the public key, DER SubjectPublicKeyInfo.
    """
    done = {"spki": spki, "next_spki": None, "rekey_at": None, "rekey_told_at": None}
    which = (_nodes.name == node) & (_nodes.next_spki == spki)
    connection.execute(tables.nodes.update().where(which).values(**done))


def _is(connection: Connection, node: str, so: ColumnElement[bool]) -> bool:
    query = select(_nodes.name).where((_nodes.name == node) & so)
    return connection.execute(query).first() is not None
