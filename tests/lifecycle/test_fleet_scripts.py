"""The scripts of host/examples, as a reader would run them, with virtual boards."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bench._site import Ports, server
from boards import lock
from boards.errors import NoPort
from tests.worlds.link_world import until
from triseal import database, package
from triseal.site.errors import NodeRetired, NotConfirmed
from triseal.site.fleet import Fleet
from triseal.site.records import ledger
from triseal.site.records.placement import Place
from triseal.testing import Site

EXAMPLES = Path(__file__).resolve().parents[2] / "host" / "examples"
BOARDS = ("shelf-1", "shelf-2")
_SECONDS = 90.0
GOOD = "import asyncio\n\nasync def main(ctx):\n    while True:\n        await asyncio.sleep(1)\n"
BAD = "async def main(ctx):\n    raise ValueError\n"


def save_scripts(folder: Path) -> list[str]:
    """Copies of the scripts, by their names.

    Boards spread their first connects over half a minute; here over two seconds.
    """
    names = sorted(path.name for path in EXAMPLES.glob("*.py"))
    for name in names:
        text = (EXAMPLES / name).read_text(encoding="utf-8")
        quick = text.replace('settings = {"server"', 'settings = {"spread": 2, "server"')
        assert (quick != text) == (name == "provision.py")
        (folder / name).write_text(quick)
    return names


class Desk:
    """Where somebody works with a site: a home, boards on a hub, the site's server."""

    def __init__(self, folder: Path, made: Site) -> None:
        self.folder, self.made = folder, made
        self.environment = {
            **os.environ,
            "TRISEAL_HOME": str(folder / "state"),
            "PYTHONPATH": os.pathsep.join(part for part in sys.path if part),
        }
        self._boards: list[subprocess.Popen[bytes]] = []
        self.ports: Ports | None = None

    def plug_in(self, name: str) -> None:
        command = [sys.executable, "-m", "triseal.cli.main", "node", "virtual", name]
        board = subprocess.Popen(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._boards.append(board)
        held = self.folder / "state" / "virtual" / name / "lock"
        end = time.monotonic() + _SECONDS
        while not (held.exists() and lock.is_held(held)):
            assert time.monotonic() < end, name
            time.sleep(0.05)

    def unplug_all(self) -> None:
        for board in self._boards:
            board.terminate()
        for board in self._boards:
            board.wait(_SECONDS)

    def run(self, *words: str, status: int = 0) -> str:
        """What a script prints, both ways; it ends with this status."""
        done = subprocess.run(
            [sys.executable, *words],
            check=False,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
        printed = done.stdout + done.stderr
        assert done.returncode == status, printed
        assert "Traceback" not in printed
        return printed

    def sealed(self, name: str, source: str, security_version: int = 1) -> str:
        made = self.made.package(
            source, name, capabilities=["log"], security_version=security_version
        )
        package.write(self.folder / f"{name}.triseal", made)
        return f"{name}.triseal"

    def versions(self, service: str) -> dict[str, tuple[str | None, str | None, str | None]]:
        """Due, held, and its state, by node."""
        with Fleet(self.folder / "state" / "site") as fleet:
            places = [one for one in fleet.places() if one.service == service]
        return {one.node: (one.due, one.version, one.state) for one in places}

    def sealed_versions(self, service: str, node: str) -> set[str]:
        """All that a node was ever sealed."""
        folder = self.folder / "state" / "site"
        with Fleet(folder) as fleet, database.reading(fleet.engine) as connection:
            contents = ledger.contents(connection, Place(node, service))
        return {str(one.service_version) for one in contents}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    with closing(Site(folder / "state")) as made:
        desk = Desk(folder, made)
        try:
            for name in BOARDS:
                desk.plug_in(name)
            with server(folder / "state" / "site", folder / "log") as (ports, _):
                desk.ports = ports
                yield desk
        finally:
            desk.unplug_all()


@pytest.mark.long
def test_the_scripts_do_what_the_readme_says(desk: Desk) -> None:
    names = ["deploy.py", "inventory.py", "provision.py", "revoke.py", "rollout.py"]
    assert save_scripts(desk.folder) == names, "each is run below"
    assert desk.ports is not None
    address = f"127.0.0.1:{desk.ports.nodes}"
    printed = desk.run("provision.py", address)
    nodes = sorted(re.findall(r"^virtual:shelf-[12]: is (node-[0-9a-f]{8}),", printed, re.M))
    assert len(nodes) == 2, printed
    assert sorted(re.findall(r": is (\S+),", desk.run("provision.py", address))) == nodes

    printed = desk.run("deploy.py", desk.sealed("thermo", GOOD), "log")
    assert re.findall(r"^thermo runs on (\S+)$", printed, re.M) == nodes
    printed = desk.run("deploy.py", desk.sealed("broken", BAD), "log", status=1)
    assert printed.startswith(f"not-confirmed: broken on {nodes[0]}: failed: ValueError")

    new_versions(desk, *nodes)
    rows = list(csv.DictReader(desk.run("inventory.py").splitlines()))
    running = [row for row in rows if row["state"] == "running"]
    assert [(row["node"], row["service"], row["version"], row["grants"]) for row in running] == [
        (node, "thermo", "1.5", "log") for node in nodes
    ]
    assert all(row["sealed until"] > row["heard"] > "2026" for row in running)
    assert desk.run("revoke.py", "thermo", "log").startswith("gone on 2 nodes")


def new_versions(desk: Desk, first: str, second: str) -> None:
    """A bad version stops at the first node, which goes back; a good one reaches both."""
    old = ("1.1", "1.1", "running")
    before = desk.versions("thermo")
    assert before == {first: old, second: old}
    printed = desk.run("rollout.py", desk.sealed("thermo", BAD), "3", status=1)
    assert f"stopped: not-confirmed: thermo on {first}: failed: ValueError" in printed
    assert printed.endswith("taken back\n")
    with Fleet(desk.folder / "state" / "site") as fleet:
        fleet.await_running("thermo", [first, second], _SECONDS, soak=0)
    assert desk.versions("thermo") == before, "a node that ran the new one runs the old one again"

    printed = desk.run("rollout.py", desk.sealed("thermo", BAD, 2), "3", status=1)
    assert f"no-way-back: {first}: security version 1 of 1.1 is below" in printed
    bad = {first: ("1.4", "1.4", "failed"), second: old}  # between one start and the next
    until(lambda: desk.versions("thermo") == bad, "the node that went on has failed")
    assert desk.sealed_versions("thermo", first) == {"1.1", "1.3", "1.4"}
    assert desk.sealed_versions("thermo", second) == {"1.1"}, "it never left for the others"

    printed = desk.run("rollout.py", desk.sealed("thermo", GOOD, 2), "3")
    waves = [first, first, f"{first}, {second}"]
    assert re.findall(r"^1\.5 runs on (.*)$", printed, re.M) == waves
    new = ("1.5", "1.5", "running")
    assert desk.versions("thermo") == {first: new, second: new}


def test_waiting_ends_with_what_is_missing(tmp_path: Path) -> None:
    with closing(Site(tmp_path)) as made, Fleet(tmp_path / "site") as fleet:
        made.manager.add_service(made.package(GOOD, "thermo"))
        fleet.add_node("kitchen")
        fleet.assign("kitchen", "thermo")
        with pytest.raises(NotConfirmed, match="thermo on kitchen: not sent"):
            fleet.await_running("thermo", ["kitchen"], 0)
        assert fleet.await_confirmed(0, service="thermo").confirmed == ("kitchen",)
        assert [one.services for one in fleet.nodes()] == [("thermo",)]


def test_a_retired_node_is_refused_before_its_board_is_touched(tmp_path: Path) -> None:
    with closing(Site(tmp_path)), Fleet(tmp_path / "site") as fleet:
        fleet.add_node("attic")
        fleet.retire("attic")
        with pytest.raises(NodeRetired):
            fleet.provision("/dev/nothing-there", "attic")
        with pytest.raises(NoPort):
            fleet.provision("/dev/nothing-there", "hall")
        assert [one.name for one in fleet.nodes()] == ["attic"]
