"""One database, several people at a Store at once: on SQLite's lock, and on PostgreSQL's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.worlds import seals
from triseal import database, request, signer
from triseal.errors import Failure, WrongState
from triseal.keysource import NewKey
from triseal.log import audit, entry, proof
from triseal.log.policy import Policy
from triseal.log.writer import Folder
from triseal.package import Package
from triseal.signer import KeySigner, Signer
from triseal.store import authority, records
from triseal.store.changes import Why
from triseal.store.store import Store, init

KEY, BOB_KEY = signer.generate("p256"), signer.generate("p256")
BOB = seals.developer("Bob", BOB_KEY)
PACKAGES = [
    seals.package(seals.developer("Ada", KEY), version=f"1.{minor}", security_version=minor)
    for minor in range(6)
]
_SOON = 0.5  # seconds in which who does not wait has been


@pytest.fixture
def store(tmp_path: Path, url: str | None) -> Iterator[Store]:
    init(tmp_path / "store", "Shop", NewKey("p256"), seals.LONG)
    unlock = partial(authority.unlock, tmp_path / "store", bytes)
    with closing(Store(tmp_path / "store", unlock, url, lambda: seals.NOW)) as made:
        yield made


def test_two_names_that_look_the_same_are_not_both_approved(store: Store) -> None:
    first, second = (
        store.register(request.make(KeySigner(signer.generate("p256")), name))
        for name in ("Ada", "ADA")
    )
    with ThreadPoolExecutor() as pool:
        with database.writing(store._engine) as connection:
            records.approve(connection, first.fingerprint, seals.NOW)
            other = pool.submit(store.approve, second.fingerprint)
            wait([other], _SOON)
        with suppress(Failure):
            other.result()
    assert [one.name for one in store.developers() if one.approved_at is not None] == ["Ada"]


def test_of_submissions_at_once_each_is_newer_than_the_one_before(
    store: Store, tmp_path: Path, url: str | None
) -> None:
    store.approve(store.register(request.make(KeySigner(KEY), "Ada")).fingerprint)
    unlock = partial(authority.unlock, tmp_path / "store", bytes)
    other = Store(tmp_path / "store", unlock, url, lambda: seals.NOW)  # another writer
    with closing(other), ThreadPoolExecutor(len(PACKAGES)) as pool:
        done: list[Future[object]] = [
            pool.submit(submit, one, package)
            for one, package in zip([store, other] * len(PACKAGES), PACKAGES * 2, strict=True)
        ]
    codes = {one.result() for one in done}
    assert codes <= {"", "rollback"}
    kept = [release.security_version for release in store.releases("blink")]
    assert kept
    assert kept == sorted(set(kept))
    # What is submitted again is answered as before.
    assert 2 * len(kept) == [one.result() for one in done].count("")
    assert kept[-1] == len(PACKAGES) - 1
    assert store.count_releases() == {"listed": len(kept)}
    check_logged(store, 1 + len(kept))


def check_logged(store: Store, size: int) -> None:
    """Check that each release is in the log, which has no entry twice and no gap."""
    found = [store.get(one.service, one.version)[1] for one in store.releases()]
    proofs = [proof.parse(one.proof) for one in found]
    for one in proofs:
        one.check_path()
        assert one.checkpoint.note.check([store.log_key])
    assert [one.index for one in proofs] == list(range(1, size))
    assert [entry.parse(one.leaf).package for one in proofs] == [one.digest() for one in found]


class Meanwhile:
    """A signer during whose work something else happens, once: between a check and its record."""

    def __init__(self, key: Signer, happens: Callable[[], object]) -> None:
        self._key = key
        self._happens: list[Callable[[], object]] = [happens]
        self.spki = key.spki
        self.algorithm = key.algorithm

    def sign(self, message: bytes) -> bytes:
        if self._happens:
            self._happens.pop()()
        return self._key.sign(message)


OTHERS = (
    ("another developer takes the name", seals.package(BOB), "service-taken"),
    ("a later release comes first", PACKAGES[-1], "rollback"),
)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("sentence", "other", "code"), OTHERS, ids=[row[0] for row in OTHERS])
def test_a_first_release_is_checked_against_what_came_meanwhile(
    sentence: str, other: Package, code: str, store: Store, tmp_path: Path, url: str
) -> None:
    for who, name in ((KEY, "Ada"), (BOB_KEY, "Bob")):
        store.approve(store.register(request.make(KeySigner(who), name)).fingerprint)
    key = authority.unlock(tmp_path / "store", bytes)
    slow = Meanwhile(key, lambda: store.submit(other))
    late = Store(tmp_path / "store", lambda: slow, url, lambda: seals.NOW)
    with closing(late):
        assert submit(late, PACKAGES[0]) == code, sentence
    assert [one.developer_seal for one in store.releases()] == [other.developer_seal]


def test_a_suspension_waits_for_a_seal_that_is_being_made(
    store: Store, tmp_path: Path, url: str | None
) -> None:
    """After `suspend` has returned, nothing more is sealed for the developer."""
    store.approve(store.register(request.make(KeySigner(KEY), "Ada")).fingerprint)
    key = authority.unlock(tmp_path / "store", bytes)
    with ThreadPoolExecutor() as pool:
        waiting: list[Future[object]] = []

        def suspend() -> None:
            waiting.append(pool.submit(store.suspend, "Ada", Why("stolen")))
            done, _ = wait(waiting, _SOON)
            assert not done

        slow = Meanwhile(key, suspend)
        late = Store(tmp_path / "store", lambda: slow, url, lambda: seals.NOW)
        with closing(late):
            assert submit(late, PACKAGES[0]) == ""
            waiting[0].result()
            assert submit(late, PACKAGES[1]) == "developer-suspended"
    assert [release.version for release in store.releases()] == ["1.0"]


def test_of_changes_at_once_each_has_the_next_number(
    store: Store, tmp_path: Path, url: str | None
) -> None:
    unlock = partial(authority.unlock, tmp_path / "store", bytes)
    people = ["Ada", "Bob", "Eve", "Joe"]
    for name in people:
        key = KeySigner(signer.generate("p256"))
        store.approve(store.register(request.make(key, name)).fingerprint)
    other = Store(tmp_path / "store", unlock, url, lambda: seals.NOW)  # another writer
    with closing(other), ThreadPoolExecutor(8) as pool:
        done = [
            pool.submit(one.suspend, name, Why("all at once"))
            for name in people
            for one in (store, other)
        ]
    refused = [one for one in done if isinstance(one.exception(), WrongState)]
    assert len(refused) == len(people), [one.exception() for one in done]
    store.publish()
    folder = Folder(tmp_path / "store/public/log")
    logged = audit.audit(folder.head() or b"", folder.read, Policy(logs=[store.log_key]))
    assert logged.kinds == {"developer-approved": len(people), "developer-suspended": len(people)}
    found = store.changes()
    assert [one.number for one in found] == list(range(1, 2 * len(people) + 1))
    assert {one.name for one in found[len(people) :]} == set(people)


def submit(store: Store, package: Package) -> str:
    """The code of its refusal; "" for none."""
    try:
        store.submit(package)
    except Exception as error:
        return str(getattr(error, "code", repr(error)))
    return ""
