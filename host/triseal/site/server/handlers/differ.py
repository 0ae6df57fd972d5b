"""The handler of DIFFER: it sends what a file does not have in common with one that the node has.

The node names the package that it has, and this name is the hash of the package's Store seal. So
nothing that the site remembers of the node decides: if the site has that package, it knows the
bytes from which the node copies, and if not, it sends the file as it answers FETCH. The node hashes
the file that it has put together, in either case.
"""

from __future__ import annotations

from bisect import bisect_right

from sealcore import errors, messages
from triseal.difference import Extent
from triseal.site.server.handlers import fetch
from triseal.site.server.signing.task import Answer, Snapshot

COMPARED = "compared"  # counts differences that had to be computed
_PIECES = 16  # in one message: a node keeps them all in its heap

Piece = tuple[bytes, int, int]  # bytes; offset and length of what to copy behind them


def differ(snapshot: Snapshot, node: str, digest: bytes, offset: int, held: bytes) -> Answer:
    """Answer with PIECES; with a CHUNK if the whole file is to be fetched.

    Args:
        snapshot: the state of the site.
        node: name of the node, from its certificate.
        digest: SHA-256 of the file, as an ASSIGN gave it.
        offset: first byte that the node lacks.
        held: digest of the package that the node has.

    Raises:
        NotAssigned: no service of this node has such a file.
        BadMessage: the offset is outside of the file.
        UnknownNode, NodeRetired, NotEnrolled: the site does not serve this node.
    """
    file = fetch.find(snapshot, node, digest)
    if offset >= file.size:
        raise errors.BadMessage("the offset is outside of the file")
    before, equal = snapshot.differences.computed, []
    if file.column is fetch.EXECUTABLE:
        equal = snapshot.differences.of(snapshot.connection, file.service, held, file.package)
    if equal:
        part = file.read(snapshot, offset, messages.MAX_COPY + messages.MAX_CHUNK)
        found = pieces(equal, offset, part)
        message = messages.write(messages.PIECES, digest, offset, found)
        answer = Answer([messages.frame(message)], counts={"pieces": 1})
    else:
        length = min(messages.MAX_CHUNK, file.size - offset)
        answer = fetch.fetch(snapshot, node, digest, offset, length)
    if snapshot.differences.computed > before:
        answer.count(COMPARED)
    return answer


def pieces(equal: list[Extent], offset: int, part: bytes) -> list[Piece]:
    """Put a part of a file together from another file, as far as one message goes.

    Args:
        equal: what the file has in common with the other one, see `difference.extents`.
        offset: of the part, in the file.
        part: the bytes from there on.

    Returns: at least one piece. They cover the beginning of the part.
    """
    end = offset + len(part)
    room, copies = messages.MAX_CHUNK, messages.MAX_COPY
    first = max(0, bisect_right(equal, offset, key=lambda one: one.at) - 1)
    found: list[Piece] = []
    at = offset
    for one in (*equal[first:], Extent(end, 0, 0)):
        if one.at + one.length <= at:
            continue
        data = part[at - offset : max(at, min(one.at, at + room)) - offset]
        room -= len(data)
        at += len(data)
        skipped = at - one.at
        length = max(0, min(one.length - skipped, copies, end - at)) if skipped >= 0 else 0
        found.append((data, one.begin + skipped if length else 0, length))
        copies -= length
        at += length
        if not (room and copies) or skipped < 0 or at == end or len(found) == _PIECES:
            break
    return found
