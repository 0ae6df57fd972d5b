"""The Store's log: which entries it has is decided in the database, and published afterwards.

1. The transaction that changes the Store puts its entries into an order, for ever (`record`).
2. After it was committed, `publish` writes all entries that the log lacks, and signs.
3. Only then the Store answers: what it has promised is in a signed checkpoint.

Between 1 and 2 the Store may be killed: the next `publish` of any process does the rest. Whoever
signs or writes is alone: on one computer by a lock in the file system, on several by the lock of
their PostgreSQL database, since a bucket has none. The same locks keep the files where they are
meanwhile (`places`). The log's files are outside of the database, so that a restored database is
found out: nothing is signed that does not continue the last checkpoint.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sqlalchemy import Connection, Engine, func, insert, select, text

from triseal import storage, words
from triseal.database import reading, writing
from triseal.errors import StoreBehind
from triseal.log import key, merkle, note, proof, tiles
from triseal.log.checkpoint import Checkpoint
from triseal.log.entry import Entry, parse
from triseal.log.errors import BadLogData, LogBehind, LogDamaged, NotInLog
from triseal.log.writer import MOST, Folder, Writer
from triseal.store import places
from triseal.store.places import Kept
from triseal.store.tables import LOG
from triseal.store.witnesses import Witnesses

KEY = "log.key"
PUBLIC = "public"
FOLDER = f"{PUBLIC}/log"  # below the files of a Store, see `triseal.storage`
REFRESHED = 3600  # seconds after which a checkpoint says the time again
_AT_ONCE = 500  # hashes in one query
_PUBLISHING = 0x7472697365616D  # the lock of all writers of one PostgreSQL database


class Journal:
    """The log of one Store.

    Args:
        home: the Store's folder.
        kept: its files.
        engine: its database.
        owner: fingerprint of the key with which the Store began, hex; it names the log.
        clock: returns the time, Unix seconds, which each checkpoint says.
    """

    def __init__(
        self, home: Path, kept: Kept, engine: Engine, owner: str, clock: Callable[[], int]
    ) -> None:
        self._clock = clock
        self._home = home
        self._kept = kept
        self._stays = False  # whether the place was seen not to be one that was left
        self._engine = engine
        self._origin = f"triseal-store/{owner[:32]}"
        self.folder = Folder(kept.files.below(FOLDER))
        self._opened: Writer | None = None
        self._signer: note.Signer | None = None
        self._turn = threading.Lock()

    @property
    def key(self) -> note.Key:
        """The log's public key. The first use makes the private one."""
        return self._load().key

    def _load(self) -> note.Signer:
        if self._signer is None:
            private = key.load(self._home / KEY)
            self._signer = note.Signer(self._origin, note.LOG, private)
        return self._signer

    def _writer(self) -> Writer:
        if self._opened is None:
            self._opened = Writer(self.folder, self._load(), self._clock)
        return self._opened

    def hold(self, connection: Connection) -> None:
        """Keep others from entering anything until the transaction ends.

        Args:
            connection: a writing transaction.
        """
        if connection.dialect.name != "sqlite":  # where a writing transaction is alone
            connection.execute(text("LOCK TABLE log IN SHARE ROW EXCLUSIVE MODE"))

    def leaves(self, connection: Connection) -> set[bytes]:
        """Return all entries, DER.

        Args:
            connection: any transaction.
        """
        return {bytes(leaf) for leaf in connection.execute(select(LOG.c.leaf)).scalars()}

    def record(self, connection: Connection, entries: Sequence[tuple[Entry, int]]) -> None:
        """Put entries into the log's order. Only entries may follow in the transaction.

        Args:
            connection: a writing transaction, which then holds the table.
            entries: each with the number of the change that it is about, or 0.
        """
        if not entries:
            return
        self.hold(connection)
        first = count(connection)
        rows = [_row(at, one.der(), change) for at, (one, change) in enumerate(entries, first)]
        connection.execute(insert(LOG), rows)

    def publish(self) -> Checkpoint:
        """Write and sign what the log lacks. Several processes may do so at once.

        Returns: the checkpoint, which contains all entries that were committed before the call.

        Raises:
            LogBehind: the database lacks what the log has; nothing was signed.
            LogDamaged: the log's folder is damaged; nothing was signed.
            OSError: it can't be written; nothing was signed.
        """
        with self.alone():
            return self._writer().extend(self._after)

    @contextlib.contextmanager
    def alone(self, *, moving: bool = False) -> Iterator[None]:
        """Keep the files where they are, and other computers from publishing; not to be nested.

        The publishers on this computer are kept out by `Storage.alone`.

        Args:
            moving: whether nobody of this computer may publish meanwhile, too.

        Raises:
            StoreMoved, StoreBehind: as `places.check` and `check_not_left`.
        """
        self.check_not_left()
        if self._engine.dialect.name == "sqlite":  # its file is used by one computer
            with storage.staying(self._home, shared=not moving):
                with reading(self._engine) as connection:
                    places.check(connection, self._kept)
                yield
            return
        # Each thread that waits for the database's lock would keep one of its few connections, and
        # the one that has it needs a second one.
        with self._turn, writing(self._engine) as connection:
            lock = text("SELECT pg_advisory_xact_lock(:n)")
            connection.execute(lock, {"n": _PUBLISHING})
            places.check(connection, self._kept)
            yield

    def check_not_left(self) -> None:
        """Check that the files were not moved away after a backup of the database was made.

        Raises:
            StoreBehind: this backup was restored.
            StoreMoved: they were moved since this process began.
            Failure, OSError: the bucket can't be read.
        """
        if self._stays:
            return
        if places.left(self._kept) is not None:
            with reading(self._engine) as connection:
                places.check(connection, self._kept)  # it says more if they were moved just now
            where = self._kept.files.where("")
            raise StoreBehind(f"it is from before the files were moved from {where}")
        self._stays = True

    def refresh(self, age: int = REFRESHED) -> None:
        """Say the time in the last checkpoint again. Mirrors that stand still lack it.

        Args:
            age: seconds that the time may be old.

        Raises:
            LogDamaged, OSError: as `Writer.refresh`.
        """
        with self.alone():
            self._writer().refresh(age)

    def cosign(self, data: bytes, known: Witnesses) -> list[str]:
        """Publish the cosignatures of witnesses.

        Args:
            data: the newest checkpoint, with them.
            known: the witnesses of the Store.

        Returns: names of the witnesses whose cosignatures were new.

        Raises:
            LogStale: the log has grown meanwhile.
            Failure: as `Witnesses.checked`.
        """
        made, signatures = known.checked(data, self.key, self._clock())
        with self.alone():
            self._writer().cosign(signatures, made.note.text)
        return [one.name for one in signatures]

    def _after(self, size: int) -> list[bytes]:
        """Return the entries behind those that the log has, which must be those before them."""
        begin = max(0, size - 1)
        query = select(LOG.c.position, LOG.c.leaf).where(LOG.c.position >= begin)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(LOG.c.position).limit(MOST)).all()
        if [row.position for row in rows] != list(range(begin, begin + len(rows))):
            raise LogDamaged("an entry is missing in the database")
        leaves = [bytes(row.leaf) for row in rows]
        if size:
            index, at = divmod(begin, tiles.WIDTH)
            last = self.folder.tree(size).tile(0, index)[at]
            if not leaves or merkle.leaf(leaves.pop(0)) != last:
                known = words.count(size, "entry", "entries")
                raise LogBehind(f"the log has {known}, the database has not the last one")
        return leaves

    def check(self, connection: Connection) -> int:
        """Check that the database has what the log has, and return its number of entries.

        Args:
            connection: any transaction.

        Raises:
            LogDamaged: the checkpoint can't be read, or is not of this log.
            LogBehind: the database lacks entries.
        """
        head = self._writer().head()
        size = head.size if head else 0
        if count(connection) < size:
            with reading(connection.engine) as later:  # it may have grown since the other began
                have = count(later)
            if have < size:
                known = words.count(size, "entry", "entries")
                raise LogBehind(f"the log has {known}, the database has {have}")
        return size

    def packages(self, connection: Connection) -> set[str]:
        """Return the hashes of all packages that have an entry, hex.

        Args:
            connection: any transaction.
        """
        return set(connection.execute(select(LOG.c.package)).scalars())

    def of_seals(self, connection: Connection, seals: Sequence[str], size: int) -> dict[str, str]:
        """Return the hashes of packages by those of their Store seals, all in hex.

        Args:
            connection: any transaction.
            seals: SHA-256 of Store seals, hex.
            size: number of entries that count.
        """
        found: dict[str, str] = {}
        for at in range(0, len(seals), _AT_ONCE):
            some = seals[at : at + _AT_ONCE]
            which = LOG.c.seal.in_(some), LOG.c.position < size
            rows = connection.execute(select(LOG.c.seal, LOG.c.package).where(*which))
            found |= {row.seal: row.package for row in rows}
        return found

    def services(self, connection: Connection, since: int) -> list[str]:
        """Return the services that releases are entered of.

        Args:
            connection: any transaction.
            since: the first position that counts.
        """
        query = select(LOG.c.service).where(LOG.c.position >= since, LOG.c.service != "")
        return sorted(set(connection.execute(query).scalars()))

    def packages_of(self, connection: Connection, service: str, size: int) -> list[tuple[str, str]]:
        """Return all packages of a service: their versions, and their hashes in hex.

        Args:
            connection: any transaction.
            service: name of the service.
            size: number of entries that count.
        """
        which = LOG.c.service == service, LOG.c.package != "", LOG.c.position < size
        rows = connection.execute(select(LOG.c.leaf, LOG.c.package).where(*which))
        return [(parse(bytes(row.leaf)).version, row.package) for row in rows]

    def proof(self, package: bytes) -> proof.Proof:
        """Prove that the log has a package.

        Args:
            package: SHA-256 of the package without a proof.

        Raises:
            NotInLog: it has no such package.
            LogDamaged, BadLogData: the log's folder is damaged.
        """
        query = select(LOG.c.position, LOG.c.leaf).where(LOG.c.package == package.hex())
        with reading(self._engine) as connection:
            row = connection.execute(query.order_by(LOG.c.position.desc()).limit(1)).first()
        head = self._writer().head()
        if row is None or head is None or head.size <= row.position:
            raise NotInLog(f"the package {package.hex()} is not in the Store's log")
        tree = self.folder.tree(head.size)
        return proof.make(bytes(row.leaf), row.position, head, tree.complete)

    def recover(self, connection: Connection) -> int:
        """Take the entries that a restored database lacks from the log's folder.

        Args:
            connection: a writing transaction.

        Returns: their number.

        Raises:
            LogDamaged: the log's folder is damaged.
            LogBehind: the log has other entries than the database.
        """
        head = self._writer().head()
        have = count(connection)
        if head is None or head.size <= have:
            return 0
        tree = self.folder.tree(head.size)
        if tree.root() != head.root:
            raise LogDamaged("the tiles are not those of the checkpoint")
        rows = []
        for index in range(have // tiles.WIDTH, -(-head.size // tiles.WIDTH)):
            leaves = self.folder.entries(index, head.size)
            if [merkle.leaf(one) for one in leaves] != tree.tile(0, index):
                raise LogDamaged(f"the entries of bundle {index} are not those of its tile")
            rows += [
                _row(at, leaf, 0)
                for at, leaf in enumerate(leaves, index * tiles.WIDTH)
                if at >= have
            ]
        connection.execute(insert(LOG), rows)
        return len(rows)


def _row(position: int, leaf: bytes, change: int) -> dict[str, object]:
    try:
        parsed = parse(leaf)
        found = {"package": parsed.package.hex(), "seal": parsed.store_seal.hex()}
        found["service"] = parsed.service
    except BadLogData:  # of a later version, taken from the log's folder
        found = {"package": "", "seal": "", "service": ""}
    return {"position": position, "leaf": leaf, "change": change, **found}


def changed(connection: Connection) -> int:
    """Return the number of the last change that has an entry, 0 if there is none.

    Args:
        connection: any transaction.
    """
    return int(connection.execute(select(func.max(LOG.c.change))).scalar_one() or 0)


def count(connection: Connection) -> int:
    """Return the number of entries.

    Args:
        connection: any transaction.
    """
    last = connection.execute(select(func.max(LOG.c.position))).scalar_one()
    return 0 if last is None else int(last) + 1
