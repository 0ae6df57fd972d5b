"""Provisioning carries: code to the board, its request to the site, what is issued back."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from boards import provision
from boards.errors import (
    BoardTimeout,
    DeviceFailed,
    FlashFull,
    Shadowed,
    UnsupportedFirmware,
    VerifyFailed,
)
from boards.link import Board
from boards.virtual import VirtualBoard

# A device package of the test's own, which keeps the contract of nlsm.enrol and nothing else:
# what is issued must repeat the request.
ENROL = """
import binascii, os

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
    monkeypatch.syspath_prepend(tmp_path / "device")


@pytest.fixture
def virtual(tmp_path: Path) -> Iterator[VirtualBoard]:
    """An empty board."""
    with VirtualBoard(tmp_path / "board", filesystem="littlefs", flash_size=64 << 10) as virtual:
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


@pytest.mark.parametrize("name", ["nlsm.py", "nlsm.mpy", "sealcore.py"])
def test_what_would_run_in_place_of_the_agent_is_refused(virtual: VirtualBoard, name: str) -> None:
    with Board(virtual.port) as board:
        board.write(f"/{name}", b"")
        with pytest.raises(Shadowed, match=f"/{name}"):
            provision.provision(board, "kitchen", issue)
        assert not board.tree("/lib")
        board.write("/nlsm_notes.txt", b"")  # a name that only begins like it
        board.remove(f"/{name}")
        provision.provision(board, "kitchen", issue)


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

        with Board(virtual.port, patience=0.3) as board:
            board.exec("")
            with pytest.raises(BoardTimeout):
                provision.provision(board, "kitchen", issue, reset)
    with Board(virtual.port) as board:
        provision.provision(board, "kitchen", issue)
        assert "/triseal/certificate" in board.tree("/triseal")


def test_a_request_that_is_none_is_told(virtual: VirtualBoard, tmp_path: Path) -> None:
    for code in ("def request(name, extra): print('zz')", "def request(name): pass"):
        (tmp_path / "device" / "nlsm" / "enrol.py").write_text(code + "\n")
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
