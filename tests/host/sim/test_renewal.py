"""What `sealcore.renewal` promises, for any times and any random bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sealcore import renewal

times = st.integers(0, 2**40)
lifetimes = st.integers(0, 10**9)
words = st.integers(0, 2**32 - 1)


@given(times, lifetimes, words, st.integers(1, 1000))
def test_a_renewal_is_due_within_its_window(
    begin: int, lifetime: int, bits: int, share: int
) -> None:
    end = begin + lifetime
    due = renewal.draw(begin, end, bits, share)
    assert end - -(-lifetime * share // 1000) <= due <= end
    if lifetime >= 2:
        assert begin < due < end


@given(times, lifetimes, words, words)
def test_a_higher_word_is_never_due_later(begin: int, lifetime: int, one: int, two: int) -> None:
    low, high = sorted((one, two))
    end = begin + lifetime
    assert renewal.draw(begin, end, high) <= renewal.draw(begin, end, low)


@given(st.integers(0, 10**6), words, times, st.none() | times)
def test_a_retry_waits_a_bounded_time_and_a_second_at_least(
    attempt: int, bits: int, now: int, not_after: int | None
) -> None:
    delay = renewal.retry_delay(attempt, bits, now, not_after)
    assert 1 <= delay <= min(renewal.RETRY_CAP, 2 << min(attempt, 10))
    if not_after is not None and now < not_after - 1:
        assert now + delay < not_after


@given(times, st.integers(2, 5000), st.lists(words, min_size=50, max_size=50))
def test_failing_until_expiry_includes_a_try_in_the_last_second(
    begin: int, lifetime: int, bits: list[int]
) -> None:
    end = begin + lifetime
    now, tries = renewal.draw(begin, end, bits[0]), []
    for attempt, word in enumerate(bits):
        tries.append(now)
        if now > end:
            break
        now += renewal.retry_delay(attempt, word, now, end)
    assume(tries[-1] > end)
    assert end - 1 in tries
    assert end in tries


seals = st.lists(st.tuples(st.text(max_size=3), times, times, times), max_size=20)


@given(seals, times)
def test_what_goes_together_comes_in_the_order_of_its_expiry(
    held: list[tuple[str, int, int, int]], now: int
) -> None:
    names = renewal.companions(held, now)
    due = [(end, name) for name, at, _, end in held if at <= now]
    more = [(end, name) for name, at, opened, end in held if opened <= now < at]
    together = any(at <= now and opened <= now for _, at, opened, _ in held)
    assert names == [name for _, name in sorted(due + more if together else due)]


@given(st.integers(1, 10**9), words, words, st.integers(1, 64), st.integers(1, 1000))
def test_what_is_renewed_together_has_time_within_the_window(
    lifetime: int, bits: int, more: int, count: int, share: int
) -> None:
    seconds = renewal.window(lifetime, share)
    lead = renewal.lead(seconds, bits, count)
    assert min(1, seconds) <= lead <= seconds
    assert lead >= min(2 * count - 1, seconds // 2)
    assert (lead <= renewal.lead(seconds, more, count)) == (bits <= more) or lead == renewal.lead(
        seconds, more, count
    )


def test_services_that_came_at_different_times_are_soon_renewed_together() -> None:
    """And from then on once in a lifetime, as often as a single one."""
    random = np.random.default_rng(4)
    lifetime, count, nodes, end = 5000, 10, 40, 500_000
    together_at, later = [], 0
    for _ in range(nodes):
        seals = {str(n): int(begin) for n, begin in enumerate(random.integers(0, lifetime, count))}
        drawn: dict[int, int] = {}
        now = lifetime
        while now < end:
            rows = []
            for name, begin in seals.items():
                if begin not in drawn:
                    word = int(random.integers(0, 2**32))
                    drawn[begin] = renewal.draw(begin, begin + lifetime, word, 250, count)
                opens = renewal.opens(begin, begin + lifetime)
                rows.append((name, drawn[begin], opens, begin + lifetime))
            now = min(row[1] for row in rows)
            renewed = renewal.companions(rows, now)
            seals.update(dict.fromkeys(renewed, now))
            if len(set(seals.values())) == 1:
                together_at.append(now)
                break
        while now < end:
            word = int(random.integers(0, 2**32))
            now = renewal.draw(now, now + lifetime, word, 250, count)
            later += 1
    assert len(together_at) == nodes
    assert np.median(together_at) < 15 * lifetime
    rate = later / sum(end - begin for begin in together_at)
    assert rate * lifetime == pytest.approx(5000 / (5000 - 634.5), rel=0.02)


@given(words, st.integers(0, 10**6))
def test_a_first_connect_falls_into_its_spread(bits: int, spread: int) -> None:
    assert 0 <= renewal.connect_delay(bits, spread) < max(1, spread)
