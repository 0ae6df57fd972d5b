"""What people type around a running server: changes that wait, and a node's log."""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from bench._site import Ports, Site, server
from sealcore import messages
from tests.worlds.link_world import Node
from tests.worlds.ports import quiet_port

RUNNING = messages.STATES.index("running")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site"), "p256") as made:
        made.add_service("thermo", b"async def main(ctx):\n    pass\n")
        for name in ("hall", "kitchen"):
            made.add_node(name, ["thermo"])
        yield made


@pytest.fixture(scope="module")
def ports(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    """A server of this site."""
    with server(site.home, tmp_path_factory.mktemp("log") / "log") as (made, _):
        yield made


def connected(site: Site, name: str, port: int) -> Node:
    node = Node(site, name, port, site.context(name, ssl.TLSVersion.TLSv1_2))
    node.hello()
    node.expect(messages.ASSIGN)
    return node


def triseal(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "triseal.cli.main", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)},
    )


def of(site: Site, ports: Ports) -> tuple[str, ...]:
    return "--home", str(site.home), "--pages", str(ports.pages)


def obey(node: Node) -> None:
    """Take the change that the site announces, and confirm it."""
    node.expect(messages.RENEWNOW)
    node.send(messages.RENEW, 0, [("thermo", node.serial("thermo"))])
    node.expect(messages.ASSIGN)
    node.send(messages.REPORT, "thermo", node.serial("thermo"), RUNNING, "", "", 0, [])


def test_a_change_waits_for_who_is_there_and_bounds_who_is_not(site: Site, ports: Ports) -> None:
    connected(site, "hall", ports.nodes).close()
    kitchen = connected(site, "kitchen", ports.nodes)
    obeying = threading.Thread(target=obey, args=(kitchen,))
    obeying.start()
    given = ("site", "grant", "thermo", "log", "--home", str(site.home), "--json")
    out, errors = triseal(*given, "--wait", "15").communicate(timeout=240)
    obeying.join()
    assert not errors
    found = json.loads(out)
    assert found["confirmed"] == ["kitchen"]
    assert list(found["waiting"]) == ["hall"]
    assert found["in_force_by"] == found["waiting"]["hall"]


def test_a_nodes_log_on_the_terminal(site: Site, ports: Ports) -> None:
    kitchen = connected(site, "kitchen", ports.nodes)
    following = triseal("node", "console", "kitchen", *of(site, ports))
    assert kitchen.expect(messages.FOLLOW) == (1,)
    kitchen.send(messages.LOG, "thermo\x1b]0;", "21 degrees \x1b[31m")
    assert following.stdout is not None
    line = following.stdout.readline()
    kitchen.close()
    _, errors = following.communicate(timeout=240)
    assert line.rstrip().endswith("thermo\\x1b]0;: 21 degrees \\x1b[31m")
    assert following.returncode == 1
    assert errors.startswith("triseal: node-not-connected")


def test_a_nodes_log_for_programs(site: Site, ports: Ports) -> None:
    kitchen = connected(site, "kitchen", ports.nodes)
    words = ("node", "console", "kitchen", *of(site, ports), "--json")
    following = triseal(*words)
    assert kitchen.expect(messages.FOLLOW) == (1,)
    kitchen.send(messages.LOG, "thermo", "21 degrees")
    assert following.stdout is not None
    line = json.loads(following.stdout.readline())
    kitchen.close()
    following.communicate(timeout=240)
    assert (line["service"], line["text"]) == ("thermo", "21 degrees")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line["time"])


def test_who_is_not_there_has_no_log(site: Site, ports: Ports) -> None:
    _, errors = triseal("node", "console", "hall", *of(site, ports)).communicate()
    assert errors.startswith("triseal: node-not-connected")
    nowhere = ("--home", str(site.home), "--pages", str(quiet_port()))
    _, errors = triseal("node", "console", "hall", *nowhere).communicate()
    assert errors.startswith("triseal: no-server")
