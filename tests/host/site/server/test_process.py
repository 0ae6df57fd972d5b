"""Server processes of a site: killed and started again, several at once, and told to stop."""

from __future__ import annotations

import json
import signal
import ssl
import stat
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from bench._site import Ports, Site, ready, server, start_server
from sealcore import messages
from tests import full
from tests.full import Sweep
from tests.worlds import postgres
from tests.worlds.link_world import Node, parsed, until
from tests.worlds.ports import quiet_port
from triseal import database
from triseal.serving import unix_socket
from triseal.site.records import tables
from triseal.site.records.ledger import find_seal

SOURCE = b"async def main(ctx):\n    pass\n"
RUNNING = messages.STATES.index("running")


def make(folder: Path, url: str = "", nodes: int = 2) -> Site:
    """A site to be closed, as a context manager."""
    site = Site(folder, "p256", url)
    site.add_service("thermo", SOURCE)
    for number in range(nodes):
        site.add_node(f"node{number}", ["thermo"])
    return site


def node(site: Site, name: str, port: int) -> Node:
    return Node(site, name, port, site.context(name, ssl.TLSVersion.TLSv1_2))


def renew(one: Node) -> None:
    one.send(messages.RENEW, 0, [("thermo", one.serial("thermo"))])
    one.expect(messages.RENEWED)


def renew_for_ever(one: Node, got: list[bytes]) -> None:
    while True:
        renew(one)
        got.append(one.seals["thermo"])


def page(ports: Ports, path: str, host: str = "127.0.0.1") -> bytes:
    url = f"http://127.0.0.1:{ports.pages}{path}"
    request = urllib.request.Request(url, headers={"Host": host})
    with urllib.request.urlopen(request, timeout=240) as answer:
        found: bytes = answer.read()
        return found


