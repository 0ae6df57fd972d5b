"""The Store as a whole: `intake` decides, `records` keeps rows, `objects` keeps files."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from boards import state_folder
from sealcore import names, seal, x509
from triseal import notices, replacement, request, storage
from triseal.bucket import BucketTrouble
from triseal.certificate import Validity, now
from triseal.database import open_database, reading, writing
from triseal.errors import (
    AlreadyExists,
    OtherKeyInUse,
    Quarantined,
    UnknownService,
    Withdrawn,
)
from triseal.keysource import NewKey
from triseal.log import entry
from triseal.log.note import Key
from triseal.notices import Change, Notices
from triseal.package import Package
from triseal.signer import Signer
from triseal.storage import Whereabouts
from triseal.store import (
    authority,
    changes,
    intake,
    journal,
    moving,
    pace,
    places,
    records,
    restore,
    standing,
)
from triseal.store.changes import NO_REASON, Why
from triseal.store.journal import FOLDER
from triseal.store.ledger import OBJECTS, Ledger
from triseal.store.moving import Move, Report
from triseal.store.pace import Limits
from triseal.store.places import Kept
from triseal.store.records import Developer, Release, Service
from triseal.store.recovery import Accepted, Recovery
from triseal.store.tables import SCHEMA
from triseal.store.witnesses import Witnesses
from triseal.watermark import Watermark

if TYPE_CHECKING:
    from triseal.bucket import Place

DATABASE = "store.sqlite"

_RECORDED = "the change is recorded; the next change or `triseal store serve` publishes it"

Unlock = Callable[[], Signer]
Clock = Callable[[], int]


def default() -> Path:
    """Return the default folder of a Store's home."""
    return state_folder.root() / "store"


