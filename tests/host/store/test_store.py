"""The Store: who may submit what, what it keeps, and that all of it happens or nothing."""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
from sqlalchemy import func, select

from boards.code import mpy
from sealcore import bundle, errors, seal, sealwriter, upstream, x509
from sealcore.compat import sha256
from tests.worlds import seals
from triseal import certificate, database, files, pem, request, signer
from triseal.certificate import Validity
from triseal.developer.home import Developer
from triseal.developer.sign import Release, sign
from triseal.errors import (
    AlreadyExists,
    BadExecutable,
    BadMetadata,
    BadName,
    BadRequest,
    BadVersion,
    DamagedStore,
    Failure,
    NameTaken,
    NotAKey,
    NotInitialised,
    ServiceTaken,
    StoreEnded,
    UnknownDeveloper,
    UnknownService,
    WrongPassphrase,
)
from triseal.keysource import NewKey
from triseal.package import Package
from triseal.signer import KeySigner, PrivateKey, Signer
from triseal.store import authority, records
from triseal.store.changes import Why
from triseal.store.ledger import OBJECTS
from triseal.store.store import Store, init
from triseal.store.tables import RELEASES, SCHEMA, SERVICES

ADA_KEY = signer.generate("p256")
BOB_KEY = signer.generate("p256")
ADA = seals.developer("Ada", ADA_KEY)
BOB = seals.developer("Bob", BOB_KEY)
SECRET = b"secret"


@dataclass
class Begun:
    """A Store with which tests begin: to copy it takes a tenth of the time.

    Attributes:
        bob: the developer who waits.
        in_use: whether a copy of it is open.
    """

    home: Path
    bob: records.Developer
    in_use: bool = False


_begun: dict[tuple[str, Callable[[Store], object]], list[Begun]] = {}


def no_more(_: Store) -> None:
    """Ada is approved, Bob waits, and nothing else has happened."""


def unlocked(home: Path) -> Signer:
    return authority.unlock(home, lambda: SECRET)


class World:
    """A Store with a clock to turn, in which Ada is approved and Bob waits; a context manager.

    Args:
        begin: what happens before the test begins. It happens once for all tests that name it.
    """

    def __init__(
        self, home: Path, algorithm: str = "p256", begin: Callable[[Store], object] = no_more
    ) -> None:
        self.home = home
        self.now = seals.NOW
        known = _begun.setdefault((algorithm, begin), [])
        # No two Stores at a time have the same keys.
        free = next((one for one in known if not one.in_use), None)
        if free is None:
            known.append(free := self._first(algorithm, begin))
        self._copied = free
        self._copied.in_use = True
        self.bob = self._copied.bob
        shutil.copytree(self._copied.home, home, dirs_exist_ok=True)
        self.store = self.open()

    @property
    def begun(self) -> Path:
        """The folder of the Store that this one is a copy of."""
        return self._copied.home

    def _first(self, algorithm: str, begin: Callable[[Store], object]) -> Begun:
        folder = Path(tempfile.mkdtemp(prefix="triseal-store-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        home = folder / "store"
        init(home, "Shop", NewKey(algorithm), seals.LONG)
        with closing(Store(home, lambda: unlocked(home), clock=lambda: seals.NOW)) as store:
            ada = store.register(request.make(KeySigner(ADA_KEY), "Ada"))
            store.approve(ada.fingerprint)
            bob = store.register(request.make(KeySigner(BOB_KEY), "Bob"))
            begin(store)
        return Begun(home, bob)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()
        self._copied.in_use = False

    def open(self) -> Store:
        return Store(self.home, self.unlock, clock=lambda: self.now)

    def unlock(self) -> Signer:
        return unlocked(self.home)

    def rows(self) -> tuple[int, int]:
        """Services and releases in the database."""
        engine = database.open_database(self.home / "store.sqlite", SCHEMA)
        try:
            with database.reading(engine) as connection:
                counts = [
                    connection.execute(select(func.count()).select_from(table)).scalar_one()
                    for table in (SERVICES, RELEASES)
                ]
        finally:
            engine.dispose()
        return counts[0], counts[1]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "store") as made:
        yield made


def versioned(version: str, security_version: int = 1, who: Developer = ADA) -> Package:
    return seals.package(who, version=version, security_version=security_version)


def changed(package: Package, **fields: object) -> Package:
    return Package(**{**package.__dict__, **fields})


def flipped(data: bytes, at: int = -1) -> bytes:
    copy = bytearray(data)
    copy[at] ^= 1
    return bytes(copy)


# The Store's own key and certificate.


def test_init_makes_an_authority(tmp_path: Path) -> None:
    made = init(tmp_path, "Shop", NewKey("p256", SECRET), seals.LONG)
    x509.check_issued(made, made, seals.NOW)
    assert authority.unlock(tmp_path, lambda: SECRET).spki == made.spki
    with pytest.raises(WrongPassphrase):
        authority.unlock(tmp_path, lambda: b"no")


@pytest.mark.parametrize("name", ["", "x" * 65, "a\u200bb", "a\x1b[2J", "e\u0301"])
def test_a_store_has_a_name_that_people_can_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadName):
        init(tmp_path / "store", name, NewKey("p256"), seals.LONG)
    assert not (tmp_path / "store").exists()


