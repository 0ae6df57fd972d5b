"""A live site without faults, recorded at a small scale and held against the simulation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lifecycle import calm
from tests.lifecycle.calm import Calm
from triseal.sim import reality, sizes


@pytest.mark.long
def test_a_live_site_makes_the_renewals_and_the_bytes_that_the_simulation_does(
    tmp_path: Path,
) -> None:
    found = calm.run(
        Calm(nodes=2, services=3, lifetime=12, seconds=26), tmp_path / "site", verbose=False
    )
    assert found.violations == []
    recording = tmp_path / "calm.json"
    recording.write_text(json.dumps(found.content))
    live = reality.load(recording)
    assert live.wire_bytes.size == 26
    compared, _ = reality.compare(live)
    # Six services, 26 s, seals that are renewed after 8 s to 12 s; less if the start took long.
    assert compared.live_renewals == found.renewals >= 6
    alone = sizes.renew() + sizes.by_delta(0)
    bundled = alone - sizes.together("delta")
    # What is asked for in the last second and answered in the next counts half.
    assert 0.85 * bundled <= compared.live_total / found.renewals <= 1.1 * alone
