"""A board's life as a node: the same tests on every kind of board."""

from __future__ import annotations

from pathlib import Path

import pytest

from boards.board import Board
from boards.errors import FlashFull
from boards.testing.targets import Power
from triseal.testing import DeployedService, Node

FOLDER = "/triseal/services/service"
HELLO = "async def main(ctx):\n    ctx.log('hello')\n"
# Runs on until it is stopped, and says that it does.
TICKS = """
import asyncio
async def main(ctx):
    n = 0
    while True:
        ctx.log("tick %d" % n)
        n += 1
        await asyncio.sleep_ms(50)
"""


def test_a_board_becomes_a_node_and_keeps_its_key(node: Node) -> None:
    assert node.status().node == node.name
    key = node.board.read("/triseal/node.key")
    again = node.provision({})
    assert again.code.copied == ()
    assert node.board.read("/triseal/node.key") == key
    assert "/triseal/incoming/bundle.der" not in node.board.tree("/triseal")


def test_a_service_is_checked_and_runs(deployed_service: DeployedService) -> None:
    node = deployed_service(TICKS, grants=["log"])
    status = node.status()
    (found,) = status.services
    assert (found.state, found.grants) == ("running", ("log",))
    node.wait_for("service: tick")
    facts, check = node.provisioned.facts, node.accepted
    assert check is not None
    assert 0 < check.heap < facts.heap_size
    print(  # shown with -s: the device README's figures
        f"{facts.machine}: heap {facts.heap_size}, free {facts.heap_free}, with the service"
        f" {status.heap_free}; flash {facts.flash_size}, free {facts.flash_free};"
        f" check {check.check_ms} ms, heap {check.heap}"
    )


def test_services_reach_each_other_by_what_they_are_granted(
    deployed_service: DeployedService,
) -> None:
    listener = (
        "async def main(ctx):\n    async for topic, value in ctx.subscribe('house/#'):\n"
        "        ctx.log('%s %s' % (topic, value))\n"
    )
    speaker = (
        "import asyncio\nasync def main(ctx):\n    while True:\n"
        "        ctx.publish('house/door', ctx.config('door'))\n"
        "        await asyncio.sleep_ms(50)\n"
    )
    node = deployed_service(
        listener, "listener", grants=["log", "bus.subscribe:house/#"], config={"door": "open"}
    )
    deployed_service(speaker, "speaker", grants=["bus.publish:house/door", "config:door"])
    node.wait_for("listener: house/door open")


def test_what_is_not_granted_is_denied(deployed_service: DeployedService) -> None:
    node = deployed_service("async def main(ctx):\n    ctx.publish('house/door', 1)\n")
    found = node.await_state("failed")
    assert found.code == "not-granted"


def test_a_service_of_several_modules(deployed_service: DeployedService, tmp_path: Path) -> None:
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit" / "__init__.py").write_text("from .deep import WORD\n")
    (tmp_path / "kit" / "deep.py").write_text("WORD = 'packed'\n")
    (tmp_path / "main.py").write_text(
        "import asyncio\nimport kit\nasync def main(ctx):\n    while True:\n"
        "        ctx.log('all is ' + kit.WORD)\n        await asyncio.sleep_ms(50)\n"
    )
    node = deployed_service(tmp_path, grants=["log"])
    assert "app.romfs" in node.board.listdir(FOLDER)
    node.restart()
    node.wait_for("service: all is packed")


TAMPERED = (
    ("the executable", "app.py", "hash-mismatch"),
    ("the metadata", "metadata.json", "metadata-mismatch"),
    ("the developer seal", "developer.der", "predecessor-mismatch"),
    ("the Store seal", "store.der", "predecessor-mismatch"),
    ("the site seal", "site.der", "bad-signature"),
)


@pytest.mark.long  # on a virtual board; device/test_tamper.py has each change
def test_what_was_tampered_with_does_not_run(deployed_service: DeployedService) -> None:
    node = deployed_service(TICKS, grants=["log"])
    for sentence, name, code in TAMPERED:
        path = f"{FOLDER}/{name}"
        data = node.board.read(path)
        node.board.write(path, data[:-2] + bytes((data[-2] ^ 1,)) + data[-1:])
        node.restart()
        found = node.service()
        assert (found.state, found.code) == ("refused", code), sentence
        node.board.write(path, data)
    node.restart()
    assert node.service().state == "running"


