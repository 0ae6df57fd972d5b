"""The answer to FETCH: a piece of a file that belongs to a service assigned to this node."""

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
from triseal.site.server.signing.task import Draft, Look

_COLUMNS: dict[str, Column[bytes]] = {
    METADATA: tables.packages.c.metadata,
    DEVELOPER_SEAL: tables.packages.c.developer_seal,
    STORE_SEAL: tables.packages.c.store_seal,
}


def fetch(look: Look, node: str, digest: bytes, offset: int, length: int) -> Draft:
    """A CHUNK.

    Args:
        node: as its certificate names it.
        digest: SHA-256 of the file, as an ASSIGN gave it.
        offset, length: octets; at most messages.MAX_CHUNK of them, less at the end of the file.

    Raises:
        NotAssigned: no service of this node has such a file.
        BadMessage: nothing of the file lies there.
    """
    column, package, size = _find(look.plans.of(look.connection, node, look.now), digest)
    if not 1 <= length <= messages.MAX_CHUNK or offset >= size:
        raise errors.BadMessage("range of a file")
    # The database cuts it, so that a large file is never in memory as a whole.
    query = select(func.substr(column, offset + 1, length))
    which = tables.packages.c.digest == package
    octets = bytes(look.connection.execute(query.where(which)).scalar_one())
    chunk = messages.write(messages.CHUNK, digest, offset, octets)
    return Draft([messages.frame(chunk)], counts={"chunk": 1})


def _find(node: NodePlan, digest: bytes) -> tuple[Column[bytes], bytes, int]:
    for plan in node.services.values():
        if isinstance(plan, Plan):
            for name, size, found in plan.files:
                if found == digest:
                    return _COLUMNS.get(name, tables.packages.c.executable), plan.package, size
    raise NotAssigned("a file of none of the node's services")
