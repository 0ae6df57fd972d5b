"""A server under pressure: its log is not read, strangers sit on its pages, descriptors are few."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from bench._site import Ports, Site, ready, start_server
from sealcore import messages
from tests.host.site.server.test_jsonlog import fill
from tests.worlds.link_world import Node, until
from triseal import database
from triseal.serving import bounded, unix_socket
from triseal.site.server import descriptors, process
from triseal.site.server.limits import Limits

MANY = 1500


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("pressed"), "p256") as made:
        made.add_service("thermo", b"async def main(ctx):\n    pass\n")
        made.add_node("kitchen", ["thermo"])
        yield made


def kitchen(site: Site, ports: Ports) -> Node:
    node = Node(site, "kitchen", ports.nodes, site.context("kitchen", ssl.TLSVersion.TLSv1_2))
    node.hello()
    node.expect(messages.ASSIGN)
    return node


def ended(server: subprocess.Popen[bytes]) -> int:
    """The status of a server that was told to stop."""
    try:
        return server.wait(process.STOP_SECONDS + 10)
    finally:
        server.kill()
        server.wait()
        if server.stdout:
            server.stdout.close()


def test_a_log_that_nobody_reads(site: Site) -> None:
    reader, writer = os.pipe()
    fill(writer)
    server = start_server(site.home, Path(f"/dev/fd/{writer}"), "--log-level", "debug")
    try:
        ports = ready(server)
        for _ in range(3):
            kitchen(site, ports).close()
        node = kitchen(site, ports)
        node.send(messages.RENEW, 0, [("thermo", node.serial("thermo"))])
        node.expect(messages.RENEWED)
        server.send_signal(signal.SIGTERM)
        assert ended(server) == 0
    finally:
        server.kill()
        os.close(reader)
        os.close(writer)


def test_a_database_that_somebody_has_locked(site: Site, tmp_path: Path) -> None:
    """A write may wait for half a minute; the end of the server does not."""
    server = start_server(site.home, tmp_path / "log")
    ports = ready(server)
    node = kitchen(site, ports)
    with database.writing(site.manager.engine) as connection:
        connection.execute(text("UPDATE nodes SET name = name"))
        node.send(messages.RENEW, 0, [("thermo", node.serial("thermo"))])
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert ended(server) in (0, 1)
        assert time.monotonic() - began < 25


def test_strangers_on_the_pages_keep_no_node_out(
    site: Site, tmp_path: Path, stack: ExitStack
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * MANY:
        pytest.skip(f"this process may open only {hard} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * MANY), hard))
    stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
    server = start_server(site.home, tmp_path / "log", "--connections", "16")
    try:
        ports = ready(server)
        idle = []
        for _ in range(MANY):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", ports.pages))
            idle.append(one)
        node = kitchen(site, ports)
        node.send(messages.RENEW, 0, [("thermo", node.serial("thermo"))])
        node.expect(messages.RENEWED)
        opened = Path(f"/proc/{server.pid}/fd")
        if opened.is_dir():
            most = 3 * bounded.MOST  # the pages', and what the server needs anyway
            until(lambda: sum(1 for _ in opened.iterdir()) < most, "few are open")
        answer = httpx.get(f"http://127.0.0.1:{ports.pages}/health", timeout=240, trust_env=False)
        assert answer.json()["connected"] == 1
    finally:
        server.terminate()
        assert ended(server) == 0


# --- Descriptors -----------------------------------------------------------------------------


def run_limited(hard: int, code: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process that may open only so many files."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 256), hard))

    return subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=limit,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_more_connections_than_the_system_allows(site: Site) -> None:
    arguments = ["site", "serve", "--home", str(site.home), "--connections", "4000"]
    arguments += ["--listen", "127.0.0.1:0", "--pages", "0"]
    code = f"import sys\nfrom triseal.cli.main import main\nsys.exit(main({arguments}))"
    done = run_limited(1024, code)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    needed = 4000 + Limits.handshakes + descriptors.OTHER
    assert line.startswith(f"triseal: too-few-files: 4000 connections need {needed} open files")
    assert done.stdout == ""


def test_without_a_wish_as_many_as_fit() -> None:
    code = (
        "import resource\n"
        "from triseal.site.server import descriptors, limits\n"
        "most = descriptors.most_connections(None, 2)\n"
        "descriptors.make_room(limits.Limits(connections=most), 2)\n"
        "print(most, *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = run_limited(1024, code)
    assert done.stderr == ""
    most = 1024 - Limits.handshakes - descriptors.OTHER - 2 * descriptors.EACH_LINE
    assert done.stdout.split() == [str(most), "1024", "1024"]
    assert most > 200


def test_a_wish_is_kept() -> None:
    assert descriptors.most_connections(5, 0) == 5
    assert descriptors.most_connections(None, 0) <= Limits.connections


# --- The Unix socket -------------------------------------------------------------------------


def test_all_pages_on_a_socket_and_none_on_a_port(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "pages.sock"
    server = start_server(site.home, tmp_path / "log", "--pages", f"unix:{path}")
    try:
        assert server.stdout is not None
        assert json.loads(server.stdout.readline())["pages"] == f"unix:{path}"
        with (
            httpx.HTTPTransport(uds=str(path)) as transport,
            httpx.Client(transport=transport, timeout=240) as client,
        ):
            assert client.get("http://localhost/health").json()["connected"] == 0
            assert client.get("http://localhost/nodes/kitchen/log").status_code == 404
            assert client.get("http://site.example/health").status_code == 421
        assert not list(site.home.glob("*.sock"))
    finally:
        server.terminate()
        assert ended(server) == 0
    assert not path.exists()


def test_a_socket_that_a_killed_server_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "left.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    with unix_socket.listen(path):
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()


def test_a_socket_that_somebody_uses_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "used.sock"
    with unix_socket.listen(path):
        with pytest.raises(OSError, match="in use"), unix_socket.listen(path):
            pass
        assert path.exists()


def test_another_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("mine")
    with pytest.raises(OSError, match="in use"), unix_socket.listen(path):
        pass
    assert path.read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs the /proc of Linux")
def test_a_path_that_is_too_long_for_the_system(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 120) / "pages.sock"
    path.parent.mkdir()
    with (
        unix_socket.listen(path) as listener,
        unix_socket.reachable(path) as address,
        socket.socket(socket.AF_UNIX) as client,
    ):
        client.connect(address)
        listener.accept()[0].close()
    assert not path.exists()
