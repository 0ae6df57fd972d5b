"""The soak at a small scale: every fault once, every check of the large one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lifecycle import outcome, soak
from tests.lifecycle.board import waited, waits_for_disk
from tests.lifecycle.observer import Health, Observer, Wish
from tests.lifecycle.parameters import SMALL, UPDATED, Parameters
from tests.lifecycle.stage import SERVER, Waits, longest_wait
from triseal.site import home
from triseal.site.home import Founding
from triseal.site.manager import Manager


@pytest.mark.long
def test_a_small_site_bears_every_fault(tmp_path: Path) -> None:
    result = soak.run(SMALL, tmp_path, verbose=False)
    assert result.violations == []
    assert len(result.faults) == 9
    assert result.figures["hostile connections"] > 0
    assert result.figures["seals held and found in the ledger"] > 0
    assert sum(result.traffic) > 0


@pytest.mark.long
def test_agents_come_in_waves_while_everything_goes_wrong(tmp_path: Path) -> None:
    """Every node ends with the old or the new agent, and runs its services."""
    result = soak.run(UPDATED, tmp_path, verbose=False)
    assert result.violations == []
    assert len(result.faults) == 12
    assert result.figures["nodes that have given a bad agent up"] > 0
    new = result.figures["nodes with the newest agent"]
    assert 0 < new == UPDATED.nodes - result.figures["nodes that have kept the one before"]


@pytest.fixture
def observer(tmp_path: Path) -> Iterator[Observer]:
    home.init(tmp_path / "site", Founding("house", "p256"), None, 1000)
    with Manager(tmp_path / "site", lambda: b"") as manager:
        watching = Observer(Parameters(), manager)
        watching.health["kitchen"] = Health()
        watching.wishes["kitchen", "thermo"] = Wish()
        yield watching


def test_a_service_past_its_seal_is_seen(observer: Observer) -> None:
    observer.tick("kitchen", "thermo", True, 5000.0)
    assert dict(observer.kinds) == {"ran-past-expiry": 1}


@pytest.mark.parametrize(
    ("steps", "lifetime", "last"), [(0, 30, 1003.8), (0, 900, 1012.5), (250, 90, 1014.4)]
)
def test_a_seal_lives_longer_by_what_a_slow_clock_loses(
    observer: Observer, steps: float, lifetime: int, last: float
) -> None:
    observer.parameters = replace(observer.parameters, steps=steps)
    observer._lifetime = lifetime
    observer._ends["kitchen", "thermo"] = 1000.0
    observer.tick("kitchen", "thermo", True, last - 0.05)
    assert not observer.kinds
    observer.tick("kitchen", "thermo", True, last + 0.05)
    assert dict(observer.kinds) == {"ran-past-expiry": 1}


def test_a_time_of_the_site_comes_later_while_it_is_slowed(observer: Observer) -> None:
    observer.ahead = 50.0
    assert observer.reached(1140.0, 1000.0) == pytest.approx(1100.0)
    observer.parameters = replace(observer.parameters, steps=0)
    assert observer.reached(1140.0, 1000.0) == 1090.0


def test_a_change_that_comes_late_is_seen(observer: Observer) -> None:
    observer.wishes["kitchen", "thermo"] = Wish(granted=False, by=2000.0)
    observer._ends["kitchen", "thermo"] = 9000
    observer.tick("kitchen", "thermo", True, 1999.0)
    assert not observer.kinds
    observer.tick("kitchen", "thermo", True, 2001.0)
    assert dict(observer.kinds) == {"late-change": 1}
    observer.wishes["kitchen", "thermo"] = Wish(assigned=False, by=2000.0)
    observer.tick("kitchen", "thermo", False, 2001.0)
    assert dict(observer.kinds) == {"late-change": 2}


def test_a_seal_that_nobody_recorded_is_seen(observer: Observer) -> None:
    observer.held("kitchen", {"thermo": bytes(16), "lamp": b""})
    assert dict(observer.kinds) == {"not-recorded": 1}


def test_a_service_that_stopped_is_seen(observer: Observer) -> None:
    observer.look(1000.0, {"kitchen"})
    observer.last["kitchen", "thermo"] = 1020.0
    observer.look(1026.0, {"kitchen"})
    assert not observer.kinds
    observer.look(1029.0, {"kitchen"})
    assert dict(observer.kinds) == {"stopped": 1}


def test_a_service_that_stopped_has_the_time_for_which_nothing_could_run(
    observer: Observer,
) -> None:
    waits = Waits()
    observer.starved = waits.of
    observer._lifetime = 40
    observer.look(1000.0, {"kitchen"})
    observer.last["kitchen", "thermo"] = 1020.0
    for now, kitchen, server in ((1009, 9, 0), (1011, 10, 1), (1025, 12, 4), (1026, 0, 4)):
        waits.note(now, {"kitchen": kitchen, SERVER: server})
    assert waits.of("kitchen", 1010.0) == 4.0, "of the server, which waited longer than the node"
    assert waits.of("kitchen", 1026.5) == 0.0
    observer.look(1031.9, {"kitchen"})
    assert not observer.kinds
    observer.look(1032.1, {"kitchen"})
    assert dict(observer.kinds) == {"stopped": 1}


def test_the_wait_for_the_disk_counts_from_one_look_to_the_next() -> None:
    waits = Waits()
    waits.note(1000, {"kitchen": 0.5}, {"kitchen"})
    waits.note(1003, {"kitchen": 0.5}, {"kitchen"})
    waits.note(1004, {"kitchen": 0.75})
    assert waits.of("kitchen", 1001.0) == 3.25
    assert not waits_for_disk(os.getpid())
    assert not waits_for_disk(0)


def test_the_wait_for_a_processor_is_known_where_the_system_tells_it() -> None:
    assert waited(0) == 0.0
    path = Path("/proc/self/schedstat")
    if not path.exists():
        pytest.skip("this system does not tell it")
    assert 0 < int(path.read_text().split()[1]) / 1e9 <= waited(os.getpid())


def test_a_service_whose_seal_ends_because_the_clock_is_set_forward_has_time(
    observer: Observer,
) -> None:
    observer.look(900.0, {"kitchen"})
    observer.last["kitchen", "thermo"] = 1000.0
    for ahead, now in ((0.0, 999.0), (100.0, 1001.0), (90.0, 1020.0)):
        observer.ahead = ahead
        observer._learn(observer.health["kitchen"], now)
    assert observer.health["kitchen"].learned == 1001.0
    observer.look(1001.0 + observer.parameters.settle - 1, {"kitchen"})
    assert not observer.kinds
    observer.look(1001.0 + observer.parameters.settle, {"kitchen"})
    assert dict(observer.kinds) == {"stopped": 1}


# (seconds to seal all anew; lifetime, renewals, time to connect and to settle that follow in 300 s)
MACHINES = [
    (1.0, (30, 8, 35.0, 25.0)),
    (7.5, (30, 8, 35.0, 25.0)),
    (13.1, (53, 5, 35.0, 26.2)),
    (25.0, (100, 2, 35.0, 50.0)),
    (40.0, (160, 1, 40.0, 80.0)),
    (120.0, (480, 0, 120.0, 240.0)),
]


@pytest.mark.parametrize(("reseal", "fitted"), MACHINES)
def test_the_load_fits_the_machine(reseal: float, fitted: tuple[int, int, float, float]) -> None:
    found = Parameters().fitted(reseal)
    assert (found.lifetime, found.renewals, found.reconnect, found.settle) == fitted


def test_a_node_has_its_longest_wait_and_one_more_try_to_come_back() -> None:
    assert [longest_wait(failures) for failures in (0, 1, 5, 6, 20)] == [4, 8, 128, 256, 256]


def test_a_node_that_stays_away_is_seen(observer: Observer) -> None:
    observer.health["kitchen"].away_until = 1100.0
    observer.look(1099.0, set())
    observer.look(1200.0, None)
    assert not observer.kinds
    observer.look(1101.0, set())
    assert dict(observer.kinds) == {"stays-away": 1}


def test_a_node_that_takes_another_agent_may_end_its_connection(observer: Observer) -> None:
    observer.parameters = replace(observer.parameters, updates=1)
    observer.health["kitchen"].away_until = 900.0
    observer.look(1000.0, {"kitchen"})
    observer.look(1001.0, set())
    observer.look(1001.0 + observer.parameters.reconnect, set())
    assert not observer.kinds
    observer.look(1002.0 + observer.parameters.reconnect, set())
    assert dict(observer.kinds) == {"stays-away": 1}


def test_how_long_a_node_was_not_connected_is_counted(observer: Observer) -> None:
    for now, connected in ((1000.0, {"kitchen"}), (1005.0, set()), (1007.0, None)):
        observer.look(now, connected)
    observer.look(1010.0, {"kitchen"})
    assert observer.health["kitchen"].absent == 7.0


def test_what_is_left_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outcome.write([10, 20, 0], SMALL)
    written = json.loads(outcome.DATA.read_text())
    assert (written["seconds"], written["bytes"]) == ([0, 1, 2], [10, 20, 0])
    assert written["parameters"]["nodes"] == SMALL.nodes
    assert outcome.PICTURE.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
