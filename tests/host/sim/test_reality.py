"""A live run against the model: distances of known samples, files that are none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests import full
from triseal.sim import (
    reality,
    traffic,
)
from triseal.sim.errors import BadTraffic
from triseal.sim.parameters import Parameters

octet_rows = arrays.arrays(np.int64, st.integers(1, 60), elements=st.integers(0, 5000))


def test_distances_of_known_distributions() -> None:
    zero_one, shifted = np.array([0, 1]), np.array([3, 4])
    assert reality.distance(zero_one, zero_one) == reality.Distance(0, 0, 0)
    apart = reality.distance(zero_one, shifted)
    assert (apart.wasserstein, apart.relative, apart.kolmogorov_smirnov) == (3, 6, 1)
    half = reality.distance(np.array([0, 0, 2, 2]), np.array([0, 2, 2, 2]))
    assert (half.wasserstein, half.kolmogorov_smirnov) == (0.5, 0.25)


@settings(max_examples=full.examples(60))
@given(octet_rows, octet_rows)
def test_the_wasserstein_distance_is_the_mean_move_between_sorted_samples(
    first: np.ndarray, second: np.ndarray
) -> None:
    """Repeat each sample to a common length: then it is the mean difference of order statistics."""
    a, b = np.sort(np.repeat(first, second.size)), np.sort(np.repeat(second, first.size))
    assert reality.distance(first, second).wasserstein == pytest.approx(
        float(np.abs(a - b).mean()), abs=1e-6
    )


def live_file(folder: Path, p: Parameters, start: int = 0, extra: int = 0) -> Path:
    row = traffic.simulate(p).wire_bytes[0]
    seconds = np.flatnonzero(row)
    told = {k: getattr(p, k) for k in ("nodes", "services", "lifetime", "churn", "duration")}
    content = {
        "seconds": (seconds + start).tolist(),
        "bytes": (row[seconds] + extra).tolist(),
        "parameters": told | {"start": start, "board": "virtual"},
    }
    path = folder / "live.json"
    path.write_text(json.dumps(content))
    return path


def test_a_run_of_the_model_itself_is_as_far_as_chance_and_another_is_farther(
    tmp_path: Path,
) -> None:
    p = Parameters(nodes=5, services=8, lifetime=60, churn=0.0, runs=1, duration=1200, seed=99)
    same, _ = reality.compare(reality.load(live_file(tmp_path, p, start=500)))
    assert same.all_seconds.relative < 1.5 * same.by_chance
    far, simulated = reality.compare(reality.load(live_file(tmp_path, p, extra=1200)))
    assert far.all_seconds.relative > 2 * far.by_chance
    assert far.active_seconds.wasserstein == pytest.approx(1200, rel=0.1)
    written = reality.draw(reality.load(tmp_path / "live.json"), simulated, far, tmp_path / "o.png")
    assert [path.suffix for path in written] == [".png", ".svg"]
    assert written[0].read_bytes().startswith(b"\x89PNG")


BROKEN = (
    ("", "Expecting"),
    ("[]", "not a JSON object"),
    ('{"seconds": [1], "bytes": [2]}', "parameters"),
    ('{"seconds": [1, 2], "bytes": [2], "parameters": {}}', "one length"),
    ('{"seconds": [1], "bytes": [-2], "parameters": {}}', "negative"),
    ('{"seconds": [1], "bytes": [2], "parameters": {"start": 5}}', "no traffic"),
    ('{"seconds": [1795363200], "bytes": [2], "parameters": {}}', "parameters.start"),
    ('{"seconds": [1], "bytes": [2], "parameters": {"nodes": 0}}', "nodes"),
    ('{"seconds": [1], "bytes": [2], "parameters": {"nodes": "x"}}', "nodes|not supported"),
    ('{"seconds": [1], "bytes": [2], "parameters": {"start": "x"}}', "start|invalid"),
)


@pytest.mark.parametrize(("text", "reason"), BROKEN)
def test_a_broken_file_is_refused_with_its_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "live.json"
    path.write_text(text)
    with pytest.raises(BadTraffic, match=reason):
        reality.load(path)
