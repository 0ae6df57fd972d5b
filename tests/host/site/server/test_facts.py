"""FACTS: what a node says about itself is bounded, cleaned, kept, and decides about rules."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealcore import messages, timetext
from tests.worlds.link_world import SECONDS, LinkWorld, serving, until
from triseal import database
from triseal.site.records import labels, ledger, vitals
from triseal.site.records.placement import Place
from triseal.site.server import steward
from triseal.site.server.duties import Duties
from triseal.site.server.handlers import facts

PICO = ["Raspberry Pi Pico with RP2040", "1.26.1", "rp2", "0.1.0"]
WROTE = (0, 0, 4870, 190_000, 800_000, 3600)


@pytest.mark.parametrize(
    ("texts", "known"),
    [
        (
            PICO,
            {
                "board": "Raspberry-Pi-Pico",
                "chip": "rp2040",
                "micropython": "1.26.1",
                "port": "rp2",
                "agent": "0.1.0",
                "mpy": "6.3-4",
            },
        ),
        ([], {"mpy": "6.3-4"}),
        (
            ["", "1.29.0-preview.5.g1 on"],
            {"micropython": "1.29.0-preview.5.g1-on", "mpy": "6.3-4"},
        ),
        (["", "1.20"], {"micropython": "1.20", "mpy": "6.3-4"}),
        (["x", "", "", "", "more", "than", "known"], {"board": "x", "mpy": "6.3-4"}),
        (["\0\x1b[2J with \u202e"], {"board": "2J", "mpy": "6.3-4"}),
        (["with " * 100], {"board": "with", "chip": "with-" * 12 + "wit", "mpy": "6.3-4"}),
        (["a" * 512], {"board": "a" * 63, "mpy": "6.3-4"}),
        (["a,node=hall"], {"board": "a-node-hall", "mpy": "6.3-4"}),
    ],
)
def test_what_a_node_says_is_cleaned(texts: list[str], known: dict[str, str]) -> None:
    assert facts.as_values(4870, texts) == known


def test_a_port_that_loads_no_mpy() -> None:
    assert (facts.mpy_of(0), facts.mpy_of(6)) == ("", "6.0")
    assert len(facts.mpy_of(2**31 - 1)) < 63


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LinkWorld]:
    with LinkWorld(tmp_path / "site") as made:
        yield made


def test_a_node_says_what_it_is_and_gets_what_rules_want(world: LinkWorld) -> None:
    world.deploy("hall", "thermo")
    world.manager.undeploy("hall", "thermo")
    world.manager.add_rule("thermo", "chip=rp2040,agent=0.1.0")

    def told() -> vitals.Vitals | None:
        with database.reading(world.manager.engine) as connection:
            return vitals.of(connection, "hall")

    def steward_gave() -> bool:
        return world.manager.assigned("hall") == ["thermo"]

    def known() -> dict[str, str]:
        with database.reading(world.manager.engine) as connection:
            return labels.told(connection).get("hall", {})

    async def apply() -> None:
        task = asyncio.create_task(steward.keep(world.manager, Duties().add("rules"), 0.05))
        while not steward_gave():
            assert not task.done()
            await asyncio.sleep(0.05)
        task.cancel()

    with serving(world) as site, contextlib.closing(world.node("hall", site.port)) as node:
        node.hello()
        node.send(messages.FACTS, *WROTE, PICO)
        until(lambda: told() is not None, "FACTS")
        asyncio.run(asyncio.wait_for(apply(), SECONDS))
        node.expect(messages.ASSIGN)  # without being asked
        found = told()
        assert found is not None
        assert (found.heap, found.flash, found.uptime) == (190_000, 800_000, 3600)
        assert found.address == "127.0.0.1"
        node.send(messages.FACTS, *WROTE, ["\0", "\ud7ff" * 170])  # PostgreSQL stores no NUL
        until(lambda: "chip" not in known(), "the second FACTS")
        assert world.manager.apply_rules().taken == (Place("hall", "thermo"),)
        assert node.expect(messages.REMOVE) == (["thermo"],)


def test_what_a_rule_takes_is_said_with_its_bound(
    world: LinkWorld, caplog: pytest.LogCaptureFixture
) -> None:
    site = world.manager
    world.deploy("hall", "thermo")
    site.undeploy("hall", "thermo")
    site.tell("hall", {"chip": "rp2040"})
    site.add_rule("thermo", "chip=rp2040")
    made = site.deployment("hall", "thermo").seal
    site.heard("hall", {"thermo": (ledger.serial_bytes(made.serial), "running")}, 1)
    with database.writing(site.engine) as connection:
        labels.tell(connection, "hall", {"chip": "esp32"}, world.now)
    caplog.set_level(logging.INFO)

    async def look() -> None:
        task = asyncio.create_task(steward.keep(site, Duties().add("rules"), 0.01))
        while not caplog.records:
            assert not task.done()
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(asyncio.wait_for(look(), SECONDS))
    (record,) = caplog.records
    by = timetext.iso(site.guarantee(node="hall").waiting["hall"])
    assert record.detail == f"taken, in force by {by} at the latest"  # type: ignore[attr-defined]
    assert site.assigned("hall") == []


def test_the_same_facts_are_not_written_again(world: LinkWorld) -> None:
    world.deploy("hall")
    known = facts.as_values(4870, PICO)
    with database.writing(world.manager.engine) as connection:
        labels.tell(connection, "hall", known, 5)
        labels.tell(connection, "hall", known, 9)
        assert labels.newest(connection) == 5
        labels.tell(connection, "hall", {}, 9)
        assert labels.newest(connection) == 0


def test_before_hello_nothing_is_told(world: LinkWorld) -> None:
    world.deploy("hall")
    with serving(world) as site, contextlib.closing(world.node("hall", site.port)) as node:
        node.connect()
        node.send(messages.FACTS, *WROTE, PICO)
        assert node.closed()
        with database.reading(world.manager.engine) as connection:
            assert labels.told(connection) == {}
