"""The heaps of the device README: `MICROPYTHON=... python -m tests.device.heaps [ROW ...]`.

For each row it prints the smallest heap, in KiB, in which the row's work is done, and in which it
is done with 1 and 2 KiB more: a smaller heap may do by luck. `MICROPYTHON` may have the agent
frozen; the rows `update-...` need one that has not. `ROW=20-40` searches between two sizes, the
first of them too small.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest

from bench import custody, node_agent
from bench._site import Site, server
from boards import micropython
from boards.virtual.board import VirtualBoard
from tests.device import linked, node, test_heap, test_heap_cable, test_wire
from tests.device import site as keys
from tests.device.conftest import ECHO, TICKER
from tests.lifecycle import test_update
from tests.worlds import link_world
from triseal.signer import KeySigner, generate

LARGEST_KIB = 256
MARGIN_KIB = 2
NODE, SERVICE = "kitchen", "thermo"
TRIAL_S = 60
LIMIT_S, PATIENCE_S = 600, 180.0
_IS_FROZEN = "import nlsm.agent"
# What is done in a heap of so many KiB, in a folder of its own; it raises if that can't be done.
Work = Callable[[int, Path], object]


def agent(folder: Path, services: int = 1, algorithm: str = "rsa2048", developers: int = 1) -> Work:
    """The agent, its services, the time, and answers on the console."""
    developer, store, authority, root = (KeySigner(generate(algorithm)) for _ in range(4))
    others = [(b"\x30\x00", b"%d" % number) for number in range(developers - 1)]
    site = keys.Site(
        developer=developer, store=store, authority=authority, root=root, others=others
    )
    node.make(site, folder / "board")
    spki = node.spki(folder / "board/flash")
    sources = {"ticker": TICKER, "echo": ECHO}
    names = list(sources)[:services]
    for name in names:
        test_heap.deploy(site, spki, folder / "board", name, sources[name])
    library = None if _is_frozen() else test_heap.write_library(folder / "lib")

    def work(heap: int, place: Path) -> None:
        flash = shutil.copytree(folder / "board/flash/triseal", place / "flash")
        with test_heap.started(flash, library, f"{heap}k", place) as board:
            test_heap.tell_time(board, site, *names)

    return work


def cable(services: int, algorithm: str) -> Work:
    """From an empty board to the end of a seal, at a cable."""

    def work(heap: int, place: Path) -> None:
        test_heap_cable.live(services, f"{heap}k", place, algorithm)

    return work


def wire(folder: Path, algorithm: str, test: Callable[..., None]) -> Work:
    """A test of the link over a serial line."""
    world = linked.make_world(folder, algorithm)
    made = linked.enrol(world, test_wire.NODE, folder / "enrolled")

    def work(heap: int, place: Path) -> None:
        board = shutil.copytree(made, place / "board")
        try:
            with VirtualBoard(board, f"{heap}k") as virtual:
                test(world, virtual)
        finally:
            test_wire.clean(world)

    return work


def update(serial: bool) -> Work:
    """An agent comes over the link, and then another one into the other slot."""

    def work(heap: int, place: Path) -> None:
        with Site(place / "site", "rsa2048") as site, ExitStack() as stack:
            site.add_service(SERVICE, test_update.SERVICE)
            site.add_node(NODE, [SERVICE])
            virtual = VirtualBoard(place / "board", f"{heap}k")
            settings = place / "board/flash/triseal/settings.json"
            if serial:
                node_agent.make(site, place / "board/flash", 1, NODE)
                settings.write_text(json.dumps({"trial": TRIAL_S}))
                stack.enter_context(virtual)
                ports, _ = stack.enter_context(_serving(site, place, "--serial", virtual.port))
            else:
                ports, _ = stack.enter_context(_serving(site, place))
                node_agent.make(site, place / "board/flash", ports.nodes, NODE, {"trial": TRIAL_S})
                stack.enter_context(virtual)
            world = test_update.World(site, ports, place)
            world.runs(NODE, SERVICE)
            world.is_known(NODE)
            name = world.release()
            site.manager.assign(NODE, name)
            world.runs(NODE, name)
            world.runs(NODE, SERVICE)
            world.add(name, "1.1")
            world.shows(NODE, name, "running 1.1")
            world.runs(NODE, SERVICE)

    return work


def check(folder: Path, developers: int) -> Work:
    """The check of custody alone, with a trust bundle of so many developers."""
    custody.write(custody.deploy(developers), folder)

    def work(heap: int, _: Path) -> None:
        custody.run(folder, "from _custody_check import check; check()", heap)

    return work


def _is_frozen() -> bool:
    done = micropython.run(["-c", _IS_FROZEN], environment={"MICROPYPATH": ".frozen"})
    return done.returncode == 0


def _serving(site: Site, place: Path, *options: str) -> AbstractContextManager[tuple[Any, Any]]:
    return server(site.home, place / "log", "--log-level", "warning", *options)


RESET = test_wire.test_a_node_that_was_reset_is_told_the_time_and_runs_again
# Each makes what its tries share, in a folder.
ROWS: dict[str, Callable[[Path], Work]] = {
    "check": lambda folder: check(folder, 1),
    "check-170": lambda folder: check(folder, 170),
    "agent": agent,
    "agent-2": lambda folder: agent(folder, 2),
    "agent-p256": lambda folder: agent(folder, algorithm="p256"),
    "agent-170": lambda folder: agent(folder, developers=170),
    "cable": lambda _: cable(1, "rsa2048"),
    "cable-2": lambda _: cable(2, "rsa2048"),
    "cable-p256": lambda _: cable(1, "p256"),
    "wire": lambda folder: wire(folder, "rsa2048", RESET),
    "wire-2": lambda folder: wire(folder, "rsa2048", test_wire.test_services_come_and_run),
    "wire-p256": lambda folder: wire(folder, "p256", RESET),
    "update-line": lambda _: update(serial=True),
    "update-tls": lambda _: update(serial=False),
}


def does(work: Work, heap: int) -> bool:
    """Try the work of a row in a heap of so many KiB. Print why it failed, in one line."""
    with tempfile.TemporaryDirectory(prefix="triseal-heap-") as place:
        signal.alarm(LIMIT_S)  # an agent without memory may not answer
        try:
            work(heap, Path(place))
        except (Exception, pytest.fail.Exception) as error:
            said = (str(error).strip() or repr(error)).splitlines()[-1]
            print(f"    {heap} KiB: {said[:200]}", file=sys.stderr, flush=True)
            return False
        finally:
            signal.alarm(0)
    return True


def _ends(*_: object) -> None:
    raise TimeoutError(f"not done in {LIMIT_S} s")


def least(work: Work, low: int, high: int) -> int:
    """Search for the smallest heap of a row: see above.

    Args:
        work: of the row.
        low: KiB that are too few.
        high: KiB that are enough.
    """
    while high - low > 1:
        middle = (low + high) // 2
        if does(work, middle):
            high = middle
        else:
            low = middle
    good = 0
    while good < MARGIN_KIB:
        if does(work, high + good + 1):
            good += 1
        else:
            high += good + 2
            good = -1  # this one was not tried yet
    return high


def main(arguments: list[str]) -> None:
    """Measure these rows, or all."""
    signal.signal(signal.SIGALRM, _ends)
    # A try must fail for lack of heap, not of time on a busy computer.
    link_world.SECONDS = test_update.PATIENCE = PATIENCE_S
    for argument in arguments or ROWS:
        name, _, bounds = argument.partition("=")
        low, _, high = bounds.partition("-")
        with tempfile.TemporaryDirectory(prefix="triseal-heap-") as folder:
            work = ROWS[name](Path(folder))
            found = least(work, int(low or 0), int(high or LARGEST_KIB))
            print(f"{name}: {found} KiB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