def test_another_file_beside_the_seals_is_refused(deployed_service: DeployedService) -> None:
    node = deployed_service(TICKS, grants=["log"])
    node.board.write(f"{FOLDER}/extra.py", b"print('not sealed')")
    node.restart()
    found = node.service()
    assert (found.state, found.code) == ("refused", "hash-mismatch")


@pytest.mark.long  # on a virtual board; device/test_heap_cable.py ends a seal
def test_a_service_stops_when_its_seal_expires_and_a_new_one_starts_it(
    deployed_service: DeployedService,
) -> None:
    node = deployed_service(TICKS, grants=["log"])
    node.site.advance(node.site.manager.lifetime + 1)
    node.tell_time()
    assert node.await_state("expired").code == "expired"
    node.renew()
    found = node.await_state("running")
    assert found.not_after > node.site.now()


def test_without_a_trusted_time_nothing_runs(deployed_service: DeployedService) -> None:
    node = deployed_service(TICKS, grants=["log"])
    node.restart(tell_time=False)
    found = node.service()
    assert (found.state, found.code) == ("waiting-for-time", "no-trusted-time")
    node.tell_time()
    assert node.await_state("running")


@pytest.mark.long  # on a virtual board; device/test_floors.py has the floors
def test_an_older_version_never_comes_back(deployed_service: DeployedService) -> None:
    node = deployed_service(HELLO, grants=["log"])
    names = node.board.listdir(FOLDER)
    old = {name: node.board.read(f"{FOLDER}/{name}") for name in names}
    deployed_service(TICKS, grants=["log"])
    for name, data in old.items():
        node.board.write(f"{FOLDER}/{name}", data)
    node.restart()
    found = node.service()
    assert (found.state, found.code) == ("refused", "rollback")


@pytest.mark.long  # on a virtual board; device/test_heap_cable.py removes one
def test_a_removed_service_is_gone(deployed_service: DeployedService) -> None:
    node = deployed_service(TICKS, grants=["log"])
    status = node.remove()
    assert status.services == ()
    assert not [path for path in node.board.tree("/triseal") if "service" in path]


def test_a_hard_reset_keeps_all_but_the_time(deployed_service: DeployedService) -> None:
    node = deployed_service(TICKS, grants=["log"])
    node.board.reset()
    assert node.service().state == "waiting-for-time"
    node.tell_time()
    assert node.await_state("running")


def test_a_power_cut_keeps_all_but_the_time(
    deployed_service: DeployedService, power: Power
) -> None:
    node = deployed_service(TICKS, grants=["log"])
    node.wait_for("service: tick")
    power.power_cut()
    power.power_on()
    assert node.service().state == "waiting-for-time"
    node.tell_time()
    assert node.await_state("running")


def test_the_repl_interrupts_the_agent_and_a_restart_brings_it_back(
    deployed_service: DeployedService,
) -> None:
    node = deployed_service(TICKS, grants=["log"])
    node.wait_for("service: tick")
    assert node.board.exec("print('here')") == "here\n"
    node.restart()
    node.wait_for("service: tick")


@pytest.mark.long  # on a virtual board; host/cli/test_node.py fills one
def test_a_full_flash_changes_nothing(deployed_service: DeployedService) -> None:
    node = deployed_service(TICKS, grants=["log"])
    before = {path: node.board.hash(path) for path in sorted(node.board.tree("/triseal"))}
    fill(node.board)
    try:
        with pytest.raises(FlashFull):
            deployed_service(TICKS + "# " + "x" * 40000, grants=["log"])
        assert node.service().state == "running"
        assert {path: node.board.hash(path) for path in before} == before
    finally:
        node.board.remove_tree("/ballast")
    deployed_service(TICKS + "# " + "x" * 40000, grants=["log"])
    node.wait_for("service: tick")


def fill(board: Board) -> None:
    """Leave between 16 and 32 KiB of the flash, tried out: what it says is free is an estimate."""
    board.exec(
        "import os\nos.mkdir('/ballast')\nb = bytes(1024)\nn = 0\n"
        "try:\n    while True:\n        n += 1\n"
        "        with open('/ballast/%d' % n, 'wb') as f:\n"
        "            for _ in range(16):\n                f.write(b)\n"
        "except OSError as e:\n    if e.errno != 28:\n        raise\n"
        "os.remove('/ballast/%d' % n)\nos.remove('/ballast/%d' % (n - 1))\n",
        3600.0,
    )
