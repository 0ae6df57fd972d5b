"""The site as a witness (c2sp.org/tlog-witness): it cosigns that a log only grows.

The folder `logs` of the site's home has the witness's key, and for each log FINGERPRINT.cosigned,
with the fingerprint of the log's key: the last checkpoint that it has cosigned. It cosigns only
what continues that one. A Store may have another key, or name another log, and come back: what was
cosigned of a log stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from triseal import files, request
from triseal.copies.mirror import check_continues
from triseal.copies.storeview import View
from triseal.log import checkpoint, key, note
from triseal.log.errors import LogStale, UnknownLog
from triseal.site.logs import FOLDER

KEY = "witness.key"


class Witness:
    """The witness of one site.

    Args:
        home: the site's home.
        clock: returns the time, Unix seconds.
    """

    def __init__(self, home: Path, clock: Callable[[], int]) -> None:
        self._folder = home / FOLDER
        self._clock = clock

    @property
    def signer(self) -> note.Signer:
        """The key of the witness. The first use makes it."""
        private = key.load(self._folder / KEY)
        mark = hashlib.sha256(private.public_key().public_bytes_raw()).hexdigest()[:32]
        return note.Signer(f"triseal-witness/{mark}", note.WITNESS, private)

    def cosign(self, view: View) -> bytes:
        """Cosign what a Store shows, if it continues what was cosigned before.

        Args:
            view: what it shows.

        Returns: the checkpoint with the cosignature.

        Raises:
            LogForked: it does not continue; a file proves it.
            LogStale: it is older.
            UnknownLog: the key of this log has signed another log before.
        """
        path = self._path(view, "cosigned")
        files.make_folder(self._folder, files.PRIVATE)
        with files.alone(self._folder):
            try:
                last = checkpoint.parse(files.read(path, note.MAX_SIZE))
            except FileNotFoundError:
                last = None
            if last is not None:
                if last.origin != view.head.origin:
                    raise UnknownLog(f"its key has signed the log {last.origin} before")
                if last.size > view.head.size:
                    raise LogStale(f"it has {view.head.size} entries, cosigned were {last.size}")
                check_continues(view, last, self._path(view, "evidence"))
            # Kept before it is signed: the witness never signs two histories.
            files.write(path, view.head.note.data(), files.PRIVATE)
        signer = self.signer
        mine = signer.sign(view.head.note.text, self._clock())
        own = view.head.note.check([view.key])
        kept = [
            one
            for one in view.head.note.signatures
            if any((one.name, one.id) == (known.name, known.id) for known in own)
        ]
        return replace(view.head.note, signatures=(*kept, mine)).data()

    def _path(self, view: View, kind: str) -> Path:
        return self._folder / f"{request.fingerprint(view.key.public)}.{kind}"
