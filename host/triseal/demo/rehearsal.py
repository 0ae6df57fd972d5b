"""A change of a site's key, played with virtual boards, a server process and a temporary site."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from boards.board import Board
from boards.virtual.board import VirtualBoard
from triseal import files
from triseal.demo import scene
from triseal.demo.scene import Scene
from triseal.demo.stations import silent
from triseal.developer import home as developer_home
from triseal.errors import Failure
from triseal.site import keychange
from triseal.site.cable import enrolment
from triseal.site.views import placements

LIFETIME = 30  # of seals, seconds: each is renewed while the key is changed

_SECONDS = 120.0
_MAX_LOG = 1 << 20  # bytes of what a server has printed
_LOOK_EVERY = 0.2
_HEAP = "256k"
_SERVICE = "blink"
_SOURCE = b"""\
import asyncio


async def main(ctx):
    while True:
        await asyncio.sleep(1)
"""

Say = Callable[[str], None]


class RehearsalFailed(Failure):
    """The rehearsal of a change of the site's key did not end as it should."""

    code = "rehearsal-failed"
    advice = "Do not change the key of a site with this installation; report the defect."


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsal has shown.

    Attributes:
        nodes: number of nodes.
        seconds: time of each step, by its name, and "confirmed" until all nodes refused the old
            key.
    """

    nodes: int
    seconds: dict[str, float]


def play(nodes: int, say: Say) -> Rehearsed:
    """Make a site with virtual nodes, change its key, and check that no service stops.

    Args:
        nodes: number of nodes.
        say: called with a line for people after each step.

    Raises:
        RehearsalFailed: a service stopped, or a node still takes what the old key signs.
        BoardError: there is no MicroPython for virtual boards.
    """
    with scene.parties(LIFETIME) as made, _server(made.folder) as port:
        names = [f"node-{number}" for number in range(1, nodes + 1)]
        with contextlib.ExitStack() as boards:
            _deploy(made)
            for name in names:
                _start(made, name, port, boards)
            _until(lambda: _running(made, names), "all services run")
            say(f"{nodes} virtual nodes run a service")
            return Rehearsed(nodes, _rotate(made, names, say))


def _rotate(made: Scene, names: list[str], say: Say) -> dict[str, float]:
    seconds: dict[str, float] = {}
    began = time.monotonic()
    for step in keychange.rotate(made.site, _SECONDS, waits=lambda _: _check(made, names)):
        seconds[step], began = time.monotonic() - began, time.monotonic()
        say(f"{step}: done after {seconds[step]:.1f} s")
        _check(made, names)
    after = made.site.key_progress()
    every = tuple(sorted(names))
    _until(lambda: made.site.guarantee_of_key(after).confirmed == every, "all refuse the old key")
    _check(made, names)
    seconds["confirmed"] = time.monotonic() - began
    say(f"all nodes refuse the old key after {seconds['confirmed']:.1f} s; no service stopped")
    return seconds


def _deploy(made: Scene) -> None:
    registered = made.store.register(developer_home.request_pem(made.folder / "dev"))
    made.store.approve(registered.fingerprint)
    package = made.store.submit(made.sign(_SERVICE, _SOURCE, []))[1]
    made.site.trust_store(bytes(made.store.certificate.der))
    made.site.trust_developer(made.developer.name, made.developer.signer.spki)
    made.site.add_service(package)


def _start(made: Scene, name: str, port: int, boards: contextlib.ExitStack) -> None:
    virtual = boards.enter_context(VirtualBoard(made.folder / name, _HEAP))
    made.site.add_node(name)
    settings = {"server": ["127.0.0.1", port], "spread": 1}
    with Board(virtual.port) as board:
        enrolment.enrol(made.site, board, name, settings, silent)
    made.site.assign(name, _SERVICE)


def _places(made: Scene) -> dict[str, tuple[str | None, int]]:
    """Return the state of the service on each node, and how often the node has restarted it."""
    with made.site.reading() as connection:
        found = placements.places(connection, made.site.issuer, int(time.time()))
    return {place.node: (place.state, place.restarts) for place in found}


def _running(made: Scene, names: list[str]) -> bool:
    return _places(made) == dict.fromkeys(names, ("running", 0))


def _check(made: Scene, names: list[str]) -> None:
    for name, (state, restarts) in _places(made).items():
        # A new seal is on its way while the state is "sent".
        if name in names and (state not in ("running", "sent") or restarts):
            raise RehearsalFailed(f"the service on {name} is {state}, {restarts} restarts")


def _until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _SECONDS
    while not true():
        if time.monotonic() > end:
            raise RehearsalFailed(f"not after {_SECONDS:.0f} s: {what}")
        time.sleep(_LOOK_EVERY)


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[int]:
    """Run the server of the site as a process of its own; the port for its nodes."""
    command = [sys.executable, "-m", "triseal", "site", "serve", "--home", str(folder / "site")]
    log = folder / "server.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0", "--pages", "0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)},
        )
    try:
        first = process.stdout.readline() if process.stdout else b""
        if not first:
            said = files.read(log, _MAX_LOG).decode(errors="replace")
            raise RehearsalFailed(f"the server did not start: {said.strip()[-300:]}")
        yield int(json.loads(first)["port"])
    finally:
        process.terminate()
        process.wait()
        if process.stdout:
            process.stdout.close()
