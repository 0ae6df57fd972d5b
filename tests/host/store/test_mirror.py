"""Mirrors: each file is checked, cut-off runs go on, and sites find those that stand still."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealcore import seal
from tests.host.store.test_sticks import Yard, yard
from tests.host.store.test_store import ADA
from tests.worlds import seals
from tests.worlds.site_world import code_of
from triseal import advice, certificate, pem
from triseal.certificate import Validity
from triseal.cli.main import main
from triseal.copies import history, stick, storefiles, storeview
from triseal.copies.histories import Histories
from triseal.copies.mirror import EVIDENCE, Mirror, Mirrored
from triseal.copies.storefiles import Source
from triseal.copies.storeview import Found, View
from triseal.copies.watch import Me, Watch
from triseal.log import checkpoint, endorsement, forks, merkle, note, proof, tiles
from triseal.log.entry import Entry
from triseal.log.writer import Folder, Writer
from triseal.signer import KeySigner, generate
from triseal.site import obtaining
from triseal.site.logs import MAX_AGE
from triseal.store.changes import Why
from triseal.store.store import Store

__all__ = ["yard"]


def silent(step: str, done: int, total: int) -> None:
    """Report nothing."""


def mirror(source: Source, top: Path) -> Mirrored:
    return Mirror(top, source, silent).update()


def files_of(top: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()
    }


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Print nothing."""


@contextmanager
def served(top: Path) -> Iterator[str]:
    """Any server of files, with the folder; its URL."""
    handler = functools.partial(_Quiet, directory=str(top))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def other_history(yard: Yard, folder: Path, *versions: str) -> Path:
    """A second Store with the keys and the history of the first one, which then goes on alone."""
    shutil.copytree(yard.store.home, folder)
    store = Store(folder, yard.store.unlock, clock=lambda: yard.store.now)
    for version in versions:
        store.submit(seals.package(ADA, version=version))
    store.close()
    return folder


def test_a_mirror_has_all_and_grows(yard: Yard, tmp_path: Path) -> None:
    home, top = storefiles.Folder(yard.store.home), tmp_path / "mirror"
    yard.sealed("1.0")
    assert mirror(home, top).services == 1
    before = files_of(top)
    assert mirror(home, top).fetched == 0
    assert files_of(top) == before
    yard.sealed("1.1")
    yard.store.store.submit(seals.package(ADA, "other"))
    made = mirror(home, top)
    assert (made.services, made.missing, made.fetched > 3) == (2, [], True)
    public = files_of(yard.store.home / "public")
    kept = {path: data for path, data in files_of(top).items() if ".p/" not in path}
    assert kept == {path: data for path, data in public.items() if ".p/" not in path}


def test_a_site_takes_from_a_mirror_until_it_stands_still(yard: Yard, tmp_path: Path) -> None:
    own = yard.sealed("1.0")
    mirror(storefiles.Folder(yard.store.home), tmp_path / "mirror")
    keys = yard.site.bundle().store_keys
    with served(tmp_path / "mirror") as url:
        take = partial(obtaining.obtain, yard.site.logs, url, "blink", keys)
        assert take().digest() == own.digest()
        yard.sealed("1.1")  # which the mirror never gets
        yard.now = seals.NOW + MAX_AGE
        assert take().digest() == own.digest()
        yard.now += 1
        assert code_of(take) == "log-stale"
        mark = yard.store.store.certificate
        assert code_of(partial(obtaining.obtain, yard.site.logs, url + "#" + "0" * 64, "blink",
                               keys)) == "other-fingerprint"  # fmt: skip
        assert mark


