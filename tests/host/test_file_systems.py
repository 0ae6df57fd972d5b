"""Commands on real file systems: without links or permissions, read-only, and full."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from boards.virtual.board import VirtualBoard
from tests.host.commands import KEY, Commands
from tests.worlds import mounts

pytestmark = pytest.mark.long

# Each makes a home of its own.
INITS = (
    ("dev", "init", "--name", "Bob", *KEY, "--home", "new-dev"),
    ("store", "init", "--name", "Other", *KEY, "--home", "new-store"),
    ("site", "init", "other", *KEY, "--home", "new-site"),
)
# What a settled folder takes, in this order: each needs something of its disk.
WRITING = (
    *INITS[:1],
    ("dev", "request", "--out", "bob.pem", "--home", "new-dev"),
    (
        "dev",
        "sign",
        "app.py",
        "--name",
        "thermo",
        "--version",
        "2.0",
        "--security-version",
        "1",
        "--metadata",
        "app.json",
    ),
    ("store", "register-developer", "bob.pem"),
    ("store", "submit", "signed.triseal"),
    ("store", "show", "--cert-out", "shop.pem"),
    ("store", "suspend", "Ada", "--reason", "x"),
    ("store", "key", "prepare", "--root", "home/store/root.key", "--reason", "x", *KEY[-1:]),
    ("store", "refresh"),
    ("site", "add-node", "kitchen"),
    ("site", "nodes"),
    ("site", "set", "--lifetime", "4000"),
    ("dev", "rotate", "--no-passphrase"),
)


@pytest.fixture
def home_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRISEAL_ROOT_PASSPHRASE", "a passphrase of the root")


@pytest.fixture
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for an image and the place where it is mounted, outside of all homes."""
    return tmp_path_factory.mktemp("disk")


@pytest.fixture
def small(settled: Commands, disk: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Commands]:
    """The settled folder, with a package to submit, on a small ext4 of its own."""
    if why := mounts.missing():
        pytest.skip(why)
    settled.release("1.0.0")
    mounts.make(disk / "image", 8)
    with mounts.mounted(disk / "image", disk / "top") as top, monkeypatch.context() as patch:
        place = top / "w"
        shutil.copytree(settled.folder, place)
        patch.chdir(place)
        patch.setenv("TRISEAL_HOME", str(place / "home"))
        yield Commands(place, settled._capsys)


def left(top: Path) -> list[Path]:
    """Temporary files that nobody took away."""
    return list(top.rglob("*.tmp"))


def contents(top: Path) -> dict[str, bytes]:
    """All files but databases, whose log and index come and go."""
    found = (path for path in top.rglob("*") if path.is_file() and ".sqlite" not in path.name)
    return {str(path.relative_to(top)): path.read_bytes() for path in found}


@pytest.fixture
def exfat() -> None:
    if why := mounts.missing_exfat():
        pytest.skip(why)


@pytest.mark.usefixtures("exfat", "home_key")
def test_all_roles_work_where_there_are_no_links(
    empty: Commands, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys, homes, databases, and from the signature to a node that runs the service."""
    with mounts.exfat(disk / "image", disk / "top", "umask=077") as top:
        (top / "a").touch()
        with pytest.raises(PermissionError):
            (top / "b").hardlink_to(top / "a")
        with monkeypatch.context() as patch, VirtualBoard(disk / "board") as board:
            patch.chdir(top)
            patch.setenv("TRISEAL_HOME", str(top / "home"))
            from_key_to_node(empty, board.port)
            for words in INITS:  # again, in the homes that are there
                assert empty.fails(*words[:-2]) == "already-exists"
            empty.run("dev", "rotate", *KEY)
            empty.run("store", "register-developer", "developer.replacement.pem")
            assert empty.fails("node", "virtual", "kitchen") == "no-symbolic-links"
            assert left(top) == []


def from_key_to_node(here: Commands, port: str) -> None:
    here.run("dev", "init", "--name", "Ada", *KEY)
    here.run("store", "init", "--name", "Shop", *KEY)
    here.run("store", "show", "--cert-out", "shop.pem")
    here.run("dev", "request", "--out", "ada.pem")
    here.run("store", "register-developer", "ada.pem")
    here.run("store", "approve", here.json("dev", "show")["fingerprint"])
    here.run("site", "init", "house", *KEY)
    here.run("site", "trust-store", "shop.pem")
    here.run("site", "trust-developer", "ada.pem")
    for version in ("1.0.0", "1.0.1"):
        here.run("site", "add-service", here.release(version))
    here.run("site", "grant", "thermo", "log", "bus.publish:home/#")
    here.run("site", "add-node", "kitchen")
    here.run("node", "provision", "--port", port, "--node", "kitchen")
    here.run("site", "deploy", "kitchen", "thermo", "--port", port)
    assert "thermo" in here.run("node", "status", "--port", port)


@pytest.mark.usefixtures("exfat", "home_key")
def test_no_key_is_made_where_all_users_could_read_it(
    empty: Commands, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mounts.exfat(disk / "image", disk / "top", "umask=022") as top:
        with monkeypatch.context() as patch:
            patch.chdir(top)
            for words in INITS:
                assert empty.fails(*words) == "not-private"
            create = ("site", "root", "create", "root.key", "--public", "root.pem", *KEY)
            assert empty.fails(*create) == "not-private"
        assert list(top.iterdir()) == []


@pytest.mark.usefixtures("home_key")
def test_a_disk_that_is_mounted_read_only_is_called_so(small: Commands) -> None:
    top = str(small.folder.parent)
    mounts.run("mount", "-o", "remount,ro", top)
    for words in WRITING:
        if "bob.pem" not in words:  # which is not there yet
            assert small.fails(*words) == "read-only-disk", words
    mounts.run("mount", "-o", "remount,rw", top)
    for words in WRITING:
        small.run(*words)


@pytest.mark.usefixtures("home_key")
def test_a_disk_that_takes_no_more_files_is_called_full(small: Commands) -> None:
    """It may have room, but none for another name: SQLite can't make its files there."""
    crowd = small.folder.parent / "crowd"
    crowd.mkdir()
    with contextlib.suppress(OSError):
        for number in range(10_000):
            (crowd / str(number)).touch()
    for words in WRITING:
        if "bob.pem" not in words and words != ("dev", "rotate", "--no-passphrase"):
            assert small.fails(*words) == "disk-full", words
    shutil.rmtree(crowd)
    for words in WRITING:
        small.run(*words)


@pytest.mark.usefixtures("home_key")
@pytest.mark.parametrize("room", [12, 24, 260])
def test_a_full_disk_leaves_nothing_half_written(small: Commands, room: int) -> None:
    """Each command in a process of its own: a full disk can end it by a signal (SIGBUS)."""
    top = small.folder.parent
    for words in (*WRITING, *INITS[1:]):
        before = contents(top)
        filler = mounts.fill(top / "filler", room << 10)
        done = subprocess.run(
            [sys.executable, "-m", "triseal", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        filler.unlink()
        if done.returncode:
            assert done.returncode == 1, (words, done)
            assert done.stderr.startswith("triseal: disk-full: "), (words, done.stderr)
            assert done.stderr.count("\n") == 1
            assert left(top) == []
            assert contents(top) == before, words
            small.run(*words)