class Store:
    """A Store that was initialised. Several threads and processes may use it.

    Args:
        home: its folder.
        unlock: returns the signer with the Store's key; called once, when something must be signed.
        database: path or URL of a database to use instead of the SQLite file in the home.
        clock: returns the time, Unix seconds.

    Attributes:
        home: the folder.
        files: what the Store keeps and publishes, in the home or in a bucket.
        certificate: the certificate of the Store's key in use.

    Raises:
        NotInitialised: there is no Store at `home`.
        DatabaseUnusable: the database can't be used.
        StoreMoved, BadBucket: as `moving.locate`.
    """

    def __init__(
        self, home: Path, unlock: Unlock, database: str | None = None, clock: Clock = now
    ) -> None:
        self.certificate: x509.Certificate = authority.load_certificate(home)
        self._unlock = unlock
        self._key: Signer | None = None
        self.home = home
        self._clock = clock
        self._engine = open_database(database or home / DATABASE, SCHEMA)
        self._mark = Watermark(home / restore.FILE)
        try:
            self._begin_at(moving.locate(home, self._engine))
        except BaseException:
            self._engine.dispose()
            raise

    def _begin_at(self, where: Whereabouts) -> None:
        self._kept = Kept.of(self.home, where)
        self.files = self._kept.files
        self._objects = self.files.below(OBJECTS, private=True)
        owner = request.fingerprint(authority.first_key(self.home))
        self._ledger = Ledger(self.home, self._kept, self._engine, owner, self._clock)

    def _check_restored(self, connection: Connection) -> None:
        """Raise StoreBehind if a backup was restored. A log in a bucket is not restored with it."""
        restore.check(connection, self._mark, log_here=self._kept.where.place is None)

    @property
    def log_key(self) -> Key:
        """Public key of the Store's log."""
        return self._ledger.key

    @property
    def log_endorsement(self) -> str:
        """The log's key as the Store's key has signed it; "" before that one was used."""
        return self._ledger.endorsement()

    @property
    def engine(self) -> Engine:
        """The database, for what is no part of the Store's history."""
        return self._engine

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    def register(self, data: bytes, instead: str | None = None) -> Developer:
        """Register a developer, who then waits for the approval of a person.

        Args:
            data: the developer's self-signed request (PKCS #10), PEM or DER, which proves that the
                developer has the private key; or a `replacement`, by which the old key of an
                approved developer names the new one, which takes its place at once.
            instead: fingerprint of a developer who waits and is forgotten if there is a new one
                then.

        Returns: the developer; the known one if the key is known.

        Raises:
            BadRequest, BadName, UnsupportedKey, BadReplacement: as `request` and `replacement`.
            Failure: as `standing.replace_signed`.
        """
        if not replacement.is_one(data):
            parsed = request.parse(data)
            with self.changing() as connection:
                return records.register(connection, parsed, data, self._clock(), instead)
        asked = replacement.parse(data)
        try:
            return self._replace(asked)
        except IntegrityError:  # the same file twice at the same time: now the key exists
            return self._replace(asked)

    def _replace(self, asked: replacement.Replacement) -> Developer:
        why = Why("signed with the old key")
        with self.changing() as connection:
            return standing.replace_signed(connection, asked, self._clock(), why)

    def approve(self, fingerprint: str, why: Why = NO_REASON) -> Developer:
        """Trust a developer from now on: a person has compared the fingerprint.

        Args:
            fingerprint: SHA-256 of the key in hex, as `register` returned it.
            why: the reason.

        Raises:
            UnknownDeveloper: no developer has registered this key.
            KeyReplaced: the developer has replaced this key.
            NameTaken: an approved developer with another key has the name.
        """
        with self.changing() as connection:
            return records.approve(connection, fingerprint, self._clock(), why)

    def approve_key(self, name: str, fingerprint: str, why: Why) -> tuple[Developer, Developer]:
        """Put a new key in the place of a developer's lost or stolen one. Raises and returns as
        `standing.replace_approved`.

        Args:
            name: name of the developer.
            fingerprint: of the new key, which a person has compared, hex.
            why: the reason.
        """
        with self.changing() as connection:
            moment = self._clock()
            return standing.replace_approved(connection, name, fingerprint, moment, why)

    def suspend(self, name: str, why: Why) -> Developer:
        """Seal nothing more for a developer. Raises as `standing.suspend`.

        Args:
            name: name of the developer.
            why: the reason.
        """
        with self.changing() as connection:
            return standing.suspend(connection, name, self._clock(), why)

    def resume(self, name: str, why: Why) -> Developer:
        """Seal for a suspended developer again. Raises as `standing.resume`.

        Args:
            name: name of the developer.
            why: the reason.
        """
        with self.changing() as connection:
            return standing.resume(connection, name, self._clock(), why)

    def withdraw(self, service: str, version: str, why: Why) -> Release:
        """Offer a release no more as the newest. Raises as `standing.withdraw`.

        Args:
            service: name of the service.
            version: its version.
            why: the reason.
        """
        with self.changing() as connection:
            return standing.withdraw(connection, service, version, self._clock(), why)

    def quarantine(self, service: str, version: str, why: Why) -> Service:
        """Hold back a release or a service. Raises as `standing.quarantine`.

        Args:
            service: name of the service.
            version: version of the release; "" for all of them.
            why: the reason.

        Returns: the service.
        """
        with self.changing() as connection:
            standing.quarantine(connection, service, version, self._clock(), why)
            return records.services(connection, service)[service]

    def clear(self, service: str, version: str, why: Why) -> Service:
        """End what `quarantine` began. Returns as `quarantine`, raises as `standing.clear`.

        Args:
            service: name of the service.
            version: version of the release; "" for the service.
            why: the reason.
        """
        with self.changing() as connection:
            standing.clear(connection, service, version, self._clock(), why)
            return records.services(connection, service)[service]

    def archive(self, service: str, why: Why) -> Service:
        """Take no new releases of a service. Raises as `standing.archive`.

        Args:
            service: name of the service.
            why: the reason.

        Returns: the service.
        """
        with self.changing() as connection:
            standing.archive(connection, service, self._clock(), why)
            return records.services(connection, service)[service]

    def reopen(self, service: str, why: Why) -> Service:
        """Take new releases again. Returns as `archive`, raises as `standing.reopen`.

        Args:
            service: name of the service.
            why: the reason.
        """
        with self.changing() as connection:
            standing.reopen(connection, service, self._clock(), why)
            return records.services(connection, service)[service]

    def set_limits(self, name: str, hourly: int | None, size: int | None) -> Limits:
        """Limit what a developer may submit. Raises as `standing.present`.

        Args:
            name: name of the developer.
            hourly: submissions in an hour; None leaves the limit as it is.
            size: bytes of a package; None leaves the limit as it is.
        """
        with writing(self._engine) as connection:
            standing.present(connection, name)
            return pace.set_limits(connection, name, hourly, size)

    def limits(self, name: str) -> Limits:
        """Return what a developer may submit.

        Args:
            name: name of the developer.
        """
        with reading(self._engine) as connection:
            return pace.limits(connection, name)

    def count_releases(self) -> dict[str, int]:
        """Return the number of releases by state."""
        with reading(self._engine) as connection:
            return records.count_releases(connection)

    def services(self) -> dict[str, Service]:
        """Return all services by name."""
        with reading(self._engine) as connection:
            return records.services(connection)

    def hand_over(self, service: str, to: str, why: Why) -> str:
        """Give a service to another developer. Returns and raises as `standing.hand_over`.

        Args:
            service: name of the service.
            to: name of the developer who gets it.
            why: the reason.
        """
        with self.changing() as connection:
            return standing.hand_over(connection, service, to, self._clock(), why)

    def changes(self, since: int = 0) -> list[Change]:
        """Return what people have decided, oldest first.

        Args:
            since: only changes with a higher number.
        """
        with reading(self._engine) as connection:
            return changes.listed(connection, since)

    def submit(self, package: Package) -> tuple[Release, Package]:
        """Check, countersign and keep a package. Nothing is returned before the log has it.

        Args:
            package: the package with its developer seal. If the Store has sealed the same developer
                seal before, it answers the same as then.

        Returns: the release, and the package with its Store seal and the proof of the log.

        Raises:
            Failure, SealError: as intake.check; nothing has changed.
        """
        service = intake.service_of(package)
        key = self.signer()
        try:
            release = self._accept(service, package, key)
        except (IntegrityError, OtherKeyInUse):
            # Two first versions at the same time: now the service exists. Or another process has
            # just activated another key.
            release = self._accept(service, package, self.signer())
        return release, self._ledger.proved(release)

    def publish(self) -> None:
        """Write and sign what the log and the public pages lack. Raises as `Ledger.publish`."""
        self._ledger.endorse(self.signer())
        self._ledger.publish(self.certificate)

    def cosign(self, data: bytes) -> list[str]:
        """Publish the cosignatures of witnesses. Returns and raises as `Journal.cosign`.

        Args:
            data: the newest checkpoint, with them.
        """
        return self._ledger.journal.cosign(data, Witnesses(self.home))

    def refresh(self, age: int = journal.REFRESHED) -> None:
        """Say the time in the log's checkpoint again if it is old. Raises as `Journal.refresh`.

        Args:
            age: seconds that the time may be old.
        """
        self._ledger.journal.refresh(age)

    def check(self) -> int:
        """Check that database and log are there and fit each other.

        Returns: number of entries of the signed log.

        Raises:
            StoreBehind: the database was restored from a backup.
            StoreMoved: the files are elsewhere by now.
            LogDamaged, LogBehind: the log is not what it should be.
            DatabaseUnusable: the database can't be read.
        """
        with reading(self._engine) as connection:
            self._check_restored(connection)
            places.check(connection, self._kept)
            self._ledger.journal.check_not_left()
            return self._ledger.journal.check(connection)

    def check_place(self) -> None:
        """Check that the files are where this process reads them. Raises as `places.check`."""
        with reading(self._engine) as connection:
            places.check(connection, self._kept)

    def server_certificate(self, names: list[str]) -> Path:
        """Make the TLS certificate of the Store's server, see `server.identity`.

        Args:
            names: host names and addresses of the server.

        Returns: the file with the key and the certificates.
        """
        from triseal.store.server import identity

        return identity.make(self.home, self.signer(), self.certificate, names, self._clock())

    @contextlib.contextmanager
    def changing(self) -> Iterator[Connection]:
        """Open a transaction that changes the Store, which a restored database must not do.

        At its end all that it has recorded is in the log, and signed.
        """
        with contextlib.suppress(BucketTrouble):  # without its bucket it records what people decide
            self._ledger.journal.check_not_left()
        with writing(self._engine) as connection:
            places.hold(connection, alone=False)
            self._check_restored(connection)
            places.check(connection, self._kept)
            restore.begin(self._mark)
            before = journal.count(connection)
            yield connection
            self._ledger.settle(connection, before)
            have = restore.present(connection)
        try:
            restore.rise(self._mark, *have)
            if self._key is not None:
                self._ledger.endorse(self._key)
            self._ledger.publish(self.certificate)
        except Exception as error:
            error.add_note(_RECORDED)
            raise

    def move(self, to: Place | None, report: Report, *, there: bool = False) -> int:
        """Move the files into a bucket, or back into the home. If it is cut off, call it again.

        Args:
            to: where they are to be; None for the home.
            report: called with a step, what is done of it, and all of it.
            there: whether they are in that bucket already, such as a copy that others have made, or
                the bucket whose server has another address now.

        Returns: how many files were copied. Those at the old place stay.

        Raises:
            AlreadyExists: there are files of something else, or newer ones of this Store.
            DamagedStore: they are not there, or they are older ones.
            BucketTrouble, NoBucketDriver: the bucket can't be used.
            StoreMoved: another process has moved them meanwhile.
        """
        self.check_place()
        target = storage.at(self.home, to)
        if storage.same(target, self.files):
            return 0
        going = Move(self.files, target, report)
        if not there:
            going.claim(self.log_key)
            going.copy(last=False)  # while the Store goes on
        folder = "" if to else secrets.token_hex(16)
        now = Whereabouts(self._kept.where.number + 1, to, folder)
        with (
            self._ledger.journal.alone(moving=True),
            self.files.below(FOLDER).alone(),
            writing(self._engine) as connection,
        ):
            places.hold(connection, alone=True)
            self._ledger.journal.hold(connection)
            places.check(connection, self._kept)
            if there:
                going.check_there(self.log_key, connection)
            else:
                going.copy(last=True)
                going.drop()
            if to is None:  # the home that the database names from now on must know it already
                storage.write_note(self.home, replace(self._kept.where, folder=folder))
            places.enter(connection, now)
        moving.locate(self.home, self._engine)
        return going.copied

    def check_restored_log(self) -> None:
        """Check that this Store knows how far its log has come. Raises as `restore.check_log`."""
        if self._kept.where.place is None:
            with reading(self._engine) as connection:
                restore.check_log(connection, self._mark)

    @contextlib.contextmanager
    def refilling(self) -> Iterator[Path]:
        """Keep everybody from publishing while the public files of the home are written.

        Yields: their folder.

        Raises:
            AlreadyExists: the files are in a bucket, which has the newest ones.
            StoreMoved, StoreBehind: as `Journal.alone`.
        """
        if self._kept.where.place is not None:
            raise AlreadyExists(f"the newest files of the Store are in {self._kept.where.place}")
        with self._ledger.journal.alone(moving=True), self.files.below(FOLDER).alone():
            yield self.home / journal.PUBLIC

    def accept_restored(self, place: Place | None = None) -> Accepted:
        """Go on with a database that was restored from a backup: a person has looked at it.

        What it has lost is taken from the log, as far as the log has it, see `recovery`.

        Args:
            place: the bucket that has the files now, if they were moved after the backup was made
                and the home does not know it.

        Returns: what was found.

        Raises:
            MarkDamaged, MarkNotWritten: as `Watermark.accept`.
            StoreMoved: as `moving.follow`.
        """
        self._begin_at(moving.follow(self.home, self._engine, self._kept.where, place))
        with writing(self._engine) as connection:
            first = journal.count(connection)
            self._ledger.journal.recover(connection)
            found = Recovery(self._ledger.pages, self._objects).run(connection, first)
            restore.forget_nonces(connection)
            numbers, _ = restore.present(connection)
        self._mark.accept(numbers)
        return found

    def _accept(self, service: str, package: Package, key: Signer) -> Release:
        with self.changing() as connection:
            moment = self._clock()
            known = records.newest(connection, service)
            self.check_in_use(key)
            newest = restore.newest(self._mark, known, service, package)
            who = standing.of_key(connection, intake.key_of(package))
            approved = [who.entry] if who and who.approved_at is not None else []
            barred = standing.barred(who)
            had = records.same(connection, package.developer_seal)
            if had is not None and known and approved and barred is None:
                _check_held(had, known.service_state)
                return had  # the answer may have been lost: it is the same one again
            developer = intake.check(package, approved, newest, moment, barred)
            size = len(package.executable) + len(package.metadata)
            if who is not None:
                pace.check(connection, who.name, size, moment)
            release = self._sealed(package, developer, key, moment)
            if who is not None:  # not before: nobody shall wait while another package is signed
                pace.take(connection, who.name, moment)
            if known is not None and intake.renews(developer, known):
                records.reseal(connection, release)
                self._ledger.sealed(connection, [release], entry.RESEAL, moment)
                return release
            owner = request.fingerprint(bytes(developer.spki))
            records.add(connection, release, owner if known is None else None)
            self._ledger.sealed(connection, [release], entry.RELEASE, moment)
        return release

    def _sealed(self, package: Package, developer: seal.Seal, key: Signer, now: int) -> Release:
        """Countersign a package that was checked, and keep its files."""
        sealed = authority.countersign(key, self.certificate, developer, now)
        given = replace(package, store_seal=bytes(sealed.der))
        return records.release_of(given, developer, self._objects, now)

    def renew(self, valid: Validity) -> tuple[list[Release], list[Release]]:
        """Renew the Store's certificate with the same key, and countersign all releases again.

        Sites trust the Store's name and key, not its certificate. They only need the packages with
        the new Store seals. If this is interrupted, the same call again completes it.

        Args:
            valid: validity of the new certificate.

        Returns: the releases with their new seals, and those whose developer seal has ended, which
            keep their seals.

        Raises:
            ShorterValidity: the present certificate is valid for as long; nothing has changed.
            Failure: as `authority.unlock`.
        """
        key = self.signer()
        fresh = x509.parse(authority.renewed(key, self.certificate, valid))
        with self.changing() as connection:
            self.check_in_use(key)
            sealed, ended = self.seal_again(connection, key, fresh)
            authority.replace_certificate(self.home, bytes(fresh.der))
            self.certificate = fresh
        return sealed, ended

    def seal_again(
        self, connection: Connection, key: Signer, own: x509.Certificate
    ) -> tuple[list[Release], list[Release]]:
        """Countersign all releases that the Store offers again. Returns as `renew`.

        Args:
            connection: a writing transaction.
            key: the Store's key.
            own: its certificate.
        """
        sealed, ended = [], []
        moment = self._clock()
        for release in records.releases(connection, None):
            developer = seal.parse(release.developer_seal, seal.DEVELOPER)
            if release.state != "listed":
                continue  # nobody is offered it
            if developer.not_after < moment:
                ended.append(release)
                continue
            made = authority.countersign(key, own, developer, moment)
            sealed.append(replace(release, store_seal=bytes(made.der)))
            records.reseal(connection, sealed[-1])
        self._ledger.sealed(connection, sealed, entry.RESEAL, moment)
        return sealed, ended

    def signer(self) -> Signer:
        """Return the Store's key in use.

        This may ask a person, and must not be called while the database is locked. Another process
        may have activated another key.

        Raises:
            Failure: as `authority.unlock`.
        """
        self.certificate = authority.load_certificate(self.home)
        if self._key is None or self._key.spki != self.certificate.spki:
            self._key = self._unlock()
        return self._key

    def use(self, key: Signer) -> None:
        """Sign with another key from now on, which `rotation` has activated.

        Args:
            key: the key of the certificate in use.
        """
        self.certificate = authority.load_certificate(self.home)
        self._key = key

    def check_in_use(self, key: Signer) -> None:
        """Check in a transaction that no other process has activated another key.

        Args:
            key: the key that is to sign.

        Raises:
            OtherKeyInUse: it is not the one in use.
        """
        if authority.load_certificate(self.home).spki != key.spki:
            raise OtherKeyInUse("another command has just activated another key of the Store")

    def time(self) -> int:
        """Return the time of the clock that the Store was opened with, Unix seconds."""
        return self._clock()

    def notices(self, since: int = 0) -> Notices:
        """Sign what sites are told: the decisions, and the Store's signing keys.

        Args:
            since: only changes with a higher number.

        Returns: the file, with as many changes as fit into one.
        """
        key = self.signer()
        with reading(self._engine) as connection:
            self._check_restored(connection)
            self.check_in_use(key)
            found = changes.listed(connection, since)
            listed = authority.load_list(self.home)
            every = authority.certificates(self.home).values()
        named = listed.keys if listed else (key.spki,)
        certificates = [bytes(one.der) for one in every if one.spki in named]
        name = str(names.common_name(self.certificate.subject))
        return notices.make(key, name, self._clock(), since, certificates, listed, found)

    def developers(self) -> list[Developer]:
        """Return all developers in the order of registration."""
        with reading(self._engine) as connection:
            return records.developers(connection)

    def releases(self, service: str | None = None) -> list[Release]:
        """Return releases, oldest first.

        Args:
            service: name of a service; None for all services.
        """
        with reading(self._engine) as connection:
            return records.releases(connection, service)

    def get(self, service: str, version: str | None = None) -> tuple[Release, Package]:
        """Return a release and its package, ready for a site.

        Args:
            service: name of the service.
            version: its version, as it was submitted; None for the newest that is not withdrawn.

        Raises:
            UnknownService: there is no such service or version.
            Withdrawn: all releases of the service are withdrawn.
            Quarantined: the Store holds the release or the service back.
            DamagedStore: a file is missing or damaged.
        """
        matching = [r for r in self.releases(service) if version in (None, r.version)]
        if not matching:
            raise UnknownService(
                f"there is no {service} {version}" if version else f"there is no {service}"
            )
        known = self.services()[service]
        if version is None and known.quarantined_at is None:
            listed = [one for one in matching if one.state == "listed"]
            if not listed and all(one.state == "withdrawn" for one in matching):
                raise Withdrawn(f"all releases of {service} are withdrawn")
            matching = listed or matching
        _check_held(matching[-1], known.state)
        return matching[-1], self._ledger.proved(matching[-1])