def refused(ports: Ports, path: str, host: str = "127.0.0.1") -> int:
    """The status with which a page is refused. Python 3.14 wants such an answer to be closed."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        page(ports, path, host)
    with caught.value as answer:
        return int(answer.code)


def test_killed_in_the_middle_and_started_again(tmp_path: Path, stack: ExitStack) -> None:
    site = stack.enter_context(make(tmp_path))
    port = quiet_port()  # it is free after the kill, too
    process = start_server(site.home, tmp_path / "log", port=port)
    one = node(site, "node0", ready(process).nodes)
    one.hello()
    one.expect(messages.ASSIGN)
    got: list[bytes] = []

    def kill() -> None:
        while len(got) <= 10 and process.poll() is None:
            time.sleep(0.001)
        process.kill()

    killing = threading.Thread(target=kill)
    killing.start()
    with pytest.raises((EOFError, OSError)):
        renew_for_ever(one, got)
    killing.join()
    process.wait(20)
    if process.stdout:
        process.stdout.close()
    assert len(got) > 10
    with database.reading(site.manager.engine) as connection:
        for der in got:
            assert find_seal(connection, parsed(der).serial) == der
    with server(site.home, tmp_path / "log", port=port):
        one.hello(thermo=one.serial("thermo"))
        renew(one)


@pytest.mark.parametrize("number", full.rows([signal.SIGTERM, signal.SIGHUP], 0))
def test_told_to_stop_it_stops(tmp_path: Path, stack: ExitStack, number: signal.Signals) -> None:
    site = stack.enter_context(make(tmp_path))
    process = start_server(site.home, tmp_path / "log")
    one = node(site, "node0", ready(process).nodes)
    one.hello()
    process.send_signal(number)
    assert process.wait(20) == 0
    if process.stdout:
        process.stdout.close()
    assert one.closed()
    events = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert events[0] == "serving"
    assert events[-1] == "stopped"


def test_its_pages(tmp_path: Path, stack: ExitStack) -> None:
    site = stack.enter_context(make(tmp_path))
    absent = str(tmp_path / "no-board")
    with server(site.home, tmp_path / "log", "--serial", absent) as (ports, _):
        one = node(site, "node0", ports.nodes)
        one.hello()
        one.expect(messages.ASSIGN)
        renew(one)
        assert json.loads(page(ports, "/health")) | {"revision": 0} == {
            "status": "ok",
            "problems": [],
            "connected": 1,
            "revision": 0,
            "lines": {absent: ""},
        }
        text = page(ports, "/metrics").decode()
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[:1] != "#")
        assert values["triseal_connected_nodes"] == "1.0"
        assert values['triseal_answers_total{outcome="delta"}'] == "1.0"
        assert values['triseal_answers_total{outcome="assigned"}'] == "1.0"
        assert float(values["triseal_sent_bytes_total"]) > 1000
        assert 0 <= float(values['triseal_node_silent_seconds{node="node0"}']) < 20
        assert 0 < float(values["triseal_next_expiry_seconds"]) <= site.manager.lifetime
        assert json.loads(page(ports, "/nodes")) == ["node0"]
        for host in ("localhost", "[::1]", f"127.0.0.1:{ports.pages}", f"[::1]:{ports.pages}"):
            assert page(ports, "/nodes", host)
        for host in ("site.example", "127.0.0.1.site.example:80", "[::2]", "", "[::1"):
            assert refused(ports, "/nodes", host) == 421


def test_a_nodes_log_is_followed_by_the_owner_only(tmp_path: Path, stack: ExitStack) -> None:
    site = stack.enter_context(make(tmp_path))
    with server(site.home, tmp_path / "log") as (ports, _):
        one = node(site, "node0", ports.nodes)
        one.hello()
        one.expect(messages.ASSIGN)
        assert refused(ports, "/nodes/node0/log") == 403
        path = site.home / unix_socket.beside(ports.pages)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with (
            httpx.HTTPTransport(uds=str(path)) as transport,
            httpx.Client(transport=transport, timeout=240) as client,
            client.stream("GET", "http://localhost/nodes/node0/log") as following,
        ):
            assert one.expect(messages.FOLLOW) == (1,)
            one.send(messages.LOG, "thermo", "21 degrees\nforged")
            line = json.loads(next(following.iter_lines()))
        assert (line["node"], line["service"]) == ("node0", "thermo")
        assert line["text"] == "21 degrees\nforged"
        assert one.expect(messages.FOLLOW) == (0,)
    assert not path.exists()


def test_several_servers_on_one_postgresql(
    cluster: str, tmp_path: Path, stack: ExitStack, sweep: Sweep[int]
) -> None:
    site = stack.enter_context(make(tmp_path, postgres.database(cluster)))
    log = tmp_path / "log"
    with server(site.home, log) as (left, _), server(site.home, log) as (right, _):
        nodes = [node(site, "node0", left.nodes), node(site, "node1", right.nodes)]
        for one in nodes:
            one.hello()
            one.expect(messages.ASSIGN)
            renew(one)
        # A change reaches the nodes of both.
        site.manager.grant("thermo", ["log"])
        for one in nodes:
            assert one.expect(messages.RENEWNOW) == (["thermo"],)
            one.send(messages.RENEW, 0, [("thermo", one.serial("thermo"))])
            one.expect(messages.ASSIGN)
            assert parsed(one.seals["thermo"]).grants == ("log",)
        # A node goes on where it left off, at the other one.
        moved = node(site, "node0", right.nodes)
        moved.seals = nodes[0].seals
        moved.hello(thermo=moved.serial("thermo"))
        renew(moved)
        changes_under_load(site, [moved, nodes[1]], sweep(range(10), 2))


def changes_under_load(site: Site, nodes: list[Node], turns: list[int]) -> None:
    """No seal is issued with the old grants once a change has been answered with a bound."""
    done = threading.Event()
    threads = [threading.Thread(target=hammer, args=(one, done)) for one in nodes]
    for thread in threads:
        thread.start()
    try:
        for number in turns:
            change = site.manager.revoke if number % 2 == 0 else site.manager.grant
            change("thermo", ["log"])
            recorded = serials(site)
            until(lambda: len(serials(site) - recorded) > 4, "renewals after the change")  # noqa: B023
            for serial in serials(site) - recorded:
                with database.reading(site.manager.engine) as connection:
                    der = find_seal(connection, int.from_bytes(serial, "big"))
                assert der is not None
                assert parsed(der).grants == (() if number % 2 == 0 else ("log",))
    finally:
        done.set()
        for thread in threads:
            thread.join()


def hammer(one: Node, done: threading.Event) -> None:
    """Renew without a pause, whatever else comes."""
    while not done.is_set():
        one.send(messages.RENEW, 0, [("thermo", b"")])
        while one.read()[0] != messages.ASSIGN:
            pass


def serials(site: Site) -> set[bytes]:
    with database.reading(site.manager.engine) as connection:
        return set(connection.scalars(select(tables.seals.c.serial)))
