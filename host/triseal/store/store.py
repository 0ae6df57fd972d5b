"""The Store: what people and services ask of it. Decisions are in intake, rows in records."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.exc import IntegrityError

from boards import state_folder
from sealcore import x509
from sealcore.limits import MAX_EXECUTABLE
from triseal import request
from triseal.certificate import Validity
from triseal.database import open_database, reading, writing
from triseal.errors import UnknownService
from triseal.package import MAX_METADATA, Package
from triseal.signer import Signer
from triseal.store import authority, intake, objects, records
from triseal.store.records import Developer, Release
from triseal.store.tables import METADATA

DATABASE = "store.sqlite"
OBJECTS = "objects"

Unlock = Callable[[], Signer]
Clock = Callable[[], int]


def default() -> Path:
    """Where a Store's home is unless told."""
    return state_folder.root() / "store"


def now() -> int:
    """This computer's time, Unix seconds."""
    return int(time.time())


class Store:
    """A Store that has been initialised. Safe to be used by several threads and processes.

    Args:
        home: its folder.
        unlock: gives the signer with the Store's key; called once, when something is to be signed.
        database: path or URL instead of the SQLite file in its home.
        clock: gives the time, Unix seconds.

    Raises:
        NotInitialised: there is no Store at `home`.
        DatabaseUnusable: see triseal.database.
    """

    def __init__(
        self, home: Path, unlock: Unlock, database: str | None = None, clock: Clock = now
    ) -> None:
        self.certificate: x509.Certificate = authority.load_certificate(home)
        self._unlock = unlock
        self._key: Signer | None = None
        self._objects = home / OBJECTS
        self._clock = clock
        self._engine = open_database(database or home / DATABASE, METADATA)

    def close(self) -> None:
        """Give the database's connections back."""
        self._engine.dispose()

    def register(self, data: bytes) -> Developer:
        """Register a developer, who then waits for a person's approval.

        Args:
            data: a self-signed PKCS #10 request, PEM or DER: proves possession of the key.

        Returns: the developer; the one already there, if the key is known.

        Raises:
            BadRequest, BadName, UnsupportedKey: see request.parse.
        """
        found = request.parse(data)
        with writing(self._engine) as connection:
            return records.register(connection, found, data, self._clock())

    def approve(self, fingerprint: str) -> Developer:
        """A person has compared the fingerprint: believe this developer from now on.

        Args:
            fingerprint: SHA-256 of the key in hex, as `register` gave it.

        Raises:
            UnknownDeveloper: nobody registered it.
            NameTaken: an approved developer with another key has the name.
        """
        with writing(self._engine) as connection:
            return records.approve(connection, fingerprint, self._clock())

    def submit(self, package: Package) -> tuple[Release, Package]:
        """Check, countersign and keep a package.

        All or nothing: the seal is recorded, with all that it speaks of, before it is returned.

        Returns: the release, and the package with its Store seal.

        Raises: see intake.check; nothing has changed then.
        """
        service = intake.service_of(package)
        if self._key is None:
            self._key = self._unlock()  # may ask a person: not while the database is locked
        try:
            release = self._accept(service, package, self._key)
        except IntegrityError:  # two first versions of a service at once: now there is one
            release = self._accept(service, package, self._key)
        return release, self._package(release)

    def _accept(self, service: str, package: Package, key: Signer) -> Release:
        with writing(self._engine) as connection:
            moment = self._clock()
            newest = records.newest(connection, service)
            approved = [one.entry for one in records.approved(connection)]
            developer = intake.check(package, approved, newest, moment)
            sealed = authority.countersign(key, self.certificate, developer, moment)
            release = Release(
                service=service,
                version=developer.service_version,
                security_version=developer.security_version,
                entry=package.name,
                executable=objects.put(self._objects, package.executable),
                metadata=objects.put(self._objects, package.metadata),
                developer_seal=package.developer_seal,
                store_seal=bytes(sealed.der),
                submitted_at=moment,
            )
            owner = request.fingerprint(bytes(developer.spki))
            records.add(connection, release, owner if newest is None else None)
        return release

    def developers(self) -> list[Developer]:
        """All that registered, in that order."""
        with reading(self._engine) as connection:
            return records.developers(connection)

    def releases(self, service: str | None = None) -> list[Release]:
        """All releases, or those of one service, oldest first."""
        with reading(self._engine) as connection:
            return records.releases(connection, service)

    def get(self, service: str, version: str | None = None) -> tuple[Release, Package]:
        """A release and its package, ready for a site.

        Args:
            service: its name.
            version: as it was submitted; None for the newest.

        Raises:
            UnknownService: there is none.
            DamagedStore: its files are not what they were.
        """
        found = [one for one in self.releases(service) if version in (None, one.version)]
        if not found:
            raise UnknownService(f"{service} {version}" if version else service)
        return found[-1], self._package(found[-1])

    def _package(self, release: Release) -> Package:
        return Package(
            release.entry,
            objects.get(self._objects, release.executable, MAX_EXECUTABLE),
            objects.get(self._objects, release.metadata, MAX_METADATA),
            release.developer_seal,
            release.store_seal,
        )


def init(
    home: Path, name: str, algorithm: str, passphrase: bytes | None, validity: Validity
) -> x509.Certificate:
    """Make a Store; see authority.init."""
    return x509.parse(authority.init(home, name, algorithm, passphrase, validity))
