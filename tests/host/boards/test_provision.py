"""Provisioning carries: code to the board, its request to the site, what is issued back."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from boards import provision
from boards.board import Board
from boards.errors import (
    BoardTimeout,
    DeviceFailed,
    FlashFull,
    ForeignFiles,
    UnsupportedFirmware,
    VerifyFailed,
)
from boards.virtual.board import VirtualBoard

# A device package of the test's own, which keeps the contract of nlsm.enrol and nothing else:
# what is issued must repeat the request.
ENROL = """
import binascii, os, sealcore

KEY = "/triseal/key"

def request(name, extra):
    try:
        with open(KEY, "rb") as f:
            key = f.read()
    except OSError:
        key = os.urandom(8)
        try:
            os.mkdir("/triseal")
        except OSError:
            pass
        with open(KEY, "wb") as f:
            f.write(key)
    print("some line before")
    print(binascii.hexlify(name.encode() + b"/" + key).decode())

def accept():
    with open("/triseal/incoming/certificate", "rb") as f:
        issued = f.read()
    with open(KEY, "rb") as f:
        if not issued.endswith(f.read()):
            raise ValueError("not for this key")
    os.rename("/triseal/incoming/certificate", "/triseal/certificate")
    os.remove("/triseal/incoming/bundle")
"""
MAIN = "import nlsm.enrol\nprint('the agent starts')\n"


@pytest.fixture(autouse=True)
def device_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the test's own device code where the real one is installed."""
    for package in ("sealcore", "nlsm"):
        (tmp_path / "device" / package).mkdir(parents=True)
        (tmp_path / "device" / package / "__init__.py").write_text("")
        monkeypatch.delitem(sys.modules, package, raising=False)
    (tmp_path / "device" / "nlsm" / "enrol.py").write_text(ENROL)
    (tmp_path / "device" / "main.py").write_text(MAIN)
    (tmp_path / "device" / "slots.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path / "device")


@pytest.fixture
def virtual(tmp_path: Path) -> Iterator[VirtualBoard]:
    """An empty board."""
    with VirtualBoard(tmp_path / "board", filesystem="littlefs", flash_size=96 << 10) as virtual:
        yield virtual


def issue(request: bytes) -> Mapping[str, bytes]:
    """A site that says yes."""
    return {"certificate": b"issued for " + request, "bundle": b"trust" * 300}


def test_a_board_becomes_a_node(virtual: VirtualBoard) -> None:
    steps: list[str] = []
    with Board(virtual.port) as board:
        done = provision.provision(board, "kitchen", issue, lambda step, *_: steps.append(step))
        board.wait_for("the agent starts")
        key = board.read("/triseal/key")
        assert board.read("/triseal/certificate") == b"issued for kitchen/" + key
        assert board.listdir("/triseal/incoming") == []
    assert list(dict.fromkeys(steps)) == [
        "look", "compile", "copy", "key", "issue", "write", "activate", "restart",
    ]  # fmt: skip
    assert done.code.copied[-1] == "/main.py"
    assert done.facts.implementation == "micropython"
    assert done.files["/triseal/incoming/bundle"] == 1500


def test_again_it_keeps_its_key_and_no_code_is_copied(virtual: VirtualBoard) -> None:
    with Board(virtual.port) as board:
        provision.provision(board, "kitchen", issue)
        key = board.read("/triseal/key")
        again = provision.provision(board, "kitchen", issue)
        assert again.code.copied == ()
        assert board.read("/triseal/key") == key


FOREIGN = (
    "/boot.py",
    "/hashlib.py",
    "/lib/helper.py",
    "/lib/sealcore.mpy",
    "/main.mpy",
    "/nlsm.py",
    "/notes.txt",
    "/pack/__init__.py",
    "/sealcore/der.py",
)


def put(board: Board, path: str, data: bytes = b"print('foreign')\n") -> None:
    board.mkdirs(path.rpartition("/")[0] or "/lib")
    board.write(path, data)


@pytest.mark.parametrize("path", FOREIGN)
def test_a_file_that_nobody_knows_is_named_and_nothing_changes(
    virtual: VirtualBoard, path: str
) -> None:
    with Board(virtual.port) as board:
        put(board, path)
        before = board.tree("/")
        top = path if path.startswith("/lib/") else "/" + path.split("/")[1]
        with pytest.raises(ForeignFiles, match=f"foreign-files: {top}$"):
            provision.provision(board, "kitchen", issue)
        assert board.tree("/") == before


def test_files_that_nobody_knows_are_moved_where_nothing_imports_them(
    virtual: VirtualBoard,
) -> None:
    with Board(virtual.port) as board:
        for round_ in range(2):  # the second time, what was moved before stays beside it
            for path in FOREIGN:
                put(board, path, b"# %d %s\n" % (round_, path.encode()))
            done = provision.provision(board, "kitchen", issue, foreign="move")
            assert len(done.foreign.moved) == len(FOREIGN)
            assert done.foreign.kept == ()
            board.wait_for("the agent starts")
            assert set(board.listdir("/")) == {"lib", "main.py", "triseal", "triseal-moved"}
            assert set(board.listdir("/lib")) == {"nlsm", "sealcore", "slots.mpy"}
        moved = board.tree("/triseal-moved")
        texts = sorted(board.read(path) for path in moved)
        assert texts == sorted(b"# %d %s\n" % (n, p.encode()) for n in (0, 1) for p in FOREIGN)
        again = provision.provision(board, "kitchen", issue)
        assert again.foreign == ((), ()), "what was moved is known"


def test_files_that_are_meant_stay(virtual: VirtualBoard) -> None:
    with Board(virtual.port) as board:
        for path in FOREIGN[:3]:
            put(board, path)
        done = provision.provision(board, "kitchen", issue, foreign="keep")
        assert done.foreign == (FOREIGN[:3], ())
        assert {board.read(path) for path in FOREIGN[:3]} == {b"print('foreign')\n"}


def test_a_program_of_its_users_is_not_lost(virtual: VirtualBoard) -> None:
    """There is one main.py, and it is the agent's: who keeps the rest has it moved all the same."""
    mine = b"print('mine')\n"
    for foreign in ("move", "keep"):
        with Board(virtual.port) as board:
            board.write("/main.py", mine)
            with pytest.raises(ForeignFiles, match=r"/main\.py"):
                provision.provision(board, "kitchen", issue)
            done = provision.provision(board, "kitchen", issue, foreign=foreign)
            assert done.foreign == ((), ("/main.py",))
            assert board.read("/main.py") == MAIN.encode()
    with Board(virtual.port) as board:
        assert {board.read(path) for path in board.tree("/triseal-moved")} == {mine}


STOCK_BOOT = (
    "# This file is executed on every boot (including wake-boot from deepsleep)\n"
    "#import esp\n#esp.osdebug(None)\n"
)
STOCK = (
    ("ESP32", STOCK_BOOT + "#import webrepl\n#webrepl.start()\n"),
    (
        "ESP8266",
        STOCK_BOOT + "import os, machine\n#os.dupterm(None, 1) # disable REPL on UART(0)\n"
        "import gc\n#import webrepl\n#webrepl.start()\ngc.collect()\n",
    ),
)


@pytest.mark.parametrize(("port", "text"), STOCK)
def test_what_a_port_writes_by_itself_is_known(virtual: VirtualBoard, port: str, text: str) -> None:
    with Board(virtual.port) as board:
        board.write("/boot.py", text.encode())
        assert provision.provision(board, "kitchen", issue).foreign == ((), ()), port
        assert board.read("/boot.py") == text.encode()
        board.write("/boot.py", text.replace("#webrepl", "webrepl").encode())
        with pytest.raises(ForeignFiles, match=r"/boot\.py"):
            provision.provision(board, "kitchen", issue)


def test_the_agent_imports_nothing_from_the_root(virtual: VirtualBoard, tmp_path: Path) -> None:
    """Also over the cable, where the interpreter's own search path is still that of a board."""
    code = "\ndef request(name, extra):\n    import hashlib, helper\n"
    enrol = tmp_path / "device" / "nlsm" / "enrol.py"
    enrol.write_text("import hashlib\nhashlib.sha256\n" + ENROL)
    with Board(virtual.port) as board:
        for path in ("/hashlib.py", "/lib/hashlib.py", "/binascii.py", "/os.py", "/helper.py"):
            put(board, path)
        provision.provision(board, "kitchen", issue, foreign="keep")
        enrol.write_text(ENROL + code)
        with pytest.raises(DeviceFailed, match="ImportError: no module named 'helper'"):
            provision.provision(board, "kitchen", issue, foreign="keep")


def test_what_the_site_refuses_is_passed_on(virtual: VirtualBoard) -> None:
    def refuse(request: bytes) -> Mapping[str, bytes]:
        raise PermissionError(f"not this one: {len(request)}")

    with Board(virtual.port) as board:
        with pytest.raises(PermissionError, match="not this one: 16"):
            provision.provision(board, "kitchen", refuse)
        assert "/triseal/certificate" not in board.tree("/triseal")
        provision.provision(board, "kitchen", issue)


def test_what_the_board_refuses_is_one_error(virtual: VirtualBoard) -> None:
    def wrong(request: bytes) -> Mapping[str, bytes]:
        return {"certificate": b"issued for another", "bundle": b""}

    with Board(virtual.port) as board:
        with pytest.raises(DeviceFailed, match="ValueError: not for this key"):
            provision.provision(board, "kitchen", wrong)
        provision.provision(board, "kitchen", issue)
        assert "/triseal/certificate" in board.tree("/triseal")


def test_what_does_not_fit_is_one_error(virtual: VirtualBoard) -> None:
    with Board(virtual.port) as board:
        with pytest.raises(FlashFull, match="/triseal/incoming/certificate"):
            provision.provision(board, "kitchen", lambda _: {"certificate": bytes(100_000)})
        provision.provision(board, "kitchen", issue)


def test_a_board_that_resets_in_the_middle_is_completed_by_repeating(virtual: VirtualBoard) -> None:
    for step in ("look", "compile", "copy", "key", "issue", "write", "activate"):

        def reset(now: str, *_: int, step: str = step) -> None:
            if now == step:
                virtual.reset()
                board.patience = 0.3  # nobody answers what was asked before

        with Board(virtual.port) as board:
            board.exec("")  # it has answered: from here on only a reset makes it silent
            with pytest.raises(BoardTimeout):
                provision.provision(board, "kitchen", issue, reset)
    with Board(virtual.port) as board:
        provision.provision(board, "kitchen", issue)
        assert "/triseal/certificate" in board.tree("/triseal")


def test_a_request_that_is_none_is_told(virtual: VirtualBoard, tmp_path: Path) -> None:
    for code in ("def request(name, extra): print('zz')", "def request(name, extra): pass"):
        text = f"import sealcore\n{code}\n"
        (tmp_path / "device" / "nlsm" / "enrol.py").write_text(text)
        with Board(virtual.port) as board, pytest.raises(VerifyFailed, match="request"):
            provision.provision(board, "kitchen", issue)


def test_files_are_delivered_with_progress(virtual: VirtualBoard) -> None:
    told: list[tuple[str, int, int]] = []
    files = [("/a/b/one", b"1" * 2000), ("/two", b"2" * 500)]
    with Board(virtual.port) as board:
        provision.deliver(board, files, lambda *step: told.append(step))
        assert {path: board.read(path) for path, _ in files} == dict(files)
        assert told[-1] == ("write", 2500, 2500)
        assert len(told) == 5
        told.clear()
        provision.deliver(board, files, lambda *step: told.append(step))
        assert told == [("write", 2500, 2500)]


def test_what_is_too_old_or_something_else_is_refused(virtual: VirtualBoard) -> None:
    with Board(virtual.port) as board:
        facts = board.facts()
        for changed in (
            facts._replace(implementation="circuitpython"),
            facts._replace(version=(1, 19, 1)),
            facts._replace(version=()),
        ):
            with pytest.raises(UnsupportedFirmware, match="the board runs"):
                provision.require_supported(changed)
        provision.require_supported(facts)
