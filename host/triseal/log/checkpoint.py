"""Checkpoints (c2sp.org/tlog-checkpoint): signed notes that say how far a log has come."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, replace

from triseal.log import merkle, note
from triseal.log.errors import BadLogData

MOST_ENTRIES = 1 << 24  # a log that claims more could keep its readers busy without end


@dataclass(frozen=True)
class Checkpoint:
    """A parsed checkpoint. Signatures are checked by its note.

    Attributes:
        origin: name of the log.
        size: number of entries.
        root: hash of the tree.
        note: the note that it came from.
    """

    origin: str
    size: int
    root: bytes
    note: note.Note


def text(origin: str, size: int, root: bytes) -> str:
    """Return the text of a checkpoint.

    Args:
        origin: name of the log.
        size: number of entries.
        root: hash of the tree.
    """
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def sign(signer: note.Signer, size: int, root: bytes, time: int = 0) -> Checkpoint:
    """Make a checkpoint.

    Args:
        signer: the log's key.
        size: number of entries.
        root: hash of the tree.
        time: the time to say as well, Unix seconds; 0 for none.
    """
    said = text(signer.key.name, size, root)
    stamps = (signer.stamp(said, time),) if time else ()
    return Checkpoint(signer.key.name, size, root, note.Note(said, (signer.sign(said), *stamps)))


def with_signatures(made: Checkpoint, more: Iterable[note.Signature]) -> Checkpoint:
    """Return a checkpoint with other signatures in the place of those of the same keys.

    Args:
        made: the checkpoint.
        more: the signatures. They are not checked.
    """
    fresh = {(one.name, one.id): one for one in more}
    kept = [one for one in made.note.signatures if (one.name, one.id) not in fresh]
    signed = note.Note(made.note.text, (*kept, *fresh.values()))
    return replace(made, note=signed)


def number(digits: str) -> int:
    """Parse a size or an index.

    Args:
        digits: ASCII digits without leading zeros.

    Raises:
        BadLogData: it is not a number, or too large.
    """
    if len(digits) > 19 or not (digits.isascii() and digits.isdigit()):
        raise BadLogData("not a number")
    value = int(digits)
    if str(value) != digits or value > merkle.MAX_SIZE:
        raise BadLogData("a number with leading zeros, or too large")
    return value


def check_size(made: Checkpoint) -> None:
    """Check that a log can be read in bounded time.

    Args:
        made: its checkpoint.

    Raises:
        BadLogData: it has more than MOST_ENTRIES.
    """
    if made.size > MOST_ENTRIES:
        raise BadLogData(f"the log has {made.size} entries, at most {MOST_ENTRIES} are read")


def parse(data: bytes) -> Checkpoint:
    """Parse a checkpoint. Lines after the third are allowed, and mean nothing here.

    Args:
        data: the signed note.

    Raises:
        BadLogData: it is not a checkpoint.
    """
    signed = note.parse(data)
    lines = signed.text[:-1].split("\n")
    if len(lines) < 3 or not all(lines):
        raise BadLogData("not a checkpoint")
    size, root = number(lines[1]), note.unbase64(lines[2])
    if len(root) != merkle.HASH:
        raise BadLogData("the hash of a checkpoint has another length")
    return Checkpoint(lines[0], size, root, signed)