def test_a_second_init_changes_nothing(world: World) -> None:
    before = world.store.certificate.der
    with pytest.raises(AlreadyExists):
        init(world.home, "Other", NewKey("p256"), seals.LONG)
    assert authority.load_certificate(world.home).der == before


def test_a_home_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotInitialised):
        Store(tmp_path, seals.p256)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"", b"text", b"-----BEGIN CERTIFICATE-----"])
def test_a_damaged_certificate_is_noticed(world: World, data: bytes) -> None:
    (world.home / authority.CERTIFICATE).write_bytes(data)
    with pytest.raises(DamagedStore):
        world.open()


def test_the_key_of_another_store_is_noticed(world: World, tmp_path: Path) -> None:
    init(tmp_path / "other", "Other", NewKey("p256"), seals.LONG)
    (tmp_path / "other" / authority.KEY).replace(world.home / authority.KEY)
    with pytest.raises(NotAKey):
        world.store.submit(seals.package(ADA))
    assert world.rows() == (0, 0)


# Developers.


def test_a_developer_waits_until_a_person_approves(world: World) -> None:
    assert world.bob.approved_at is None
    assert world.bob.fingerprint == sha256(BOB.signer.spki).hex()
    with pytest.raises(
        errors.UntrustedSigner, match=f"name Bob and the key {world.bob.fingerprint}"
    ):
        world.store.submit(seals.package(BOB))
    pairs = zip(*[iter(world.bob.fingerprint.upper())] * 2, strict=True)
    assert world.store.approve(":".join(map("".join, pairs))).approved_at == seals.NOW
    world.store.submit(seals.package(BOB))


@pytest.mark.parametrize("given", ["Bob", "", "6f1c", "0" * 63, "0" * 65, "x" * 64, "é" * 200])
def test_what_is_no_fingerprint_is_named_as_such(world: World, given: str) -> None:
    for approve in (
        lambda: world.store.approve(given),
        lambda: world.store.approve_key("Ada", given, Why("why")),
    ):
        with pytest.raises(UnknownDeveloper, match="is not a fingerprint") as refused:
            approve()
        assert "triseal dev show" in refused.value.detail
        assert len(refused.value.detail) < 300
    with pytest.raises(UnknownDeveloper, match=f"no developer has registered the key {'0' * 64}"):
        world.store.approve("0" * 64)


def test_registering_and_approving_again_changes_nothing(world: World) -> None:
    before = world.store.developers()
    world.now += 100
    again = world.store.register(request.make(KeySigner(ADA_KEY), "Somebody else"))
    assert (again.name, again.registered_at) == ("Ada", seals.NOW)
    assert world.store.approve(again.fingerprint).approved_at == seals.NOW
    assert world.store.developers() == before


