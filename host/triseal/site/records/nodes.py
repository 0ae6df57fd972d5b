"""The nodes of a site: added by name, enrolled with a key that they made, retired for ever."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select

from triseal import label, request
from triseal.site.errors import (
    NameTaken,
    NodeRetired,
    NotEnrolled,
    OtherKey,
    OtherNode,
    UnknownNode,
)
from triseal.site.records import tables


def add(connection: Connection, name: str, now: int) -> None:
    """Add a node by name.

    Raises:
        BadLabel: it is no name for a node.
        NameTaken: there is, or was, a node of this name.
    """
    label.check(name, "node")
    if _find(connection, name) is not None:
        raise NameTaken(f"there is a node {name}")
    connection.execute(tables.nodes.insert().values(name=name, added_at=now))


def is_known(connection: Connection, name: str, csr: bytes) -> bool:
    """Whether there is, or was, a node of this name with the key of this request.

    Raises: see triseal.request.parse.
    """
    row = _find(connection, name)
    return row is not None and row.spki == request.parse(csr).spki


def get(connection: Connection, name: str) -> Row[Any]:
    """A node that is not retired.

    Raises: UnknownNode, NodeRetired.
    """
    row = _find(connection, name)
    if row is None:
        raise UnknownNode(f"no node {name}")
    if row.retired_at is not None:
        raise NodeRetired(f"node {name}")
    return row


def key_of(connection: Connection, name: str) -> bytes:
    """The SubjectPublicKeyInfo of a node that may be given something.

    Raises: UnknownNode, NodeRetired, NotEnrolled.
    """
    spki = get(connection, name).spki
    if spki is None:
        raise NotEnrolled(f"node {name}")
    return bytes(spki)


def enrol(connection: Connection, name: str, csr: bytes, *, replace: bool = False) -> bytes:
    """Take a node's key from its request, which proves that it holds the key.

    Args:
        name: the node's.
        csr: PKCS #10, DER or PEM.
        replace: let another key take the place of the one that is known.

    Returns: SubjectPublicKeyInfo, DER.
    Raises:
        BadRequest, UnsupportedKey: see triseal.request.parse.
        OtherNode: the request is of another node.
        OtherKey: the node is known by another key.
    """
    known = get(connection, name)
    wanted = request.parse(csr)
    if wanted.name != name:
        raise OtherNode(f"the request is of {wanted.name!r}, not of {name}")
    if known.spki is not None and known.spki != wanted.spki and not replace:
        raise OtherKey(f"node {name}")
    which = tables.nodes.c.name == name
    connection.execute(tables.nodes.update().where(which).values(spki=wanted.spki))
    return wanted.spki


def allow_grace(connection: Connection, name: str, seconds: int, *, in_force: bool) -> None:
    """Note for how many seconds a node may run services before it knows the time.

    Args:
        seconds: 0 for never.
        in_force: the node has this setting now; else it may have it, or the one before.
    """
    row = get(connection, name)
    noted = seconds if in_force else max(seconds, row.grace)
    connection.execute(tables.nodes.update().where(tables.nodes.c.name == name).values(grace=noted))


def grace_of(connection: Connection, name: str) -> int:
    """Seconds that a node, retired or not, may run services before it knows the time."""
    row = _find(connection, name)
    return 0 if row is None else int(row.grace)


def retire(connection: Connection, name: str, now: int) -> None:
    """Cut a node off: from now on it gets nothing. Raises: UnknownNode, NodeRetired."""
    get(connection, name)
    connection.execute(
        tables.nodes.update().where(tables.nodes.c.name == name).values(retired_at=now)
    )


def heard(connection: Connection, name: str, now: int, bundle_version: int | None = None) -> None:
    """Note that a node was heard, and which trust bundle it said that it has."""
    values: dict[str, int] = {"heard_at": now}
    if bundle_version is not None:
        values["bundle_version"] = bundle_version
    connection.execute(tables.nodes.update().where(tables.nodes.c.name == name).values(values))


def was_reset(connection: Connection, name: str, cause: str) -> None:
    """Note why a node was last reset, as it says."""
    which = tables.nodes.c.name == name
    connection.execute(tables.nodes.update().where(which).values(reset_cause=cause))


def _find(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(tables.nodes).where(tables.nodes.c.name == name)).one_or_none()
