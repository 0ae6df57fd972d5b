"""The collector of benches: what it writes, and what it does when a bench fails."""

import json
import sys
import types
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from bench import Figure, run

BENCHES = {
    "good": [Figure("a.time", 3.0, "ms", 2.0), Figure("a.size", 7.0, "bytes")],
    "other": [Figure("b.rate", 10.0, "1/s", 40.0)],
    "endless": [Figure("c.time", float("nan"), "ms")],
}


def measure_of(figures: list[Figure]) -> run.Measure:
    """A bench that yields `figures`."""

    def measure() -> Iterator[Figure]:
        yield from figures

    return measure


def broken() -> Iterable[Figure]:
    """A bench that gives one figure and then fails."""
    yield Figure("d.first", 1.0, "ms")
    raise RuntimeError("no board answers")


@pytest.fixture(autouse=True)
def benches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Benches of this test in a package of their own; returns the file that is written."""
    measures = {name: measure_of(figures) for name, figures in BENCHES.items()}
    for name, measure in {**measures, "broken": broken}.items():
        module = types.ModuleType(f"bench.{name}")
        module.__dict__["measure"] = measure
        monkeypatch.setitem(sys.modules, f"bench.{name}", module)
    monkeypatch.setattr(run, "names", lambda: ["broken", "endless", "good", "other"])
    monkeypatch.chdir(tmp_path)
    return tmp_path / "build" / "bench.json"


def test_figures_are_written_with_their_ratio(benches: Path) -> None:
    assert run.main(["good"]) == 0
    assert json.loads(benches.read_text()) == {
        "a.time": {"value": 3.0, "unit": "ms", "baseline": 2.0, "ratio": 1.5},
        "a.size": {"value": 7.0, "unit": "bytes", "baseline": None, "ratio": None},
    }


def test_one_line_is_printed_per_figure(capsys: pytest.CaptureFixture[str]) -> None:
    run.main(["good", "other"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["a.time", "a.size", "b.rate"]
    assert lines[0].split()[1:] == ["3", "ms", "baseline", "2", "ratio", "1.500"]


def test_after_a_failure_the_others_still_run(
    benches: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main([]) == 1
    assert set(json.loads(benches.read_text())) == {"a.time", "a.size", "b.rate", "d.first"}
    complaint = capsys.readouterr().err
    assert "bench broken failed" in complaint
    assert "no board answers" in complaint
    assert "bench endless failed" in complaint


def test_a_run_of_some_keeps_the_figures_of_the_others(benches: Path) -> None:
    run.main(["good"])
    run.main(["other"])
    assert set(json.loads(benches.read_text())) == {"a.time", "a.size", "b.rate"}


def test_a_full_run_drops_figures_that_no_bench_gives_any_more(benches: Path) -> None:
    benches.parent.mkdir()
    benches.write_text('{"gone": {"value": 1, "unit": "ms", "baseline": null, "ratio": null}}')
    run.main([])
    assert "gone" not in json.loads(benches.read_text())


def test_an_unknown_name_is_wrong_usage(benches: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["nothing"]) == 2
    assert "no bench nothing; there are: broken, endless, good, other" in capsys.readouterr().err
    assert not benches.exists()


def test_without_any_bench_nothing_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "names", list)
    assert run.main([]) == 1
