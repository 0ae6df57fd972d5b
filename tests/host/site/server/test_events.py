"""Every change of a service's state, and every refusal, is a line of the log and counts."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sealcore import messages
from tests.worlds.link_world import LinkWorld, Node, serving
from triseal.site.records.placement import Place
from triseal.site.server.events import Events
from triseal.site.server.metrics import Metrics
from triseal.site.server.signing.task import Answer, Told

PLACE = Place("kitchen", "thermo")
_EVENTS = ("state changed", "restarted", "reported", "fell back", "no seal")


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[Any, ...]]:
    """Level, event, and what changed, of each line about a service."""
    return [
        (
            one.levelname,
            one.getMessage(),
            *(vars(one).get(name) for name in ("service", "before", "state", "code")),
        )
        for one in caplog.records
        if one.getMessage() in _EVENTS
    ]


def say(node: Node, state: str, code: str = "", restarts: int = 0, *, name: str = "thermo") -> None:
    held = node.serial("thermo")
    number = messages.STATES.index(state)
    node.send(messages.REPORT, name, held, number, code, "", restarts, [])


def heard(node: Node) -> None:
    """What the node has said before has been heard."""
    node.send(messages.RENEW, 0, [("thermo", node.serial("thermo"))])
    node.expect(messages.RENEWED)


def test_the_life_of_a_service_stands_in_the_log(
    tmp_path: Path, stack: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world = stack.enter_context(LinkWorld(tmp_path))
    world.deploy("kitchen", "thermo")
    site = stack.enter_context(serving(world))
    node = world.node("kitchen", site.port)
    node.hello()
    node.expect(messages.ASSIGN)
    say(node, "running")
    say(node, "running")
    say(node, "failed", "ValueError", 1)
    say(node, "failed", "ValueError", 3)
    say(node, "refused", "rollback", 3)
    say(node, "running", "", 0, name="made-up")
    for _ in range(3):
        node.send(messages.RENEW, 0, [("relic", b"")])
        node.expect(messages.REFUSED)
    heard(node)
    node.hello(thermo=node.serial("thermo"))
    node.hello()
    node.expect(messages.ASSIGN)
    heard(node)
    assert lines(caplog) == [
        ("INFO", "state changed", "thermo", "sent", "running", None),
        ("WARNING", "state changed", "thermo", "running", "failed", "ValueError"),
        ("WARNING", "restarted", "thermo", "failed", "failed", "ValueError"),
        ("WARNING", "fell back", "thermo", "failed", "refused", "rollback"),
        ("WARNING", "no seal", "relic", None, None, "not-assigned"),
        ("INFO", "state changed", "thermo", "refused", "running", None),
        ("INFO", "state changed", "thermo", "running", "gone", None),
    ]
    changes, service = "triseal_state_changes_total", {"service": "thermo"}
    site.check_counted(2, changes, state="running", **service)
    for state in ("failed", "refused", "gone"):
        site.check_counted(1, changes, state=state, **service)
    site.check_counted(3, "triseal_service_restarts_total", **service)
    site.check_counted(1, "triseal_fallbacks_total", **service)
    site.check_counted(1, "triseal_reports_total", code="rollback")
    site.check_counted(2, "triseal_reports_total", code="other")
    assert "made-up" not in site.metrics.text(None).decode()


def test_a_refusal_is_said_once_and_again_when_it_changes(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("triseal.site.server.events._MOST_REMEMBERED", 2)
    events = Events(Metrics())
    for code in ("expired", "expired", "untrusted-signer", "expired"):
        events.recorded(Answer(refused=[(PLACE, code)]))
    assert len(lines(caplog)) == 3
    for number in range(2):  # others push it out
        events.recorded(Answer(refused=[(Place("kitchen", f"n{number}"), "expired")]))
    events.recorded(Answer(refused=[(PLACE, "expired")]))
    assert len(lines(caplog)) == 6
    monkeypatch.setattr("triseal.site.server.events._AGAIN_SECONDS", 0.0)
    events.recorded(Answer(refused=[(PLACE, "expired")]))
    assert len(lines(caplog)) == 7


def test_a_node_counts_no_more_restarts_than_there_can_be(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    world.deploy("kitchen", "thermo")
    site = stack.enter_context(serving(world))
    node = world.node("kitchen", site.port)
    node.hello()
    node.expect(messages.ASSIGN)
    for restarts in (2**31 - 1, 0, 1):
        say(node, "running", "", restarts)
    heard(node)
    site.check_counted(64 + 1, "triseal_service_restarts_total", service="thermo")


def test_what_is_as_before_is_no_event(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    events = Events(Metrics())
    events.recorded(Answer(told=[Told(PLACE, "running", "running")]))
    assert lines(caplog) == []
    events.recorded(Answer(told=[Told(PLACE, "running", "running", "not-granted")]))
    assert lines(caplog) == [("INFO", "reported", "thermo", "running", "running", "not-granted")]
