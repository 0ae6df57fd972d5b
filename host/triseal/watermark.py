"""A file beside a key that remembers how far a database has come.

A database that was restored from a backup is behind this file. A party compares the two before it
signs, and refuses to sign for a database that has lost what was signed since the backup.

The file is written after the database has recorded something, so that it is never ahead of a
database that was not restored. Each value only grows.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triseal import files
from triseal.errors import Failure, FileTooLarge, NotAFile

_MODE = 0o600
_MAX_FILE = 1 << 26
_MOST = 1 << 62
_TEXT = "text "  # names of texts in the file begin so

_Values = dict[str, Any]


class MarkNotWritten(Failure):
    """The database has recorded a change, but the file that remembers it can't be written."""

    code = "mark-not-written"
    advice = "Make room for the file, or correct the permissions of its folder."


class MarkDamaged(Failure):
    """The file that remembers how far the database has come can't be read."""

    code = "mark-damaged"
    advice = "If the database is the right one, delete the file: it is made again."


class Watermark:
    """The highest values that a database is known to have had. Several threads may use it.

    Args:
        path: the file; it is made with the first value.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.RLock()
        self._kept: _Values | None = None

    def get(self, name: str) -> int:
        """Return the highest number that the file had when it was last read, 0 if it had none.

        Args:
            name: name of the number.

        Raises:
            MarkDamaged: the file can't be read.
        """
        return int(self._values().get(name, 0))

    def numbers(self) -> dict[str, int]:
        """Return all numbers as the file had them when it was last read. Raises MarkDamaged."""
        with self._turn:
            return {name: n for name, n in self._values().items() if not name.startswith(_TEXT)}

    def text(self, name: str) -> str:
        """Return a text that belongs to the highest numbers, "" if there is none.

        Args:
            name: name of the text.

        Raises:
            MarkDamaged: the file can't be read.
        """
        return str(self._values().get(_TEXT + name, ""))

    def read(self) -> None:
        """Read the file again: another process may have written it. Raises MarkDamaged."""
        with self._turn:
            self._kept = self._load()

    def rise(
        self, numbers: Mapping[str, int], texts: Mapping[str, str] | None = None, step: int = 1
    ) -> None:
        """Write numbers that are higher than those in the file; nothing if there is none.

        Args:
            numbers: the numbers by name.
            texts: texts by name, which replace older ones.
            step: by how much a number must at least be higher.

        Raises:
            MarkDamaged: the file can't be read.
            MarkNotWritten: the file can't be written.
        """
        with self._turn:
            if all(number < self.get(name) + step for name, number in numbers.items()):
                return
            self._write(numbers, texts or {}, lower=False)

    def accept(self, numbers: Mapping[str, int]) -> None:
        """Write numbers, also lower ones: a person has accepted a restored database.

        Args:
            numbers: the numbers by name; all others stay, and all texts.

        Raises:
            MarkDamaged, MarkNotWritten: as `rise`.
        """
        with self._turn:
            self._write(numbers, {}, lower=True)

    def _write(self, numbers: Mapping[str, int], texts: Mapping[str, str], *, lower: bool) -> None:
        try:
            with files.alone(self._path.parent):
                kept = self._load()
                for name, number in numbers.items():
                    kept[name] = number if lower else max(number, int(kept.get(name, 0)))
                kept |= {_TEXT + name: text for name, text in texts.items()}
                files.write(self._path, json.dumps(kept).encode(), _MODE)
                self._kept = kept
        except OSError as error:
            raise MarkNotWritten(f"{self._path}: {error.strerror}") from None

    def _values(self) -> _Values:
        with self._turn:
            if self._kept is None:
                self._kept = self._load()
            return self._kept

    def _load(self) -> _Values:
        try:
            found = files.read_json(self._path, _MAX_FILE)
        except FileNotFoundError:
            return {}
        except (ValueError, NotAFile, FileTooLarge):
            raise MarkDamaged(str(self._path)) from None
        if not all(_is_whole(*item) for item in found.items()):
            raise MarkDamaged(str(self._path))
        return found


def _is_whole(name: str, value: object) -> bool:
    if name.startswith(_TEXT):
        return isinstance(value, str)
    return type(value) is int and 0 <= value < _MOST
