"""Random histories of a site against a plain model of its nodes and their clocks.

Whatever happens, no bound that the site has printed is broken, no service runs that the site does
not list, and none is shown as ended while it runs. HISTORIES=1000 plays so many histories; the
tests of the repository play a few.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sealcore import seal, sealwriter
from tests.worlds.site_world import NOW, World, make_developer, signed_package
from triseal import bundles, database
from triseal.errors import Failure
from triseal.site import clock, home
from triseal.site.manager import Manager
from triseal.site.records import losses, node_clocks
from triseal.site.rules import trust
from triseal.site.rules.guarantee import Guarantee
from triseal.site.views.placements import ENDED, places

LIFETIME = 5000
NODES = ("attic", "hall")
SERVICES = ("thermo", "lamp")  # of Ada and of Eve
OWNERS = {"Ada": "thermo", "Eve": "lamp"}
GRANT = "log"
BACKUP = "backup.sqlite"
MOST_STEP = 250  # seconds; a larger step is a doubt

node = st.sampled_from(NODES)
service = st.sampled_from(SERVICES)


@dataclass
class Held:
    """A seal on a node."""

    serial: bytes
    not_after: int
    granted: bool


@dataclass
class Node:
    """What a node is: a clock that runs at its own speed, and the seals that it holds."""

    rate: float = 1.0
    told: float | None = None  # what its clock said ...
    at: float = 0.0  # ... at this moment
    held: dict[str, Held] = field(default_factory=dict)
    sent: list[tuple[str, Held, int]] = field(default_factory=list)  # on the way to it
    bundle: tuple[int, bytes] = (0, bytes(16))
    believes: frozenset[str] = frozenset()

    def time(self, moment: float) -> float | None:
        return None if self.told is None else self.told + (moment - self.at) * self.rate

    def set_clock(self, moment: float, seconds: float) -> None:
        self.told, self.at = max(seconds, self.time(moment) or 0.0), moment

    def runs(self, name: str, moment: float) -> bool:
        now, one = self.time(moment), self.held.get(name)
        return one is not None and now is not None and int(now) <= one.not_after


@dataclass(frozen=True)
class Promise:
    """From `after` on a service does not run on a node, or not with the grant."""

    node: str
    service: str
    granted: bool  # only with the grant
    after: float
    said: str


@pytest.fixture(scope="module", autouse=True)
def _template() -> Iterator[None]:
    """One site that all histories begin with: it is copied."""
    with tempfile.TemporaryDirectory() as folder:
        with World(Path(folder) / "site") as world:
            eve = make_developer("Eve")
            world.manager.trust_developer("Eve", eve.signer.spki)
            world.manager.add_service(world.package("thermo"))
            world.manager.add_service(world.store.countersign(signed_package(eve, "lamp")))
            for name in NODES:
                world.add_node(name)
        History.template = world.folder
        History.keys = {"Ada": world.developer.signer.spki, "Eve": eve.signer.spki}
        yield


class History(RuleBasedStateMachine):
    """One history: rules are what people, nodes and computers do."""

    template: Path
    keys: dict[str, bytes]

    def __init__(self) -> None:
        super().__init__()
        self.moment = 0.0  # seconds that have really passed
        self.offset = 0.0  # of the site's clock
        self.peak = NOW
        self.nodes = {name: Node() for name in NODES}
        self.promises: list[Promise] = []
        self.retired: set[str] = set()
        self.trusted = set(OWNERS)
        self.folder = Path(tempfile.mkdtemp())
        shutil.copytree(self.template, self.folder, dirs_exist_ok=True)
        self.patched = mock.patch.object(clock, "since_boot", self.since_boot)
        self.patched.start()
        self.servers = [self.open(), self.open()]
        self.turn = 0

    def teardown(self) -> None:
        for server in self.servers:
            server.close()
        self.patched.stop()
        shutil.rmtree(self.folder)

    def open(self) -> Manager:
        return Manager(self.folder, lambda: b"", self.now)

    def since_boot(self) -> float:
        return self.moment

    def now(self) -> int:
        return NOW + int(self.moment + self.offset)

    @property
    def site(self) -> Manager:
        """One of two processes that serve the site."""
        self.turn += 1
        return self.servers[self.turn % 2]

    def note(self) -> None:
        """What the timekeeper of a server does every ten seconds, and when the clock was set."""
        with database.writing(self.servers[0].engine) as connection:
            signs = int(clock.signed_by(connection, self.now()))
            ahead = NOW + self.offset
            clock.note(connection, signs, doubted=False, ahead=ahead)
        self.peak = max(self.peak, signs)

    # --- What the site promises -------------------------------------------------------------

    def promise(self, found: Guarantee, service: str, on: str, said: str, granted: bool) -> None:
        for name in [on] if on else NODES:
            until = found.waiting.get(name)
            wait = 0.0 if until is None else until - self.now() + 1.0
            which = [service] if service else SERVICES
            self.promises += [
                Promise(name, one, granted, self.moment + wait, said) for one in which
            ]

    def forget(self, service: str, on: str, *, granted_only: bool) -> None:
        """A person has allowed again what was forbidden."""
        self.promises = [
            one
            for one in self.promises
            if (service and one.service != service)
            or (on and one.node != on)
            or (granted_only and not one.granted)
        ]

    def check(self) -> None:
        for one in self.promises:
            there = self.nodes[one.node]
            if self.moment > one.after and there.runs(one.service, self.moment):
                kept = one.granted and not there.held[one.service].granted
                assert kept, f"{one} is broken at {self.moment}: {there.held[one.service]}"

    @invariant()
    def nothing_runs_that_is_not_listed(self) -> None:
        with database.reading(self.servers[0].engine) as connection:
            found = places(connection, self.servers[0].issuer, self.now())
            lost = losses.unheard(connection, self.now())
        shown = {(one.node, one.service): one.state for one in found}
        for name, there in self.nodes.items():
            for one in SERVICES:
                if there.runs(one, self.moment) and name not in lost:
                    assert (name, one) in shown, f"{one} runs on {name} and is not listed"
                    assert shown[name, one] != ENDED, f"{one} runs on {name}, shown as ended"

    # --- What people do ---------------------------------------------------------------------

    @rule(name=node, service=service)
    def deploy(self, name: str, service: str) -> None:
        with refused():
            self.site.assign(name, service)
            self.forget(service, name, granted_only=False)

    @rule(name=node, service=service)
    def undeploy(self, name: str, service: str) -> None:
        with refused():
            found = self.site.undeploy(name, service)
            self.promise(found, service, name, "undeploy", granted=False)

    @rule(service=service)
    def grant(self, service: str) -> None:
        with refused():
            self.site.grant(service, [GRANT], force=True)
            self.forget(service, "", granted_only=True)

    @rule(service=service)
    def revoke(self, service: str) -> None:
        with refused():
            found = self.site.revoke(service, [GRANT])
            self.promise(found, service, "", "revoke", granted=True)

    @rule(name=node)
    def retire(self, name: str) -> None:
        with refused():
            found = self.site.retire(name)
            self.retired.add(name)
            self.promise(found, "", name, "retire", granted=False)

    @rule(who=st.sampled_from(sorted(OWNERS)))
    def distrust(self, who: str) -> None:
        with refused():
            version = self.site.distrust_developer(who).version
            self.trusted.discard(who)
            found = self.site.guarantee_of_bundle(version)
            self.promise(found, OWNERS[who], "", "distrust", granted=False)

    @rule(who=st.sampled_from(sorted(OWNERS)))
    def trust(self, who: str) -> None:
        with refused():
            self.site.trust_developer(who, self.keys[who])
            self.trusted.add(who)
            self.forget(OWNERS[who], "", granted_only=False)

    # --- What nodes do ----------------------------------------------------------------------

    @rule(name=node, arrives=st.booleans(), stores=st.booleans())
    def connect(self, name: str, arrives: bool, stores: bool) -> None:
        """HELLO and WELCOME; the seals that follow arrive at once, later, or are lost."""
        there = self.nodes[name]
        there.sent = []
        if name in self.retired:
            return
        site = self.site
        self.tell(site, name)
        signed = site._time_to_sign()
        there.set_clock(self.moment, signed)
        newest = site.bundle()
        if stores and newest.version > there.bundle[0]:
            there.bundle = newest.version, bytes(newest.mark)
            for who, owned in OWNERS.items():
                entry = sealwriter.entry_hash(sealwriter.name(who), self.keys[who])
                if entry not in dict(bundles.developers_of(newest)):
                    there.held.pop(owned, None)
        assigned = site.assigned(name)
        for one in set(there.held) - set(assigned):
            del there.held[one]
        for one in assigned:
            self.seal(site, name, one)
        if arrives:
            self.arrive(name, confirms=True)

    def tell(self, site: Manager, name: str) -> None:
        there = self.nodes[name]
        now = there.time(self.moment)
        told = {one: (held.serial, "running") for one, held in there.held.items()}
        version, mark = there.bundle
        site.heard(name, told, version, int(now) if now else 0, mark)

    def seal(self, site: Manager, name: str, one: str) -> None:
        with refused():
            made = site.deployment(name, one)
            parsed = seal.parse(made.seal.der, seal.SITE)
            held = Held(made.seal.serial.to_bytes(16, "big"), parsed.not_after, bool(parsed.grants))
            self.nodes[name].sent.append((one, held, parsed.not_before))

    @rule(name=node, confirms=st.booleans())
    def arrive(self, name: str, confirms: bool) -> None:
        """Everything that was sent arrives; the node says so, or its word is lost."""
        there = self.nodes[name]
        sent, there.sent = there.sent, []
        for one, held, begin in sent:
            now = there.time(self.moment)
            if now is None or now > held.not_after:
                continue
            there.set_clock(self.moment, max(now, begin))
            there.held[one] = held
        if sent and confirms and name not in self.retired:
            self.tell(self.site, name)

    @rule(name=node)
    def lose_power(self, name: str) -> None:
        there = self.nodes[name]
        there.told, there.sent = None, []

    @rule(name=node, rate=st.sampled_from((0.99, 0.999, 1.0, 1.01)))
    def drift(self, name: str, rate: float) -> None:
        there = self.nodes[name]
        now = there.time(self.moment)
        there.rate = rate
        if now is not None:
            there.told, there.at = now, self.moment

    # --- What computers do ------------------------------------------------------------------

    @rule(seconds=st.sampled_from((1, 60, 1250, 4000, 6000)))
    def pass_time(self, seconds: int) -> None:
        end = self.moment + seconds
        for one in sorted(self.promises, key=lambda promise: promise.after):
            if self.moment < one.after + 0.5 <= end:
                self.moment = one.after + 0.5
                self.check()
        self.moment = end
        self.note()

    @rule(seconds=st.integers(-MOST_STEP, MOST_STEP), noted=st.booleans())
    def set_clock(self, seconds: int, noted: bool) -> None:
        self.note()
        if self.now() + seconds > self.peak - MOST_STEP:
            self.offset += seconds
            if noted:
                self.note()

    @rule()
    def back_up(self) -> None:
        (self.folder / BACKUP).unlink(missing_ok=True)
        with closing(sqlite3.connect(self.folder / home.DATABASE)) as live:
            live.execute("VACUUM INTO ?", (str(self.folder / BACKUP),))

    @precondition(lambda self: (self.folder / BACKUP).exists())
    @rule()
    def restore(self) -> None:
        """Nothing that was changed since is known any more: people start again from the backup."""
        for server in self.servers:
            server.close()
        for suffix in ("-wal", "-shm"):
            (self.folder / (home.DATABASE + suffix)).unlink(missing_ok=True)
        shutil.copy(self.folder / BACKUP, self.folder / home.DATABASE)
        self.servers = [self.open(), self.open()]
        for there in self.nodes.values():
            there.sent = []
        self.promises = []
        self.site.accept_restored()
        with database.reading(self.servers[0].engine) as connection:
            rows = connection.exec_driver_sql("SELECT name FROM nodes WHERE retired_at IS NOT NULL")
            self.retired = set(rows.scalars())

    @rule()
    def crash(self) -> None:
        """A server ends and comes back; what it has sent on its connections is lost."""
        for server in self.servers:
            server.close()
        self.servers = [self.open(), self.open()]
        for there in self.nodes.values():
            there.sent = []

    @initialize(rates=st.lists(st.sampled_from((0.99, 1.0, 1.01)), min_size=2, max_size=2))
    def begin(self, rates: list[float]) -> None:
        self.note()
        for there, rate in zip(self.nodes.values(), rates, strict=True):
            there.rate = rate

    @invariant()
    def no_promise_is_broken(self) -> None:
        self.check()


@contextmanager
def refused() -> Iterator[None]:
    """A refusal has no effect, and is no fault."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, Failure) and not hasattr(error, "code"):
            raise


