"""Events of a Store's log: nothing is left out, nobody is waited for, and there is an end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import Gauge

from tests.worlds.site_world import code_of
from triseal.log import note, writer
from triseal.log.entry import RELEASE, Entry
from triseal.log.writer import Folder
from triseal.store.server import events as server
from triseal.store.server import flood
from triseal.store.server.events import Events

LEAVES = [Entry(RELEASE, at, "blink", str(at)).der() for at in range(300)]


class Log:
    """A log that grows."""

    def __init__(self, top: Path) -> None:
        top.mkdir()
        signer = note.Signer("test.log", note.LOG, Ed25519PrivateKey.generate())
        self.folder = Folder(top)
        self._writer = writer.Writer(self.folder, signer)

    def grow(self, size: int) -> None:
        self._writer.extend(lambda have: LEAVES[have:size])


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log")


async def take(stream: AsyncIterator[bytes], number: int) -> list[int]:
    """Positions of the next events of a stream; fails if they do not come."""
    found: list[int] = []
    async with asyncio.timeout(20):
        while len(found) < number:
            lines = (await anext(stream)).decode().splitlines()
            data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
            found += [json.loads(one)["index"] for one in data]
    return found


def test_a_listener_gets_each_entry_once_from_any_position(log: Log) -> None:
    async def run() -> None:
        events = Events(log.folder)
        log.grow(300)
        for first in (0, 255, 256, 299):
            await events.open(first, "a")
            stream = events.pieces(first)
            assert await take(stream, 300 - first) == list(range(first, 300))
            await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())


def test_what_another_process_publishes_comes_too(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_LOOK_SECONDS", 0.01)

    async def run() -> None:
        events = Events(log.folder)
        log.grow(3)
        await events.open(None, "a")
        place = events.enter("a")
        stream = events.pieces(3)
        assert await anext(stream) == server._RETRY
        log.grow(5)
        assert await take(stream, 2) == [3, 4]
        events.stop()
        assert [piece async for piece in stream] == []
        events.leave(place)

    asyncio.run(run())


def test_a_connection_that_nothing_happens_on_is_kept_open(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_ALIVE_SECONDS", 0.01)

    async def run() -> None:
        stream = Events(log.folder).pieces(0)
        assert [await anext(stream) for _ in range(3)] == [
            server._RETRY,
            b": alive\n\n",
            b": alive\n\n",
        ]
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())


def test_there_is_room_for_so_many(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_LISTENERS", 3)

    async def run() -> None:
        events = Events(log.folder)
        log.grow(2)
        assert await code(events.open(3, "a")) == "no-such-entry"
        first, second, third = (events.enter(address) for address in ("a", "a", "b"))
        for address in ("a", "b"):
            assert code_of(partial(events.enter, address)) == "too-many-listeners"
        fourth = events.enter("c")  # of "a", which has two
        assert [one.done() for one in (first, second, third)] == [True, False, False]
        assert code_of(partial(events.enter, "c")) == "too-many-listeners"
        for one in (first, second, third, fourth):
            assert events.listeners > 0
            events.leave(one)
        assert events.listeners == 0

    asyncio.run(run())


def test_many_at_once_get_no_more_room(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_LISTENERS", 2)

    async def run() -> None:
        events = Events(log.folder)
        log.grow(2)
        statuses: list[int] = []

        async def listen() -> None:
            began = asyncio.Event()

            async def receive() -> dict[str, str]:
                await began.wait()
                return {"type": "http.disconnect"}

            async def send(message: Any) -> None:
                if message["type"] == "http.response.start":
                    statuses.append(message["status"])
                    while len(statuses) < 9:  # noqa: ASYNC110 (of all)
                        await asyncio.sleep(0)
                began.set()

            answer = await events.open(0, "a")
            await answer({"type": "http"}, receive, send)

        async with asyncio.timeout(20):
            await asyncio.gather(*(listen() for _ in range(9)))
        assert sorted(statuses) == [200] * 2 + [429] * 7
        assert events.listeners == 0

    asyncio.run(run())


def test_a_listener_that_must_make_room_is_ended(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_LISTENERS", 2)

    async def run() -> None:
        events = Events(log.folder)
        log.grow(2)
        began = asyncio.Event()

        async def receive() -> dict[str, str]:
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Any) -> None:
            began.set()

        answer = await events.open(0, "a")
        listening = asyncio.create_task(answer({"type": "http"}, receive, send))
        await began.wait()
        places = [events.enter("a"), events.enter("b")]
        async with asyncio.timeout(20):
            await listening
        for one in places:
            events.leave(one)

    asyncio.run(run())


async def code(asked: Awaitable[object]) -> str:
    try:
        await asked
    except Exception as error:
        return str(getattr(error, "code", error))
    return ""


Sent = list[dict[str, Any]]


@pytest.mark.parametrize("way", ["takes nothing", "leaves"])
def test_a_listener_that_is_gone_keeps_no_room(
    log: Log, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(server, "_TAKE_SECONDS", 0.01 if way == "takes nothing" else 20)

    async def run() -> None:
        events = Events(log.folder)
        log.grow(2)
        answer = await events.open(0, "a")
        left = asyncio.Event()

        async def receive() -> dict[str, str]:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                if way == "leaves":
                    left.set()
                await asyncio.Event().wait()  # the buffers are full

        async with asyncio.timeout(20):
            await answer({"type": "http"}, receive, send)
        assert events.listeners == 0

    asyncio.run(run())


def test_one_key_does_not_take_all_the_room() -> None:
    gauge = Gauge("x", "x", registry=None)
    made = flood.Flood(gauge)

    def hold(key: str, number: int, then: Callable[[], None]) -> None:
        if not number:
            then()
            return
        with made.body(key):
            hold(key, number - 1, then)

    def one(key: str) -> Callable[[], None]:
        return lambda: hold(key, 1, lambda: None)

    hold("a", flood.MOST_OF_KEY, lambda: None)
    assert code_of(lambda: hold("a", flood.MOST_OF_KEY + 1, lambda: None)) == "too-busy"
    hold("a", flood.MOST_OF_KEY, one("b"))

    def all_of(number: int, then: Callable[[], None]) -> Callable[[], None]:
        """All places, each key with what it may have."""
        if not number:
            return then
        return lambda: hold(str(number), flood.MOST_OF_KEY, all_of(number - 1, then))

    keys = flood.MOST_BODIES // flood.MOST_OF_KEY
    assert code_of(all_of(keys, one("b"))) == "too-busy"
    all_of(keys, lambda: None)()
    one("b")()
    for _ in range(flood.MOST_HOURLY):
        made.asked("a", 0)
    assert code_of(lambda: made.asked("a", 3599)) == "too-busy"
    made.asked("b", 3599)
    made.asked("a", 3600)
