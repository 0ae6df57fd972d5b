"""Evidence against a log: two checkpoints that can't both be true. Everybody can verify it.

    LogEvidence ::= SEQUENCE {
        label   UTF8String ("triseal log evidence v1"),
        key     UTF8String,                      -- of the log, as a vkey
        older   OCTET STRING,                    -- two checkpoints that it has signed: the one
        newer   OCTET STRING,                    -- with fewer entries, or as many, first
        begin   OCTET STRING (SIZE(32)),         -- root of the newer tree's first entries
        proof   SEQUENCE OF OCTET STRING (SIZE(32)) }

The newer tree begins with as many entries as the older one has. `proof` shows, as every consistency
proof does, that the tree over these entries has the root `begin`. The older checkpoint says that it
has another one. A log that was only restored, cut off or copied has signed no such pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sealcore import der, encode, errors
from triseal.errors import NoContradiction
from triseal.log import checkpoint, merkle, note
from triseal.log.checkpoint import Checkpoint
from triseal.log.errors import BadLogData, LogForked, UnknownLog

LABEL = "triseal log evidence v1"
MAX_SIZE = 2 * note.MAX_SIZE + 64 * merkle.MAX_PROOF + 1024
_MAX_KEY = 512


@dataclass(frozen=True)
class Fork:
    """Parsed evidence, which need not be true.

    Attributes:
        key: the log's key.
        older: the checkpoint with fewer entries, or as many.
        newer: the other one.
        begin: root of the newer tree's first entries, as many as the older one has.
        proof: shows that.
    """

    key: note.Key
    older: Checkpoint
    newer: Checkpoint
    begin: bytes
    proof: tuple[bytes, ...]

    def der(self) -> bytes:
        """Encode the evidence, DER."""
        return bytes(
            encode.sequence(
                encode.text(LABEL),
                encode.text(str(self.key)),
                encode.octets(self.older.note.data()),
                encode.octets(self.newer.note.data()),
                encode.octets(self.begin),
                encode.sequence(*[encode.octets(one) for one in self.proof]),
            )
        )

    def check(self, keys: Sequence[note.Key]) -> None:
        """Check that the log has signed two checkpoints that can't both be true.

        Args:
            keys: keys of logs that are known to be of the one who is accused.

        Raises:
            UnknownLog: the key is not among them, or has not signed both.
            NoContradiction: both may be true.
        """
        if self.key not in keys:
            raise UnknownLog(f"the key of {self.key.name} is not given")
        for one in (self.older, self.newer):
            if one.origin != self.key.name or not one.note.check([self.key]):
                raise UnknownLog(f"{self.key.name} has not signed both checkpoints")
        old, new = self.older, self.newer
        try:
            merkle.check_consistency(old.size, new.size, self.proof, self.begin, new.root)
        except LogForked as error:
            raise NoContradiction(error.detail) from None
        if self.begin == old.root or not old.size:
            raise NoContradiction("the newer tree begins with the older one")


def make(
    key: note.Key, first: Checkpoint, second: Checkpoint, complete: merkle.Complete | None
) -> Fork:
    """Make evidence of two checkpoints.

    Args:
        key: the log's key.
        first: one checkpoint.
        second: the other one.
        complete: hashes of complete subtrees of the larger tree; not needed if both have one size.

    Raises:
        NoContradiction: both may be true.
        BadLogData: the hashes are not those of the larger tree.
    """
    older, newer = sorted((first, second), key=lambda one: one.size)
    if older.size == newer.size:
        made = Fork(key, older, newer, newer.root, ())
    elif complete is None:
        raise BadLogData("two checkpoints of different sizes need the files of the larger log")
    else:
        begin = merkle.root(older.size, complete)
        proof = tuple(merkle.consistency(older.size, newer.size, complete))
        made = Fork(key, older, newer, begin, proof)
    made.check([key])
    return made


def parse(data: bytes) -> Fork:
    """Parse evidence. Nothing of it is checked but its form.

    Args:
        data: the evidence, DER.

    Raises:
        MalformedDER, TooLarge, BadLogData: it is of another form.
    """
    if len(data) > MAX_SIZE:
        raise errors.TooLarge("evidence")
    fields = der.single(data)
    if fields.text(1, len(LABEL)) != LABEL:
        raise errors.MalformedDER("not evidence against a log")
    key = note.parse_key(fields.text(1, _MAX_KEY), note.LOG)
    older, newer = (
        checkpoint.parse(bytes(fields.octets(1, note.MAX_SIZE))) for _ in ("older", "newer")
    )
    begin = bytes(fields.octets(merkle.HASH, merkle.HASH))
    inner = fields.enter()
    proof: list[bytes] = []
    while inner.peek() != -1 and len(proof) <= merkle.MAX_PROOF:
        proof.append(bytes(inner.octets(merkle.HASH, merkle.HASH)))
    inner.end()
    fields.end()
    return Fork(key, older, newer, begin, tuple(proof))
