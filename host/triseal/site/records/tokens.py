"""The one-time tokens of boards from a production line, and the nodes that they may become.

Of a token the site keeps only the public key that belongs to it (`sealcore.onetime`). The first
certificate that the node gets uses the token up, however it gets it. Idempotent for the same key:
a board that proves the token again gets the same certificate again, in case it was lost on the
way. Another key is refused.
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
        node: name of the node.
        certificate: the certificate that its key got before and that is still valid, DER, or None.
    """

    node: str
    certificate: bytes | None


def draw() -> bytes:
    """Make a random token."""
    return secrets.token_bytes(onetime.OCTETS)


def check_free(connection: Connection, node: str, *, replace: bool) -> None:
    """Refuse a node that is enrolled already, unless its key may be replaced.

    Args:
        connection: any transaction.
        node: name of the node.
        replace: whether a board with another key may become the node.

    Raises:
        UnknownNode, NodeRetired: as `nodes.get`.
        OtherKey: the node is enrolled.
    """
    if nodes.get(connection, node).spki is not None and not replace:
        raise OtherKey(f"node {node} is enrolled")


def expect(connection: Connection, node: str, token: bytes, until: int) -> None:
    """Expect a board with a token. An older token of the node is void.

    Args:
        connection: a writing transaction.
        node: name of the node.
        token: the token, from `draw`.
        until: last second in which it can be used, Unix seconds.
    """
    void(connection, node)
    point = onetime.key(token).public_key().point()
    connection.execute(tables.tokens.insert().values(node=node, point=point, expires_at=until))


def void(connection: Connection, node: str) -> None:
    """Make the token of a node void.

    Args:
        connection: a writing transaction.
        node: name of the node.
    """
    connection.execute(tables.tokens.delete().where(tables.tokens.c.node == node))


def use(connection: Connection, node: str, issued: Certified) -> None:
    """Note that a node has got a certificate, which uses its token up.

    Args:
        connection: a writing transaction.
        node: name of the node.
        issued: the certificate.
    """
    which = tables.tokens.c.node == node
    serial = ledger.serial_bytes(issued.serial)
    connection.execute(tables.tokens.update().where(which).values(certificate=serial))


def check(connection: Connection, csr: bytes, proof: bytes, now: int) -> Proven:
    """Check a board's proof of a token, and return the node that the board becomes.

    Args:
        connection: any transaction.
        csr: the board's certification request (PKCS #10), DER.
        proof: the proof of the token for this request.
        now: the time, Unix seconds.

    Raises:
        BadRequest, BadName, UnsupportedKey: as triseal.request.parse.
        BadToken: no token of the named node proves this request. A sender without a token learns
            nothing more.
        TokenUsed: another key has used the token.
        TokenExpired: the token can't be used any more.
    """
    wanted = request.parse(csr)
    row = connection.execute(
        select(tables.tokens, tables.nodes.c.spki)
        .join(tables.nodes)
        .where(tables.tokens.c.node == wanted.name)
    ).one_or_none()
    if row is None:
        raise BadToken(f"no board is expected as node {wanted.name}")
    try:
        onetime.check(bytes(row.point), csr, proof)
    except errors.BadSignature:
        raise BadToken(f"the proof is not of the token of node {wanted.name}") from None
    if row.certificate is None:
        if now > row.expires_at:
            raise TokenExpired(f"the token of node {wanted.name} has expired")
        return Proven(wanted.name, None)
    if row.spki != wanted.spki:
        raise TokenUsed(f"another key has used the token of node {wanted.name}")
    return Proven(wanted.name, ledger.find_certificate(connection, row.certificate, now))
