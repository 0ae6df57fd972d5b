"""Runs plans under Hypothesis for a given time; what it finds comes out as small as can be."""

from __future__ import annotations

import base64
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

from tests.host.fuzz import mutate, plan
from tests.host.fuzz.judge import Find, judge
from tests.host.fuzz.plan import Plan, Step
from tests.host.fuzz.seeds import all_seeds

BATCH = 500
# A verdict takes milliseconds, those of the referees included.
LIMIT_S = 10.0

STEPS = st.builds(Step, st.integers(0, len(mutate.MUTATIONS) - 1), st.integers(0, plan.CHOICES - 1))
PLANS = st.builds(
    Plan,
    st.integers(0, len(all_seeds()) - 1),
    st.lists(STEPS, min_size=1, max_size=plan.MAX_STEPS).map(tuple),
    st.booleans(),
)
SETTINGS = hypothesis.settings(
    max_examples=BATCH,
    database=None,
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


@dataclass
class Result:
    """What a run did.

    Attributes:
        codes: how often each refusal came; accepted inputs under "".
        finds: a text for each, with a line for tests/vectors/found.txt.
    """

    codes: Counter[str] = field(default_factory=Counter)
    finds: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        codes = ", ".join(f"{n} {code or 'accepted'}" for code, n in self.codes.most_common())
        return f"{self.codes.total()} inputs: {codes}; {len(self.finds)} finds"


def run(seconds: float, seed: int, progress: Callable[[Result], None]) -> Result:
    """Make and judge inputs.

    Args:
        seconds: for how long; at least one batch is run.
        seed: equal seeds begin with equal plans.
        progress: called after each batch.

    Returns:
        The counts and what was found.
    """
    result = Result()
    end = time.monotonic() + seconds
    with _alarm():
        while True:
            _run_batch(seed, result)
            progress(result)
            seed += 1
            if time.monotonic() >= end:
                return result


@contextmanager
def _alarm() -> Iterator[None]:
    """While a verdict takes too long, a signal ends it as a find."""

    def too_long(_signal: int, _frame: FrameType | None) -> None:
        raise Find(f"more than {LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, too_long)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


def _run_batch(seed: int, result: Result) -> None:
    last: list[Plan] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(SETTINGS)
    @hypothesis.given(PLANS)
    def one(tried: Plan) -> None:
        last[:] = [tried]
        thing, der = plan.carry_out(tried)
        signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
        try:
            result.codes[judge(thing, der, not tried.sign_first)] += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    try:
        one()
    except Find as find:  # of the smallest plan, which was tried last
        result.finds.append(describe(last[0], find))
    except BaseExceptionGroup as finds:  # several kinds; the smallest of one was tried last
        result.finds.append(describe(last[0], finds))


def describe(found: Plan, why: BaseException) -> str:
    """What was found, how it was made, and the line that keeps it."""
    thing, der = plan.carry_out(found)
    line = f"{thing.kind} NAME CODE {base64.b64encode(der).decode()}"
    return f"{why}\n  {found}\n  {line}"
