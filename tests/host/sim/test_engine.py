"""The vectorised model against a slow and obvious one, closed forms and a hard bound."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sealcore import renewal
from tests import full
from triseal.sim import companions, engine, outages, rules, sizes, traffic
from triseal.sim.errors import ParameterError
from triseal.sim.parameters import COMPANIONS, FORMATS, RULES, Parameters

Renewal = tuple[int, int, int, int, bool, bool]
"""Of one service: index, second, issued, stopped, expired, returned; see engine.Generation."""


@dataclass
class Service:
    """One service of the obvious model: the seal it holds and how often it was renewed."""

    index: int
    issued: int = 0
    due: int = 0
    stopped: int = 0
    generation: int = 0

    def seal(self, p: Parameters, now: int, bits: list[NDArray[np.int64]]) -> None:
        self.issued = now
        one = p.companions == "one-draw"
        word = int(bits[self.generation][self.index // p.services if one else self.index])
        count = p.services if one else 1
        self.due = renewal.draw(now, now + p.lifetime, word, p.share, count)
        self.stopped = 0
        self.generation += 1


def wanted(p: Parameters, services: list[Service], now: int) -> set[int]:
    """What a node renews now, by our rule itself."""
    if p.companions == "none":
        return {one.index for one in services if one.due <= now}
    seals = []
    for one in services:
        end = one.issued + p.lifetime
        seals.append((one.index, one.due, renewal.opens(one.issued, end, p.share), end))
    return set(renewal.companions(seals, now))


def offline(drawn: engine.Draws, node: int, now: int) -> bool:
    o = drawn.outages
    return any(
        n == node and begin <= now < end
        for n, begin, end in zip(o.node, o.begin, o.end, strict=True)
    )


def obvious(
    p: Parameters, drawn: engine.Draws, bits: list[NDArray[np.int64]]
) -> tuple[list[Renewal], int]:
    """Second by second, node by node, service by service.

    Returns: renewals, and the longest that any service ran past its seal's expiry.
    """
    done: list[Renewal] = []
    past_expiry = 0
    for node in range(p.runs * p.nodes):
        services = [Service(node * p.services + i) for i in range(p.services)]
        for service in services:
            service.seal(p, 0, bits)
        was_offline = False
        for now in range(p.duration):
            away = offline(drawn, node, now)
            returned = was_offline and not away
            was_offline = away
            due = {one.index: one.due for one in services}
            if p.companions != "none":
                due = dict.fromkeys(due, min(due.values()))
            renewed = set() if away else wanted(p, services, now)
            for service in services:
                if service.index in renewed or (returned and p.reconnect == "all"):
                    late = now != due[service.index]
                    expired = late and now - service.issued >= p.lifetime
                    done.append(
                        (service.index, now, service.issued, service.stopped, expired, late)
                    )
                    service.seal(p, now, bits)
                running = service.issued + p.lifetime >= now
                if running:
                    past_expiry = max(past_expiry, now - service.issued - p.lifetime)
                else:
                    service.stopped += 1
    return done, past_expiry


def vectorised(p: Parameters, drawn: engine.Draws) -> list[Renewal]:
    done: list[Renewal] = []
    model = companions if p.companions == "own-draws" else engine
    for g in model.generations(p, drawn):
        columns = (g.service, g.second, g.issued, g.stopped, g.expired, g.returned)
        done.extend(zip(*(column.tolist() for column in columns), strict=True))
    return done


def recorded(drawn: engine.Draws) -> tuple[engine.Draws, list[NDArray[np.int64]]]:
    """The same draws, keeping every word of random bits for the obvious model."""
    words: list[NDArray[np.int64]] = []

    def bits() -> NDArray[np.int64]:
        words.append(drawn.bits())
        return words[-1]

    return engine.Draws(drawn.outages, drawn.payloads, bits), words


small_sites = st.builds(
    Parameters,
    nodes=st.integers(1, 3),
    services=st.integers(1, 3),
    lifetime=st.integers(1, 60),
    share=st.sampled_from((0, 1, 250, 500, 1000)),
    churn=st.sampled_from((0.0, 0.01, 0.1, 0.6)),
    offline_max=st.integers(1, 80),
    reconnect=st.sampled_from(("due", "all")),
    companions=st.sampled_from(COMPANIONS),
    duration=st.integers(1, 150),
    runs=st.integers(1, 2),
    seed=st.integers(0, 2**32),
)


@settings(max_examples=full.examples(150))
@given(small_sites)
def test_it_agrees_with_the_obvious_model_renewal_by_renewal(p: Parameters) -> None:
    drawn, words = recorded(engine.draws(p))
    fast = vectorised(p, drawn)
    # The last call may have been the one that found nothing left to do.
    words.append(drawn.bits())
    slow, past_expiry = obvious(p, drawn, words)
    assert sorted(fast) == sorted(slow)
    assert past_expiry <= 0


@settings(max_examples=full.examples(50))
@given(small_sites, st.sampled_from(RULES))
def test_no_service_runs_past_its_expiry(p: Parameters, rule: str) -> None:
    if rule != "triseal":
        p = replace(p, companions="none")
    p = replace(p, rule=rule, lifetime=p.lifetime + 20, share=min(p.share, 400))
    model = companions if p.companions == "own-draws" else engine
    for g in model.generations(p, engine.draws(p)):
        running_until = g.second - 1 - g.stopped
        assert (running_until <= g.issued + p.lifetime).all()
        # It stands still for nothing else than expiry.
        assert ((g.stopped == 0) | (running_until == g.issued + p.lifetime)).all()


@settings(max_examples=full.examples(200))
@given(
    st.integers(0, 10**9),
    st.integers(0, 1000),
    st.integers(1, 64),
    st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20),
)
def test_the_rule_on_arrays_is_the_rule_on_the_board(
    lifetime: int, share: int, count: int, words: list[int]
) -> None:
    lead = rules.rule(Parameters(lifetime=max(1, lifetime), share=share, services=count))
    leads = lead(np.array(words, dtype=np.int64))
    end = max(1, lifetime)
    drawn = [renewal.draw(0, end, word, share, count) for word in words]
    assert [end - int(v) for v in leads] == drawn


LEADS = (  # rule, earliest and latest lead for 5000 s, mean lead
    ("triseal", 1250, 1, 625.5),
    ("early", 2500, 1251, 1875.5),
    ("step-ca", 1666 + 249, 1666, 1666 + 124.5),
    ("spire", 2250 + 499, 2250, 2250 + 249.5),
)


@pytest.mark.parametrize(("rule", "earliest", "latest", "mean"), LEADS)
def test_the_rules_reach_their_ends_and_keep_their_means(
    rule: str, earliest: int, latest: int, mean: float
) -> None:
    lead = rules.rule(Parameters(rule=rule, services=1))
    assert lead(np.array([0, 2**32 - 1])).tolist() == [latest, earliest]
    count = 200_000
    spread = (earliest - latest) / np.sqrt(12 * count)
    drawn = lead(np.random.default_rng(7).integers(0, 2**32, count))
    assert abs(float(drawn.mean()) - mean) < 5 * spread


def test_spire_polled_agrees_with_polling() -> None:
    """Draw at every poll, as its agent does, and compare the distribution of leads."""
    random = np.random.default_rng(3)
    count = 20_000
    lead = rules.rule(Parameters(rule="spire-polled"))
    at_once = lead(random.integers(0, 2**32, count))
    polled = np.zeros(count)
    for left in range(2750 - 5, 2250 - 5, -5):
        draws = 2250 + 500 * random.random(count)
        polled[(polled == 0) & (left <= draws)] = left
    assert abs(at_once.mean() - polled.mean()) < 5 * polled.std() * np.sqrt(2 / count)
    assert abs(at_once.std() - polled.std()) < 0.05 * polled.std()


@pytest.mark.parametrize(
    ("companions", "nodes", "mean"), [("none", 100, 625.5), ("one-draw", 5000, 674.5)]
)
def test_without_churn_renewals_come_at_the_mean_of_the_rule(
    companions: str, nodes: int, mean: float
) -> None:
    """Renewal theory: services / (lifetime - mean lead) a second, once the start has worn off.

    A node that renews 50 services together leaves 98 s more to check them.
    """
    p = Parameters(
        nodes=nodes, services=50, churn=0.0, runs=1, duration=200_000, companions=companions
    )
    counts = np.zeros(p.duration, dtype=np.int64)
    for g in engine.generations(p, engine.draws(p)):
        counts += np.bincount(g.second, minlength=p.duration)
    settled = counts[100_000:].mean()
    assert settled == pytest.approx(nodes * 50 / (5000 - mean), rel=0.002)


def test_the_time_that_nodes_are_away_is_that_of_an_alternating_renewal_process() -> None:
    p = Parameters(nodes=4000, churn=1e-3, duration=100_000, runs=1)
    o = outages.draw(p, np.random.default_rng(5))
    away = np.minimum(o.end, p.duration) - o.begin
    expected = 1250.5 / (1000 + 1250.5)
    # The start is online: that costs at most one cycle of the 44.
    assert away.sum() / (p.nodes * p.duration) == pytest.approx(expected, rel=0.03)


def expiring_share(window: int, lifetime: int, longest: int) -> float:
    """Share of seals that an outage outlives, for a node that drops out at a random moment.

    With lead l the seal's age is uniform over 0 .. lifetime - l, so what is left of it is uniform
    over l .. lifetime; an outage of d seconds uniform over 1 .. longest outlives it if d is more.
    A cycle of lead l is met in proportion to its length, which cancels the denominator.
    """
    leads = np.arange(1, window + 1, dtype=float)
    lengths = np.arange(1, longest + 1, dtype=float)
    outlived = np.clip(lengths[None, :] - leads[:, None], 0, None).mean(axis=1)
    return float(outlived.sum() / (lifetime - leads).sum())


@pytest.mark.parametrize("share", [100, 250, 500])
def test_seals_expire_in_outages_as_often_as_the_closed_form_says(share: int) -> None:
    p = Parameters(nodes=20_000, services=5, churn=1e-6, share=share, runs=1, duration=200_000)
    drawn = engine.draws(p)
    expired = hit = 0
    for g in engine.generations(p, drawn):
        expired += int(np.count_nonzero(g.stopped[g.second > 50_000]))
    hit = p.services * int(np.count_nonzero(drawn.outages.end > 50_000))
    expected = expiring_share(renewal.window(p.lifetime, share), p.lifetime, p.offline_max)
    spread = np.sqrt(expected / hit) * np.sqrt(p.services)  # the services of a node fare alike
    assert abs(expired / hit - expected) < 5 * spread


def test_equal_seeds_give_equal_traffic_and_others_do_not() -> None:
    p = Parameters(nodes=2, services=5, runs=2, duration=20_000, format="certificate", seed=9)
    first, second = traffic.simulate(p), traffic.simulate(p)
    other = traffic.simulate(replace(p, seed=10))
    assert (first.wire_bytes == second.wire_bytes).all()
    assert (first.wire_bytes != other.wire_bytes).any()


@pytest.mark.parametrize("form", FORMATS)
def test_traffic_adds_up_every_renewal_in_its_second_of_its_run(form: str) -> None:
    p = Parameters(nodes=2, services=3, runs=3, duration=30_000, churn=1e-4, format=form, share=20)
    seen, drawn, wire = traffic.simulate(p), engine.draws(p), sizes.wire(p)
    signatures = np.zeros((p.runs, p.duration), dtype=np.int64)
    wire_bytes = np.zeros_like(signatures)
    asked: set[tuple[int, int]] = set()
    together = 0
    for service, second, _, _, expired, _ in vectorised(p, drawn):
        signatures[service // 6, second] += 1
        table = wire.expired if expired else wire.renewal
        wire_bytes[service // 6, second] += table[drawn.payloads[service]]
        if not expired and (service // 3, second) in asked:
            wire_bytes[service // 6, second] -= wire.together
            together += 1
        if not expired:
            asked.add((service // 3, second))
    for node, end in zip(drawn.outages.node, drawn.outages.end, strict=True):
        if end < p.duration:
            wire_bytes[node // p.nodes, end] += wire.reconnect
    assert (seen.signatures == signatures).all()
    assert (seen.wire_bytes == wire_bytes).all()
    assert seen.expired > 0
    assert together > 0
    assert seen.renewals == signatures.sum()


WRONG = (
    ("nodes", 0),
    ("share", 1001),
    ("churn", 1.5),
    ("offline_max", 0),
    ("payload_max", -1),
    ("rule", "cron"),
    ("format", "xml"),
    ("reconnect", "never"),
)


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_parameter_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ParameterError, match=name):
        Parameters(**{name: value})  # type: ignore[arg-type]