@pytest.mark.parametrize("name", ["Ada", "ada", "ADA", "\uff21da", "A\u1d48a"])
def test_two_keys_under_one_name_are_not_both_approved(world: World, name: str) -> None:
    false = world.store.register(request.make(KeySigner(signer.generate("p256")), name))
    with pytest.raises(NameTaken):
        world.store.approve(false.fingerprint)
    approved = [one.spki for one in world.store.developers() if one.approved_at]
    assert approved == [ADA.signer.spki]


@pytest.mark.parametrize("fingerprint", ["", "00" * 32, "Bob", "%", "\x00"])
def test_nobody_is_approved_by_less_than_a_fingerprint(world: World, fingerprint: str) -> None:
    with pytest.raises(UnknownDeveloper):
        world.store.approve(fingerprint)
    with pytest.raises(UnknownDeveloper):
        world.store.approve(world.bob.fingerprint[:16])


@pytest.mark.parametrize("kind", ["a damaged request", "a certificate", "nothing"])
def test_without_proof_of_possession_nobody_is_registered(world: World, kind: str) -> None:
    der = pem.decode(request.make(KeySigner(signer.generate("p256")), "Eve"))[1]
    data = {
        "a damaged request": flipped(der),
        "a certificate": bytes(world.store.certificate.der),
        "nothing": b"",
    }[kind]
    with pytest.raises(BadRequest):
        world.store.register(data)
    assert len(world.store.developers()) == 2


def test_a_name_that_steers_a_terminal_is_not_registered(world: World) -> None:
    der = pem.decode(request.make(KeySigner(ADA_KEY), "Eve"))[1]
    with pytest.raises((BadName, BadRequest)):
        world.store.register(der.replace(b"Eve", b"\x1b[2"))


# Submissions.


@pytest.mark.parametrize("algorithm", ["rsa2048", "p256"])
def test_what_is_countersigned_passes_at_a_site(
    tmp_path: Path, any_key: PrivateKey, algorithm: str, stack: ExitStack
) -> None:
    world = stack.enter_context(World(tmp_path, algorithm))
    who = seals.developer("Eve", any_key)
    world.store.approve(world.store.register(request.make(KeySigner(any_key), "Eve")).fingerprint)
    release, sealed = world.store.submit(seals.package(who))
    entries = [one.entry for one in world.store.developers() if one.approved_at]
    store = bytes(world.store.certificate.subject), bytes(world.store.certificate.spki)
    trust = bundle.TrustBundle.__new__(bundle.TrustBundle)
    trust.store_keys, trust.developers = [store], upstream.listed(entries)
    found = upstream.verify_package(sealed.opened(), trust, seals.NOW)
    assert found.der == release.store_seal == sealed.store_seal
    assert found.not_before == seals.NOW - certificate.CLOCK_SKEW
    assert found.not_after == world.store.certificate.not_after


def test_what_was_submitted_is_kept(world: World, stack: ExitStack) -> None:
    release, sealed = world.store.submit(versioned("1.0.0"))
    world.store.submit(versioned("1.1"))
    world.store.close()
    again = stack.enter_context(closing(world.open()))
    assert again.get("blink", "1.0.0") == (release, sealed)
    assert again.get("blink")[0].version == "1.1"
    assert [one.version for one in again.releases()] == ["1.0.0", "1.1"]
    assert again.releases("other") == []


MPY = mpy.compile_source(seals.SOURCE, "app.py")


def bytecode(data: bytes) -> Package:
    """What a developer of another tool than ours might seal."""
    return sign(ADA, Release("blink", "1", 1), "app.mpy", data, seals.LONG)


