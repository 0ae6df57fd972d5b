"""Files to write, homes, and passphrases: hostile inputs, each by a direct call."""

from __future__ import annotations

import ast
import contextlib
import errno
import io
import os
import pwd
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from boards import state_folder
from boards.code import mpy
from boards.errors import NoHome
from tests.host.commands import Commands
from triseal import database, files, folder, keyfile, passphrases
from triseal.cli import options
from triseal.errors import (
    AlreadyExists,
    DatabaseUnusable,
    FileTooLarge,
    NoPassphrase,
    NotAFile,
)
from triseal.signer import PrivateKey
from triseal.site import following
from triseal.site import home as site_home
from triseal.site.errors import Incomplete
from triseal.site.home import Founding
from triseal.watermark import MarkDamaged, Watermark

ROOT = Path(__file__).resolve().parents[2]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o277])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without hard links, such as FAT."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)


# Files to read.


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for path in (tmp_path, *tmp_path.iterdir(), Path("/dev/null"), Path("/dev/zero")):
            with pytest.raises(NotAFile, match=str(path)):
                files.read(path, 1)


def test_a_disk_that_can_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(files, "opened", lambda _: Failing())
    with pytest.raises(OSError, match="kept"):
        files.read(tmp_path / "kept", 1)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"1", b"null", b'"a"', b"{", b"{}{}", b'{"\xff": 1}', b"[" * 100_000]
)
def test_what_is_no_json_object_is_a_value_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"JSON|Expecting|Extra|decode|property"):
        files.read_json(path, 200_000)
    (tmp_path / site_home.SETTINGS).write_bytes(data)
    with pytest.raises(Incomplete, match="damaged"):
        site_home._open_engine(tmp_path)
    (tmp_path / following.FOLDER).mkdir()
    (tmp_path / following.FOLDER / "blink.json").write_bytes(data)
    with pytest.raises(following.BadFollow):
        following.Follows(tmp_path).get("blink")
    with pytest.raises(MarkDamaged):
        Watermark(path).get("a")


# Files to write.


def test_what_is_private_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    files.write(tmp_path / "a/b/secret", b"x", files.PRIVATE)
    files.create(tmp_path / "c/key", b"x", files.PRIVATE)
    state_folder.write(tmp_path / "d/e/state", b"x")
    assert {mode(path) for path in tmp_path.rglob("*") if path.is_file()} == {0o600}
    assert {mode(path) for path in tmp_path.rglob("*") if path.is_dir()} == {0o700}
    files.write(tmp_path / "public", b"x")
    assert mode(tmp_path / "public") == 0o644 & ~umask


@pytest.mark.usefixtures("no_links")
def test_a_key_is_kept_where_there_are_no_hard_links(tmp_path: Path, p256_key: PrivateKey) -> None:
    path = tmp_path / "a.key"
    keyfile.create(path, p256_key, None)
    before = path.read_bytes()
    with pytest.raises(AlreadyExists):
        keyfile.create(path, p256_key, None)
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        files.create(tmp_path / "link", b"x", files.PRIVATE)
    assert (path.read_bytes(), mode(path)) == (before, 0o600)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.key", "link"]


@pytest.mark.usefixtures("no_links")
def test_a_folder_that_is_locked_takes_a_new_file(tmp_path: Path) -> None:
    """Where there are no hard links, `create` locks the folder, which its caller may have done."""
    with files.alone(tmp_path):
        files.create(tmp_path / "x", b"x", files.PRIVATE)
        with pytest.raises(FileExistsError):
            files.create(tmp_path / "x", b"y", files.PRIVATE)
    assert (tmp_path / "x").read_bytes() == b"x"


