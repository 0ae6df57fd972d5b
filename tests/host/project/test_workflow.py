"""The workflow for a forge, read from its file: it runs what everybody runs, and may do little."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import needs
from tests.worlds import postgres

ROOT = Path(__file__).resolve().parents[3]
(FILE,) = (ROOT / ".github" / "workflows").iterdir()
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def workflow() -> Any:
    # YAML 1.1 reads the key `on` as true.
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def steps(workflow: Any) -> list[dict[str, Any]]:
    (job,) = workflow["jobs"].values()
    return list(job["steps"])


def test_every_line_that_it_runs_is_a_target_of_the_makefile(steps: list[dict[str, Any]]) -> None:
    lines = [step["run"] for step in steps if "run" in step and not step["run"].startswith("sudo ")]
    assert lines == ["make lint", "make test-full", "make test", "make demo"]
    for line in lines:
        assert re.search(rf"^{line.removeprefix('make ')}:.*##", MAKEFILE, re.MULTILINE), line


def test_all_tests_run_on_linux_with_the_packages_that_they_need(
    steps: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (install,) = [step for step in steps if step.get("run", "").startswith("sudo ")]
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres, "_PROGRAMS", tmp_path)
    monkeypatch.setattr(needs, "SBIN", str(tmp_path))
    wanted = {why.rpartition(" ")[2] for need in needs.NEEDS if (why := need())}
    assert len(wanted) == len(needs.NEEDS)
    assert set(install["run"].rpartition("--yes ")[2].split()) == wanted
    when = {step["run"]: step.get("if") for step in steps if "run" in step}
    assert when[install["run"]] == when["make test-full"] == "runner.os == 'Linux'"
    assert when["make test"] == "runner.os != 'Linux'"


def test_it_may_read_and_nothing_else(workflow: Any, steps: list[dict[str, Any]]) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert "permissions" not in job
    assert set(workflow[True]) == {"push", "pull_request"}, "no event gives a stranger a secret"
    checkout = next(step for step in steps if step.get("uses", "").startswith("actions/checkout@"))
    assert checkout["with"]["persist-credentials"] is False


def test_actions_have_a_version_and_come_from_the_forge_itself(steps: list[dict[str, Any]]) -> None:
    used = [step["uses"] for step in steps if "uses" in step]
    assert used
    for action in used:
        assert re.fullmatch(r"actions/[a-z-]+@v[0-9]+", action), action


def test_the_matrix_begins_with_the_oldest_python_that_is_supported(workflow: Any) -> None:
    (job,) = workflow["jobs"].values()
    matrix = job["strategy"]["matrix"]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert f'requires-python = ">={matrix["python"][0]}"' in PROJECT
    assert {system.partition("-")[0] for system in matrix["system"]} == {"ubuntu", "macos"}


def test_the_makefile_takes_the_python_of_the_matrix(workflow: Any) -> None:
    (job,) = workflow["jobs"].values()
    assert job["env"] == {"PYTHON": "python"}
    assert re.search(r"^PYTHON +\?=", MAKEFILE, re.MULTILINE), "an environment variable decides"
