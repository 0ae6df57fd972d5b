"""The Store's alert rules and health: promtool accepts them, and each problem is found and told."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.host.site.server.test_monitoring import FOLDER, promtool
from tests.host.store.test_store import World, versioned
from triseal import request, signer
from triseal.signer import KeySigner
from triseal.store.server import health as server
from triseal.store.server.health import CODES, Health
from triseal.store.server.metrics import Figures, Metrics
from triseal.store.store import Store

RULES = FOLDER / "store-alerts.yaml"


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def full_page() -> str:
    metrics = Metrics()
    metrics.answers.labels("/v1/nonce", "200").inc()
    metrics.seconds.labels("/v1/nonce").inc()
    metrics.refused.labels("too-busy").inc()
    read = Figures({"pending": 1}, {"listed": 1}, 3, 4)
    return metrics.text(dict.fromkeys(CODES, False), read, 1).decode()


def test_promtool_accepts_page_and_rules() -> None:
    assert promtool("check", "metrics", given=full_page().encode()) == ""
    assert "SUCCESS" in promtool("check", "rules", str(RULES))


def test_each_problem_has_an_alert_and_each_alert_a_metric() -> None:
    there = set(re.findall(r"^(\w+)[{ ]", full_page(), re.MULTILINE)) | {"up"}
    text = " ".join(rule["expr"] for rule in rules())
    assert set(re.findall(r"\btriseal_\w+", text)) <= there
    of_problems = re.findall(r'triseal_store_problem{code=~?"([^"]*)"', text)
    assert set("|".join(of_problems).split("|")) == set(CODES)
    for rule in rules():
        assert set(rule["annotations"]) == {"summary", "reason"}, rule["alert"]


def one_release(made: Store) -> None:
    made.submit(versioned("1.0"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "store", begin=one_release) as made:
        yield made


def damage(world: World) -> None:
    (world.home / "public/log/checkpoint").write_bytes(b"nothing")


def lose_entries(world: World) -> None:
    """The database of yesterday, whose mark was restored too."""
    (world.home / "store.mark").write_text('{"release": 0}')
    with world.store._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM log WHERE position > 0")
    world.store.close()
    world.store = world.open()


def restore_yesterday(world: World) -> None:
    with world.store._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM log WHERE position > 0")


def many_wait(world: World) -> None:
    world.store.register(request.make(KeySigner(signer.generate("p256")), "Cleo"))


CAUSES: tuple[tuple[str, Callable[[World], object], bool], ...] = (
    ("log-damaged", damage, True),
    ("log-behind", lose_entries, True),
    ("store-behind", restore_yesterday, True),
    ("database-unusable", lambda w: (w.home / "store.sqlite").unlink(), True),
    ("many-developers-wait", many_wait, False),
)


@pytest.mark.parametrize(("code", "cause", "stops"), CAUSES, ids=[row[0] for row in CAUSES])
def test_a_problem_is_named(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    cause: Callable[[World], object],
    stops: bool,
) -> None:
    monkeypatch.setattr(server, "_MANY", 2)
    assert asyncio.run(Health(world.store, Metrics()).all()) == []
    cause(world)
    health = Health(world.store, Metrics())
    (found,) = asyncio.run(health.all())
    assert (found.code, found.stops) == (code, stops)
    assert [one.code for one in asyncio.run(health.stopping())] == [code] * stops
    assert f'triseal_store_problem{{code="{code}"}} 1.0' in asyncio.run(health.page()).decode()


def test_a_certificate_that_ends_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    health = Health(world.store, Metrics())
    end = world.store.certificate.not_after
    for now, code, stops in ((end - 9, "ends-soon", False), (end + 9, "store-ended", True)):
        monkeypatch.setattr("triseal.store.server.health.time.time", lambda now=now: now)
        (found,) = asyncio.run(health.all())
        assert (found.code, found.stops) == (code, stops)
