"""The site, its server and its nodes: all that a soak plays with."""

from __future__ import annotations

import calendar
import json
import os
import random
import subprocess
import sys
import time
import urllib.request
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bench._site import Ports, Site, ready, start_server
from boards.virtual.flaws import GOOD, Flaws
from sealcore import renewal
from tests.lifecycle.board import Board, code, waited, waits_for_disk
from tests.lifecycle.observer import Health, Observer, Wish
from tests.lifecycle.parameters import Parameters
from tests.lifecycle.relay import Network
from tests.lifecycle.stepped import Clock
from tests.lifecycle.updates import TRIAL, Updates
from tests.worlds.ports import quiet_port
from triseal import database
from triseal.site.records import tables
from triseal.site.rules import grants

GRANT = "bus.publish:soak/#"
_OTHER_GRANT = "log"
_METADATA = json.dumps({"capabilities": [GRANT, _OTHER_GRANT]}).encode()
_SERVICE = b"""\
import asyncio, usys, utime  # `sys.stdout` of a service is its log
async def main(ctx):
    while True:
        try:
            ctx.publish("soak/" + ctx.name, 1)
            granted = 1
        except Exception:
            granted = 0
        ms = utime.time_ns() // 1000000  # of the computer, however bad the board's own clock is
        usys.stdout.write("!%s %d %d\\n" % (ctx.name, granted, ms))
        await asyncio.sleep_ms(500)
"""
SERVER = "the server"
NETWORK = "the network"  # is in this process
_LOOKS = 600  # of which the waits are kept
_LOOK = 1.0  # seconds between looks at a change that is under way
_STEADY = 12.0  # seconds: a node takes a connection that ends sooner for a failure
_PAGE = os.sysconf("SC_PAGE_SIZE")
_here = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy leads back here


class Server:
    """The server process, which is killed and started again on the same port."""

    def __init__(
        self, home: Path, log: Path, program: Sequence[str], options: Sequence[str] = ()
    ) -> None:
        self._home, self._log, self._program, self._options = home, log, program, options
        self._process: subprocess.Popen[bytes] | None = None
        self.port = quiet_port()
        self._ports: Ports | None = None

    @property
    def is_up(self) -> bool:
        """Whether it runs."""
        return self._process is not None

    def start(self) -> None:
        """Start it, and wait until nodes can connect."""
        self._process = start_server(
            self._home, self._log, *self._options, port=self.port, program=self._program
        )
        self._ports = ready(self._process)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._end()

    def stop(self) -> int:
        """Tell it to stop; returns its exit status."""
        if self._process is None:
            return 0
        self._process.terminate()
        return self._end()

    def connected(self) -> set[str] | None:
        """The nodes that it has; None if it is down or just starting."""
        if self._process is None or self._ports is None:
            return None
        try:
            url = f"http://127.0.0.1:{self._ports.pages}/nodes"
            with _here.open(url, timeout=5) as answer:
                return set(json.load(answer))
        except OSError:
            return None

    def memory(self) -> float:
        """MiB that it has in memory; 0 if it is down."""
        if self._process is None:
            return 0.0
        fields = Path(f"/proc/{self._process.pid}/statm").read_text().split()
        return int(fields[1]) * _PAGE / 2**20

    @property
    def pid(self) -> int:
        """Of its process; 0 if it is down."""
        return 0 if self._process is None else self._process.pid

    def _end(self) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        status = process.wait(30)
        if process.stdout is not None:
            process.stdout.close()
        return status


class Waits:
    """How long the processes have waited for a processor or for the disk lately."""

    def __init__(self) -> None:
        self._before: dict[str, float] = {}
        self._looked = 0.0
        self._grown: deque[tuple[float, dict[str, float]]] = deque(maxlen=_LOOKS)

    def look(self, now: float, pids: dict[str, int]) -> None:
        """Look at the processes.

        Args:
            now: Unix seconds.
            pids: of each process by its name; 0 for one that does not run.
        """
        asleep = {name for name, pid in pids.items() if waits_for_disk(pid)}
        self.note(now, {name: waited(pid) for name, pid in pids.items()}, asleep)

    def note(self, now: float, waited: dict[str, float], asleep: Collection[str] = ()) -> None:
        """Add a look.

        Args:
            now: Unix seconds.
            waited: what each process has waited for a processor since it started, seconds.
            asleep: those that wait for the disk, as they are taken to do since the last look.
        """
        # A process that was started again begins with 0.
        grown = {name: max(0.0, s - self._before.get(name, 0.0)) for name, s in waited.items()}
        for name in asleep:
            grown[name] += now - (self._looked or now)
        self._before, self._looked = waited, now
        self._grown.append((now, grown))

    def of(self, node: str, since: float) -> float:
        """Seconds for which a node, the server or the network between them has waited since a time:
        the most of them."""
        late = [grown for now, grown in self._grown if now >= since]
        on_the_way = (node, SERVER, NETWORK)
        return max(sum(grown.get(name, 0.0) for grown in late) for name in on_the_way)


