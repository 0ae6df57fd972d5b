"""The logs of Stores: what a package must prove before the site takes it in.

The folder `logs` of the site's home has one policy (c2sp.org/tlog-policy) for each Store that was
trusted with the key of its log: FINGERPRINT.policy, with the fingerprint of the Store's key. A
package of that Store must prove that such a log has it. Nothing here needs a network.

FINGERPRINT.age has the seconds that a checkpoint of its files may be old; a week if there is none.

Beside it, FINGERPRINT.checkpoint is the largest checkpoint that the site has seen. If a policy
names further logs, each of them has its own FINGERPRINT.ORIGIN.checkpoint, with the beginning of
the SHA-256 of its name: no log replaces what was seen of another. Two checkpoints of one log that
can't both be true are evidence against it: FINGERPRINT.evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from sealcore import errors, keys
from sealcore.compat import sha256
from sealcore.seal import STORE, Seal
from sealcore.seal import parse as parse_seal
from triseal import files, request
from triseal.copies import storeview
from triseal.log import checkpoint, entry, forks, merkle, note, policy, proof, tiles
from triseal.log.checkpoint import Checkpoint
from triseal.log.errors import BadLogData, LogForked, LogStale, NotInLog, UnknownLog
from triseal.log.policy import Policy
from triseal.package import Package

FOLDER = "logs"
MAX_AGE = 7 * 86400  # seconds
_MAX_AGE_FILE = 32
_ORIGIN = 16  # digits in the name of a file
_KINDS = (entry.RELEASE, entry.RESEAL)

StoreKey = tuple[bytes, bytes]


class Logs:
    """What a site knows of the logs of its Stores.

    Args:
        home: the site's home.
        clock: returns the time, Unix seconds.
    """

    def __init__(self, home: Path, clock: Callable[[], int]) -> None:
        self._folder = home / FOLDER
        self._clock = clock

    def pin(self, spki: bytes, key: note.Key) -> None:
        """Want proofs of a log from now on for the packages of a Store.

        Args:
            spki: the Store's key, DER SubjectPublicKeyInfo.
            key: the log's key.

        Raises:
            UnknownLog: another log was pinned for this Store.
            BadLogData: the policy that is there can't be read.
        """
        known = self.policy(spki)
        if known is None:
            self.replace_policy(spki, f"log {key}\nquorum none\n".encode())
        elif key not in known.logs:
            path = self._path(spki, "policy")
            raise UnknownLog(f"{path} names other logs than {key.name}")

    def replace_policy(self, spki: bytes, data: bytes) -> None:
        """Let a person decide which logs and witnesses count for a Store.

        Args:
            spki: the Store's key.
            data: a policy file.

        Raises:
            BadLogData: it is not a policy.
        """
        policy.parse(data)
        files.write(self._path(spki, "policy"), data, files.PRIVATE)

    def policy(self, spki: bytes) -> Policy | None:
        """Return the policy for a Store; None if it was trusted without a log.

        Args:
            spki: the Store's key.

        Raises:
            BadLogData: the file can't be read.
        """
        try:
            return policy.parse(files.read(self._path(spki, "policy"), policy.MAX_SIZE))
        except FileNotFoundError:
            return None

    def set_age(self, spki: bytes, seconds: int) -> None:
        """Let a person decide how old the checkpoint of a Store may be.

        Args:
            spki: the Store's key.
            seconds: the largest age.
        """
        files.write(self._path(spki, "age"), f"{seconds}\n".encode(), files.PRIVATE)

    def age(self, spki: bytes) -> int:
        """Return how old the checkpoint of a Store may be, seconds.

        Args:
            spki: the Store's key.

        Raises:
            BadLogData: the file can't be read.
        """
        path = self._path(spki, "age")
        try:
            return checkpoint.number(files.read(path, _MAX_AGE_FILE).decode().removesuffix("\n"))
        except FileNotFoundError:
            return MAX_AGE
        except UnicodeDecodeError:
            raise BadLogData(f"{path} has no number of seconds") from None

    def check(self, package: Package, store: Seal, trusted: Sequence[StoreKey]) -> None:
        """Check that the log of its Store has a package.

        Args:
            package: the package, whose seals were checked.
            store: its Store seal.
            trusted: keys of the Stores that the site trusts, as in a trust bundle.

        Raises:
            NotInLog: the package does not prove it.
            UnknownLog: the proof is not of a log, or not of the witnesses, that the policy wants.
            LogForked: the site has seen another tree of the same size.
            BadLogData: the proof can't be read.
        """
        spki = _signer(store, trusted)
        wanted = self.policy(spki)
        if wanted is None:
            return
        if not package.proof:
            raise NotInLog(f"{store.service} {store.service_version} comes without a proof")
        found = proof.parse(package.proof)
        wanted.check(found.checkpoint)
        found.check_path()
        check_about(found.leaf, package, store)
        self.remember(spki, found.checkpoint)

    def check_unlogged(self, package: Package, trusted: Sequence[StoreKey]) -> None:
        """Check that no log is wanted for a package that comes without a look at one.

        Anybody can show the certificate of another Store beside the files of one. Its proof alone
        does not say that the package is the newest one, or that it was not withdrawn.

        Args:
            package: the package.
            trusted: as for `check`.

        Raises:
            UnknownLog: it is of a Store that the site trusts with its log.
            SealError: its seal can't be read.
        """
        store = parse_seal(package.store_seal, STORE)
        for one in trusted:
            if self.policy(bytes(one[1])) is not None and _has_signed(one, store):
                raise UnknownLog("the package is of a Store whose log is not shown here")

    def seen(self, spki: bytes, origin: str | None = None) -> Checkpoint | None:
        """Return the largest checkpoint of a log that the site has seen; None if there is none.

        Args:
            spki: the Store's key.
            origin: name of the log; None for the first log that the site has seen of this Store.
        """
        for _, known in self._memories(spki):
            if origin in (None, known.origin):
                return known
        return None

    def _memories(self, spki: bytes) -> Iterator[tuple[Path, Checkpoint]]:
        """Return the largest checkpoint of each log with its file, the first log first."""
        first = self._path(spki, "checkpoint")
        more = self._folder.glob(f"{request.fingerprint(spki)}.{'[0-9a-f]' * _ORIGIN}.checkpoint")
        for path in (first, *sorted(more)):
            with suppress(FileNotFoundError):
                yield path, checkpoint.parse(files.read(path, note.MAX_SIZE))

    def _memory(self, spki: bytes, origin: str) -> Path:
        """Return the file for the largest checkpoint of a log. It has no other log."""
        known = {seen.origin: path for path, seen in self._memories(spki)}
        if not known:
            return self._path(spki, "checkpoint")
        mark = bytes(sha256(origin.encode())).hex()[:_ORIGIN]
        return known.get(origin, self._path(spki, f"{mark}.checkpoint"))

    def remember(self, spki: bytes, made: Checkpoint) -> None:
        """Keep a checkpoint if it is the largest one of its log. Its signatures were checked.

        Args:
            spki: the Store's key.
            made: the checkpoint.

        Raises:
            LogForked: it contradicts the one that the site has; both are kept.
        """
        known = self.seen(spki, made.origin)
        if known is not None and known.size >= made.size:
            if known.size == made.size and known.root != made.root:
                self._keep_other(spki, known, made)
            return
        files.write(self._memory(spki, made.origin), made.note.data(), files.PRIVATE)

    def carry(self, old: Sequence[bytes], new: bytes) -> None:
        """Want of another key of a Store what the site wants of the present ones.

        Call it before the other key is trusted. What is known of the other key stays.

        Args:
            old: the keys that the site trusts.
            new: the other key.
        """
        known = [made for spki in old for _, made in self._memories(spki)]
        for seen in sorted(known, key=lambda made: -made.size):  # two keys may have the same log
            if self.seen(new, seen.origin) is None:
                files.write(self._memory(new, seen.origin), seen.note.data(), files.PRIVATE)
        for kind in ("policy", "age"):
            target = self._path(new, kind)
            found = [path for spki in old if (path := self._path(spki, kind)).exists()]
            if found and not target.exists():
                data = files.read(found[0], policy.MAX_SIZE)
                files.write(target, data, files.PRIVATE)

    def follow(self, spki: bytes, head: bytes, read: Callable[[str], bytes]) -> Checkpoint:
        """Look at the log of a Store: it must continue what the site has seen of it.

        Args:
            spki: the Store's key.
            head: the log's checkpoint, as the Store or a mirror gives it.
            read: returns a tile of the log by its path.

        Returns: the checkpoint, which the site has seen now.

        Raises:
            UnknownLog: it is not signed as the policy wants it.
            LogStale: it is older than what the site has seen, or than the site allows.
            LogForked: it does not continue what the site has seen; both are kept.
            BadLogData: it can't be read.
        """
        made = checkpoint.parse(head)
        wanted = self.policy(spki)
        time = wanted.check(made) if wanted is not None else 0
        known = self.seen(spki, made.origin)
        if known is not None and known.size != made.size:
            if made.size < known.size:
                raise LogStale(f"it has {made.size} entries, the site has seen {known.size}")
            tree = tiles.Tree(made.size, read)
            try:
                if tree.root() != made.root:
                    raise BadLogData("the tiles are not those of the checkpoint")
                hashes = merkle.consistency(known.size, made.size, tree.complete)
                merkle.check_consistency(known.size, made.size, hashes, known.root, made.root)
            except LogForked:
                self._keep_other(spki, known, made, tree.complete)
        self.remember(spki, made)
        if wanted is not None:
            storeview.check_fresh(time, self._clock(), self.age(spki))
        return made

    def _keep_other(
        self,
        spki: bytes,
        known: Checkpoint,
        made: Checkpoint,
        complete: merkle.Complete | None = None,
    ) -> NoReturn:
        """Keep a checkpoint that contradicts the known one, and the evidence that both make."""
        files.write(self._path(spki, "other.checkpoint"), made.note.data(), files.PRIVATE)
        path = self._path(spki, "evidence")
        wanted = self.policy(spki)
        for key in wanted.logs if wanted else ():
            if key.name == made.origin:
                evidence = forks.make(key, known, made, complete)
                files.write(path, evidence.der(), files.PRIVATE)
        raise LogForked(f"{path} proves it")

    def _path(self, spki: bytes, kind: str) -> Path:
        return self._folder / f"{request.fingerprint(spki)}.{kind}"


def check_about(leaf: bytes, package: Package, store: Seal) -> None:
    """Check that an entry of a log is about a package.

    Args:
        leaf: the entry, DER.
        package: the package.
        store: its Store seal.

    Raises:
        NotInLog: it is about something else.
        BadLogData: it is not an entry.
    """
    said = entry.parse(leaf)
    expected = entry.Entry(
        said.kind,
        said.time,
        str(store.service),
        said.version,
        bytes(sha256(package.developer_seal)),
        bytes(sha256(package.store_seal)),
        package.digest(),
        said.detail,
    )
    if said != expected or said.kind not in _KINDS:
        raise NotInLog("the proof is for another package")


def _signer(store: Seal, trusted: Sequence[StoreKey]) -> bytes:
    for one in trusted:
        if _has_signed(one, store):
            return bytes(one[1])
    raise BadLogData("no trusted Store has signed the seal")


def _has_signed(one: StoreKey, store: Seal) -> bool:
    try:
        keys.check_signed(store, [one], store.not_before)
    except errors.SealError:
        return False
    return True