HISTORIES = int(os.environ.get("HISTORIES", "3"))


def test_histories() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=40,
            deadline=None,
            derandomize=HISTORIES < 10,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


# Defects that are put in: the model must find each of them, and nothing without it.


def _is_removed(history: History) -> None:
    history.undeploy("hall", "thermo")


def _is_removed_after_a_step(history: History) -> None:
    history.set_clock(200, noted=False)
    history.undeploy("hall", "thermo")


def _is_distrusted(history: History) -> None:
    history.distrust("Ada")
    history.pass_time(4000)
    history.connect("hall", arrives=True, stores=False)


def _is_retired_after_a_restore(history: History) -> None:
    history.pass_time(60)
    history.restore()
    history.retire("hall")


DEFECTS: tuple[tuple[Callable[[History], None], Any, str, Any], ...] = (
    (_is_removed, node_clocks.Lag, "adds", 0),
    (_is_removed_after_a_step, clock, "step_since", 0),
    (_is_distrusted, trust, "check_package", None),
    (_is_retired_after_a_restore, losses, "unheard", {}),
)


@pytest.mark.parametrize("defect", DEFECTS, ids=[row[2] for row in DEFECTS])
@pytest.mark.parametrize("there", [True, False], ids=["with the defect", "without it"])
def test_the_model_finds_a_defect(
    monkeypatch: pytest.MonkeyPatch,
    defect: tuple[Callable[[History], None], Any, str, Any],
    there: bool,
) -> None:
    act, owner, name, value = defect
    if there:
        monkeypatch.setattr(owner, name, lambda *_: value)
    history = History()
    history.note()
    history.nodes["hall"].rate = 0.99
    history.back_up()
    history.deploy("hall", "thermo")
    history.connect("hall", arrives=True, stores=True)
    try:
        act(history)
        history.pass_time(4000)
        history.pass_time(6000)
        broken = False
    except AssertionError:
        broken = True
    finally:
        history.teardown()
    assert broken is there