def test_a_link_to_write_to_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"kept")
    (tmp_path / "link").symlink_to("kept")
    files.write(tmp_path / "link", b"new")
    assert (tmp_path / "link").read_bytes() == b"new"
    assert (tmp_path / "kept").read_bytes() == b"kept"


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    for name in ("folder", "link"):
        with pytest.raises(IsADirectoryError):
            files.write(tmp_path / name, b"x")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device") as caught:
        files.write(tmp_path / "pipe", b"nobody reads")
    assert (caught.value.errno, (tmp_path / "pipe").is_fifo()) == (errno.ENXIO, True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        with pytest.raises(NotAFile, match="is a socket"):
            files.write(tmp_path / "socket", b"x")
    files.write(Path("/dev/null"), b"x")
    assert Path("/dev/null").is_char_device()
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("mode", [0o644, files.PRIVATE])
def test_what_is_no_folder_stays_in_its_place(tmp_path: Path, mode: int) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    for name in ("file", "dangling", "pipe"):
        with pytest.raises(NotADirectoryError, match=name):
            files.make_folder(tmp_path / name, mode)
        with pytest.raises(NotADirectoryError, match=name):
            files.write(tmp_path / name / "x", b"x", mode)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["dangling", "file", "pipe"]


def test_a_pipe_gets_all_that_is_written(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4096
    path = tmp_path / "pipe"
    os.mkfifo(path)
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.append(path.read_bytes()))
    thread.start()
    written = False
    while not written:
        with contextlib.suppress(OSError):  # until the reader has opened it
            files.write(path, data)
            written = True
    thread.join()
    assert found == [data]


@pytest.mark.parametrize("spelling", ["/dev/fd/%d", "/proc/self/fd/%d"])
def test_a_descriptor_is_written_to_also_if_it_is_a_file(tmp_path: Path, spelling: str) -> None:
    path = tmp_path / "redirected"
    with path.open("wb") as stream:
        files.write(Path(spelling % stream.fileno()), b"one")
        files.write(Path(spelling % stream.fileno()), b"two")
    assert path.read_bytes() == b"onetwo"


def test_a_disk_that_fails_is_named_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old").write_bytes(b"old")
    for number in (errno.ENOSPC, errno.EIO, errno.EDQUOT):

        def fail(_: int, number: int = number) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="old") as caught:
            files.write(tmp_path / "old", b"new")
        assert caught.value.errno == number
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        files.write(tmp_path / "old", b"new")
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [b"old"]


# Homes.

HOMES: tuple[tuple[dict[str, str], str], ...] = (
    ({"TRISEAL_HOME": "/x/y"}, "/x/y"),
    ({"XDG_STATE_HOME": "/x"}, "/x/triseal"),
    ({"XDG_STATE_HOME": "x", "HOME": "/h"}, "/h/.local/state/triseal"),
    ({"TRISEAL_HOME": "", "XDG_STATE_HOME": "", "HOME": "/h"}, "/h/.local/state/triseal"),
    ({}, "/of/the/user/.local/state/triseal"),
    ({"HOME": ""}, "/of/the/user/.local/state/triseal"),
    ({"HOME": "relative"}, "/of/the/user/.local/state/triseal"),
    ({"TRISEAL_HOME": "~/y", "HOME": "/h"}, "/h/y"),
)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("HOME", "TRISEAL_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(("environment", "expected"), HOMES)
def test_the_folder_of_the_state(
    environment: dict[str, str], expected: str, bare: pytest.MonkeyPatch
) -> None:
    entry = pwd.struct_passwd(("me", "x", os.getuid(), 0, "", "/of/the/user", "/bin/sh"))
    bare.setattr(pwd, "getpwuid", lambda _: entry)
    for name, value in environment.items():
        bare.setenv(name, value)
    assert state_folder.root() == Path(expected)


def nobody(_: object) -> None:
    raise KeyError("no such user")


@pytest.mark.parametrize("chosen", ["", "~nobody-of-this-name/state", "~/state"])
def test_a_user_without_a_home_gets_one_line(chosen: str, bare: pytest.MonkeyPatch) -> None:
    bare.setattr(pwd, "getpwuid", nobody)
    if chosen:
        bare.setenv("TRISEAL_HOME", chosen)
    with pytest.raises(NoHome):
        state_folder.root()


def test_without_a_home_code_is_compiled_all_the_same(bare: pytest.MonkeyPatch) -> None:
    bare.setattr(pwd, "getpwuid", nobody)
    assert mpy.compile_source(b"x = 1\n", "x.py").startswith(b"M\x06")


def test_a_home_that_exists_is_filled_in_its_place(tmp_path: Path) -> None:
    """It may be a mount, a link, or in a folder that only another user can write."""
    (tmp_path / "real").mkdir(0o755)
    home = tmp_path / "link"
    home.symlink_to("real")
    (home / ".0123456789abcdef.tmp").mkdir()  # of a command that was killed
    with folder.fresh(home) as made:
        assert made.parent == home
        with pytest.raises(AlreadyExists, match="another process"), folder.fresh(home):
            pass
        files.write(made / "a/b", b"x")
        folder.settle(made, home)
    assert [path.name for path in home.rglob("*")] == ["a", "b"]
    assert (home.is_symlink(), mode(home)) == (True, 0o700)
    with pytest.raises(AlreadyExists, match="not empty"), folder.fresh(home):
        pass


def test_what_is_no_place_for_a_home_stays(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "link"):
        with pytest.raises(AlreadyExists), folder.fresh(tmp_path / name):
            pass
    with pytest.raises(NotADirectoryError), folder.fresh(tmp_path / "file" / "home"):
        pass
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "link"]


