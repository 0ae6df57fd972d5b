"""The handler of FETCH: it sends a part of a file of a service that is assigned to the node."""

from __future__ import annotations

from sqlalchemy import Column, func, select

from sealcore import errors, messages
from triseal.site.errors import NotAssigned
from triseal.site.records import tables
from triseal.site.server.signing.desired_state import (
    DEVELOPER_SEAL,
    METADATA,
    STORE_SEAL,
    NodePlan,
    Plan,
)
from triseal.site.server.signing.task import Answer, Snapshot

_COLUMNS: dict[str, Column[bytes]] = {
    METADATA: tables.packages.c.metadata,
    DEVELOPER_SEAL: tables.packages.c.developer_seal,
    STORE_SEAL: tables.packages.c.store_seal,
}


def fetch(snapshot: Snapshot, node: str, digest: bytes, offset: int, length: int) -> Answer:
    """Answer with a CHUNK.

    Args:
        snapshot: the state of the site.
        node: name of the node, from its certificate.
        digest: SHA-256 of the file, as an ASSIGN gave it.
        offset: first byte of the part.
        length: size of the part in bytes, at most messages.MAX_CHUNK. The CHUNK is shorter at the
            end of the file.

    Raises:
        NotAssigned: no service of this node has such a file.
        BadMessage: the range is empty, too long, or outside of the file.
        UnknownNode, NodeRetired, NotEnrolled: the site does not serve this node.
    """
    column, package, size = _find(
        snapshot.desired.of(snapshot.connection, node, snapshot.now), digest
    )
    if not 1 <= length <= messages.MAX_CHUNK or offset >= size:
        raise errors.BadMessage("the range is empty, too long, or outside of the file")
    # The database cuts the part out, so that a large file is never in memory as a whole.
    query = select(func.substr(column, offset + 1, length))
    which = tables.packages.c.digest == package
    part = bytes(snapshot.connection.execute(query.where(which)).scalar_one())
    chunk = messages.write(messages.CHUNK, digest, offset, part)
    return Answer([messages.frame(chunk)], counts={"chunk": 1})


def _find(node: NodePlan, digest: bytes) -> tuple[Column[bytes], bytes, int]:
    for plan in node.services.values():
        if isinstance(plan, Plan):
            for name, size, file_digest in plan.files:
                if file_digest == digest:
                    return _COLUMNS.get(name, tables.packages.c.executable), plan.package, size
    raise NotAssigned("no service of the node has this file")