def test_a_mirror_that_is_served_is_mirrored_by_command(
    yard: Yard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    yard.sealed("1.0")
    with served(yard.store.home / "public") as url:
        assert main(["store", "mirror", url, str(tmp_path / "a"), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["entries"] == 2
    assert main(["store", "mirror", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    assert main(["store", "mirror", str(tmp_path / "none"), str(tmp_path / "c")]) == 1


def test_another_history_is_evidence_and_changes_nothing(yard: Yard, tmp_path: Path) -> None:
    yard.sealed("1.0")
    other = other_history(yard, tmp_path / "other", "1.2", "1.3")
    home, top = storefiles.Folder(yard.store.home), tmp_path / "mirror"
    old = tmp_path / "old"
    shutil.copytree(yard.store.home, old)
    yard.sealed("1.1")
    mirror(home, top)
    before = files_of(top)
    assert code_of(partial(mirror, storefiles.Folder(other), top)) == "log-forked"
    proof = (top / EVIDENCE).read_bytes()
    forks.parse(proof).check([yard.store.store.log_key])
    assert files_of(top) == before | {EVIDENCE: proof}
    # What is only older accuses nobody.
    (top / EVIDENCE).unlink()
    assert code_of(partial(mirror, storefiles.Folder(old), top)) == "log-stale"
    assert files_of(top) == before
    assert mirror(home, top).fetched == 0


def test_another_store_is_not_mirrored_into_the_folder(yard: Yard, tmp_path: Path) -> None:
    from tests.host.store.test_store import World

    yard.sealed("1.0")
    mirror(storefiles.Folder(yard.store.home), tmp_path / "mirror")
    with World(tmp_path / "second") as second:
        second.store.submit(seals.package(ADA))
        again = partial(mirror, storefiles.Folder(second.home), tmp_path / "mirror")
        assert code_of(again) == "unknown-log"


class Broken:
    """Files of which the one at some position of the reads can't be read, or is another one."""

    def __init__(self, source: Source, at: int, *, other: bool = False) -> None:
        self._source = source
        self.left = at
        self._other = other

    def read(self, path: str, limit: int) -> bytes:
        """Read a file."""
        data = self._source.read(path, limit)
        self.left -= 1
        if self.left:
            return data
        if self._other:
            return data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]
        raise OSError(5, "cut off")


def test_cut_off_anywhere_it_shows_what_it_showed_and_goes_on(yard: Yard, tmp_path: Path) -> None:
    home, top = storefiles.Folder(yard.store.home), tmp_path / "mirror"
    yard.sealed("1.0")
    whole = mirror(home, top).fetched
    yard.sealed("1.1")
    fetched = []
    for at in range(1, 100):
        source = Broken(home, at)
        try:
            fetched.append(mirror(source, top).fetched)
            break
        except OSError:
            view = View(storefiles.Folder(top))
            assert view.head.size == 2
            assert len(list(view.entries())) == 2
            view.package(view.rows("blink")[0])
    assert at > 5
    assert 0 < fetched[0] < whole
    assert View(storefiles.Folder(top)).head.size == 3


def test_each_file_that_is_another_is_refused(yard: Yard, tmp_path: Path) -> None:
    yard.sealed("1.0")
    home = storefiles.Folder(yard.store.home)
    refused = 0
    for at in range(1, 100):
        top = tmp_path / str(at)
        source = Broken(home, at, other=True)
        code = code_of(partial(mirror, source, top))
        if source.left > 0:
            break
        refused += code != ""
        if code:
            assert not (top / storefiles.CHECKPOINT).exists(), (at, code)
    assert refused == at - 1


def test_damaged_copies_are_replaced(yard: Yard, tmp_path: Path) -> None:
    yard.sealed("1.0")
    home, top = storefiles.Folder(yard.store.home), tmp_path / "mirror"
    mirror(home, top)
    good = files_of(top)
    for path, data in good.items():
        if path == storefiles.CHECKPOINT:
            continue
        for wrong in (b"", data[:-1], data + b"x"):
            (top / path).write_bytes(wrong)
            assert mirror(home, top).fetched == 1, path
        (top / path).unlink()
        assert mirror(home, top).fetched == 1, path
    assert files_of(top) == good


def test_a_copy_can_show_no_release_as_another(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, newest = yard.sealed("1.0"), yard.sealed("1.1")
    yard.sealed("1.2")
    yard.store.store.withdraw("blink", "1.2", Why("a bug"))
    yard.store.store.submit(seals.package(ADA, "other"))
    top = tmp_path / "copy"
    shutil.copytree(yard.store.home / "public", top)
    page, other = (top / storefiles.service_path(service) for service in ("blink", "other"))
    good = json.loads(page.read_bytes())
    first, second, third = good["releases"]
    shown = first | {"package": second["package"]}
    cases: tuple[tuple[Path, list[object], str], ...] = (
        (other, [first], "other"),
        (page, [shown], "blink"),
        (page, [shown], "blink@1.0"),
        (page, [first], "blink"),  # it hides the newest one
        (page, [first, second, third | {"state": "listed"}], "blink"),
    )
    take = partial(obtaining.take, yard.site.logs, storefiles.Folder(top))
    keys = yard.site.bundle().store_keys
    for path, rows, wanted in cases:  # the log says which release is which
        path.write_text(json.dumps(good | {"releases": rows}))
        found = seal.parse(take(wanted, keys).store_seal, seal.STORE)
        expected = {"other": ("other", "1.0.0"), "blink@1.0": ("blink", "1.0")}
        assert (found.service, found.service_version) == expected.get(wanted, ("blink", "1.1"))
    assert take("blink@1.2", keys).digest().hex() == third["package"]  # if a person asks for it
    page.unlink()
    assert take("blink", keys).digest() == newest.digest()
    monkeypatch.setattr(history, "MOST_KEPT", 3)  # the log has three releases and a withdrawal
    assert code_of(partial(take, "blink", keys)) == "bad-log-data"
    monkeypatch.undo()
    for policy in (yard.folder / "logs").glob("*.policy"):
        policy.unlink()  # a Store without a log: then the page counts
    for path, rows, wanted in cases[:3]:
        path.write_text(json.dumps(good | {"releases": rows}))
        assert code_of(partial(take, wanted, keys)) == "bad-answer", wanted
    page.write_text(json.dumps(good))
    assert take("blink@1.0", keys).digest() == own.digest()


def test_a_package_comes_with_its_own_proof(yard: Yard, tmp_path: Path) -> None:
    first, second = yard.sealed("1.0"), yard.sealed("1.1")
    public, top = yard.store.home / "public", tmp_path / "mirror"
    path = storefiles.package_path(first.digest())
    good = (public / path).read_bytes()
    stranger = note.Signer(View(storefiles.Folder(public)).head.origin, note.LOG,
                           Ed25519PrivateKey.generate())  # fmt: skip
    said = proof.parse(first.proof)
    unsigned = replace(said, checkpoint=checkpoint.sign(stranger, said.checkpoint.size,
                                                        said.checkpoint.root))  # fmt: skip
    lost = replace(said, hashes=(bytes(32), *said.hashes[1:]))
    for text, code in (
        (second.proof, "not-in-log"),
        (unsigned.text(), "unknown-log"),
        (lost.text(), "not-in-log"),
        ("", "bad-log-data"),
    ):
        wrong = replace(first, proof=text)
        assert wrong.digest() == first.digest()  # which does not include the proof
        (public / path).write_bytes(wrong.der())
        assert code_of(partial(mirror, storefiles.Folder(public), top)) == code, text
        (public / path).write_bytes(good)
        mirror(storefiles.Folder(public), top)
        (top / path).write_bytes(wrong.der())  # as a mirror of an older program may have it
        assert mirror(storefiles.Folder(public), top).fetched == 1, text
        assert (top / path).read_bytes() == good
        shutil.rmtree(top)


def test_a_cosigned_checkpoint_is_checked_as_all_else(yard: Yard, tmp_path: Path) -> None:
    yard.sealed("1.0")
    own, other = yard.store.home / "public", other_history(yard, tmp_path / "other", "1.2")
    older = (own / storefiles.CHECKPOINT).read_bytes()
    newer = other_history(yard, tmp_path / "newer", "1.1", "1.2", "1.3") / "public"
    yard.sealed("1.1")
    stranger = tiny(tmp_path / "stranger", 1)
    home = storefiles.Folder(own)
    cases = (
        ("one of before", older, "", True),
        ("noise", b"noise", "bad-log-data", False),
        ("another log", (stranger / storefiles.CHECKPOINT).read_bytes(), "unknown-log", False),
        ("a newer one", (newer / storefiles.CHECKPOINT).read_bytes(), "", False),
        ("another history", (other / "public" / storefiles.CHECKPOINT).read_bytes(), "log-forked",
         False),
    )  # fmt: skip
    for sentence, data, code, kept in cases:
        (own / storefiles.WITNESSED).write_bytes(data)
        top = tmp_path / sentence
        assert code_of(partial(mirror, home, top)) == code, sentence
        assert (top / storefiles.WITNESSED).exists() is kept, sentence
        assert (top / storefiles.CHECKPOINT).exists() is (code == ""), sentence
        assert (top / EVIDENCE).exists() is (code == "log-forked"), sentence


def tiny(top: Path, count: int, said: Callable[[int], Entry] | None = None) -> Path:
    """The log of a Store with many entries, without its packages."""
    made = said or (lambda at: Entry("release", seals.NOW + at))
    signer = KeySigner(generate("p256"))
    log = note.Signer("tiny.example/log", note.LOG, Ed25519PrivateKey.generate())
    (top / "log").mkdir(parents=True)
    entries = [made(at).der() for at in range(count)]
    Writer(Folder(top / "log"), log).extend(lambda size: entries[size:])
    valid = Validity(seals.NOW, seals.NOW + 5000)
    own = pem.encode(pem.CERTIFICATE, certificate.self_signed_ca(signer, "Tiny", valid)).decode()
    page = {"certificate": own, "log_endorsement": endorsement.make(signer, log.key)}
    (top / storefiles.STORE).parent.mkdir()
    (top / storefiles.STORE).write_text(json.dumps(page))
    return top


@pytest.mark.parametrize("index", [0, 1])  # a tile that is full, and one that is not
def test_a_tile_that_is_read_again_is_checked_again(tmp_path: Path, index: int) -> None:
    top = tiny(tmp_path, 300)
    view = View(storefiles.Folder(top))
    good = [found.leaf for found in view.entries()]
    width = tiles.width(0, index, 300)
    others = [Entry("withdrawn", seals.NOW).der()] * width
    tile = top / storefiles.LOG / tiles.path(0, index, width)
    tile.write_bytes(b"".join(map(merkle.leaf, others)))
    if index:  # it was kept
        assert [found.leaf for found in view.entries()] == good
    bundle = top / storefiles.LOG / tiles.path(tiles.ENTRIES, index, width)
    bundle.write_bytes(tiles.bundle(others))
    assert code_of(lambda: list(view.entries())) == "bad-log-data"


_OF_SERVICE = 32  # entries; the last one holds the service back


def _one_of_many(at: int) -> Entry:
    service, number = divmod(at, _OF_SERVICE)
    name, mark = f"service-{service}", bytes(merkle.leaf(b"%d" % at))
    if number == _OF_SERVICE - 1:
        return Entry("service-quarantined", seals.NOW, name, detail='{"reason": "why"}')
    return Entry("release", seals.NOW, name, f"1.{number}", mark, mark, mark)


def _many(top: Path, services: int) -> Source:
    tiny(top, services * _OF_SERVICE, _one_of_many)
    (top / storefiles.INDEX).write_text("{}")
    for service in range(services):
        path = top / storefiles.service_path(f"service-{service}")
        path.parent.mkdir(exist_ok=True)
        said = map(_one_of_many, range(service * _OF_SERVICE, (service + 1) * _OF_SERVICE - 1))
        rows = [
            {"version": one.version, "state": "quarantined", "package": one.package.hex()}
            for one in said
        ]
        path.write_text(json.dumps({"releases": rows}))
    return storefiles.Folder(top)


def test_a_large_log_is_held_whole_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = _many(tmp_path / "top", 40)
    me = Me("Ada", [b"key"], ["service-1"], lambda _: True)
    alive: list[int] = [0, 0, 0]  # now, at most, and how many there were

    class Counted(Found):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            alive[0] += 1
            alive[1] = max(alive[1], alive[0])
            alive[2] += 1

        def __del__(self) -> None:
            alive[0] -= 1

    monkeypatch.setattr(storeview, "Found", Counted)
    looks: tuple[Callable[[], object], ...] = (
        lambda: Mirror(tmp_path / "mirror", source, silent).update(),
        lambda: Watch(tmp_path / "w", me, "here").look(source),
        lambda: stick.choose(View(source), ()),
    )
    for look in looks:
        alive[:] = [0, 0, 0]
        look()
        assert alive[2] >= 40 * _OF_SERVICE
        assert alive[1] <= 4


def test_services_are_told_apart_as_one_by_one(tmp_path: Path) -> None:
    view = View(_many(tmp_path / "top", 5))
    with Histories() as told:
        for found in view.entries():
            told.add(found)
        assert told.count() == (5 * (_OF_SERVICE - 1), 5)
        for name, sorted_out in told.services():
            alone = history.History()
            alone.add(view.entries(), name)
            alone.size = 0
            assert sorted_out == alone
            assert told.held.has(name, "1.1")
        assert not told.held.has("service-9", "1.1")
        assert [one.package for one in told.releases()] == [
            found.said.package for found in view.entries() if found.said.kind == "release"
        ]


def test_a_mirror_says_that_its_temporary_file_finds_no_room(tmp_path: Path) -> None:
    with Histories() as told:
        told._kept.execute("PRAGMA max_page_count = 8")
        entries = View(_many(tmp_path / "top", 40)).entries()
        with pytest.raises(OSError, match="No space left") as caught:
            deque(map(told.add, entries))
        assert advice.explain(caught.value)[0] == "disk-full"
        assert "TMPDIR" in advice.line(caught.value)


def test_a_reason_of_half_a_character_is_no_end_of_a_mirror(tmp_path: Path) -> None:
    detail = r'{"reason": "a \ud800"}'
    top = tiny(tmp_path, 1, lambda _: Entry("service-quarantined", seals.NOW, "s", detail=detail))
    with Histories() as told:
        for found in View(storefiles.Folder(top)).entries():
            told.add(found)
            assert history.reason_of(found.said) == "a ?"
        assert told.held.has("s", "1.0")
