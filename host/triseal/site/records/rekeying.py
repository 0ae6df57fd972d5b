"""Nodes that are to make another key, and keys that they have made and not used yet.

The site asks a node once: a node that can't do it, for lack of memory, must not be asked again and
again. The old key counts until the node connects with the new one, because an answer may be lost.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from triseal.site.records import revision, tables

_nodes = tables.nodes.c
_STATE = select(_nodes.rekey_at, _nodes.rekey_told_at, _nodes.next_spki, _nodes.retired_at).where(
    _nodes.name == bindparam("node")
)


@dataclass(frozen=True)
class Rekeying:
    """How far a node is with another key.

    Attributes:
        asked: whether a person wants another key of it.
        to_tell: whether it is to be told so.
        next_spki: the key that it has made and not used yet, DER SubjectPublicKeyInfo; b"" if there
            is none, or if the node is retired.
    """

    asked: bool = False
    to_tell: bool = False
    next_spki: bytes = b""


def of(connection: Connection, node: str) -> Rekeying:
    """Return how far a node is with another key.

    Args:
        connection: any transaction.
        node: name of the node.
    """
    row = connection.execute(_STATE, {"node": node}).one_or_none()
    if row is None:
        return Rekeying()
    asked = row.rekey_at is not None
    made = bytes(row.next_spki or b"") if row.retired_at is None else b""
    return Rekeying(asked, asked and row.rekey_told_at is None, made)


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
