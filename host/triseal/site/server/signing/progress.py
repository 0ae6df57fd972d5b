"""How far a server process has brought the database, remembered outside of it: `rules.restore`."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from triseal.errors import Failure
from triseal.site.rules import restore
from triseal.watermark import Watermark

_log = logging.getLogger(__name__)


class Progress:
    """Writes the file that remembers how far the database has come. Several threads may use it.

    The file is synced when the site has changed, and at most every `restore.STEP` seconds for
    seals. Without it the server goes on: only a later restore would go unseen.

    Args:
        mark: the file; None to remember nothing.
    """

    def __init__(self, mark: Watermark | None) -> None:
        self._mark = mark
        self._sealed = 0
        self._failed = False

    def check(self, revision: int) -> None:
        """Check that the database is not older than the file.

        Args:
            revision: the revision of the database.

        Raises:
            DatabaseBehind: it was restored from a backup while this process runs.
        """
        if self._mark is not None:
            restore.check_revision(revision, self._mark)

    def changed(self, revision: int, bundle: int) -> None:
        """Remember a change of the site.

        Args:
            revision: the revision of the database.
            bundle: version of the newest trust bundle.
        """
        self._rise({restore.REVISION: revision, restore.BUNDLE: bundle}, 1)

    def sealed(self, until: int) -> None:
        """Remember that seals were issued.

        Args:
            until: the last second of the longest one, Unix seconds.
        """
        self._sealed = max(self._sealed, until)
        self._rise({restore.SEALED: self._sealed}, restore.STEP)

    def end(self) -> None:
        """Remember the newest seal before the process ends."""
        self._rise({restore.SEALED: self._sealed}, 1)

    def _rise(self, numbers: Mapping[str, int], step: int) -> None:
        if self._mark is None:
            return
        try:
            self._mark.rise(numbers, step=step)
            self._failed = False
        except Failure as error:
            if not self._failed:
                _log.error("restores go unseen", extra={"code": error.code, "detail": str(error)})
            self._failed = True