def test_a_failure_leaves_a_home_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()

    def interrupted(home: Path) -> None:
        with folder.fresh(home) as made:
            files.write(made / "half", b"x")
            raise KeyboardInterrupt

    for name in ("there", "new"):
        with pytest.raises(KeyboardInterrupt):
            interrupted(tmp_path / name)
    assert [one.name for one in tmp_path.rglob("*")] == ["there"]


# The database.


def test_a_relative_database_is_the_same_in_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, spelling in (("a", "data/a.db"), ("b", "sqlite:///data/b.db")):
        monkeypatch.chdir(tmp_path)
        site_home.init(tmp_path / name, Founding("site", "p256", 5000, spelling), None, 2**31)
        (tmp_path / "other").mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / "other")
        engine, issuer, _ = site_home.open_site(tmp_path / name)
        engine.dispose()
        assert (issuer.site, mode(tmp_path / "data" / f"{name}.db")) == ("site", 0o600)
    assert not list((tmp_path / "other").iterdir())


@pytest.mark.parametrize(
    "spelling",
    ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?uri=true", "mysql://h/x", "a:b"],
)
def test_a_database_that_would_not_stay_is_refused(tmp_path: Path, spelling: str) -> None:
    with pytest.raises(DatabaseUnusable):
        database.resolved(spelling)
    with pytest.raises(DatabaseUnusable):
        site_home.init(tmp_path / "a", Founding("site", "p256", 5000, spelling), None, 2**31)
    assert not list(tmp_path.iterdir())


# The cache of compiled code.

CODE = b"x = 1\n"


def poison(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"poison")


def older(path: Path) -> None:
    path.write_bytes(b"M\x06 as an older release kept it, without a digest")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def lie(path: Path) -> None:
    """Put another module, with its own digest, in the place of this one."""
    other = mpy.compile_source(b"evil = 1\n", "evil.py")
    (kept,) = [one for one in path.parent.iterdir() if one.read_bytes().endswith(other)]
    kept.rename(path)


def shared(path: Path) -> None:
    poison(path)
    path.chmod(0o666)


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def open_folder(path: Path) -> None:
    path.parent.chmod(0o777)


