"""The histories of all services of a log, which may have more entries than fit into memory.

They are sorted in a file that has no name, and goes with the object.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple, Self

from triseal.copies import history
from triseal.copies.history import History
from triseal.copies.storeview import RELEASES, Found

_TABLES = """
PRAGMA journal_mode = OFF;
CREATE TABLE entries (position INTEGER PRIMARY KEY, released INTEGER, service TEXT, kind TEXT,
                      version TEXT, package BLOB, reason TEXT);
CREATE TABLE pages (service TEXT PRIMARY KEY, page BLOB);
"""
_WHERE = "temporary file in the folder that SQLITE_TMPDIR or TMPDIR names"
_COUNT = "SELECT COUNT(*), COUNT(DISTINCT NULLIF(service, '')) FROM entries WHERE released"
_RELEASES = "SELECT service, version, package FROM entries WHERE released ORDER BY position"
_SORTED = """
SELECT service, kind, version, package, reason FROM entries
WHERE service != '' ORDER BY service, position
"""


class Released(NamedTuple):
    """A release as the log has it.

    Attributes:
        service, version: of the release.
        package: digest of its package.
    """

    service: str
    version: str
    package: bytes


class Held:
    """Which releases are held back, after all entries that were added."""

    def __init__(self) -> None:
        self._versions: dict[str, set[str]] = {}  # by service; "" is the whole service

    def add(self, found: Found) -> None:
        """Add an entry that follows those before.

        Args:
            found: the entry.
        """
        said = found.said
        begins = history.holds(said.kind)
        if begins is None:
            return
        versions = self._versions.setdefault(said.service, set())
        (versions.add if begins else versions.discard)(history.version_of(said))
        if not versions:
            del self._versions[said.service]

    def has(self, service: str, version: str) -> bool:
        """Tell whether a release is held back.

        Args:
            service: name of the service.
            version: its version.
        """
        versions = self._versions.get(service, ())
        return "" in versions or version in versions


class Histories:
    """Sorts the entries of a log by service; a context manager.

    Attributes:
        held: which releases are held back.
    """

    def __init__(self) -> None:
        self.held = Held()
        self._kept = sqlite3.connect("", isolation_level=None)
        self._kept.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    def add(self, found: Found) -> None:
        """Add an entry that follows those before.

        Args:
            found: the entry.

        Raises:
            OSError: there is no room for it.
        """
        said = found.said
        released = said.kind in RELEASES
        if said.service or released:
            self.held.add(found)
            row = found.position, released, said.service, said.kind, said.version, said.package
            more = (history.reason_of(said),)
            self._run("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)", row + more)

    def _run(self, statement: str, row: tuple[object, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._kept.execute(statement, row)
        except sqlite3.OperationalError as error:
            full = error.sqlite_errorcode == sqlite3.SQLITE_FULL
            number = errno.ENOSPC if full else errno.EIO
            said = os.strerror(number) if full else str(error)
            raise OSError(number, said, _WHERE) from None

    def count(self) -> tuple[int, int]:
        """Return the numbers of releases and of services that have some."""
        releases, services = self._run(_COUNT).fetchone()
        return int(releases), int(services)

    def releases(self) -> Iterator[Released]:
        """Return all releases in the order of the log."""
        return map(Released._make, self._run(_RELEASES))

    def services(self) -> Iterator[tuple[str, History]]:
        """Return the services that have releases, in the order of their names."""
        name, told = "", History()
        for service, kind, version, digest, reason in self._run(_SORTED):
            if service != name:
                if told.packages:
                    yield name, told
                name, told = service, History()
            told.take(kind, version, bytes(digest).hex(), reason)
        if told.packages:
            yield name, told

    def keep_page(self, service: str, data: bytes) -> None:
        """Keep the page of a service until all pages are written.

        Args:
            service: name of the service.
            data: the page.
        """
        self._run("INSERT INTO pages VALUES (?, ?)", (service, data))

    def pages(self) -> Iterator[tuple[str, bytes]]:
        """Return the pages that were kept, each with its service."""
        return iter(self._run("SELECT service, page FROM pages ORDER BY service"))