class Stage:
    """A context manager: inside, the server and all nodes run.

    Args:
        folder: for everything.
        parameters: how many.
        verbose: whether to say what happens.
        key: URI of the site's key on a token; "" for a file.
        pin: of the token.
    """

    def __init__(
        self,
        folder: Path,
        parameters: Parameters,
        *,
        verbose: bool,
        key: str = "",
        pin: bytes = b"",
    ) -> None:
        self._verbose = verbose
        self._began = time.monotonic()
        self.site = Site(folder, "rsa2048", lifetime=parameters.installing, key=key, pin=pin)
        self.services = [f"service-{number:02}" for number in range(parameters.services)]
        self.observer = Observer(parameters, self.site.manager)
        self.clock = Clock(folder / "clock")
        self._program = ("tests.lifecycle.stepped", str(folder / "clock"))
        self.log = folder / "server.log"
        options: list[str] = []
        if pin:
            (folder / "pin").write_bytes(pin)
            options = ["--passphrase-file", str(folder / "pin")]
        self.server = Server(self.site.home, self.log, self._program, options)
        nodes = [f"node{number:02}" for number in range(parameters.nodes)]
        self._make(nodes)
        self.server.start()
        self.network = Network(nodes, self.server.port)
        self.boards = {
            node: Board(node, folder / "boards", self.observer.tick, self.observer.held, flaws)
            for node, flaws in zip(nodes, _flaws(parameters), strict=True)
        }
        self.updates = Updates(self) if parameters.updates else None
        self.observer.words = lambda node, service: self.boards[node].words(service)
        self.waits = Waits()
        self.observer.starved = self.waits.of

    def __enter__(self) -> Self:
        self.network.__enter__()
        files = code()
        bundle = self.site.manager.bundle().der
        for node, board in self.boards.items():
            der, key = self.site.nodes[node]
            own = {"/triseal/node.crt": der, "/triseal/bundle.der": bytes(bundle)}
            server = ["127.0.0.1", self.network.ports[node]]
            settings: dict[str, object] = {"server": server, "spread": 3}
            if self.updates:
                settings["trial"] = TRIAL
            board.make({**files, **own}, key, settings)
            board.start()
            self.calm(node)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for board in self.boards.values():
            board.cut()
        status = self.server.stop()
        if status:
            self.observer.violation("server", f"ended with status {status}")
        self.network.__exit__(kind, error, trace)
        self.site.manager.close()

    def _make(self, nodes: list[str]) -> None:
        for service in self.services:
            self.site.add_service(service, _SERVICE, _METADATA)
            self.site.manager.grant(service, [GRANT])
        for node in nodes:
            self.site.add_node(node, self.services)
            self.observer.health[node] = Health()
            for service in self.services:
                self.observer.wishes[node, service] = Wish()

    def fit(self) -> Parameters:
        """Measure how fast this machine seals and starts all services, now that they are installed.

        Returns: the parameters that fit it, from now on those of the observer.
        """
        begin = time.monotonic()
        with database.writing(self.site.manager.engine) as connection:
            for service in self.services:
                grants.grant(connection, service, [_OTHER_GRANT])
        parameters = self.observer.parameters
        while waiting := self.site.manager.guarantee().waiting:
            if time.monotonic() - begin > parameters.installing:
                raise RuntimeError(f"not sealed anew: {', '.join(waiting)}")
            time.sleep(_LOOK)
        taken = time.monotonic() - begin
        fitted = self.observer.parameters = parameters.fitted(taken)
        self.say(
            f"{taken:.1f} s to seal and start all services, so seals live for {fitted.lifetime} s,"
            f" {fitted.renewals} renewals must come, and who comes back has {fitted.settle:.0f} s"
        )
        return fitted

    def shorten(self) -> None:
        """Let all seals have the lifetime of the soak.

        A grant that ends makes each node renew all of its seals at once, although they live long.
        """
        lifetime = self.observer.parameters.lifetime
        with database.writing(self.site.manager.engine) as connection:
            tables.lock(connection)  # no seal is recorded while it is open
            self.observer.shorten()
            connection.execute(tables.site.update().values(lifetime=lifetime))
            for service in self.services:
                grants.revoke(connection, service, [_OTHER_GRANT])

    def say(self, text: str) -> None:
        """For whoever watches."""
        if self._verbose:
            print(f"{time.monotonic() - self._began:7.1f} s  {text}", flush=True)

    def disturb(self, node: str) -> None:
        """A fault holds this node from now on."""
        self.observer.health[node].disturbed = True

    def calm(self, node: str) -> None:
        """No longer; from now on the node has a time to come back within."""
        health = self.observer.health[node]
        health.calm_from = time.time()
        wait = longest_wait(self.boards[node].failures)
        health.away_until = health.calm_from + wait + self.observer.parameters.reconnect
        health.disturbed = False

    def disturb_all(self) -> None:
        """The server is gone: that is no fault of the nodes."""
        for health in self.observer.health.values():
            health.connected_from = None

    def calm_all(self) -> None:
        """It is back."""
        for node, health in self.observer.health.items():
            if not health.disturbed:
                self.calm(node)

    def revive(self) -> None:
        """Start the boards again that have reset themselves, as they do for another agent."""
        for node, board in self.boards.items():
            if self.updates and board.revive() and not self.observer.health[node].disturbed:
                self.observer.health[node].connected_from = None
                self.calm(node)

    def look(self) -> None:
        """Check all that does not announce itself."""
        pids = {SERVER: self.server.pid, NETWORK: os.getpid()}
        self.waits.look(
            time.time(), {**pids, **{node: one.pid for node, one in self.boards.items()}}
        )
        connected = self.server.connected()
        self.revive()  # not earlier: a node that resets itself now is not connected
        for node in connected or ():
            since = self.observer.health[node].connected_from
            if since is not None and time.time() - since > _STEADY:
                self.boards[node].failures = 0
        for node, board in self.boards.items():
            ended = board.ended()
            has_reset = self.updates and ended == board.RESET  # since `revive` has looked
            if ended is not None and not has_reset and not self.observer.health[node].disturbed:
                words = " | ".join(board.lines[-8:])
                self.observer.violation("agent-ended", f"{node}: {words}")
                board.cut()
                board.start()
            self._lift(board)
        self.observer.look(time.time(), connected)

    def _lift(self, board: Board) -> None:
        """What a person does where the power failed twice just as a service was starting."""
        while board.quarantined:
            service = board.quarantined.pop()
            if service in self.services:
                self.observer.lifted += 1
                self.site.manager.restart(board.name, service)

    def set_clock(self, offset: float) -> None:
        """Set the clock of the site's computer, seconds ahead of the true time."""
        self.clock.set(offset)

    def change_grant(self, service: str) -> None:
        """Take the service's grant on all nodes, or give it back."""
        places = [place for place in self.observer.wishes if place[1] == service]
        granted = not self.observer.wishes[places[0]].granted
        for place in places:
            self.observer.wishes[place].by = float("inf")
        found = self._triseal("grant" if granted else "revoke", service, GRANT)
        for place in places:
            wish = self.observer.wishes[place]
            wish.granted = granted
            self._promise(wish, place[0], found)

    def undeploy(self, node: str, service: str) -> None:
        """Take a service from a node."""
        wish = self.observer.wishes[node, service]
        wish.by = float("inf")
        found = self._triseal("undeploy", node, service)
        wish.assigned = False
        self._promise(wish, node, found)

    def deploy(self, node: str, service: str) -> None:
        """Give it back."""
        wish = self.observer.wishes[node, service]
        wish.assigned = True
        wish.by = max(wish.by, time.time())
        self.site.manager.assign(node, service)

    def _promise(self, wish: Wish, node: str, found: dict[str, dict[str, str]]) -> None:
        """Note from when on a change is in force on a node, by what the command printed."""
        until = found["waiting"].get(node)
        now = time.time()
        end = self.observer.reached(_seconds(until) + 1, now) if until else now
        wish.by = end + self.observer.parameters.slack
        ahead = f"{self.observer.ahead:.1f} s ahead, clock {self.clock.offset:+.1f}"
        wish.said = f"at {now:.1f}, {ahead}, it said: {until or 'in force'}"

    def _triseal(self, *arguments: str) -> dict[str, dict[str, str]]:
        command = [sys.executable, "-m", *self._program, "site", *arguments]
        done = subprocess.run(
            [*command, "--wait", "0", "--home", str(self.site.home), "--json"],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)},
        )
        found: dict[str, dict[str, str]] = json.loads(done.stdout)
        return found


def _flaws(parameters: Parameters) -> Iterator[Flaws]:
    """Of each node: one of `parameters.bad` is bad, and those are slow and fast in turn."""
    drawn = random.Random(parameters.seed)
    sign = 1
    for number in range(parameters.nodes):
        if parameters.bad and number % parameters.bad == 0:
            sign = -sign
            yield Flaws(
                drift=sign * drawn.randint(parameters.drift // 10, parameters.drift),
                wrap=drawn.uniform(5, 100),
                epoch=drawn.choice((1970, 2000)),
                slow_flash=drawn.randint(0, 5),
            )
        else:
            yield GOOD


def longest_wait(failures: int) -> int:
    """Return the longest that a node waits after so many failures in a row, seconds.

    A try that is under way when a fault ends may still fail by it, and counts too.
    """
    return renewal.retry_delay(failures + 1, -1, 0)


def _seconds(text: str) -> int:
    """Unix seconds of a time that a command printed."""
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