@pytest.mark.parametrize(
    "damage", [poison, older, cut, empty, lie, shared, linked, pipe, directory, open_folder]
)
def test_code_that_somebody_may_have_changed_is_compiled_again(
    damage: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRISEAL_HOME", str(tmp_path))
    monkeypatch.delenv("TRISEAL_CACHE")
    good = mpy.compile_source(CODE, "x.py")
    (kept,) = (tmp_path / "cache" / "mpy").iterdir()
    assert (mode(kept), mode(kept.parent), mode(kept.parent.parent)) == (0o600, 0o700, 0o700)
    damage(kept)
    compiled = []
    run = mpy._run

    def count(options: list[str], source: bytes, name: str) -> bytes:
        compiled.append(name)
        return run(options, source, name)

    monkeypatch.setattr(mpy, "_run", count)
    assert mpy.compile_source(CODE, "x.py") == good
    assert len(compiled) == 1


@pytest.mark.parametrize("obstacle", ["file", "folder of the cache", "read-only"])
def test_a_cache_that_cannot_be_written_refuses_no_work(
    obstacle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("TRISEAL_HOME", str(home))
    monkeypatch.delenv("TRISEAL_CACHE")
    if obstacle == "file":
        home.write_bytes(b"")
    else:
        home.mkdir()
    if obstacle == "folder of the cache":
        (home / "cache").write_bytes(b"")
    if obstacle == "read-only":

        def refuse(*_: object) -> int:
            raise OSError(errno.EROFS, "Read-only file system")

        monkeypatch.setattr(state_folder, "write", refuse)
    assert mpy.compile_source(CODE, "x.py") == mpy.compile_source(CODE, "x.py")


# Passphrases.

TEXTS = (
    (b"secret", b"secret"),
    (b"secret\n", b"secret"),
    (b"secret\r\n", b"secret"),
    (b"secret\n\n", b"secret"),
    (b"secret\nnot this\n", b"secret"),
    (b"\xef\xbb\xbfsecret\r\n", b"secret"),
    (b" se cret \n", b" se cret "),
    (b"se\x00cret\n", b"se\x00cret"),
    (b"\xff\xfesecret\n", b"\xff\xfesecret"),
    ("gehéim\n".encode(), "gehéim".encode()),
    (b"x" * 1024, b"x" * 1024),
)
NONE = (
    (b"", NoPassphrase),
    (b"\n", NoPassphrase),
    (b"\nsecret\n", NoPassphrase),
    (b"\xef\xbb\xbf\n", NoPassphrase),
    ("secret\r\n".encode("utf-16"), NoPassphrase),
    (b"x" * 1025, FileTooLarge),
)


def from_file(data: bytes, folder: Path) -> bytes:
    (folder / "pw").write_bytes(data)
    return passphrases.given(folder / "pw")


def from_pipe(data: bytes, _: Path) -> bytes:
    """As the shell's `<(...)`."""
    read, write = os.pipe()
    with os.fdopen(write, "wb") as stream:
        stream.write(data)
    try:
        return passphrases.given(Path(f"/dev/fd/{read}"))
    finally:
        os.close(read)


def from_socket(data: bytes, _: Path) -> bytes:
    """As standard input is below some servers; it can't be opened by its path."""
    one, other = socket.socketpair()
    with one, other:
        other.sendall(data)
        other.close()
        return passphrases.given(Path(f"/proc/self/fd/{one.fileno()}"))


def from_slow_pipe(data: bytes, folder: Path) -> bytes:
    os.mkfifo(folder / "pipe")

    def write() -> None:
        with (folder / "pipe").open("wb", buffering=0) as stream:
            for start in range(0, len(data), 100):
                stream.write(data[start : start + 100])

    thread = threading.Thread(target=write)
    thread.start()
    try:
        return passphrases.given(folder / "pipe")
    finally:
        thread.join()


def from_systemd(data: bytes, folder: Path) -> bytes:
    (folder / "triseal-passphrase").write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CREDENTIALS_DIRECTORY", str(folder))
        return passphrases.given()


SOURCES = (from_file, from_pipe, from_socket, from_slow_pipe, from_systemd)


@pytest.mark.parametrize("source", SOURCES)
def test_a_passphrase_is_the_first_line(
    source: Callable[[bytes, Path], bytes], tmp_path: Path
) -> None:
    for number, (data, expected) in enumerate(TEXTS):
        place = tmp_path / str(number)
        place.mkdir()
        assert source(data, place) == expected, data


@pytest.mark.parametrize("source", [from_file, from_pipe, from_systemd])
def test_what_holds_no_passphrase_is_refused(
    source: Callable[[bytes, Path], bytes], tmp_path: Path
) -> None:
    for data, error in NONE:
        with pytest.raises(error):
            source(data, tmp_path)


def test_what_is_neither_a_file_nor_a_pipe_is_refused(tmp_path: Path) -> None:
    master, slave = os.openpty()
    for path in (tmp_path, Path("/dev/null"), Path("/dev/zero"), Path(os.ttyname(slave))):
        with pytest.raises(NotAFile):
            passphrases.given(path)
    os.close(master)
    os.close(slave)
    for path in (tmp_path / "missing", Path("/dev/fd/99999")):
        with pytest.raises(OSError, match=path.name):
            passphrases.given(path)


def test_a_pipe_that_says_nothing_is_waited_for_only_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_PATIENCE", 0.01)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TimeoutError):
        passphrases.given(tmp_path / "pipe")


def test_the_nearest_source_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRISEAL_PASSPHRASE", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert passphrases.given() == b""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert passphrases.given() == b"", "other services have credentials of their own"
    (tmp_path / "triseal-passphrase").write_bytes(b"of systemd\n")
    assert passphrases.given() == b"of systemd"
    monkeypatch.setenv("TRISEAL_PASSPHRASE", "of the environment")
    assert passphrases.given() == b"of the environment"
    (tmp_path / "pw").write_bytes(b"of the file")
    assert passphrases.given(tmp_path / "pw") == b"of the file"


def test_a_command_reads_a_pipe_once(empty: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new site needs its passphrase for its key, and opens it."""
    monkeypatch.setenv("TRISEAL_ROOT_PASSPHRASE", "battery staple")
    read, write = os.pipe()
    os.write(write, b"correct horse\n")
    os.close(write)
    pipe = ("--passphrase-file", f"/dev/fd/{read}")
    empty.run("site", "init", "house", "--algorithm", "p256", *pipe)
    os.close(read)
    key = Path("home/site") / site_home.KEY
    keyfile.load(key, lambda: b"correct horse")
    read, write = os.pipe()
    os.write(write, b"\xef\xbb\xbfcorrect horse\r\n")
    os.close(write)
    ask = options.passphrase(Path(f"/dev/fd/{read}"), "the key")
    for _ in range(2):
        keyfile.load(key, ask)
    os.close(read)


# Nothing reads or writes such things by other means.

CALLS = {
    "open": {
        "host/triseal/__main__.py",
        "host/triseal/files.py",
        "host/triseal/folder.py",
        "host/triseal/serving/unix_socket.py",  # only the folder of a long path
    },
    "fdopen": {"host/triseal/__main__.py", "host/triseal/files.py"},
    "read_bytes": set(),
    "read_text": set(),
    "write_bytes": set(),
    "write_text": set(),
    "touch": {"host/triseal/database.py"},
    "mkdir": {"host/triseal/files.py"},
    "makedirs": set(),
    "home": set(),
    "expanduser": {"host/triseal/database.py", "host/triseal/cli/main.py"},
    "getpass": {"host/triseal/passphrases.py"},
}
WORDS = {
    "TRISEAL_PASSPHRASE": {"host/triseal/passphrases.py"},
    "CREDENTIALS_DIRECTORY": {"host/triseal/passphrases.py"},
    "TRISEAL_HOME": {"tools/boards/state_folder.py"},
    "XDG_STATE_HOME": {"tools/boards/state_folder.py"},
    "HOME": {"tools/boards/state_folder.py", "tools/boards/virtual/firmware.py"},
}
MODULES = {"os", "io", "Path", "path", "pathlib", "builtins", "getpass"}


def uses(tree: ast.AST) -> Iterator[str]:
    """Calls that may reach files, by their last name, and all texts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            yield f"{node.func.id}()"
        if isinstance(node.func, ast.Attribute):
            owner = node.func.value
            owner = owner.func if isinstance(owner, ast.Call) else owner
            # Tokens of PKCS #11 and connections have methods of these names, too.
            if node.func.attr not in ("open", "home", "touch") or (
                isinstance(owner, ast.Name) and owner.id in MODULES
            ):
                yield f"{node.func.attr}()"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("open('x')", "open()"),
        ("io.open('x')", "open()"),
        ("os.open('x', 0)", "open()"),
        ("path.open()", "open()"),
        ("Path('x').open()", "open()"),
        ("(home / 'x').read_bytes()", "read_bytes()"),
        ("Path.home()", "home()"),
        ("os.environ['TRISEAL_HOME']", "TRISEAL_HOME"),
        ("os.environ.get('HOME', '')", "HOME"),
    ],
)
def test_other_means_are_seen(source: str, found: str) -> None:
    assert found in set(uses(ast.parse(source)))
    assert "open()" not in set(uses(ast.parse("token.open(rw=True)")))


def test_nothing_reaches_files_homes_or_passphrases_by_other_means() -> None:
    allowed = {f"{name}()": places for name, places in CALLS.items()} | WORDS
    found: dict[str, set[str]] = {name: set() for name in allowed}
    for path in [*ROOT.glob("host/triseal/**/*.py"), *ROOT.glob("tools/boards/*.py")]:
        name = path.relative_to(ROOT).as_posix()
        seen = set(uses(ast.parse(path.read_text(encoding="utf-8")))) & allowed.keys()
        if name.startswith("tools/"):
            seen &= WORDS.keys()
        for one in seen:
            found[one].add(name)
    assert {one: found[one] - allowed[one] for one in found if found[one] - allowed[one]} == {}
