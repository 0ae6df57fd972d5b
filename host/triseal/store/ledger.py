"""What the log and the public pages of a Store have: made in each change, published after it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, Engine

from sealcore import x509
from sealcore.compat import sha256
from sealcore.limits import MAX_EXECUTABLE
from triseal import files, notices, request
from triseal.database import reading
from triseal.log import endorsement, entry
from triseal.log.entry import Entry
from triseal.log.note import Key
from triseal.notices import Change
from triseal.package import MAX_METADATA, Package
from triseal.signer import Signer
from triseal.store import changes, journal, objects, records
from triseal.store.journal import Journal
from triseal.store.pages import MOST, Pages, Shown
from triseal.store.places import Kept
from triseal.store.records import Developer, Release, Service

OBJECTS = "objects"
ENDORSEMENT = "log.endorsement"
_OF_STORE = (notices.KEY_PREPARED, notices.KEY_ACTIVATED, notices.KEY_REVOKED)


class Ledger:
    """The log and the public pages of one Store.

    Args:
        home: the Store's folder.
        kept: its files.
        engine: its database.
        owner: fingerprint of the key with which the Store began, hex.
        clock: returns the time, Unix seconds.
    """

    def __init__(
        self, home: Path, kept: Kept, engine: Engine, owner: str, clock: Callable[[], int]
    ) -> None:
        self._home = home
        self._engine = engine
        self._objects = kept.files.below(OBJECTS, private=True)
        self.journal = Journal(home, kept, engine, owner, clock)
        self.pages = Pages(kept.files)

    @property
    def key(self) -> Key:
        """The log's public key."""
        return self.journal.key

    def endorse(self, key: Signer) -> None:
        """Let the Store's key sign the log's key, so that sites need to compare only one of them.

        Args:
            key: the Store's key.
        """
        if not endorsement.holds(self.endorsement(), self.key, key.spki):
            made = endorsement.make(key, self.key)
            files.write(self._home / ENDORSEMENT, made.encode(), files.PRIVATE)

    def endorsement(self) -> str:
        """Return what `endorse` has made; "" if the Store's key was not yet used."""
        try:
            return files.read(self._home / ENDORSEMENT, endorsement.MAX_SIZE).decode()
        except (FileNotFoundError, UnicodeDecodeError):
            return ""  # it is made again

    def bare(self, release: Release) -> Package:
        """Return the package of a release without its proof.

        Args:
            release: the release.

        Raises:
            DamagedStore: a file is missing or damaged.
        """
        return Package(
            release.entry,
            objects.get(self._objects, release.executable, MAX_EXECUTABLE),
            objects.get(self._objects, release.metadata, MAX_METADATA),
            release.developer_seal,
            release.store_seal,
        )

    def proved(self, release: Release) -> Package:
        """Return the package of a release with the proof that the log has it: always the same one.

        Args:
            release: the release.

        Raises:
            NotInLog: the log does not have it.
            DamagedStore, LogDamaged: a file is missing or damaged.
        """
        digest = self.bare(release).digest()
        known = self.pages.package(digest.hex())  # nothing large is held meanwhile
        if known is not None:
            return known
        made = replace(self.bare(release), proof=self.journal.proof(digest).text())
        with self.journal.alone(), self.pages.files.alone():
            self._keep(release, made)
        return made

    def _keep(self, release: Release, made: Package) -> None:
        """Offer a package, unless it is held back; whoever holds it back waits for this."""
        with reading(self._engine) as connection:
            known = records.services(connection, release.service)[release.service]
            held = records.held(connection, known)
        if release.version not in held:
            self.pages.keep(made)

    def sealed(
        self, connection: Connection, releases: Iterable[Release], kind: str, now: int
    ) -> None:
        """Enter releases that were countersigned, as the last step but `settle`.

        Args:
            connection: a writing transaction.
            releases: the releases.
            kind: entry.RELEASE or entry.RESEAL.
            now: the time, Unix seconds.
        """
        self.journal.record(connection, [(self._entry(one, kind, now), 0) for one in releases])

    def settle(self, connection: Connection, before: int) -> None:
        """Enter the changes that are not entered yet. It must be the last step of a transaction.

        Args:
            connection: a writing transaction.
            before: number of entries at its beginning. If it is 0, the history is entered too: the
                Store may be older than its log.
        """
        self.journal.hold(connection)  # or somebody else could enter the same changes
        rows = self._history(connection) if not before else []
        fresh = changes.listed(connection, journal.changed(connection))
        self.journal.record(connection, rows + [(of_change(one), one.number) for one in fresh])

    def _history(self, connection: Connection) -> list[tuple[Entry, int]]:
        known = self.journal.packages(connection)
        noted = {one.key for one in changes.listed(connection)}
        made = [_approval(one) for one in records.approved(connection) if one.spki not in noted]
        had = records.releases(connection, None)
        sealed = [self._entry(one, entry.RELEASE, one.submitted_at) for one in had]
        made += [one for one in sealed if one.package.hex() not in known]
        had_already = self.journal.leaves(connection)  # by who was faster; there are few
        return [(one, 0) for one in made if one.der() not in had_already]

    def _entry(self, release: Release, kind: str, now: int) -> Entry:
        return Entry(
            kind,
            now,
            release.service,
            release.version,
            sha256(release.developer_seal),
            sha256(release.store_seal),
            self.bare(release).digest(),
        )

    def publish(self, certificate: x509.Certificate) -> None:
        """Write and sign the log, and then the pages. What was cut off before is done as well.

        Args:
            certificate: the Store's certificate.

        Raises:
            LogBehind, LogDamaged, OSError: as `Journal.publish`.
        """
        made = self.journal.publish()
        self.journal.refresh()
        with self.journal.alone(), self.pages.files.alone():
            self.pages.about(certificate, self.key, self.endorsement())
            have = self.pages.have()
            if have >= made.size and have:
                return  # somebody else was faster
            with reading(self._engine) as connection:
                touched = self.journal.services(connection, have)
                known = [records.services(connection, one) for one in touched]  # {} if it is lost
                shown = [
                    self._shown(connection, one[name], made.size) for one in known for name in one
                ]
                newest = self._digests(connection, records.latest(connection, MOST), made.size)
            for one in shown:
                self._offer(one)
            self.pages.index(newest, made)

    def _offer(self, shown: Shown) -> None:
        """Bring the public files of one service up to date."""
        for digest in shown.held:
            self.pages.hold(digest)
        for digest in shown.free:
            self.pages.give_back(digest)
        for release, digest in shown.releases:
            if digest not in shown.held and not self.pages.has(digest):
                bare = self.bare(release)
                proof = self.journal.proof(bare.digest()).text()
                self.pages.keep(replace(bare, proof=proof))
        self.pages.service(shown)

    def _shown(self, connection: Connection, known: Service, size: int) -> Shown:
        service = known.name
        releases = self._digests(connection, records.releases(connection, service), size)
        barred = records.held(connection, known)
        held: set[str] = set()
        free: set[str] = set()
        if barred or self.pages.holds():
            for version, digest in self.journal.packages_of(connection, service, size):
                (held if version in barred else free).add(digest)
        why = changes.about(connection, service)
        return Shown(known, releases, why, frozenset(held), frozenset(free))

    def _digests(
        self, connection: Connection, releases: Sequence[Release], size: int
    ) -> list[tuple[Release, str]]:
        """Return releases with the hashes of their packages, in hex, as the log has them.

        Those that are not yet in the log of that size are left to the one who enters them.
        """
        seals = [sha256(one.store_seal).hex() for one in releases]
        known = self.journal.of_seals(connection, seals, size)
        pairs = zip(releases, seals, strict=True)
        return [(one, known[mark]) for one, mark in pairs if mark in known]


def of_change(change: Change) -> Entry:
    """Return the entry for a change that a person has made.

    Args:
        change: the change.
    """
    facts = {
        "developer": "" if change.kind in (*changes.OF_SERVICES, *_OF_STORE) else change.name,
        "store": change.name if change.kind in _OF_STORE else "",
        "to": change.version if change.kind == notices.HANDED_OVER else "",
        "key": request.fingerprint(change.key) if change.key else "",
        "former": request.fingerprint(change.former) if change.former else "",
        "proof": sha256(change.proof).hex() if change.proof else "",
        "reason": change.reason,
        "who": change.who,
    }
    service = change.name if change.kind in changes.OF_SERVICES else ""
    version = change.version if change.kind in changes.OF_RELEASES else ""
    return Entry(change.kind, change.time, service, version, detail=_detail(facts))


def _approval(known: Developer) -> Entry:
    facts = {"developer": known.name, "key": known.fingerprint}
    return Entry(entry.DEVELOPER, known.approved_at or 0, detail=_detail(facts))


def _detail(facts: dict[str, str]) -> str:
    return json.dumps({name: value for name, value in facts.items() if value}, ensure_ascii=False)
