"""The handler of FETCH: it sends a part of a file of a service that is assigned to the node."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Column, func, select

from sealcore import errors, messages
from triseal.site.errors import NotAssigned
from triseal.site.records import tables
from triseal.site.server.signing.desired_state import (
    DEVELOPER_SEAL,
    METADATA,
    STORE_SEAL,
    Plan,
)
from triseal.site.server.signing.task import Answer, Snapshot

EXECUTABLE = tables.packages.c.executable
_COLUMNS: dict[str, Column[bytes]] = {
    METADATA: tables.packages.c.metadata,
    DEVELOPER_SEAL: tables.packages.c.developer_seal,
    STORE_SEAL: tables.packages.c.store_seal,
}


class File(NamedTuple):
    """A file of a package that a node should have.

    Attributes:
        service: name of the service that it belongs to.
        package: digest of the package.
        column: of the table of packages, which has its bytes.
        size: in bytes.
    """

    service: str
    package: bytes
    column: Column[bytes]
    size: int

    def read(self, snapshot: Snapshot, offset: int, length: int) -> bytes:
        """Return a part of the file.

        Args:
            snapshot: the state of the site.
            offset: first byte of the part.
            length: size of the part in bytes; there is less at the end of the file.
        """
        # The database cuts the part out, so that a large file is never in memory as a whole.
        query = select(func.substr(self.column, offset + 1, length))
        which = tables.packages.c.digest == self.package
        return bytes(snapshot.connection.execute(query.where(which)).scalar_one())


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
    file = find(snapshot, node, digest)
    if not 1 <= length <= messages.MAX_CHUNK or offset >= file.size:
        raise errors.BadMessage("the range is empty, too long, or outside of the file")
    chunk = messages.write(messages.CHUNK, digest, offset, file.read(snapshot, offset, length))
    return Answer([messages.frame(chunk)], counts={"chunk": 1})


def find(snapshot: Snapshot, node: str, digest: bytes) -> File:
    """Find a file of a service that is assigned to a node.

    Args:
        snapshot: the state of the site.
        node: name of the node.
        digest: SHA-256 of the file.

    Raises:
        NotAssigned: no service of this node has such a file.
        UnknownNode, NodeRetired, NotEnrolled: the site does not serve this node.
    """
    desired = snapshot.desired.of(snapshot.connection, node, snapshot.now)
    for service, plan in desired.services.items():
        if isinstance(plan, Plan):
            for name, size, file_digest in plan.files:
                if file_digest == digest:
                    column = _COLUMNS.get(name, EXECUTABLE)
                    return File(service, plan.package, column, size)
    raise NotAssigned("no service of the node has this file")
