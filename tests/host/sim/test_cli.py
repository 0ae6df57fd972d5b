"""`triseal sim` as people and programs call it."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from triseal.cli.main import main
from triseal.sim.parameters import Parameters

SMALL = ["--nodes", "3", "--services", "4", "--runs", "2", "--duration", "12000", "--churn", "1e-4"]


def test_a_run_in_json_holds_its_parameters_totals_and_percentiles(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "run.json"
    words = ["sim", "run", *SMALL, "--json", "--peak-per-second", "--out", str(file)]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(file.read_text())
    assert Parameters(**told["parameters"]).services_per_run == 12
    assert told["bytes_per_second"]["p100"] == max(told["peak_per_second"])
    assert len(told["peak_per_second"]) == 12_000
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out) == told, "reproducible by its seed"


def test_a_run_for_people_fits_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sim", "run", *SMALL]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines][:3] == ["renewals", "total", "average"]
    assert len(lines) < 10


def test_every_parameter_is_an_option_with_its_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["sim", "run", "--help"]) == 0
    shown = capsys.readouterr().out
    for name in Parameters().as_dict():
        assert f"--{name.replace('_', '-')} " in shown, name
    assert "triseal sim run --share 0" in shown


def test_a_plan_recommends_and_prices(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sim", "plan", "--nodes", "20", "--services", "10"]
    assert main(words) == 0
    shown = capsys.readouterr().out
    for name in ("lifetime:", "connect spread:", "database:", "power outage:"):
        assert name in shown
    assert main([*words, "--change-within", "600", "--availability", "0.99999"]) == 0
    assert "note: " in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lifetime"] == 5000


def test_a_comparison_writes_numbers_and_pictures(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    live = tmp_path / "live.json"
    live.write_text(
        json.dumps(
            {
                "seconds": list(range(40, 400, 7)),
                "bytes": [416] * len(range(40, 400, 7)),
                "parameters": {"nodes": 2, "services": 2, "lifetime": 60, "churn": 0},
            }
        )
    )
    assert main(["sim", "compare", str(live), "--out", str(tmp_path)]) == 0
    assert "Wasserstein" in capsys.readouterr().out
    found = json.loads((tmp_path / "compare.json").read_text())
    assert 0 < found["all_seconds"]["kolmogorov_smirnov"] < 1
    assert (tmp_path / "compare.svg").exists()


WRONG_USAGE = (
    (["run", "--nodes", "0"], "nodes is 0"),
    (["run", "--rule", "cron"], "step-ca"),
    (["run", "--churn", "often"], "--churn"),
    (["plan", "--nodes", "5"], "--services"),
    (["plan", "--nodes", "1", "--services", "1", "--availability", "1"], "availability"),
    (["compare"], "FILE"),
    (["guess"], "guess"),
)


@pytest.mark.parametrize(("words", "reason"), WRONG_USAGE)
def test_wrong_usage_ends_with_2(
    words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sim", *words]) == 2
    assert reason in capsys.readouterr().err


def test_a_file_that_is_no_traffic_is_one_line_and_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{}")
    for path, code in ((broken, "bad-traffic"), (tmp_path / "absent.json", "file-not-found")):
        assert main(["sim", "compare", str(path)]) == 1
        [line] = capsys.readouterr().err.splitlines()
        assert code in line


def test_without_numpy_one_line_says_how_to_get_it() -> None:
    """In a fresh interpreter whose import system finds neither NumPy nor Matplotlib."""
    program = textwrap.dedent(
        """
        import sys
        from importlib.machinery import PathFinder

        class Without(PathFinder):
            @classmethod
            def find_spec(cls, name, path=None, target=None):
                if name in ("numpy", "matplotlib"):
                    return None
                return PathFinder.find_spec(name, path, target)

        sys.meta_path[sys.meta_path.index(PathFinder)] = Without
        from triseal.cli.main import main
        sys.exit(main(sys.argv[1:]))
        """
    )

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        path = {"PYTHONPATH": ":".join(sys.path)}
        return subprocess.run(
            [sys.executable, "-c", program, "sim", *words],
            capture_output=True,
            text=True,
            check=False,
            env=path,
        )

    done = run("fig3")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "numpy and matplotlib" in line
    assert "pip install 'triseal[sim]'" in line
    assert run("--help").returncode == 0
