"""The witnesses whose cosignatures a Store publishes: sites that have seen its log grow.

The file `witnesses` of the Store's home has one key a line, as `triseal site witness` prints it.
"""

from __future__ import annotations

from pathlib import Path

from triseal import files
from triseal.errors import AlreadyExists, Failure
from triseal.log import checkpoint, note
from triseal.log.checkpoint import Checkpoint
from triseal.log.errors import BadLogData, UnknownLog

FILE = "witnesses"
MOST = 32
_PATIENCE = 300  # seconds by which clocks may differ
_MAX_FILE = 1 << 16


class UnknownWitness(Failure):
    """The Store does not know this witness."""

    code = "unknown-witness"
    advice = "Let the Store's operator add its key: `triseal store add-witness`."


class Witnesses:
    """The witnesses of one Store.

    Args:
        home: the Store's folder.
    """

    def __init__(self, home: Path) -> None:
        self._home = home

    def keys(self) -> list[note.Key]:
        """Return their keys.

        Raises:
            BadLogData: the file can't be read.
        """
        try:
            lines = files.read(self._home / FILE, _MAX_FILE).decode().splitlines()
        except FileNotFoundError:
            return []
        except UnicodeDecodeError:
            raise BadLogData(f"{self._home / FILE} holds something else") from None
        return [note.parse_key(line, note.WITNESS) for line in lines]

    def add(self, text: str) -> note.Key:
        """Know a witness from now on.

        Args:
            text: its key, as a vkey.

        Raises:
            BadLogData: it is not the key of a witness.
            AlreadyExists: it is known, or there are MOST already.
        """
        key = note.parse_key(text, note.WITNESS)
        with files.alone(self._home):
            known = self.keys()
            if key in known or len(known) >= MOST:
                raise AlreadyExists(f"{key.name} is known, or there are {MOST} witnesses")
            self._write([*known, key])
        return key

    def remove(self, name: str) -> None:
        """Know a witness no longer.

        Args:
            name: its name.

        Raises:
            UnknownWitness: it is not known.
        """
        with files.alone(self._home):
            known = self.keys()
            kept = [key for key in known if key.name != name]
            if kept == known:
                raise UnknownWitness(name)
            self._write(kept)

    def _write(self, known: list[note.Key]) -> None:
        text = "".join(f"{key}\n" for key in known)
        files.write(self._home / FILE, text.encode(), files.PRIVATE)

    def checked(
        self, data: bytes, log: note.Key, now: int
    ) -> tuple[Checkpoint, list[note.Signature]]:
        """Check a checkpoint that witnesses have cosigned.

        Args:
            data: the checkpoint.
            log: the key of the Store's log.
            now: the time, Unix seconds.

        Returns: the checkpoint, and the cosignatures of known witnesses.

        Raises:
            BadLogData: it is not a checkpoint.
            UnknownLog: the log or a witness has not signed it, or a witness's clock is wrong.
            UnknownWitness: no known witness has signed it.
        """
        made = checkpoint.parse(data)
        if made.origin != log.name or not made.note.check([log]):
            raise UnknownLog("it is not a checkpoint of this log")
        signed = made.note.check(self.keys())
        if not signed:
            raise UnknownWitness("none that has signed it")
        for key, time in signed.items():
            if abs(time - now) > _PATIENCE:
                raise UnknownLog(f"the clock of {key.name} differs by {abs(time - now)} s")
        marks = {(key.name, key.id) for key in signed}
        return made, [one for one in made.note.signatures if (one.name, one.id) in marks]
