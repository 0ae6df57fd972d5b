"""A site without a network takes releases from a stick, and only from one that is as it was."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sealcore import errors
from tests.host.site.test_logs import Scene, copy_site
from tests.host.store.test_store import ADA, World
from tests.worlds import seals
from tests.worlds.site_world import code_of
from triseal import files
from triseal.cli.main import main
from triseal.copies import stick, storefiles
from triseal.copies.stick import Stick
from triseal.copies.storeview import View
from triseal.log import forks
from triseal.package import Package
from triseal.request import fingerprint
from triseal.site import obtaining
from triseal.site.logs import MAX_AGE
from triseal.site.manager import Manager
from triseal.store.changes import Why
from triseal.store.store import Store


class Yard(Scene):
    """A Store and a site with clocks of their own, and a way for sticks between them."""

    now = seals.NOW

    def export(self, name: str, *wanted: str, store: World | None = None) -> Path:
        path = self.folder.parent / name
        view = View(storefiles.Folder((store or self.store).home))
        stick.write(path, view, stick.choose(view, wanted))
        return path

    def take_from(self, path: Path, name: str = "blink") -> Package:
        with Stick(path) as source:
            found = obtaining.take(self.site.logs, source, name, self.site.bundle().store_keys)
        self.site.take_in(found, hold=True)
        return found


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    yards: list[Yard] = []
    with World(tmp_path / "store", begin=Store.publish) as store:
        copy_site(store, tmp_path / "site")
        with Manager(tmp_path / "site", bytes, lambda: yards[0].now) as site:
            yards.append(Yard(store, site, tmp_path / "site"))
            yield yards[0]


def test_a_release_comes_on_a_stick(yard: Yard) -> None:
    yard.sealed("1.0")
    own = yard.sealed("1.1")
    found = yard.take_from(yard.export("a.tar"))
    assert found.digest() == own.digest()
    assert yard.take_from(yard.export("b.tar", "blink@1.1"), "blink@1.1") == found
    yard.sealed("1.2")
    assert yard.take_from(yard.export("c.tar")).digest() != own.digest()
    seen = yard.site.logs.seen(yard.spki)
    assert seen is not None
    assert seen.size == 4
    with tarfile.open(yard.folder.parent / "c.tar") as known:  # as others read it
        assert storefiles.STORE in known.getnames()


def test_an_older_stick_after_a_newer_one_is_refused(yard: Yard) -> None:
    yard.sealed("1.0")
    old = yard.export("old.tar")
    yard.sealed("1.1")
    yard.take_from(yard.export("new.tar"))
    assert code_of(partial(yard.take_from, old)) == "log-stale"


def test_a_stick_from_too_long_ago_is_refused(yard: Yard) -> None:
    yard.sealed("1.0")
    path = yard.export("a.tar")
    yard.now = seals.NOW + MAX_AGE + 1
    assert code_of(partial(yard.take_from, path)) == "log-stale"
    yard.site.logs.set_age(yard.spki, MAX_AGE + 10)
    yard.take_from(path)
    yard.now = seals.NOW - 7200
    assert code_of(partial(yard.take_from, path)) == "log-stale"  # from the future
    yard.store.now = yard.now = seals.NOW + 2 * MAX_AGE
    yard.store.store.refresh()
    yard.take_from(yard.export("b.tar"))


def test_a_stick_of_another_history_is_evidence(yard: Yard, tmp_path: Path) -> None:
    yard.sealed("1.0")
    yard.take_from(yard.export("a.tar"))
    copy = tmp_path / "copy"
    shutil.copytree(yard.store.home, copy)  # the Store's keys, in a second Store
    yard.sealed("1.1")
    yard.take_from(yard.export("b.tar"))
    other = Store(copy, yard.store.unlock, clock=lambda: seals.NOW)
    for version in ("1.2", "1.3"):
        other.submit(seals.package(ADA, version=version))
    other.close()
    view = View(storefiles.Folder(copy))
    stick.write(tmp_path / "c.tar", view, stick.choose(view, ()))
    assert code_of(partial(yard.take_from, tmp_path / "c.tar")) == "log-forked"
    (path,) = yard.folder.glob("logs/*.evidence")
    forks.parse(path.read_bytes()).check([yard.store.store.log_key])


def test_a_store_that_the_site_does_not_trust(yard: Yard, tmp_path: Path) -> None:
    with World(tmp_path / "other") as other:
        other.store.submit(seals.package(ADA, version="1.0"))
        path = yard.export("a.tar", store=other)
        mark = fingerprint(other.store.certificate.spki)
    with pytest.raises(errors.UntrustedSigner, match=f"the Store 'Shop' with the key {mark}"):
        yard.take_from(path)


def changed(change: Callable[[dict[str, bytes]], None]) -> Callable[[bytes], bytes]:
    """A stick that was written again with other files."""

    def again(data: bytes) -> bytes:
        kept = {}
        with tarfile.open(fileobj=io.BytesIO(data)) as old:
            for one in old:
                stream = old.extractfile(one)
                assert stream is not None
                kept[one.name] = stream.read()
        change(kept)
        return b"".join(stick._tar(kept.items()))

    return again


def member(**facts: Any) -> Callable[[bytes], bytes]:
    """A stick with one more member, as the tar of others writes it."""

    def more(data: bytes) -> bytes:
        out = io.BytesIO()
        info = tarfile.TarInfo(facts.pop("name", "log/tile/0/001.p/1"))
        for name, value in facts.items():
            setattr(info, name, value)
        with tarfile.open(fileobj=out, mode="w", format=facts.pop("format", 0)) as new:
            new.addfile(info, io.BytesIO(bytes(info.size)))
        return data[:-1024] + out.getvalue()[: 512 + -(-info.size // 512) * 512] + bytes(1024)

    return more


def flip(name: str) -> Callable[[dict[str, bytes]], None]:
    def change(kept: dict[str, bytes]) -> None:
        path = next(path for path in kept if name in path)
        data = bytearray(kept[path])
        data[-3] ^= 1
        kept[path] = bytes(data)

    return change


def resign(kept: dict[str, bytes]) -> None:
    """Change a letter of a signature to another letter that base64 has."""
    path = next(path for path in kept if "checkpoint" in path)
    data = bytearray(kept[path])
    data[-40] = ord("B" if data[-40] == ord("A") else "A")
    kept[path] = bytes(data)


def relist(kept: dict[str, bytes]) -> None:
    """Show the package of one release under the name of another."""
    pages = [path for path in kept if path.startswith("v1/packages")]
    kept[pages[0]], kept[pages[1]] = kept[pages[1]], kept[pages[0]]


STICKS: tuple[tuple[str, Callable[[bytes], bytes], str], ...] = (
    ("nothing", lambda _: b"", "bad-stick"),
    ("noise", lambda _: b"noise" * 1000, "bad-stick"),
    ("only an end", lambda _: bytes(1024), "not-in-store"),
    ("cut off", lambda d: d[:-1], "bad-stick"),
    ("cut off in a file", lambda d: d[: len(d) // 2], "bad-stick"),
    ("more after its end", lambda d: d + bytes(512), "bad-stick"),
    ("a header with another sum", lambda d: d[:10] + b"x" + d[11:], "bad-stick"),
    ("a file twice", lambda d: d[:-1024] + d[:-1024] + bytes(1024), "bad-stick"),
    ("a path outside", member(name="../../etc/passwd"), "bad-stick"),
    ("a whole path", member(name="/v1/store.json"), "bad-stick"),
    ("a path with dots inside", member(name="v1/../v1/index.json"), "bad-stick"),
    ("a name of a service that is none", member(name="v1/services/UP.json"), "bad-stick"),
    ("letters that look alike", member(name="v1/services/blіnk.json"), "bad-stick"),
    ("a symbolic link", member(type=tarfile.SYMTYPE, linkname="/etc/passwd"), "bad-stick"),
    ("a hard link", member(type=tarfile.LNKTYPE, linkname="v1/store.json"), "bad-stick"),
    ("a folder", member(type=tarfile.DIRTYPE), "bad-stick"),
    ("a device", member(type=tarfile.CHRTYPE), "bad-stick"),
    ("a sparse file", member(type=tarfile.GNUTYPE_SPARSE), "bad-stick"),
    ("a long name", member(type=tarfile.GNUTYPE_LONGNAME, size=1 << 20), "bad-stick"),
    ("headers of pax", member(type=tarfile.XHDTYPE, size=1 << 20), "bad-stick"),
    ("a checkpoint too large", member(name="log/witnessed", size=1 << 17), "bad-stick"),
    ("another checkpoint", changed(resign), "unknown-log"),
    ("another hash", changed(flip("tile/0")), "bad-log-data"),
    ("another package", changed(flip("v1/packages")), "bad-answer"),
    ("one package for another", changed(relist), "bad-answer"),
    ("no package", changed(lambda k: k.pop(max(k))), "not-in-store"),  # type: ignore[arg-type]
    ("no entries", changed(lambda k: k.pop("log/tile/entries/000.p/3")), "not-in-store"),  # type: ignore[arg-type]
    ("another entry", changed(flip("tile/entries")), "bad-log-data"),
    ("no tile", changed(lambda k: k.pop("log/tile/0/000.p/3")), "not-in-store"),  # type: ignore[arg-type]
)


def test_what_is_no_export_is_refused_and_changes_nothing(yard: Yard) -> None:
    yard.sealed("1.0")
    yard.sealed("1.1")
    good = yard.export("good.tar", "blink@1.0", "blink@1.1").read_bytes()
    bad = yard.folder.parent / "bad.tar"
    for sentence, change, code in STICKS:
        bad.write_bytes(change(good))
        found = {code_of(partial(yard.take_from, bad, f"blink@{v}")) for v in ("1.0", "1.1")}
        assert code in found, (sentence, found)
        assert found <= {code, ""} or sentence == "no package", (sentence, found)
    bad.unlink()
    os.mkfifo(bad)
    assert code_of(partial(yard.take_from, bad)) == "not-a-file"


def test_an_export_that_fails_leaves_nothing(yard: Yard) -> None:
    yard.sealed("1.0")
    path = yard.folder.parent / "a.tar"
    next((yard.store.home / "public/v1/packages").iterdir()).write_bytes(b"noise")
    view = View(storefiles.Folder(yard.store.home))
    assert code_of(lambda: stick.write(path, view, stick.choose(view, ()))) == "malformed-der"
    before = set(yard.folder.parent.iterdir())
    assert not path.exists()
    assert before == set(yard.folder.parent.iterdir())
    assert code_of(lambda: stick.choose(view, ["none"])) == "unknown-service"
    assert code_of(lambda: stick.choose(view, ["blink@9"])) == "unknown-service"


def test_an_export_has_what_the_log_lists(yard: Yard, tmp_path: Path) -> None:
    yard.sealed("1.0")
    newest = yard.sealed("1.1")
    yard.sealed("1.2")
    yard.store.store.withdraw("blink", "1.2", Why("a bug"))
    shutil.copytree(yard.store.home / "public", tmp_path / "copy")
    page = tmp_path / "copy" / storefiles.service_path("blink")
    said = json.loads(page.read_bytes())
    said["releases"][2]["state"] = "listed"
    page.write_text(json.dumps(said))
    view = View(storefiles.Folder(tmp_path / "copy"))
    (made,) = stick.choose(view, ())
    assert (made.service, made.version, made.row["state"]) == ("blink", "1.1", "listed")
    stick.write(tmp_path / "a.tar", view, [made])
    assert yard.take_from(tmp_path / "a.tar").digest() == newest.digest()


def test_pieces_are_written_completely_or_not_at_all(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"a"
        raise OSError(5, "fault")

    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(OSError, match="fault"):
        files.write_pieces(tmp_path / "x", pieces())
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("x", b"old")]


def test_a_store_without_a_server_says_the_time(
    yard: Yard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    yard.sealed("1.0")
    yard.now = int(time.time())
    words = ["store", "refresh", "--json", "--home"]
    assert main([*words, str(yard.store.home)]) == 0
    assert json.loads(capsys.readouterr().out)["entries"] == 2
    yard.take_from(yard.export("a.tar"))
    assert main([*words, str(tmp_path / "none")]) == 1


def test_by_command(yard: Yard, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: str) -> Any:
        assert main([*words, "--json"]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    yard.now = yard.store.now = int(time.time())
    yard.store.store.submit(seals.package(ADA, version="1.0"))
    out = str(tmp_path / "usb.tar")
    facts = run("store", "export", str(yard.store.home), "--out", out)
    assert (facts["releases"], facts["entries"]) == (["blink 1.0"], 2)
    (row,) = run("site", "import", out, "--home", str(yard.folder))
    assert (row["service"], row["version"]) == ("blink", "1.0")
    assert run("site", "import", out, "blink@1.0", "--home", str(yard.folder)) == [row]
    assert main(["site", "import", out, "--hold", "--now"]) == 2
    assert main(["site", "import", out, "other", "--home", str(yard.folder)]) == 1
