"""What a site takes for an agent's answer on a serial line, and how long it waits for one."""

from __future__ import annotations

import base64
import itertools
import os
import select
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from boards.port import Port
from sealcore import errors, messages
from tests.host.boards.plug import Socket
from triseal.site.cable import agent
from triseal.site.cable.agent import NodeStatus
from triseal.site.errors import NoAgent

NONCE = bytes(16)
PIECE = 96  # bytes of a line that a board takes at once

Say = Callable[[int, tuple[Any, ...]], Iterable[bytes]]


class Agent(Socket):
    """Something at a port that takes lines in pieces, and says `room` when it has taken one; and
    answers each message as `say` does."""

    def __init__(self, port: Path, say: Say, room: Iterable[bytes] = (agent._TAKEN,)) -> None:
        super().__init__(port)
        self._say = say
        self._room = room
        self._line = b""  # what has come of it, and there was room for
        self._piece = b""

    def run(self) -> None:
        while self.master in select.select([self.master, self.stop], [], [])[0]:
            *ends, self._piece = (self._piece + os.read(self.master, 4096)).split(b"\n")
            for end in ends:
                self._take(end)
            assert len(self._piece) <= PIECE, "more than it has said there is room for"
            if len(self._piece) == PIECE:
                self._line, self._piece = self._line + self._piece, b""
                self._write(self._room)

    def _take(self, end: bytes) -> None:
        assert len(end) <= PIECE, "more than it has said there is room for"
        whole, self._line = self._line + end, b""
        if whole[:1] == b"~":
            self._write(self._say(*messages.parse(base64.b64decode(whole[1:]))))

    def _write(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            if self.stop in select.select([self.stop], [self.master], [])[0]:
                return
            os.write(self.master, line + b"\n")


def line(kind: int, *values: Any, mark: bytes = agent._MARK) -> bytes:
    return b"~" + base64.b64encode(mark + messages.write(kind, *values))


def status(
    nonce: bytes, state: str = "running", now: int = 1795363200, mark: bytes = agent._MARK
) -> list[bytes]:
    """STATUS and HELLO of a node with one service."""
    one: tuple[Any, ...] = ("thermo", messages.STATES.index(state), "", "", "1.0", now, 0, [])
    held = [("thermo", b"\x01" * 16, messages.STATES.index(state))]
    return [
        line(messages.STATUS, nonce, "kitchen", now, 3, 1000, [one], mark=mark),
        line(messages.HELLO, messages.PROTOCOL, "kitchen", NONCE, 3, NONCE, 0, "", held),
    ]


def honest(kind: int, values: tuple[Any, ...]) -> list[bytes]:
    return status(values[0]) if kind == messages.ASK else []


def noisy(kind: int, values: tuple[Any, ...]) -> list[bytes]:
    """A service prints what it likes: old answers, what looks like one, words of its own."""
    said, hello = status(values[0])
    false = b"x" + status(values[0], "failed")[0][1:]
    guess = bytes(6)
    junk = [
        b"triseal: rollback: says a service",
        *[b"~", b"~%%%", b"~AAAA", b"thermo: ~x", agent._TAKEN, agent._TAKEN + b"~", false],
        line(messages.REJECTED, "untrusted-signer", "Shop", mark=guess),
        *status(bytes(16), "failed", mark=guess),
    ]
    log = line(messages.LOG, "thermo", "tick")
    return [*junk, *status(bytes(16), "failed"), said, log, hello]


def deaf(kind: int, values: tuple[Any, ...]) -> Iterable[bytes]:
    return []


def of_another(kind: int, values: tuple[Any, ...]) -> list[bytes]:
    return status(bytes(16))


def endless(kind: int, values: tuple[Any, ...]) -> Iterable[bytes]:
    return itertools.repeat(b"thermo: tick")


@contextmanager
def at(
    folder: Path, say: Say, patience: float = 0.2, room: Iterable[bytes] = (agent._TAKEN,)
) -> Iterator[Port]:
    with (
        Agent(folder / "port", say, room) as speaker,
        Port(speaker.port, patience=patience) as port,
    ):
        yield port


@pytest.mark.parametrize("say", [honest, noisy])
def test_an_answer_is_known_by_the_nonce(say: Say, tmp_path: Path) -> None:
    with at(tmp_path, say) as port:
        found = agent.ask(port, 20.0)
    assert (found.node, found.services[0].state, found.nonce) == ("kitchen", "running", NONCE)
    assert found.serials == {"thermo": b"\x01" * 16}


@pytest.mark.parametrize("say", [deaf, of_another, endless])
def test_who_does_not_answer_is_waited_for_no_longer_than_was_said(
    say: Say, tmp_path: Path
) -> None:
    with at(tmp_path, say) as port, pytest.raises(NoAgent):
        agent.ask(port, 0.5)


def test_an_agent_that_knows_no_mark_is_to_be_updated(tmp_path: Path) -> None:
    def older(kind: int, values: tuple[Any, ...]) -> list[bytes]:
        return status(values[0], mark=b"")

    with at(tmp_path, older) as port, pytest.raises(NoAgent, match="node provision updates it"):
        agent.ask(port, 20.0)


@pytest.mark.parametrize(("own", "given"), [(20.0, 0.1), (0.1, 20.0)])
def test_the_longer_patience_counts(own: float, given: float, tmp_path: Path) -> None:
    asked = []

    def second(kind: int, values: tuple[Any, ...]) -> list[bytes]:
        asked.append(kind)
        return status(values[0]) if len(asked) == 2 else []

    with at(tmp_path, second, own) as port:
        assert agent.ask(port, given).node == "kitchen"


SIGNED = bytes(range(256))  # as long as a signed time: of more pieces than one


def telling(*after: Callable[[bytes], list[bytes]]) -> Say:
    """An agent that answers ASK, once it was told the time, by these in turn."""
    answers: list[Callable[[bytes], list[bytes]]] = [lambda nonce: status(nonce, now=0)]

    def say(kind: int, values: tuple[Any, ...]) -> list[bytes]:
        if kind == messages.TIME:
            assert values == (SIGNED,)
            answers[:] = after
            return []
        return (answers.pop(0) if len(answers) > 1 else answers[0])(values[0])

    return say


# (what the agent says once it was told the time, what comes of it)
TOLD: tuple[tuple[str, Say, type[Exception] | None], ...] = (
    ("it runs", telling(status), None),
    ("it installs, then it runs", telling(lambda n: status(n, "installing"), status), None),
    ("it waits", telling(lambda n: status(n, "waiting-for-time"), status), None),
    ("a service lies", telling(lambda n: [b"rollback: had 9", *status(n)]), None),
    ("it knows no time", telling(lambda n: status(n, now=0)), errors.NoTrustedTime),
    ("it refuses", telling(lambda _: [line(messages.REJECTED, "rollback", "9")]), errors.Rollback),
    (
        "a service prints that it refuses",
        telling(
            lambda n: [
                b"triseal: rollback: had 9",
                b"~AAAAAAAA",
                line(messages.REJECTED, "rollback", "9", mark=bytes(6)),
                *status(n),
            ]
        ),
        None,
    ),
    (
        "it lacks memory",
        telling(lambda n: [line(messages.REJECTED, "out-of-memory", ""), *status(n)]),
        None,
    ),
    ("it installs for ever", telling(lambda n: status(n, "installing")), NoAgent),
)


@pytest.mark.parametrize(("sentence", "say", "error"), TOLD, ids=[row[0] for row in TOLD])
def test_the_time_is_told_until_all_has_come_to_its_end(
    sentence: str, say: Say, error: type[Exception] | None, tmp_path: Path
) -> None:
    with at(tmp_path, say) as port:
        if error is not None:
            said = "does not finish" if error is NoAgent else "the node (says|still says so)"
            with pytest.raises(error, match=said):
                agent.set_time(port, SIGNED, 3.0 if error is NoAgent else 20.0)
            return
        found: NodeStatus = agent.set_time(port, SIGNED, 20.0)
        assert found.services[0].state == "running", sentence


@pytest.mark.parametrize("room", [(), itertools.repeat(b"thermo: tick")], ids=["", "endless"])
def test_a_board_that_takes_no_more_is_none(room: Iterable[bytes], tmp_path: Path) -> None:
    with at(tmp_path, honest, room=room) as port, pytest.raises(NoAgent):
        agent.set_time(port, SIGNED, 0.3)
