"""A node that takes a new agent over the link: bytes, seconds, and the room of two slots."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from bench import Figure, node_agent
from bench._site import Site, server
from bench.node_agent import NODE, SOURCE
from bench.provision import copy
from boards.board import Board
from boards.code import romfs, stage
from boards.port import Port
from boards.virtual.board import VirtualBoard
from triseal import database
from triseal.developer import agent
from triseal.developer.sign import Release
from triseal.site.cable import agent as console
from triseal.site.records import vitals
from triseal.site.views import placements

_AGENT = "nlsm"
_HEAP = "512k"
_BLOCK = 4096
_FOLDER_BLOCKS = 2  # LittleFS keeps each folder in a pair of blocks
_CHANGED = ("nlsm/duties.py", "nlsm/link.py", "sealcore/renewal.py")
_PATIENCE = 300.0


class Relay:
    """Passes TCP connections on to a port of this computer, and counts the bytes of both ways.

    Args:
        target: the port.

    Attributes:
        port: where it listens.
        count: bytes so far.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.count = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self.count += len(data)
                sink.sendall(data)
        except OSError:
            pass
        for one in (source, sink):
            one.close()


def measure() -> Iterator[Figure]:
    """Yield `node.update.bytes`, `node.update.seconds`, `node.agent.flash` and `node.slot.heap`.

    Bytes and seconds are of an update that changes three modules, from the moment at which the site
    takes the package until it knows that the node has confirmed it: with TLS, the restart and all
    checks. The image comes as the difference to the one that runs. The baselines are all `.mpy`
    files of the agent, and mpremote, which copies them. The
    heap is what an agent from a slot has in use beyond the same agent from files.

    Raises:
        RuntimeError: the node does not take the agent in time.
    """
    with (
        tempfile.TemporaryDirectory(prefix="triseal-bench-") as name,
        Site(root := Path(name), "p256") as site,
    ):
        site.add_service("thermo", SOURCE)
        site.manager.grant("thermo", ["bus.publish:home/#"])
        site.add_node(NODE, ["thermo"])
        with (
            server(site.home, root / "log", "--log-level", "warning") as (ports, _),
            Relay(ports.nodes) as relay,
        ):
            yield from _update(site, relay, root / "board")
        yield Figure("node.agent.flash", _flash(root / "board/flash/agent") / 1024, "KiB")


def _update(site: Site, relay: Relay, folder: Path) -> Iterator[Figure]:
    node_agent.make(site, folder / "flash", relay.port)
    with VirtualBoard(folder, _HEAP) as virtual:
        _wait(site, "thermo", "1.0")
        used = _heap(virtual)
        _add(site, "1.0", agent.read().packed)
        _wait_known(site)
        site.manager.assign(NODE, _AGENT)
        _wait(site, _AGENT, "1.0")
        _wait(site, "thermo", "1.0")
        used = _heap(virtual) - used
        changed = _changed()
        relay.count, began = 0, time.monotonic()
        _add(site, "1.1", changed)
        _wait(site, _AGENT, "1.1")
        seconds, count = time.monotonic() - began, relay.count
    plain = folder.parent / "plain"
    with VirtualBoard(plain) as board:
        with Board(board.port) as open_board:
            files = stage.plan(open_board.facts().target)
        baseline = copy(board.port, files, folder.parent / "files")
    yield Figure("node.update.bytes", count, "bytes", sum(len(data) for data in changed.values()))
    yield Figure("node.update.seconds", seconds, "s", baseline)
    yield Figure("node.slot.heap", used / 1024, "KiB")


def _changed() -> dict[str, bytes]:
    """Return the modules of the agent, three of them with one more number."""
    sources = stage.sources()
    for path in _CHANGED:
        sources[path] += b"\n_more = 1\n"
    return stage.compile_modules(sources, agent.TARGET)


def _add(site: Site, version: str, modules: Mapping[str, bytes]) -> None:
    release = Release(_AGENT, version, 1, agent.metadata())
    site.manager.add_service(site.package(release, "app.romfs", romfs.pack(dict(modules))))


def _heap(virtual: VirtualBoard) -> int:
    with Port(virtual.port) as port:
        return 512 * 1024 - console.ask(port, _PATIENCE).heap_free


def _wait(site: Site, service: str, version: str) -> None:
    end = time.monotonic() + _PATIENCE
    found: list[placements.PlaceFacts] = []
    while time.monotonic() < end:
        with database.reading(site.manager.engine) as connection:
            found = placements.places(connection, site.manager.issuer, int(time.time()))
        if any(
            (one.service, one.state, one.version) == (service, "running", version) for one in found
        ):
            return
        time.sleep(0.1)
    raise RuntimeError(f"{service} {version}: {found}")


def _wait_known(site: Site) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        with database.reading(site.manager.engine) as connection:
            if vitals.of(connection, NODE):
                return
        time.sleep(0.1)
    raise RuntimeError("the node says nothing about itself")


def _flash(folder: Path) -> int:
    """Return the bytes of flash that a folder takes on LittleFS, each file in blocks of its own."""
    blocks = 0
    for path in (folder, *folder.rglob("*")):
        blocks += _FOLDER_BLOCKS if path.is_dir() else -(-path.stat().st_size // _BLOCK)
    return blocks * _BLOCK
