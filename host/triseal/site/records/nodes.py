"""The nodes of a site: added by name, enrolled with their own key, retired forever."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

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

_BY_NAME = select(tables.nodes).where(tables.nodes.c.name == bindparam("wanted"))
_GREETED = (
    tables.nodes.update()
    .where(tables.nodes.c.name == bindparam("of"))
    .values(
        heard_at=bindparam("at"),
        bundle_version=bindparam("version"),
        bundle_mark=bindparam("mark"),
        reset_cause=bindparam("cause"),
    )
)

Bundle = tuple[int, bytes | None]  # version and mark of a trust bundle


def add(connection: Connection, name: str, now: int) -> None:
    """Add a node.

    Args:
        connection: a writing transaction.
        name: name of the node.
        now: the time, Unix seconds.

    Raises:
        BadLabel: the name is not allowed for a node.
        NameTaken: a node has or had this name.
    """
    label.check(name, "node")
    if _find(connection, name) is not None:
        raise NameTaken(f"there is or was a node {name}")
    connection.execute(tables.nodes.insert().values(name=name, added_at=now))


def is_known(connection: Connection, name: str, csr: bytes) -> bool:
    """Tell whether a node of this name has or had the key of a request.

    Args:
        connection: any transaction.
        name: name of the node.
        csr: certification request (PKCS #10), DER or PEM.

    Raises: as triseal.request.parse.
    """
    row = _find(connection, name)
    return row is not None and row.spki == request.parse(csr).spki


def get(connection: Connection, name: str) -> Row[Any]:
    """Return the row of a node that is not retired.

    Args:
        connection: any transaction.
        name: name of the node.

    Raises:
        UnknownNode: there is no such node.
        NodeRetired: the node is retired.
    """
    row = _find(connection, name)
    if row is None:
        raise UnknownNode(f"there is no node {name}")
    if row.retired_at is not None:
        raise NodeRetired(f"node {name} is retired")
    return row


def all_keys(connection: Connection) -> dict[str, bytes]:
    """Return the public key of each enrolled node that is not retired, DER SubjectPublicKeyInfo.

    Args:
        connection: any transaction.
    """
    table = tables.nodes.c
    query = select(table.name, table.spki).order_by(table.name)
    rows = connection.execute(query.where(table.spki.is_not(None), table.retired_at.is_(None)))
    return {row.name: bytes(row.spki) for row in rows}


def key_of(connection: Connection, name: str) -> bytes:
    """Return the public key of a node, DER SubjectPublicKeyInfo.

    Args:
        connection: any transaction.
        name: name of the node.

    Raises:
        UnknownNode, NodeRetired: as `get`.
        NotEnrolled: the node has no key yet.
    """
    spki = get(connection, name).spki
    if spki is None:
        raise NotEnrolled(f"node {name} is not enrolled")
    return bytes(spki)


def enrol(connection: Connection, name: str, csr: bytes, *, replace: bool = False) -> bytes:
    """Take a node's key from its request, which proves that the node has the private key.

    Args:
        connection: a writing transaction.
        name: name of the node.
        csr: certification request (PKCS #10), DER or PEM.
        replace: whether another key may replace the known one.

    Returns: SubjectPublicKeyInfo, DER.

    Raises:
        UnknownNode, NodeRetired: as `get`.
        BadRequest, UnsupportedKey: as triseal.request.parse.
        OtherNode: the request names another node.
        OtherKey: the node has another key.
    """
    known = get(connection, name)
    wanted = request.parse(csr)
    if wanted.name != name:
        raise OtherNode(f"the request names {wanted.name!r}, not {name}")
    if known.spki is not None and known.spki != wanted.spki and not replace:
        raise OtherKey(f"node {name} has another key")
    which = tables.nodes.c.name == name
    connection.execute(tables.nodes.update().where(which).values(spki=wanted.spki))
    return wanted.spki


def allow_grace(connection: Connection, name: str, seconds: int, *, in_force: bool) -> None:
    """Note for how many seconds a node may run services before it knows the time.

    Args:
        connection: a writing transaction.
        name: name of the node.
        seconds: 0 for never.
        in_force: whether the node surely has this setting now. Otherwise it may still have the one
            before.

    Raises:
        UnknownNode, NodeRetired: as `get`.
    """
    row = get(connection, name)
    noted = seconds if in_force else max(seconds, row.grace)
    connection.execute(tables.nodes.update().where(tables.nodes.c.name == name).values(grace=noted))


def grace_of(connection: Connection, name: str) -> int:
    """Return the seconds for which a node may run services before it knows the time.

    Args:
        connection: any transaction.
        name: name of the node, retired or not.
    """
    row = _find(connection, name)
    return 0 if row is None else int(row.grace)


def retire(connection: Connection, name: str, now: int) -> None:
    """Cut a node off: from now on it gets nothing.

    Args:
        connection: a writing transaction.
        name: name of the node.
        now: the time, Unix seconds.

    Raises:
        UnknownNode, NodeRetired: as `get`.
    """
    get(connection, name)
    connection.execute(
        tables.nodes.update().where(tables.nodes.c.name == name).values(retired_at=now)
    )


def heard(connection: Connection, name: str, now: int, bundle: Bundle | None = None) -> None:
    """Note that a node has sent something.

    Args:
        connection: a writing transaction.
        name: name of the node.
        now: the time, Unix seconds.
        bundle: version and mark of the trust bundle that the node has, or None if it did not say.
    """
    values: dict[str, object] = {"heard_at": now}
    if bundle is not None:
        values["bundle_version"], values["bundle_mark"] = bundle
    connection.execute(tables.nodes.update().where(tables.nodes.c.name == name).values(values))


def greeted(connection: Connection, name: str, now: int, bundle: Bundle, cause: str) -> None:
    """Note what a node says when it connects.

    Args:
        connection: a writing transaction.
        name: name of the node.
        now: the time, Unix seconds.
        bundle: version and mark of the trust bundle that the node has.
        cause: why it was last reset, as it says.
    """
    version, mark = bundle
    said = {"of": name, "at": now, "version": version, "mark": mark, "cause": cause}
    connection.execute(_GREETED, said)


def with_service(connection: Connection, service: str) -> list[tuple[str, bytes]]:
    """Return name and public key of each enrolled node that has a service and is not retired.

    Args:
        connection: any transaction.
        service: name of the service.
    """
    table, assigned = tables.nodes.c, tables.assignments.c
    query = (
        select(table.name, table.spki)
        .join(tables.assignments, assigned.node == table.name)
        .where(assigned.service == service, table.retired_at.is_(None), table.spki.is_not(None))
        .order_by(table.name)
    )
    return [(row.name, bytes(row.spki)) for row in connection.execute(query)]


def _find(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(_BY_NAME, {"wanted": name}).one_or_none()
