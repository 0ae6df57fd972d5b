"""Talks to the agent on a board over its serial line, while its services run on.

A line `~` and the base64 of a message of `sealcore.messages`; all other lines are for people.
Services print there too. So a line of the node's counts only with the mark that it was given by
ASK, which begins its base64 and no service knows: see `nlsm.answers`.

Boards keep some 255 octets of input and lose what comes on top of that, while their agent is busy.
So a line goes in pieces, each one once the agent has said by a line of the mark alone that it has
taken the last.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import secrets
import time
from dataclasses import dataclass
from typing import Any

from boards.errors import BoardTimeout
from boards.port import Port
from sealcore import errors, messages
from triseal.site.cable.refusals import coded
from triseal.site.errors import NoAgent

PATIENCE = 30.0
_AGAIN = 1.5  # seconds, and twice as long each time: a slow agent must come to the end of it
_PIECE = 96  # octets, as nlsm/console.py has it
_UNSETTLED = ("installing", "waiting-for-time")
_MARK_OCTETS = 6  # base64 of them is whole
_NONCE_OCTETS = 16
_MARK = secrets.token_bytes(_MARK_OCTETS)  # of this process: what it did not ask for is not for it
_TAKEN = b"~" + base64.b64encode(_MARK)


@dataclass(frozen=True)
class ServiceStatus:
    """A service as its node sees it; `not_after` in Unix seconds, 0 if it has no seal.
    `restarts` counts how often the node has started it again since it booted."""

    name: str
    state: str
    code: str
    detail: str
    version: str
    not_after: int
    restarts: int
    grants: tuple[str, ...]


@dataclass(frozen=True)
class NodeStatus:
    """What an agent says of itself.

    Attributes:
        node: its name.
        time: Unix seconds; 0 as long as it knows no time that it trusts.
        bundle_version: of its trust bundle; 0 if it refused that.
        heap_free: octets.
        services: all that it has.
        serials: the serial numbers of the seals that it holds, by service.
        nonce: to sign the time for, within 30 s.
    """

    node: str
    time: int
    bundle_version: int
    heap_free: int
    services: tuple[ServiceStatus, ...]
    serials: dict[str, bytes]
    nonce: bytes


def ask(port: Port, patience: float = PATIENCE) -> NodeStatus:
    """The state of a node, read without stopping anything on it.

    Args:
        port: where its agent runs, or is just being started.
        patience: seconds that the agent may take until it answers, if the port has not more.

    Raises:
        NoAgent: nothing there answers as an agent does.
        BoardGone: the port vanished.
    """
    return _ask(port, _end(port, patience))


def _end(port: Port, patience: float) -> float:
    return time.monotonic() + max(patience, port.patience)


def set_time(port: Port, signed: bytes, patience: float = PATIENCE) -> NodeStatus:
    """Give the agent the time, signed for the nonce of its last answer.

    Returns: the node's state once all that waited for the time was checked.

    Raises:
        SealError: it refuses.
        NoAgent: it does not answer.
        BoardGone: the port vanished.
    """
    end = _end(port, patience)
    _send(port, messages.write(messages.TIME, signed), end)
    found = _told(port, end)
    while any(one.state in _UNSETTLED for one in found.services):
        try:
            found = _told(port, end)
        except NoAgent:
            raise NoAgent("the node's agent does not come to an end with its services") from None
    return found


def _told(port: Port, end: float) -> NodeStatus:
    found = _ask(port, end, refusals=True)
    if not found.time:
        raise errors.NoTrustedTime("says the node, which has just been told")
    return found


def _ask(port: Port, end: float, *, refusals: bool = False) -> NodeStatus:
    again = _AGAIN
    while True:
        # What comes before the agent listens is lost: so it is asked again, with another nonce, for
        # each answer makes the nonce of the one before void.
        nonce = _MARK + secrets.token_bytes(_NONCE_OCTETS - _MARK_OCTETS)
        _send(port, messages.write(messages.ASK, nonce), end)
        try:
            soon = min(end, time.monotonic() + again)
            status = _status(port, nonce, soon, refusals=refusals)
            return _joined(status, _answer(port, messages.HELLO, end))
        except BoardTimeout:
            if time.monotonic() >= end:
                raise _nobody() from None
        again *= 2


def _nobody() -> NoAgent:
    return NoAgent("nothing at the port answers as a node's agent does")


def _send(port: Port, message: bytes, end: float) -> None:
    line = b"~" + base64.b64encode(message)
    # The newline in front ends whatever somebody typed before.
    port.send(b"\n" + line[:_PIECE])
    for start in range(_PIECE, len(line), _PIECE):
        _await_room(port, end)
        port.send(line[start : start + _PIECE])
    port.send(b"\n")


def _await_room(port: Port, end: float) -> None:
    try:
        while port.read_line(max(0.0, end - time.monotonic())) != _TAKEN:
            if time.monotonic() >= end:
                raise _nobody()
    except BoardTimeout:
        raise _nobody() from None


def _status(port: Port, nonce: bytes, end: float, *, refusals: bool) -> tuple[Any, ...]:
    while True:
        values = _answer(port, messages.STATUS, end, refusals=refusals)
        if values[0] == nonce:
            return values


def _answer(port: Port, wanted: int, end: float, *, refusals: bool = False) -> tuple[Any, ...]:
    """The next message of a kind; `end` by time.monotonic(). Raises BoardTimeout."""
    while True:
        if time.monotonic() >= end:
            raise BoardTimeout("no answer among all that the board prints")
        line = port.read_line(end - time.monotonic())
        kind, values = _parsed(line, _TAKEN)
        if kind == messages.REJECTED and refusals:
            _raise_refusal(*values)
        if kind == wanted:
            return tuple(values)
        kind, values = _parsed(line, b"~")
        if kind == messages.STATUS and values[0].startswith(_MARK):
            raise NoAgent("the node's code is older than this: triseal node provision updates it")


def _parsed(line: bytes, begin: bytes) -> tuple[int, tuple[Any, ...]]:
    """Kind and values of the message in a line; (-1, ()) if there is none."""
    if line.startswith(begin):
        with contextlib.suppress(binascii.Error, errors.SealError):
            kind, values = messages.parse(base64.b64decode(line[len(begin) :], validate=True))
            return kind, values
    return -1, ()


def _raise_refusal(code: str, detail: str) -> None:
    """Raise what the agent has rejected, if it is a refusal."""
    refusal = coded(code)
    if refusal is not None:
        raise refusal(f"says the node: {detail}")


def _joined(status: tuple[Any, ...], hello: tuple[Any, ...]) -> NodeStatus:
    _, node, now, bundle_version, heap_free, listed = status
    nonce, held = hello[2], hello[-1]
    return NodeStatus(
        node=node,
        time=now,
        bundle_version=bundle_version,
        heap_free=heap_free,
        services=tuple(_service(*one) for one in listed),
        serials={name: serial for name, serial, _ in held},
        nonce=nonce,
    )


def _service(name: str, number: int, *more: Any) -> ServiceStatus:
    code, detail, version, not_after, restarts, grants = more
    state = messages.STATES[number]
    told = code, detail, version, not_after, restarts
    return ServiceStatus(name, state, *told, tuple(grants))
