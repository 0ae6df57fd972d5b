"""Files on a board: whole or not at all, whatever happens on the way."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from boards.board import Board
from boards.errors import BoardTimeout, FileMissing, FlashFull, FlashReadOnly
from boards.files import TEMPORARY
from boards.virtual.board import Filesystem, VirtualBoard

BINARY = bytes(range(256)) * 9 + b"\x00\x01\x02\x03\x04\x05>>>"


@pytest.fixture(params=["posix", "littlefs"])
def filesystem(request: pytest.FixtureRequest) -> Filesystem:
    """Each kind of flash."""
    kind: Filesystem = request.param
    return kind


@pytest.fixture
def board(tmp_path: Path, filesystem: Filesystem) -> Iterator[Board]:
    """A board with an empty flash."""
    with VirtualBoard(tmp_path, filesystem=filesystem) as virtual, Board(virtual.port) as board:
        yield board


def test_what_is_written_is_read_and_hashed(board: Board) -> None:
    for data in (b"", b"\x04", b"\r\n\x03\x01", BINARY, os.urandom(20_000)):
        sent: list[int] = []
        board.write("/file", data, sent.append)
        assert board.read("/file") == data
        assert board.hash("/file") == hashlib.sha256(data).digest()
        assert sent == sorted(set(sent))
        assert sum(sent[-1:]) == len(data)
    assert board.tree("/") == {"/file": 20_000}


def test_folders_and_files_come_and_go(board: Board) -> None:
    board.remove_tree("/lib")
    board.mkdirs("/a/b/c")
    board.mkdirs("/a/b/c")
    board.write("/a/b/it's", b"1")
    board.write("/a/x", b"22")
    assert board.listdir("/a") == ["b", "x"]
    assert board.tree("/") == {"/a/b/it's": 1, "/a/x": 2}
    assert board.hashes(["/a/x", "/none", "/none/none"]) == {"/a/x": hashlib.sha256(b"22").digest()}
    board.remove("/a/x", "/none")
    board.withdraw("/a/b/it's")
    assert board.tree("/a") == {f"/a/b/it's{TEMPORARY}": 1}
    board.commit(["/a/b/it's"])
    assert board.tree("/a") == {"/a/b/it's": 1}
    board.remove_tree("/a")
    board.remove_tree("/a")
    assert board.tree("/a") == {}
    assert board.listdir("/") == []


def test_more_files_than_one_message_holds(board: Board) -> None:
    paths = [f"/file{number}" for number in range(40)]
    for path in paths:
        board.stage(path, path.encode())
    assert set(board.tree("/")) == {path + TEMPORARY for path in paths}
    board.commit(paths)
    assert board.hashes(paths) == {p: hashlib.sha256(p.encode()).digest() for p in paths}
    board.remove(*paths)
    assert board.tree("/") == {}


def test_what_is_not_there_is_told_by_name(board: Board) -> None:
    for attempt in (board.read, board.hash, board.listdir, board.withdraw):
        with pytest.raises(FileMissing, match="/no/such"):
            attempt("/no/such")
    with pytest.raises(FileMissing, match="/no/such"):
        board.write("/no/such", b"data")


def test_a_full_flash_stays_as_it_was(tmp_path: Path) -> None:
    with (
        VirtualBoard(tmp_path, filesystem="littlefs", flash_size=64 << 10) as virtual,
        Board(virtual.port) as board,
    ):
        board.write("/file", b"old")
        free = board.facts().flash_free
        for _ in range(3):
            with pytest.raises(FlashFull, match="/file"):
                board.write("/file", bytes(100_000))
            assert board.tree("/") == {"/file": 3}
            assert board.facts().flash_free == free
        board.write("/file", b"new")
        assert board.read("/file") == b"new"


def test_a_read_only_flash_is_told(tmp_path: Path, filesystem: Filesystem) -> None:
    with (
        VirtualBoard(tmp_path, filesystem=filesystem, read_only=True) as virtual,
        Board(virtual.port) as board,
    ):
        with pytest.raises(FlashReadOnly, match="/x"):
            board.write("/x", b"1")
        with pytest.raises(FlashReadOnly):
            board.mkdirs("/folder")


def test_a_cut_transfer_leaves_the_old_file(tmp_path: Path, filesystem: Filesystem) -> None:
    with VirtualBoard(tmp_path, filesystem=filesystem) as virtual:
        with Board(virtual.port) as board:
            board.write("/file", b"old")

            def cut(sent: int) -> None:
                if sent > 2000:
                    virtual.power_cut()
                    board.patience = 0.5  # nobody answers any more

            with pytest.raises(BoardTimeout):
                board.write("/file", BINARY * 4, cut)
        virtual.power_on()
        with Board(virtual.port) as board:
            assert board.read("/file") == b"old"
            board.write("/file", BINARY * 4)
            assert board.read("/file") == BINARY * 4
            assert board.tree("/") == {"/file": len(BINARY) * 4}


SENDER = """
import os, sys
from boards.link import Board
board = Board(sys.argv[1])
board.write("/file", bytes(1000) * 1000, lambda sent: sent > 5000 and print(sent, flush=True))
"""


def test_a_killed_sender_leaves_the_old_file_and_the_port_free(tmp_path: Path) -> None:
    with VirtualBoard(tmp_path) as virtual:
        with Board(virtual.port) as board:
            board.write("/file", b"old")
        sender = subprocess.Popen(
            [sys.executable, "-c", SENDER, virtual.port],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert sender.stdout is not None
        assert sender.stdout.readline()
        sender.send_signal(signal.SIGKILL)
        sender.wait()
        sender.stdout.close()
        with Board(virtual.port) as board:
            assert board.read("/file") == b"old"
            board.write("/file", b"new")
            assert board.tree("/") == {"/file": 3}
