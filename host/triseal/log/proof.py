"""Proofs that can be checked without a network (c2sp.org/tlog-proof).

The extra data is the entry itself, so that whoever has the proof can compute the hash of the leaf.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from triseal.log import checkpoint, entry, merkle, note
from triseal.log.errors import BadLogData

HEADER = "c2sp.org/tlog-proof@v1"
MAX_SIZE = note.MAX_SIZE + 2 * entry.MAX_SIZE + 64 * merkle.MAX_PROOF
_EXTRA = "extra "
_INDEX = "index "


@dataclass(frozen=True)
class Proof:
    """A parsed proof, which need not be true.

    Attributes:
        leaf: the entry, DER.
        index: its position in the log.
        hashes: the path from the leaf to the root.
        checkpoint: the checkpoint that contains the entry.
    """

    leaf: bytes
    index: int
    hashes: tuple[bytes, ...]
    checkpoint: checkpoint.Checkpoint

    def text(self) -> str:
        """Return the proof as text."""
        lines = [
            HEADER,
            _EXTRA + base64.b64encode(self.leaf).decode(),
            f"{_INDEX}{self.index}",
            *[base64.b64encode(one).decode() for one in self.hashes],
            "",
        ]
        return "\n".join(lines) + "\n" + self.checkpoint.note.data().decode()

    def check_path(self) -> None:
        """Check that the tree of the checkpoint has the entry. Signatures are not checked here.

        Raises:
            NotInLog: it does not.
        """
        made = self.checkpoint
        hashed = merkle.leaf(self.leaf)
        merkle.check_inclusion(hashed, self.index, made.size, self.hashes, made.root)


def parse(text: str) -> Proof:
    """Parse a proof.

    Args:
        text: the proof.

    Raises:
        BadLogData: it is not a proof of a Store's log.
    """
    if len(text) > MAX_SIZE:
        raise BadLogData("the proof is too large")
    head, gap, signed = text.partition("\n\n")
    lines = head.split("\n")
    if not gap or len(lines) < 3 or lines[0] != HEADER:
        raise BadLogData("not the proof of a log")
    if not (lines[1].startswith(_EXTRA) and lines[2].startswith(_INDEX)):
        raise BadLogData("a proof without its entry or index")
    hashes = tuple(note.unbase64(line) for line in lines[3:])
    if len(hashes) > merkle.MAX_PROOF or any(len(one) != merkle.HASH for one in hashes):
        raise BadLogData("the path of a proof has another form")
    leaf = note.unbase64(lines[1].removeprefix(_EXTRA))
    index = checkpoint.number(lines[2].removeprefix(_INDEX))
    return Proof(leaf, index, hashes, checkpoint.parse(signed.encode()))


def make(leaf: bytes, index: int, made: checkpoint.Checkpoint, complete: merkle.Complete) -> Proof:
    """Make a proof.

    Args:
        leaf: the entry, DER.
        index: its position.
        made: a checkpoint that contains it.
        complete: hashes of complete subtrees, see `merkle`.
    """
    hashes = tuple(merkle.inclusion(index, made.size, complete))
    return Proof(leaf, index, hashes, made)
