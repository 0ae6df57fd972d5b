"""Boxes, lines and the paper's statements: against Matplotlib and their own opposite."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests import full
from triseal.sim import (
    boxes,
    figure3,
    paper,
    statements,
)
from triseal.sim.parameters import Parameters

octet_rows = arrays.arrays(np.int64, st.integers(1, 60), elements=st.integers(0, 5000))


@settings(max_examples=full.examples(100))
@given(octet_rows)
def test_a_box_is_the_box_that_matplotlib_would_draw(row: np.ndarray) -> None:
    from matplotlib.cbook import boxplot_stats  # each worker of pytest would load it otherwise

    found = boxes.box(row)
    active = row[row > 0]
    assert found.seconds == active.size
    if active.size == 0:
        return
    [drawn] = boxplot_stats(active)
    assert (found.q1, found.median, found.q3) == pytest.approx(
        (drawn["q1"], drawn["med"], drawn["q3"])
    )
    assert found.maximum == active.max()
    assert found.mean == pytest.approx(active.mean())
    assert found.average == pytest.approx(row.mean())
    if found.low <= found.q1 and found.high >= found.q3:
        # Where no value lies between quartile and fence, Matplotlib draws none; we name the next.
        assert (found.low, found.high) == (drawn["whislo"], drawn["whishi"])
        assert found.above == int((drawn["fliers"] > found.high).sum())


def test_outliers_are_thinned_and_keep_the_highest() -> None:
    row = np.concatenate([np.full(10_000, 100), np.arange(200, 1200)])
    found = boxes.outliers(row, boxes.box(row), most=50)
    assert len(found) == 50
    assert (found[0], found[-1]) == (200.0, 1199.0)


def test_a_line_is_found_again() -> None:
    fit = boxes.line([0, 1, 2, 3], [5, 7, 9, 11])
    assert (fit.slope, fit.intercept, fit.r_squared) == pytest.approx((2, 5, 1))
    assert boxes.line([0, 1, 2], [0, 1, 0]).r_squared == pytest.approx(0)


@pytest.fixture(scope="module")
def small_result() -> paper.Result:
    size = Parameters(runs=20, duration=30_000)
    return paper.run(lambda _: None, size, services_per_node=(2, 12, 22, 40))


def test_the_papers_statements_hold_on_a_smaller_run(small_result: paper.Result) -> None:
    verdicts = [s.verdict for s in statements.check(small_result)]
    assert verdicts == ["holds in part"] + ["holds"] * 8


def test_a_result_that_contradicts_the_paper_is_called_so(small_result: paper.Result) -> None:
    """With the panels swapped, what was said of the backoff is said of its absence."""
    points, growth = dict(small_result.points), dict(small_result.growth)
    for table in (points, growth):
        with_, without = table[paper.PAPER_WITH], table[paper.PAPER_WITHOUT]
        table[paper.PAPER_WITH], table[paper.PAPER_WITHOUT] = without, with_  # type: ignore[assignment]
    swapped = replace(small_result, points=points, growth=growth)
    verdicts = [s.verdict for s in statements.check(swapped)]
    assert verdicts.count("fails") >= 5


def test_a_rule_that_brings_nodes_together_is_called_so(small_result: paper.Result) -> None:
    """With a draw for each seal, which is what the rule was at first, it does not hold."""
    companions = dict(small_result.companions)
    companions["one-draw"] = companions["own-draws"]
    changed = replace(small_result, companions=companions)
    assert statements.check(changed)[-1].verdict == "fails"


def test_the_figure_and_its_numbers_are_files(
    small_result: paper.Result, tmp_path: Path, one_of: full.OneOf
) -> None:
    png, svg = figure3.draw(small_result, tmp_path / "made" / "fig3.png")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert svg.read_text().rstrip().endswith("</svg>")
    if one_of(2) == 1:
        again = figure3.draw(small_result, tmp_path / "again.png")[1]
        assert again.read_bytes() == svg.read_bytes()
    held = json.loads(json.dumps(small_result.as_dict()))
    assert [p["services"] for p in held["points"][paper.OURS_WITH]] == [30, 180, 330, 600]
    assert set(held["growth"][paper.PAPER_WITH]) == set(paper.GROWING)
