"""`triseal node` on a virtual board that another process runs, as people use it."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from boards.board import Board
from tests.host.commands import Commands
from tests.worlds.waiting import looks

PORT = ("--port", "virtual:kitchen")
NODE = ("--node", "kitchen")
PATIENCE = 60.0
# Leaves room for a few files, not for all of the agent.
FILL = """\
import os
blocks = os.statvfs('/')
with open('/ballast', 'wb') as ballast:
    for _ in range(blocks[3] - 8):
        ballast.write(bytes(blocks[1]))
"""


@contextmanager
def virtual(name: str = "kitchen", *more: str) -> Iterator[subprocess.Popen[str]]:
    """`triseal node virtual` in a process of its own, once it has said where it is."""
    words = [sys.executable, "-m", "triseal.cli.main", "node", "virtual", name, *more]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            assert name in process.stdout.readline()
            assert f"virtual:{name}" in process.stdout.readline()
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)


def test_a_board_as_bad_as_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRISEAL_HOME", str(tmp_path))
    words = "--drift -5000 --wrap 60 --epoch 2000 --weak-entropy --brown-out 900 --slow-flash 5"
    code = "import os, time\nprint(time.localtime()[0], os.urandom(2), time.ticks_ms() >> 20)"
    with virtual("bad", *words.split()), Board("virtual:bad") as board:
        assert board.exec(code) == "2000 b'<^' 1023\n"
    with virtual("bad", "--stuck-entropy"), Board("virtual:bad") as board:
        assert board.exec("import os\nprint(os.urandom(2))") == "b'\\xff\\xff'\n"


@pytest.fixture
def commands(settled: Commands) -> Commands:
    """A site with a package and a node that no board is yet."""
    settled.run("site", "add-service", settled.release("1.0"))
    settled.run("site", "add-node", "kitchen")
    return settled


def test_from_a_board_to_a_running_service_and_back(commands: Commands) -> None:
    commands.run("site", "grant", "thermo", "log")
    with virtual():
        assert "virtual:kitchen" in commands.run("node", "list")
        assert commands.fails("node", "deploy", "kitchen", "thermo", *PORT) == "other-board"
        made = commands.json("node", "provision", *NODE, *PORT)
        assert (made["node"], made["bundle_version"], made["files_kept"]) == ("kitchen", 3, 0)
        assert made["agent"] == "files"
        done = commands.json("site", "deploy", "kitchen", "thermo", *PORT)
        assert (done["state"], done["grants"]) == ("running", ["log"])
        status = commands.json("node", "status", *PORT)
        (service,) = status["services"]
        assert (status["node"], service["state"]) == ("kitchen", "running")
        assert service["not_after"] == done["not_after"]
        (place,) = commands.json("site", "status")["services"]
        assert (place["state"], place["not_after"]) == ("running", done["not_after"])
        waiting = commands.json("site", "revoke", "thermo", "log")
        # As much later as the clocks of site and node can differ.
        (bound,) = waiting["waiting"].values()
        later = datetime.fromisoformat(bound) - datetime.fromisoformat(done["not_after"])
        assert 0 <= later.total_seconds() <= 60, waiting
        (renewed,) = commands.json("node", "renew", "kitchen", *PORT)["services"]
        assert renewed["grants"] == []
        commands.run("site", "undeploy", "kitchen", "thermo")
        assert commands.json("node", "renew", "kitchen", *PORT)["services"] == []
        assert commands.json("site", "status")["services"] == []


def test_what_the_board_refuses_is_said_with_its_code(commands: Commands) -> None:
    with virtual():
        commands.run("node", "provision", *NODE, *PORT)
        commands.run("node", "deploy", "kitchen", "thermo", *PORT)
        with Board(PORT[1]) as board:
            # The node has seen a newer one than this site knows of.
            lines = board.read("/triseal/floors")[16:].replace(b"thermo 1", b"thermo 9")
            checked = hashlib.sha256(lines).hexdigest()[:16].encode() + lines
            board.write("/triseal/floors", checked)
            board.soft_reset()
        assert commands.fails("node", "deploy", "kitchen", "thermo", *PORT) == "rollback"
        (service,) = commands.json("node", "restart", *PORT)["services"]
        assert (service["state"], service["code"]) == ("refused", "rollback")


def states(commands: Commands) -> list[str]:
    return [one["state"] for one in commands.json("node", "status", *PORT)["services"]]


def test_a_board_is_the_node_that_it_is(commands: Commands) -> None:
    commands.run("site", "add-node", "hall")
    commands.run("site", "grant", "thermo", "log")
    with virtual():
        commands.run("node", "provision", *NODE, *PORT)
        commands.run("node", "deploy", "kitchen", "thermo", *PORT)
        for act in (("deploy", "hall", "thermo"), ("remove", "hall", "thermo"), ("renew", "hall")):
            assert commands.fails("node", *act, *PORT) == "other-board"
            assert states(commands) == ["running"], "a mix-up stops nothing for good"
        assert {one["node"] for one in commands.json("site", "status")["services"]} == {"kitchen"}
        other = ("node", "provision", "--node", "hall", *PORT)
        assert commands.fails(*other) == "already-node"
        assert states(commands) == ["running"], "a mix-up stops nothing for good"
        again = commands.json("node", "provision", *NODE, *PORT)
        assert again["files_copied"] == 0
        assert states(commands) == ["running"]
        commands.run(*other, "--replace")
        assert commands.json("node", "status", *PORT)["node"] == "hall"
    with virtual("spare"):
        spare = ("--port", "virtual:spare")
        assert commands.fails("node", "provision", *NODE, *spare) == "other-node-key"
        commands.run("node", "provision", *NODE, *spare, "--replace")
        flash = commands.folder / "home/virtual"
        key = (flash / "kitchen/flash/triseal/node.key").read_bytes()
        (flash / "spare/flash/triseal/node.key").write_bytes(key)
        said = commands.fails("node", "remove", "kitchen", "thermo", *spare)
        assert said == "other-board", "its certificate is kitchen's, its key is not"


@pytest.mark.long  # boards/test_unplugged.py cuts it off at several octets
def test_provisioning_that_is_cut_off_is_repeated(commands: Commands) -> None:
    words = [sys.executable, "-m", "triseal.cli.main", "node", "provision", *NODE, *PORT]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    code = commands.folder / "home" / "virtual" / "kitchen" / "flash" / "lib" / "sealcore"
    with (
        virtual() as board,
        subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment) as process,
    ):
        for _ in looks(PATIENCE):
            if code.exists():  # it has begun to copy
                break
            assert process.poll() is None
        board.kill()
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert said.startswith("triseal: board-"), said
    assert said.count("\n") == 1
    (node,) = commands.json("site", "nodes")
    assert node["state"] == "added"
    with virtual():
        commands.run("node", "provision", *NODE, *PORT)
        assert commands.json("node", "status", *PORT)["services"] == []


WRONG: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("a virtual board that nobody runs", ("node", "status", *PORT), "board-not-running"),
    ("a port that isn't there", ("node", "status", "--port", "/dev/nothing"), "no-port"),
    ("what is no port", ("node", "status", "--port", "/dev/null"), "not-a-serial-port"),
    ("a name that is none", ("node", "status", "--port", "virtual:../x"), "bad-board-name"),
    ("a node that isn't there", ("node", "provision", "--node", "x", *PORT), "unknown-node"),
    ("a service that isn't there", ("node", "deploy", "kitchen", "x", *PORT), "board-not-running"),
    ("a virtual board's name", ("node", "virtual", "a/b"), "bad-board-name"),
)


@pytest.mark.parametrize(("sentence", "words", "code"), WRONG, ids=[row[0] for row in WRONG])
def test_wrong_input(commands: Commands, sentence: str, words: tuple[str, ...], code: str) -> None:
    assert commands.fails(*words) == code


MISUSED = (
    ("node", "provision", *PORT),
    ("node", "provision", *NODE, *PORT, "--grace", "-1"),
    ("node", "provision", *NODE, *PORT, "--config", "novalue"),
    ("node", "virtual", "x", "--filesystem", "fat"),
    ("node", "deploy", "kitchen", *PORT),
)


@pytest.mark.parametrize("words", MISUSED, ids=" ".join)
def test_wrong_usage(commands: Commands, words: tuple[str, ...]) -> None:
    assert commands.misused(*words)


def test_full_flash_is_said_and_leaves_the_site_as_it_was(commands: Commands) -> None:
    with virtual("kitchen", "--filesystem", "littlefs"):
        with Board(PORT[1]) as board:
            board.exec(FILL, 60.0)
        assert commands.fails("node", "provision", *NODE, *PORT) == "foreign-files"
        assert commands.fails("node", "provision", *NODE, *PORT, "--keep") == "flash-full"
        (node,) = commands.json("site", "nodes")
        assert node["state"] == "added"
        with Board(PORT[1]) as board:
            board.remove("/ballast")
        commands.run("node", "provision", *NODE, *PORT)
