"""A Store whose packages and log are in a bucket of a real S3 server, which fails and lies."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import copytree
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from tests.host.log import test_writer as logs
from tests.host.store.test_store import ADA, World, versioned
from tests.worlds import bucket, postgres, seals, store_service
from tests.worlds.bucket import Cut, Server
from tests.worlds.site_world import code_of
from triseal import database, package, request, storage
from triseal.bucket import Bucket, Place
from triseal.cli.main import main
from triseal.copies import storefiles, storesource
from triseal.copies.mirror import Mirror
from triseal.copies.storeview import View
from triseal.errors import DamagedStore
from triseal.keysource import NewKey
from triseal.log import audit, entry
from triseal.log.policy import Policy
from triseal.log.writer import Folder, Writer
from triseal.package import Package
from triseal.store import authority
from triseal.store.changes import Why
from triseal.store.journal import FOLDER
from triseal.store.pages import Pages, package_path
from triseal.store.server.app import app
from triseal.store.server.events import Events
from triseal.store.server.metrics import Metrics
from triseal.store.store import Store, init
from triseal.store.tables import PLACES

WHY = Why("a reason", "Eve")
LARGE = b"x" * 300_000


@pytest.fixture
def server(s3: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    for name, value in bucket.environment().items():
        monkeypatch.setenv(name, value)
    return s3


@pytest.fixture
def place(server: Server) -> Place:
    return server.place()


class Shop(World):
    """A Store with its files in a bucket, and with a database of its own or another one."""

    def __init__(self, home: Path, place: Place, database: str | None = None) -> None:
        self.home = home
        self.now = seals.NOW
        self._database = database
        init(home, "Shop", NewKey("p256"), seals.LONG, bucket=place)
        self.store = self.open()
        self.store.approve(self.store.register(request.make(ADA.signer, "Ada")).fingerprint)

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def open(self) -> Store:
        return Store(self.home, self.unlock, self._database, lambda: self.now)


@pytest.fixture
def world(tmp_path: Path, place: Place) -> Iterator[Shop]:
    with Shop(tmp_path / "store", place) as made:
        yield made


def kept(world: Shop) -> Bucket:
    assert isinstance(world.store.files, Bucket)
    return world.store.files


def audited(world: Shop) -> list[entry.Entry]:
    """All entries of the log, which is computed again with the Store's public key alone."""
    folder = Folder(world.store.files.below(FOLDER))
    head = folder.head() or b""
    size = audit.audit(head, folder.read, Policy(logs=[world.store.log_key])).size
    leaves = [folder.entries(index, size) for index in range(-(-size // 256))]
    return [entry.parse(leaf) for bundle in leaves for leaf in bundle]


# Where it is.


GOOD = (
    ("s3://shop", "", Place("shop")),
    ("s3://shop/", "", Place("shop")),
    (
        "s3://my.shop-1/a/b_c.d",
        "https://s3.example",
        Place("my.shop-1", "a/b_c.d", "https://s3.example"),
    ),
    ("s3://shop/a", "http://[::1]:9000", Place("shop", "a", "http://[::1]:9000")),
)


@pytest.mark.parametrize(("url", "endpoint", "wanted"), GOOD)
def test_a_place_is_written_as_it_is_read(url: str, endpoint: str, wanted: Place) -> None:
    assert Place.of(url, endpoint) == wanted
    known = storage.Whereabouts(7, wanted, "folder")
    assert storage.Whereabouts.parse(known.text()) == known
    older = {"url": str(wanted), "endpoint": endpoint}  # as it was before moves had numbers
    found = storage.Whereabouts.parse(json.dumps(older).encode())
    assert found == storage.Whereabouts(1, wanted)


BAD = (
    ("shop", ""),
    ("https://shop", ""),
    ("s3://", ""),
    ("s3://Shop", ""),
    ("s3://sh", ""),
    ("s3://shop/../other", ""),
    ("s3://shop//a", ""),
    ("s3://shop/a b", ""),
    ("s3://shop/" + "a" * 201, ""),
    ("s3://shop?x=1", ""),
    ("s3://shop", "s3.example"),
    ("s3://shop", "ftp://s3.example"),
    ("s3://shop", "https://"),
    ("s3://shop", "https://me:secret@s3.example"),
    ("s3://shop", "https://s3.example/path"),
    ("s3://shop", "https://s3.example:99999"),
)


@pytest.mark.parametrize(("url", "endpoint"), BAD)
def test_a_place_of_another_form_is_refused(url: str, endpoint: str) -> None:
    assert code_of(partial(Place.of, url, endpoint)) == "bad-bucket"
    assert main(("store", "init", "--name", "Shop", "--bucket", url, "--endpoint", endpoint)) == 1


DAMAGED = (
    b"",
    b"[]",
    b"{}",
    b'{"url": 1, "endpoint": ""}',
    b'"s3://shop"',
    b'{"url": "s3://shop", "endpoint": "", "number": "1"}',
    b'{"url": "s3://shop", "endpoint": "", "number": 0}',
    b'{"url": "s3://shop", "endpoint": "", "number": true}',
    b'{"url": "", "endpoint": "", "folder": null}',
    b'{"url": "", "endpoint": "", "more": ""}',
)


@pytest.mark.parametrize("data", DAMAGED)
def test_a_damaged_file_about_it_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / storage.BUCKET).write_bytes(data)
    assert code_of(partial(storage.of_home, tmp_path)) == "bad-bucket"


def test_without_the_extra_one_line_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    home = tmp_path / "home"
    words = ("store", "init", "--name", "Shop", "--no-passphrase", "--home", str(home))
    assert main((*words, "--bucket", "s3://shop")) == 1
    said = capsys.readouterr().err
    assert said.startswith("triseal: no-bucket-driver: ")
    assert "pip install 'triseal[s3]'" in said
    assert said.count("\n") == 1
    assert not home.exists()


# What the Store does there.


def test_a_store_in_a_bucket_does_what_one_in_a_folder_does(world: Shop, tmp_path: Path) -> None:
    given = versioned("1.0")
    first = world.store.submit(given)[1]
    second = world.store.submit(versioned("1.1"))[1]
    assert world.store.get("blink") == (world.store.releases("blink")[1], second)
    world.store.quarantine("blink", "1.1", WHY)
    assert code_of(partial(world.store.get, "blink", "1.1")) == "quarantined"
    public = kept(world).below("public")
    assert not public.exists(package_path(second.digest().hex()))
    assert public.read(package_path(first.digest().hex()), package.MAX_SIZE) == first.der()
    world.store.clear("blink", "1.1", WHY)
    assert public.read(package_path(second.digest().hex()), package.MAX_SIZE) == second.der()
    assert not kept(world).below("held").any()
    with closing(world.open()) as again:  # and nothing is kept in a process
        assert again.get("blink", "1.0")[1] == first
        assert again.submit(given)[1] == first
    kinds = [one.kind for one in audited(world)]
    assert kinds == [
        "developer-approved",
        "release",
        "release",
        "release-quarantined",
        "release-cleared",
    ]
    here = {path.name for path in world.home.iterdir()}
    assert here.isdisjoint({"public", "objects", "held"})
    # The commands that read from a home find its bucket.
    with storesource.opened(str(world.home)) as source:
        assert View(source).head.size == 5
        made = Mirror(tmp_path / "mirror", source, lambda *_: None).update()
        assert made.services == 1
    assert View(storefiles.Folder(tmp_path / "mirror")).head.size == 5


def test_only_an_empty_place_is_taken(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("store", "init", "--name", "Shop", "--no-passphrase", "--algorithm", "p256")
    there = ("--bucket", str(place), "--endpoint", place.endpoint, "--home")
    assert main((*words, *there, str(tmp_path / "one"))) == 0
    assert not Bucket(place, tmp_path).any()  # what was tried is gone
    Bucket(place, tmp_path).write("public/log/checkpoint", [b"of another Store"])
    assert main((*words, *there, str(tmp_path / "two"))) == 1
    assert "already-exists" in capsys.readouterr().err
    assert not (tmp_path / "two").exists()


# A server that does not do what the Store wants.


def unreachable(place: Place, _: pytest.MonkeyPatch) -> Place:
    return replace(place, endpoint="http://127.0.0.1:9")


def wrong_key(place: Place, patched: pytest.MonkeyPatch) -> Place:
    patched.setenv("AWS_SECRET_ACCESS_KEY", "another")
    return place


def no_key(place: Place, patched: pytest.MonkeyPatch) -> Place:
    patched.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    patched.delenv("AWS_ACCESS_KEY_ID", raising=False)
    return place


def no_bucket(place: Place, _: pytest.MonkeyPatch) -> Place:
    return replace(place, bucket="never-made")


REFUSING = (
    (unreachable, "bucket-unreachable"),
    (wrong_key, "bucket-denied"),
    (no_key, "bucket-denied"),
    (no_bucket, "bucket-denied"),
)


def name_place(world: Shop, place: Place) -> None:
    """Let the database name another place, as if the Store had always been there."""
    values = {"url": str(place), "endpoint": place.endpoint}
    with database.writing(world.store.engine) as connection:
        connection.execute(update(PLACES).values(**values))


@pytest.mark.parametrize(("fault", "code"), REFUSING, ids=[row[0].__name__ for row in REFUSING])
def test_without_its_bucket_a_store_promises_nothing(
    world: Shop,
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[Place, pytest.MonkeyPatch], Place],
    code: str,
) -> None:
    first = world.store.submit(versioned("1.0"))[1]
    size = len(audited(world))
    with monkeypatch.context() as patched:
        name_place(world, fault(place, patched))
        with closing(world.open()) as away:
            for attempt in (
                lambda: away.submit(versioned("1.1")),
                lambda: away.suspend("Ada", WHY),
                away.check,
                away.publish,
                lambda: answer(away, world.home, "v1/index.json"),
            ):
                assert code_of(attempt) == code
            told = asyncio.run(asked(away, world.home, "GET", "v1/index.json"))
            assert (told.status_code, told.json()["code"]) == (503, code)
            assert place.bucket not in told.text  # strangers need not know it
        new = partial(Shop, world.home.parent / "new", fault(place, patched))
        assert code_of(new) == code
        assert not (world.home.parent / "new").exists()
    name_place(world, place)
    with closing(world.open()) as back:
        assert len(audited(world)) == size
        back.publish()
        assert back.get("blink", "1.0")[1] == first
        back.resume("Ada", WHY)  # what a person has decided lasts, and the log says it now
        assert back.submit(versioned("1.1"))[0].version == "1.1"
    kinds = [one.kind for one in audited(world)]
    assert kinds[size:] == ["developer-suspended", "developer-resumed", "release"]


async def asked(store: Store, home: Path, method: str, path: str) -> httpx.Response:
    events = Events(Folder(store.files.below(FOLDER)))
    transport = httpx.ASGITransport(app(store, home, Metrics(), events))
    async with httpx.AsyncClient(transport=transport, base_url="http://store") as client:
        return await client.request(method, "/" + path)


def answer(store: Store, home: Path, path: str) -> bytes:
    """Read as the server does, with the error that it has."""
    return Pages(store.files).files.read(path, package.MAX_SIZE)


# What is in the bucket is changed.


def cut(data: bytes) -> bytes:
    return data[:-1]


def turned(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def damage(world: Shop, path: str, how: Callable[[bytes], bytes] | None) -> None:
    files = kept(world)
    if how is None:
        files._client().delete_object(**files._named(path))
    else:
        files.write(path, [how(files.read(path, package.MAX_SIZE))])


OF_LOG = ((cut, "bad-log-data"), (turned, "log-behind"), (None, "log-damaged"))


@pytest.mark.parametrize(("how", "code"), OF_LOG, ids=["cut", "changed", "gone"])
def test_nothing_is_signed_on_a_damaged_log(
    world: Shop, how: Callable[[bytes], bytes] | None, code: str
) -> None:
    world.store.submit(versioned("1.0"))
    before = kept(world).read("public/log/checkpoint", 1 << 16)
    damage(world, "public/log/tile/0/000.p/2", how)
    assert code_of(lambda: world.store.submit(versioned("1.1"))) == code
    assert kept(world).read("public/log/checkpoint", 1 << 16) == before


@pytest.mark.parametrize("how", [cut, turned, None], ids=["cut", "changed", "gone"])
def test_a_damaged_object_leaves_the_store_in_no_package(
    world: Shop, how: Callable[[bytes], bytes] | None
) -> None:
    release, sealed = world.store.submit(versioned("1.0"))
    name = package_path(sealed.digest().hex())
    damage(world, f"public/{name}", how)
    told = asyncio.run(asked(world.store, world.home, "GET", name))
    wanted = (404, "not-found") if how is None else (503, "damaged-store")
    assert (told.status_code, told.json()["code"]) == wanted
    assert world.store.get("blink")[1].digest() == sealed.digest()  # made again from its parts
    told = asyncio.run(asked(world.store, world.home, "GET", name))
    assert package.parse(told.content).digest() == sealed.digest()
    damage(world, f"public/{name}", how)
    damage(world, f"objects/{release.executable[:2]}/{release.executable[2:]}", how)
    assert code_of(partial(world.store.get, "blink")) == "damaged-store"


# The read side.


def test_the_server_hands_on_what_is_in_the_bucket(world: Shop) -> None:
    sealed = world.store.submit(versioned("1.0"))[1]
    name = package_path(sealed.digest().hex())
    paths = ["v1/store.json", "v1/index.json", "v1/services/blink.json", "log/checkpoint"]
    for path in (*paths, "log/tile/0/000.p/2", "log/tile/entries/000.p/2", name):
        told = asyncio.run(asked(world.store, world.home, "GET", path))
        content = kept(world).read(f"public/{path}", package.MAX_SIZE)
        assert (told.status_code, told.content) == (200, content), path
        head = asyncio.run(asked(world.store, world.home, "HEAD", path))
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers == told.headers
    for path in ("log/tile/0/001", "v1/services/other.json", "objects/aa/bb", "bucket.json"):
        told = asyncio.run(asked(world.store, world.home, "GET", path))
        assert (told.status_code, told.json()["code"]) == (404, "not-found"), path
    world.store.quarantine("blink", "1.0", WHY)
    told = asyncio.run(asked(world.store, world.home, "GET", name))
    assert (told.status_code, told.json()["code"]) == (403, "quarantined")


def test_a_large_package_that_was_changed_never_arrives_whole(world: Shop) -> None:
    sealed = world.store.submit(seals.package(ADA, executable=b"# " + LARGE + b"\nx = 1\n"))[1]
    name = package_path(sealed.digest().hex())
    told = asyncio.run(asked(world.store, world.home, "GET", name))
    assert told.content == sealed.der()
    damage(world, f"public/{name}", turned)
    with pytest.raises(RuntimeError, match="already started") as seen:
        asyncio.run(asked(world.store, world.home, "GET", name))
    assert isinstance(seen.value.__cause__, DamagedStore)
    damage(world, f"public/{name}", cut)  # its beginning says how long it must be
    assert asyncio.run(asked(world.store, world.home, "GET", name)).status_code == 503


def reading(data: bytes, most: int) -> Callable[[int], bytes]:
    """Return what reads at most so many bytes at once."""
    rest = [data]

    def read(size: int) -> bytes:
        piece, rest[0] = rest[0][: min(size, most)], rest[0][min(size, most) :]
        return piece

    return read


@pytest.mark.parametrize("proof", ["", "a proof\n" * 40])
@pytest.mark.parametrize("seal", [b"", b"\x30\x03\x02\x01\x05"], ids=["once", "twice"])
def test_any_other_byte_of_a_package_is_found_but_those_of_its_proof(
    proof: str, seal: bytes
) -> None:
    made = Package("app.py", b"x = 1\n" * 20, b"{}", b"\x30\x03\x02\x01\x07", seal, proof)
    data, digest = made.der(), made.digest().hex()
    assert b"".join(package.checked(reading(data, 7), len(data), digest)) == data
    inside = data.find(proof.encode()) if proof else len(data)
    for at in range(len(data)):
        other = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        try:
            b"".join(package.checked(reading(other, 50), len(other), digest))
        except DamagedStore:
            continue
        assert inside <= at < inside + len(proof), at
    for size in range(len(data)):
        with pytest.raises(DamagedStore):
            b"".join(package.checked(reading(data[:size], 50), size, digest))
        with pytest.raises(DamagedStore):
            b"".join(package.checked(reading(data[:size], 50), len(data), digest))


def test_a_large_package_is_checked_before_its_last_piece() -> None:
    made = Package("app.py", LARGE, b"{}", b"\x30\x03\x02\x01\x07", b"", "a proof")
    data = bytearray(made.der())
    sound = list(package.checked(reading(bytes(data), 1 << 20), len(data), made.digest().hex()))
    assert len(sound) > 2
    data[-1] ^= 1
    pieces = package.checked(reading(bytes(data), 1 << 20), len(data), made.digest().hex())
    assert [next(pieces) for _ in sound[:-1]] == sound[:-1]
    with pytest.raises(DamagedStore):
        next(pieces)


# Cut off at any write.


MOMENTS = pytest.mark.parametrize(
    "after", [False, pytest.param(True, marks=pytest.mark.long)], ids=["before", "after"]
)


@MOMENTS
def test_a_log_that_is_cut_off_at_any_write(place: Place, tmp_path: Path, after: bool) -> None:
    number, made = 0, Bucket(place, tmp_path / "locks")
    while True:
        files = made.below(f"log-{number}")
        signer = logs.Signer()
        one = Writer(Folder(files), signer)
        logs.extend(one, 255)
        with bucket.ending(files, number, after=after) as begun:
            try:
                logs.extend(one, 258)
            except Cut:
                assert len(begun) == number + 1
            else:
                break
        again = Writer(Folder(files), signer)
        assert logs.check_whole(again) in (255, 258)
        assert logs.extend(again, 258).size == logs.check_whole(again) == 258
        logs.check_honest(signer.signed)
        number += 1
    assert number > 5


@MOMENTS
def test_a_store_that_is_cut_off_at_any_write(world: Shop, after: bool) -> None:
    """What it had promised stays; what it had not is done by the same submission again."""
    promised: dict[str, Package] = {}
    number = 0
    while True:
        version = f"1.{number}"
        given = seals.package(ADA, version=version, executable=b"x = %d\n" % number)
        begun: list[str] = []
        with closing(world.open()) as store:
            assert isinstance(store.files, Bucket)
            with bucket.ending(store.files, number, after=after) as begun:
                try:
                    store.submit(given)
                except Cut:
                    assert len(begun) == number + 1
                else:
                    break
        with closing(world.open()) as again:
            promised[version] = again.submit(given)[1]
            for known, sealed in promised.items():
                assert again.get("blink", known)[1] == sealed
        number += 1
    assert number >= 7, begun
    entered = [one.package for one in audited(world) if one.kind == "release"]
    assert entered[: len(promised)] == [one.digest() for one in promised.values()]
    assert len(entered) == len(promised) + 1  # no entry twice, no gap


@pytest.mark.long
def test_two_computers_share_a_bucket_and_a_database(
    place: Place, tmp_path: Path, cluster: str
) -> None:
    """Their locks are in two homes, so that only the database keeps them apart."""
    url = postgres.database(cluster)
    with Shop(tmp_path / "one", place, url) as world:
        copytree(tmp_path / "one", tmp_path / "two")
        unlock = partial(authority.unlock, tmp_path / "two", bytes)
        other = Store(tmp_path / "two", unlock, url, lambda: world.now)
        names = [f"service-{at}" for at in range(8)]

        def work(store: Store, some: list[str]) -> list[bytes]:
            made = []
            for name in some:
                made.append(store.submit(seals.package(ADA, name))[1].digest())
                store.refresh()
            return made

        with closing(other), ThreadPoolExecutor() as pool:
            jobs = [
                pool.submit(work, store, names[at::4])
                for at, store in enumerate([world.store, other, world.store, other])
            ]
            digests = {digest for job in jobs for digest in job.result()}
        entries = [one for one in audited(world) if one.kind == "release"]
        assert {one.package for one in entries} == digests
        assert len(entries) == len(names)


# Real processes.


def test_a_server_on_a_bucket(world: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = world.store.submit(versioned("1.0"))[1]
    process = store_service.start(world.home, "--behind-proxy", "--pages", "0")
    try:
        url = store_service.url_of(process)
        with httpx.Client(trust_env=False) as client:
            name = package_path(sealed.digest().hex())
            assert client.get(f"{url}/{name}").content == sealed.der()
            large = world.store.submit(
                seals.package(ADA, version="2", executable=b"# " + LARGE + b"\nx = 1\n")
            )[1]
            name = package_path(large.digest().hex())
            assert client.get(f"{url}/{name}").content == large.der()
            damage(world, f"public/{name}", turned)
            with pytest.raises(httpx.RemoteProtocolError):  # it ends before its length
                client.get(f"{url}/{name}")
            found: Any = json.loads(client.get(f"{url}/v1/index.json").content)
            assert [one["version"] for one in found["services"]] == ["2"]
            assert "blink" in client.get(f"{url}/").text
    finally:
        process.terminate()
        process.wait(20)
