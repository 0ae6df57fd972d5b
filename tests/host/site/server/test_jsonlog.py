"""The log never holds up the server: nobody need read it."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.worlds.link_world import until
from triseal.serving import jsonlog
from triseal.serving.jsonlog import JsonLines, Patient

MANY = 3000
WAITING = 100


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)  # now nothing waits for room in the pipe
    # A thread that still writes would write into the file that gets its descriptor next.
    while _made:
        until(partial(ended, _made.pop()), "its thread has ended")
    os.close(writer)


def ended(handler: Patient) -> bool:
    handler.close()
    return not handler._thread.is_alive()


_made: list[Patient] = []


def logger(writer: int, most: int = WAITING) -> tuple[logging.Logger, Patient]:
    handler = Patient(writer, most)
    _made.append(handler)
    handler.setFormatter(JsonLines())
    made = logging.Logger("test")
    made.addHandler(handler)
    return made, handler


def test_a_pipe_that_nobody_reads(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = pipe
    log, handler = logger(writer)
    for number in range(MANY):  # more than pipe and queue hold
        log.warning("event", extra={"detail": f"{number} " + "x" * 200})
    assert handler.dropped
    numbers: list[int] = []
    told = 0
    with os.fdopen(os.dup(reader)) as stream:
        while len(numbers) + told < MANY:
            line = json.loads(stream.readline())
            number = int(line["detail"].split()[0])
            if line["event"] == "log lines dropped":
                told += number
            else:
                numbers.append(number)
    assert told == handler.dropped
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.NullHandler(), handler])
    assert jsonlog.dropped() == told
    assert numbers == sorted(numbers)
    log.warning("later")
    assert json.loads(os.read(reader, 4096))["event"] == "later"


def test_a_pipe_that_does_not_block(pipe: tuple[int, int]) -> None:
    """Whoever started the server may have set it so; it must lose nothing then."""
    reader, writer = pipe
    os.set_blocking(writer, False)
    log, handler = logger(writer, MANY)
    for _ in range(MANY):
        log.warning("event", extra={"detail": "x" * 200})
    with os.fdopen(os.dup(reader)) as stream:
        for _ in range(MANY):
            assert json.loads(stream.readline())["event"] == "event"
    assert handler.dropped == 0


def test_a_log_that_is_gone(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    log, handler = logger(writer)
    with Path(os.devnull).open("rb") as null:
        os.dup2(null.fileno(), reader)  # closes the pipe, and keeps the number
    log.warning("event")
    until(lambda: handler.dropped > 0, "the line is counted")
    handler.close()


def test_what_waits_is_written_at_the_end(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    log, handler = logger(writer)
    for _ in range(10):
        log.warning("event")
    handler.close()
    assert os.read(reader, 65536).count(b"\n") == 10


def test_the_end_waits_for_nobody(pipe: tuple[int, int]) -> None:
    _, writer = pipe
    fill(writer)
    log, handler = logger(writer, 5)
    for _ in range(10):
        log.warning("event")
    closing = threading.Thread(target=handler.close)
    closing.start()
    closing.join(20)
    assert not closing.is_alive()


def fill(writer: int) -> None:
    """Put as much into a pipe as fits; what writes next, waits."""
    flags = fcntl.fcntl(writer, fcntl.F_GETFL)
    os.set_blocking(writer, False)
    try:
        while os.write(writer, bytes(4096)):
            continue
    except BlockingIOError:
        fcntl.fcntl(writer, fcntl.F_SETFL, flags)
