"""The alert rules and the dashboard: promtool accepts them, and all that they name exists."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import needs
from triseal.site.server.health import CODES
from triseal.site.server.metrics import Metrics
from triseal.site.views import ends, figures
from triseal.site.views.figures import Figures

ROOT = Path(__file__).resolve().parents[4]
FOLDER = ROOT / "host" / "monitoring"
RULES = FOLDER / "alerts.yaml"
DASHBOARD = FOLDER / "dashboard.json"
TESTS = Path(__file__).with_name("alerts_test.yaml")
# Made by Prometheus itself.
_OTHERS = {"up", "process_open_fds", "process_max_fds"}
_LABELS = {"job", "instance", "le"}


def promtool(*words: str, given: bytes = b"") -> str:
    if reason := needs.promtool():
        pytest.skip(reason)
    done = subprocess.run(
        ["promtool", *words],
        check=False,
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=240,
    )
    said = done.stdout.decode()
    assert done.returncode == 0, said
    return said


def full_page() -> bytes:
    """A page with a sample of each metric."""
    metrics = Metrics()
    metrics.changed("thermo", "failed")
    metrics.reported("thermo", "rollback", 1, fell_back=True)
    metrics.count({"expired": 1})
    metrics.closed.labels("tls").inc()
    metrics.lines.labels("/dev/ttyACM0").set(1)
    metrics.take_health(dict.fromkeys(CODES, False), database=True, free=1, doubted=False)
    states = {("thermo", state): 1 for state in figures.STATES}
    certificates = dict.fromkeys(ends.WARN, 1)
    return metrics.text(Figures(states=states, silent={"hall": 1}, ends=certificates))


def series() -> dict[str, set[str]]:
    """The labels of each metric on the page, by its name."""
    found: dict[str, set[str]] = {}
    for name, labels in re.findall(r"^(\w+)(?:{(.*)})? ", full_page().decode(), re.MULTILINE):
        found.setdefault(name, set()).update(re.findall(r"(\w+)=\"", labels))
    return found


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return found


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in panels() for target in panel.get("targets", ()))


def test_the_page_follows_the_conventions_of_prometheus() -> None:
    assert promtool("check", "metrics", given=full_page()) == ""


def test_the_rules_are_right() -> None:
    assert "SUCCESS" in promtool("check", "rules", str(RULES))


def test_the_rules_do_what_they_say() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(TESTS))


def test_each_metric_and_label_that_is_asked_for_exists() -> None:
    there = series()
    for expression in expressions():
        bare = re.sub(r'"[^"]*"', '""', expression)
        names = set(re.findall(r"\b(?:triseal|process)_\w+", bare))
        assert names - {"triseal"} <= there.keys(), expression
        labels = set().union(*(there[name] for name in names))
        selected = set(re.findall(r"(\w+)\s*[=!]~?\s*\"", bare))
        by = re.findall(r"(?:by|without|ignoring|on|group_left) \(([^)]*)\)", bare)
        selected |= {label.strip() for part in by for label in part.split(",") if label.strip()}
        assert selected - _LABELS <= labels, expression


def test_each_problem_and_each_kind_of_certificate_has_an_alert() -> None:
    text = " ".join(rule["expr"] for rule in rules())
    named = set(re.findall(r"[\w-]+", " ".join(re.findall(r'code=~?"([^"]*)"', text))))
    assert named == set(CODES)
    assert set(re.findall(r'kind="(\w+)"', text)) == set(ends.WARN)
    states = set(re.findall(r"[\w-]+", " ".join(re.findall(r'state=~"([^"]*)"', text))))
    assert states <= set(figures.STATES)


def test_the_ends_are_told_as_early_as_the_site_does() -> None:
    for rule in rules():
        found = re.search(r'kind="(\w+)"}\) - time\(\) < (\d+) \* 86400', rule["expr"])
        if found:
            assert int(found[2]) * ends.DAY == ends.WARN[found[1]], rule["alert"]


def test_each_alert_says_why() -> None:
    for rule in rules():
        assert set(rule["annotations"]) == {"summary", "reason"}, rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert all(text.strip().endswith((".", ".)")) for text in rule["annotations"].values()), (
            rule
        )
    assert len({rule["alert"] for rule in rules()}) == len(rules())


def test_the_dashboard_is_complete() -> None:
    assert len({panel["id"] for panel in panels()}) == len(panels())
    for panel in panels():
        if panel["type"] != "row":
            assert panel["description"].endswith("."), panel["title"]
            assert panel["datasource"] == {"type": "prometheus", "uid": "${source}"}
            assert panel["targets"], panel["title"]