def _check_held(release: Release, service_state: str) -> None:
    """Check that a release is not held back. Raises Quarantined."""
    if "quarantined" in (release.state, service_state):
        raise Quarantined(f"{release.service} {release.version}")


def init(
    home: Path,
    name: str,
    new: NewKey,
    validity: Validity,
    root: NewKey | None = None,
    bucket: Place | None = None,
) -> x509.Certificate:
    """Create a Store.

    Args:
        home: the folder; it must not exist, or be empty.
        name: name of the Store, 1 to 64 bytes.
        new: what is to become the Store's key.
        validity: validity of the certificate.
        root: what is to become the key of its root; None makes no root.
        bucket: where packages and the log are to be; None for the home.

    Returns: the certificate.

    Raises:
        AlreadyExists, BadName, Failure: as `authority.init`; or the bucket has files there.
        BucketTrouble, NoBucketDriver: the bucket can't be used.
        DatabaseUnusable: there is no room for a database.
    """
    if bucket is not None:
        from triseal.bucket import vacant  # few Stores have one

        authority.check_vacant(home)
        vacant(bucket, home / storage.LOCKS)

    def fill(fresh: Path) -> None:
        if bucket is not None:
            storage.write_note(fresh, Whereabouts(1, bucket))
        # It comes before the home takes its place: a full disk must not make half of a Store.
        open_database(fresh / DATABASE, SCHEMA).dispose()

    return x509.parse(authority.init(home, name, new, validity, root, fill))
