"""Memory of a server process for each node that is connected and silent."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from bench import Figure
from bench._link_client import Client
from bench._site import Site, server
from triseal.site import home

_WARM = 50  # connections that are not counted: they fill what the process allocates once
_COUNTED = 300
_SERVICE = "thermostat"
_SOURCE = b"async def main(ctx):\n    pass\n"
_SECONDS = 30.0


class _Closable(Protocol):
    def close(self) -> None: ...


def measure() -> Iterator[Figure]:
    """Yield `server.connection.memory`: resident memory of one idle connection over TLS 1.2.

    Each node has said HELLO and has got the seal of one service. The baseline is a connection of a
    plain echo server of asyncio, with the same version of TLS and certificates of the same kind.

    Raises:
        FileNotFoundError: the system has no /proc.
    """
    with (
        tempfile.TemporaryDirectory(prefix="triseal-bench-") as folder,
        Site(Path(folder), "p256") as site,
    ):
        site.add_service(_SERVICE, _SOURCE)
        for number in range(_WARM + _COUNTED):
            site.add_node(f"node{number}", [_SERVICE])
        with server(site.home, Path(folder) / "log", "--log-level", "warning") as (ports, pid):

            def greet(node: str) -> Client:
                context = site.context(node, ssl.TLSVersion.TLSv1_2)
                client = Client(ports.nodes, context, node)
                client.take_seals(1)
                return client

            ours = _each(pid, list(site.nodes), greet)
        with echo(site) as (port, pid):
            plain = _each(pid, list(site.nodes), lambda node: echoed(site, port, node))
    yield Figure("server.connection.memory", ours, "KiB", plain)


def resident(pid: int) -> float:
    """Return the resident memory of a process in KiB.

    Args:
        pid: its process id.
    """
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def _each(pid: int, nodes: list[str], connect: Callable[[str], _Closable]) -> float:
    """Return the KiB by which the process grows for each connection; all of them stay open."""
    held = [connect(node) for node in nodes[:_WARM]]
    before = resident(pid)
    held += [connect(node) for node in nodes[_WARM:]]
    grown = resident(pid) - before
    for one in held:
        one.close()
    return grown / (len(nodes) - _WARM)


@contextmanager
def echo(site: Site) -> Iterator[tuple[int, int]]:
    """Run an echo server with the certificate of the first node; yields its port and process id.

    Args:
        site: the site of the node.
    """
    node = next(iter(site.nodes))
    site.context(node, ssl.TLSVersion.TLSv1_2)  # writes its file
    paths = [str(site.folder / f"{node}.pem"), str(site.home / home.CERTIFICATE)]
    program = str(Path(__file__).with_name("_tls_echo.py"))
    with subprocess.Popen([sys.executable, program, *paths], stdout=subprocess.PIPE) as process:
        try:
            line = process.stdout.readline() if process.stdout else b""
            yield int(line), process.pid
        finally:
            process.terminate()


def echoed(site: Site, port: int, node: str) -> ssl.SSLSocket:
    """Return a connection over which one byte has come back.

    Args:
        site: the site.
        port: of the echo server.
        node: name of the node whose certificate it shows.
    """
    context = site.context(node, ssl.TLSVersion.TLSv1_2)
    context.verify_mode = ssl.CERT_NONE  # a node's certificate is not one of a server
    raw = socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
    tls = context.wrap_socket(raw)
    tls.sendall(b"x")
    if tls.recv(1) != b"x":
        raise EOFError("the echo server has closed")
    return tls