REFUSED: tuple[tuple[str, Package, type[Exception]], ...] = (
    ("by nobody known", seals.package(seals.developer("Ada")), errors.UntrustedSigner),
    ("by somebody who waits", seals.package(BOB), errors.UntrustedSigner),
    ("under another name", seals.package(Developer("Eve", ADA.signer)), errors.UntrustedSigner),
    ("an byte of the executable flipped",
     changed(seals.package(ADA), executable=flipped(seals.SOURCE)), errors.HashMismatch),
    ("one byte more", changed(seals.package(ADA), executable=seals.SOURCE + b"\n"),
     errors.HashMismatch),
    ("one byte less", changed(seals.package(ADA), executable=seals.SOURCE[:-1]),
     errors.HashMismatch),
    ("metadata changed", changed(seals.package(ADA), metadata=b"{}"), errors.MetadataMismatch),
    ("an expired seal", seals.package(ADA, validity=Validity(seals.NOW - 9, seals.NOW - 1)),
     errors.Expired),
    ("a seal of tomorrow", seals.package(ADA, validity=Validity(seals.NOW + 1, seals.NOW + 9)),
     errors.NotYetValid),
    ("a broken signature", changed(seals.package(ADA),
     developer_seal=flipped(seals.package(ADA).developer_seal)), errors.BadSignature),
    ("no seal at all", changed(seals.package(ADA), developer_seal=b"\x30\x00"),
     errors.MalformedDER),
    ("a Store seal in its place", changed(seals.package(ADA),
     developer_seal=seals.Shop().countersign(seals.package(ADA))), errors.MalformedDER),
    ("under another file name", changed(seals.package(ADA), name="app.mpy"),
     errors.MetadataMismatch),
    ("source of CPython", seals.package(ADA, executable=b"def f(x, /):\n    pass\n"),
     BadExecutable),
    ("bytecode that hangs MicroPython", bytecode(b"M\x06\x00\x1f\x0a"), BadExecutable),
    ("half an executable", bytecode(MPY[: len(MPY) // 2]), BadExecutable),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "package", "kind"), REFUSED)
def test_refused(world: World, sentence: str, package: Package, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        world.store.submit(package)
    assert world.rows() == (0, 0), sentence
    world.store.submit(seals.package(ADA))  # and nothing stands in the way of the right one


def sealed_by_hand(version: str, metadata: bytes) -> Package:
    """What a developer could seal without our tools."""
    core = sealwriter.core(sha256(seals.SOURCE), len(seals.SOURCE), sha256(metadata), version, 1)
    der = certificate.issue(
        ADA.signer,
        sealwriter.name("Ada"),
        sealwriter.name("blink"),
        ADA.signer.spki,
        seals.LONG,
        certificate.new_serial(),
        certificate.code_seal_extensions(ADA.signer.spki, sealwriter.service_seal(core)),
    )
    return Package("app.py", seals.SOURCE, metadata, bytes(der))


@pytest.mark.parametrize(
    ("sentence", "version", "metadata", "kind"),
    [
        ("a version in words", "one", b'{"name":"blink","entry":"app.py"}', BadVersion),
        ("no object", "1", b"[]", BadMetadata),
        ("no entry", "1", b'{"name":"blink"}', BadMetadata),
        ("of another service", "1", b'{"name":"x","entry":"app.py"}', errors.MetadataMismatch),
        ("a key twice", "1", b'{"name":"blink","name":"x","entry":"app.py"}', BadMetadata),
    ],
)
def test_what_our_tools_would_not_seal_is_refused(
    world: World, sentence: str, version: str, metadata: bytes, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        world.store.submit(sealed_by_hand(version, metadata))
    assert world.rows() == (0, 0), sentence


@pytest.mark.parametrize(
    ("sentence", "version", "security_version"),
    [
        ("the same once more", "1.2.0", 5),
        ("the same in other words", "1.2", 5),
        ("an older version", "1.1.9", 5),
        ("an older version with a higher security version", "1.1", 6),
        ("a lower security version", "1.3", 4),
    ],
)
def test_what_is_not_newer_is_refused(
    world: World, sentence: str, version: str, security_version: int
) -> None:
    world.store.submit(versioned("1.2.0", 5))
    with pytest.raises(errors.Rollback):
        world.store.submit(versioned(version, security_version))
    assert world.rows() == (1, 1), sentence
    world.store.submit(versioned("1.2.1", 5))


def test_a_service_belongs_to_who_came_first(world: World) -> None:
    world.store.submit(seals.package(ADA))
    world.store.approve(world.bob.fingerprint)
    with pytest.raises(ServiceTaken):
        world.store.submit(versioned("2.0", who=BOB))
    world.store.submit(seals.package(BOB, service="other"))
    assert world.rows() == (2, 2)


@pytest.mark.parametrize(
    ("moment", "kind"),
    [(seals.LONG.not_after + 1, StoreEnded), (seals.LONG.not_before - 1, errors.NotYetValid)],
)
def test_outside_its_own_validity_the_store_seals_nothing(
    world: World, moment: int, kind: type[Exception]
) -> None:
    world.now = moment
    package = seals.package(ADA, validity=Validity(1_000_000_000, 3_000_000_000))
    with pytest.raises(kind):
        world.store.submit(package)
    assert world.rows() == (0, 0)


class Broken:
    """A signer whose key is out of reach when it should sign."""

    def __init__(self, good: Signer) -> None:
        self.spki = good.spki
        self.algorithm = good.algorithm

    def sign(self, message: bytes) -> bytes:
        raise OSError("the token was pulled out")


def test_without_a_signature_nothing_is_recorded(world: World) -> None:
    broken = Store(world.home, lambda: Broken(world.unlock()), clock=lambda: world.now)
    with closing(broken), pytest.raises(OSError, match="pulled out"):
        broken.submit(seals.package(ADA))
    assert world.rows() == (0, 0)
    world.store.submit(seals.package(ADA))


def test_a_full_disk_leaves_everything_as_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_pieces", full)
        with pytest.raises(OSError, match="No space"):
            world.store.submit(seals.package(ADA))
    assert world.rows() == (0, 0)
    world.store.submit(seals.package(ADA))


# What it keeps.


def test_one_content_is_one_object(world: World) -> None:
    world.store.submit(versioned("1.0"))
    world.store.submit(versioned("1.1"))
    names = {path.parent.name + path.name for path in (world.home / OBJECTS).glob("*/*")}
    assert names == {sha256(seals.SOURCE).hex(), sha256(versioned("1.0").metadata).hex()}


@pytest.mark.parametrize("how", ["changed", "removed"])
def test_a_damaged_object_is_never_handed_out(world: World, how: str) -> None:
    release, _ = world.store.submit(seals.package(ADA))
    path = world.home / OBJECTS / release.executable[:2] / release.executable[2:]
    if how == "changed":
        path.write_bytes(b"import os")
    else:
        path.unlink()
    with pytest.raises(DamagedStore):
        world.store.get("blink")


@pytest.mark.parametrize(("service", "version"), [("none", None), ("blink", "9"), ("%", None)])
def test_what_is_not_there_is_refused(world: World, service: str, version: str | None) -> None:
    world.store.submit(seals.package(ADA))
    with pytest.raises(UnknownService):
        world.store.get(service, version)


# Side by side.


def attempt(world: World, package: Package) -> str:
    with closing(world.open()) as store:
        try:
            return store.submit(package)[0].version
        except (errors.SealError, Failure) as error:
            return error.code


def test_of_equal_submissions_at_once_one_is_accepted(world: World) -> None:
    packages = [seals.package(ADA, executable=b"x = %d" % i) for i in range(6)]
    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda one: attempt(world, one), packages))
    assert sorted(outcomes) == ["1.0.0"] + 5 * ["rollback"]
    assert world.rows() == (1, 1)


def test_of_two_developers_at_once_one_gets_the_name(world: World) -> None:
    world.store.approve(world.bob.fingerprint)
    packages = [versioned(f"1.{i}", who=(ADA, BOB)[i % 2]) for i in range(6)]
    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda one: attempt(world, one), packages))
    owners = {one.developer for one in world.store.releases("blink")}
    assert len(owners) == 1
    assert outcomes.count("service-taken") == 3
    versions = [one.version for one in world.store.releases("blink")]
    assert versions == sorted(versions)


def test_the_seal_is_in_the_database_before_it_is_returned(world: World, stack: ExitStack) -> None:
    release, sealed = world.store.submit(seals.package(ADA))
    other = stack.enter_context(closing(world.open()))
    assert [one.store_seal for one in other.releases()] == [sealed.store_seal]
    assert seal.parse(release.store_seal, seal.STORE).predecessor == sha256(release.developer_seal)


def test_a_release_of_bytecode_is_kept_as_such(world: World) -> None:
    assert world.store.submit(bytecode(MPY))[1].name == "app.mpy"
