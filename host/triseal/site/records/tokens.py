"""Boards from a production line: which are awaited, and by what one-time token each is known.

Of a token only the public half of its key is kept (`sealcore.onetime`). It is used up by the first
certificate that the node gets, whichever way. Who proves it again for the same key is given that
certificate again: it may have been lost on its way. Another key is refused.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, select

from sealcore import errors, onetime
from triseal import request
from triseal.site.errors import BadToken, OtherKey, TokenExpired, TokenUsed
from triseal.site.records import ledger, nodes, tables
from triseal.site.slca.authority import Certified


@dataclass(frozen=True)
class Proven:
    """A board that has proved its token.

    Attributes:
        node: the name.
        certificate: what its key was given before and is still good, DER; None for nothing.
    """

    node: str
    certificate: bytes | None


def draw() -> bytes:
    """A token that nobody can guess."""
    return secrets.token_bytes(onetime.OCTETS)


def check_free(connection: Connection, node: str, *, replace: bool) -> None:
    """Whether a board may be awaited as this node.

    Args:
        replace: also one with another key than the node has.

    Raises: UnknownNode, NodeRetired; OtherKey where the node is enrolled.
    """
    if nodes.get(connection, node).spki is not None and not replace:
        raise OtherKey(f"node {node} is enrolled")


def expect(connection: Connection, node: str, token: bytes, until: int) -> None:
    """Await a board as this node; a token that the node had before is void.

    Args:
        token: as `draw` gave it.
        until: the last second in which it can be used, Unix seconds.
    """
    void(connection, node)
    point = onetime.key(token).public_key().point()
    connection.execute(tables.tokens.insert().values(node=node, point=point, expires_at=until))


def void(connection: Connection, node: str) -> None:
    """Await no board as this node any longer."""
    connection.execute(tables.tokens.delete().where(tables.tokens.c.node == node))


def use(connection: Connection, node: str, issued: Certified) -> None:
    """The node has got a certificate: its token, if it has one, is good for nothing else now."""
    which = tables.tokens.c.node == node
    serial = ledger.serial_bytes(issued.serial)
    connection.execute(tables.tokens.update().where(which).values(certificate=serial))


def check(connection: Connection, csr: bytes, proof: bytes, now: int) -> Proven:
    """Which node a board becomes.

    Args:
        csr: its PKCS #10 request, DER.
        proof: of its token, for that request.
        now: Unix seconds.

    Raises:
        BadRequest, BadName, UnsupportedKey: see triseal.request.parse.
        BadToken: no token of the node that it names proves this request. Nobody without a token
            learns more.
        TokenUsed, TokenExpired.
    """
    wanted = request.parse(csr)
    row = connection.execute(
        select(tables.tokens, tables.nodes.c.spki)
        .join(tables.nodes)
        .where(tables.tokens.c.node == wanted.name)
    ).one_or_none()
    if row is None:
        raise BadToken(f"no board is awaited as node {wanted.name}")
    try:
        onetime.check(bytes(row.point), csr, proof)
    except errors.BadSignature:
        raise BadToken(f"node {wanted.name}") from None
    if row.certificate is None:
        if now > row.expires_at:
            raise TokenExpired(f"node {wanted.name}")
        return Proven(wanted.name, None)
    if row.spki != wanted.spki:
        raise TokenUsed(f"node {wanted.name}")
    return Proven(wanted.name, ledger.find_certificate(connection, row.certificate, now))
