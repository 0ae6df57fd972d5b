"""Closed forms, recovery, study and plan: each against something independent of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealcore import renewal
from tests import full
from triseal.sim import (
    closed,
    plan,
    recovery,
    study,
    study_plots,
    traffic,
)
from triseal.sim.errors import ParameterError
from triseal.sim.parameters import RULES, Parameters

OPERATIONS = Path(__file__).resolve().parents[3] / "host/OPERATIONS.md"


@pytest.mark.parametrize("rule", RULES)
def test_closed_forms_agree_with_the_simulation(rule: str) -> None:
    p = Parameters(nodes=400, services=10, churn=1e-5, runs=1, duration=200_000, rule=rule)
    agree(replace(p, companions="none"))


def test_closed_forms_agree_with_what_nodes_renew_together() -> None:
    agree(Parameters(nodes=4000, services=30, churn=1e-5, runs=1, duration=200_000))


def agree(p: Parameters) -> None:
    simulated = traffic.simulate(p)
    rate = simulated.renewals / p.services_per_run / p.duration
    assert rate == pytest.approx(closed.renewals_per_second(p), rel=0.03)
    stopped = simulated.stopped / p.services_per_run / p.duration
    assert stopped == pytest.approx(closed.stopped_share(p), rel=0.15, abs=3e-6)


def test_an_outage_longer_than_the_lifetime_leaves_no_seal() -> None:
    p = Parameters(lifetime=100, offline_min=101, offline_max=500)
    assert closed.expiring_share(p) == pytest.approx(1)
    short = replace(p, lifetime=100_000, offline_min=1, offline_max=1, share=1000)
    assert closed.expiring_share(short) == pytest.approx(0, abs=1e-4)
    assert closed.stopped_share(replace(p, churn=0.0)) == 0


def test_the_seals_that_an_absent_server_costs_are_those_that_the_operators_page_states() -> None:
    page = " ".join(OPERATIONS.read_text(encoding="utf-8").split())
    for minutes in (5, 15):
        p = Parameters(offline_min=60 * minutes, offline_max=60 * minutes, companions="none")
        (stated,) = re.findall(rf"about 1 in (\d+)(?: seals)?[^.;,]* for {minutes} minutes", page)
        assert int(stated) == pytest.approx(1 / closed.expiring_share(p), rel=0.05)


def slow_queue(arrivals: list[int], capacity: int) -> list[int]:
    """Signatures done by the end of each second, one second after the other."""
    waiting = done = 0
    served: list[int] = []
    while sum(arrivals) > done:
        second = len(served)
        waiting += arrivals[second] if second < len(arrivals) else 0
        now = min(waiting, capacity)
        waiting -= now
        done += now
        served.append(done)
    return served


@settings(max_examples=full.examples(60))
@given(
    st.integers(1, 30),
    st.integers(1, 5),
    st.integers(0, 40),
    st.integers(1, 30),
    st.integers(0, 99),
)
def test_recovery_is_that_of_a_queue_served_second_by_second(
    nodes: int, services: int, spread: int, capacity: int, seed: int
) -> None:
    p = Parameters(nodes=nodes, services=services, seed=seed)
    found = recovery.recover(p, spread, capacity)
    words = np.random.default_rng(seed).integers(0, 2**32, nodes, dtype=np.int64)
    arrivals = [0] * max(1, spread)
    for word in words:
        arrivals[renewal.connect_delay(int(word), spread)] += services
    served = slow_queue(arrivals, capacity)
    assert found.last == len(served) - 1
    assert found.half == next(i for i, done in enumerate(served) if 2 * done >= served[-1])
    assert found.peak_signatures == max(arrivals)
    assert found.peak_handshakes == max(arrivals) // services


def test_a_plan_keeps_what_it_promises() -> None:
    wish = plan.Wish(nodes=50, services=20, availability=0.9988, link=200_000)
    made = plan.make(wish)
    settings_ = Parameters(nodes=50, services=20, lifetime=made.lifetime, runs=5, seed=3)
    simulated = traffic.simulate(settings_)
    seconds = simulated.wire_bytes.size * settings_.services_per_run
    assert simulated.stopped / seconds < 1.3 * (1 - wish.availability)
    assert made.lifetime == wish.change_within
    assert made.recovery.peak_bytes < 200_000
    assert made.wire_bytes["average"] == pytest.approx(simulated.wire_bytes.mean(), rel=0.05)
    assert made.notes == []
    json.dumps(made.as_dict())


def test_a_plan_says_what_can_not_be_had() -> None:
    made = plan.make(plan.Wish(nodes=2, services=2, change_within=600, availability=0.99999))
    assert "can't be reached within 600 s" in made.notes[0]
    crowded = plan.make(plan.Wish(nodes=500, services=40, link=1))
    assert "needs" in crowded.notes[0]


IMPOSSIBLE = (
    (plan.Wish(nodes=1_000_000, services=60), "more than"),
    (plan.Wish(nodes=1, services=1, availability=1.0), "availability"),
    (plan.Wish(nodes=1, services=1, cores=0), "cores"),
    (plan.Wish(nodes=1, services=1, change_within=5), "change_within"),
)


@pytest.mark.parametrize(("wish", "reason"), IMPOSSIBLE)
def test_an_impossible_wish_is_refused(wish: plan.Wish, reason: str) -> None:
    with pytest.raises(ParameterError, match=reason):
        plan.make(wish)


def test_the_best_share_is_the_smallest_that_meets_the_target() -> None:
    found = study.best(Parameters())
    assert found.share is not None
    enough, less = (replace(Parameters(), share=found.share - step) for step in (0, 50))
    assert closed.stopped_share(enough) <= study.TARGET < closed.stopped_share(less)
    assert study.best(Parameters(churn=1e-4)).share is None


def test_rules_are_compared_on_the_same_outages() -> None:
    small = Parameters(nodes=5, services=4, runs=2, duration=30_000, churn=1e-4)
    returns = {
        rule: traffic.simulate(replace(small, rule=rule)).returns.tobytes() for rule in RULES
    }
    assert len(set(returns.values())) == 1
    by_name = {o.rule: o for o in study.rules(small)}
    assert by_name["step-ca"].expiring < by_name["triseal 25 %"].expiring
    assert by_name["triseal 25 %"].renewals < by_name["step-ca"].renewals
    assert by_name["triseal 0 %"].first_peak == 1000


def test_the_study_is_told_drawn_and_kept(tmp_path: Path) -> None:
    found = study.run(Parameters(nodes=3, services=4, runs=2, duration=30_000))
    assert json.loads(json.dumps(found.as_dict()))["spreads"] == list(study.SPREADS)
    assert [row.lifetime for row in found.lifetimes] == list(study.LIFETIMES)
    assert all(len(line) < 100 for line in study.tell(found))
    written = study_plots.draw(found, tmp_path / "study.png")
    assert all(path.stat().st_size > 10_000 for path in written)
    for row in found.recoveries.values():
        peaks = [one.peak_signatures for one in row]
        assert peaks == sorted(peaks, reverse=True), "the wider the spread, the lower the peak"
