"""The conversation with a node's agent over its serial line, while its services run.

A message of `sealcore.messages` travels as a line: `~` and its base64. All other lines are for
people. Services print to the same line. A line of the node therefore counts only with the mark at
the beginning of its base64, which it got with ASK and which no service knows: see `nlsm.answers`.

A board keeps about 255 bytes of input and loses more than that while its agent is busy. A line is
therefore sent in pieces, each one after the agent has acknowledged the piece before, with a line
that consists of the mark alone.
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
_AGAIN = 1.5  # seconds until the next attempt, doubled each time, so that a slow agent can finish
_PIECE = 96  # bytes, the same as in nlsm/console.py
_UNSETTLED = ("installing", "waiting-for-time")
_MARK_BYTES = 6  # a multiple of 3: its base64 has no padding
_NONCE_BYTES = 16
_MARK = secrets.token_bytes(_MARK_BYTES)  # of this process: answers to others have another mark
_TAKEN = b"~" + base64.b64encode(_MARK)


@dataclass(frozen=True)
class ServiceStatus:
    """A service as its node sees it.

    Attributes:
        name: name of the service.
        state: one of messages.STATES.
        code, detail: stable code and detail of its error, or "".
        version: its version.
        not_after: end of its seal, Unix seconds; 0 if it has no seal.
        restarts: how often the node has restarted it since the node booted.
        grants: its grants.
    """

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
    """The state of a node, as its agent reports it.

    Attributes:
        node: name of the node.
        time: the node's time, Unix seconds; 0 while it has no trusted time.
        bundle_version: version of its trust bundle; 0 if it has refused the bundle.
        bundle_mark: mark of its trust bundle, which tells two bundles of one version apart.
        heap_free: free heap, bytes.
        services: all services that it has.
        serials: serial numbers of the seals that it holds, by service.
        nonce: nonce to sign the time for, within 30 s.
    """

    node: str
    time: int
    bundle_version: int
    bundle_mark: bytes
    heap_free: int
    services: tuple[ServiceStatus, ...]
    serials: dict[str, bytes]
    nonce: bytes


def ask(port: Port, patience: float = PATIENCE) -> NodeStatus:
    """Read the state of a node, without stopping anything on it.

    Args:
        port: the port at which its agent runs or is just starting.
        patience: seconds that the agent may take to answer, if the port does not allow more.

    Raises:
        NoAgent: nothing at the port answers like an agent.
        BoardGone: the port has vanished.
    """
    return _ask(port, _end(port, patience))


def _end(port: Port, patience: float) -> float:
    return time.monotonic() + max(patience, port.patience)


def set_time(port: Port, signed: bytes, patience: float = PATIENCE) -> NodeStatus:
    """Give the agent the time.

    Args:
        port: the port at which its agent runs.
        signed: the time, signed for the nonce of the agent's last answer, DER.
        patience: seconds that the agent may take, if the port does not allow more.

    Returns: the node's state after it has checked all services that waited for the time.

    Raises:
        SealError: the agent refuses the time.
        NoAgent: the agent does not answer.
        BoardGone: the port has vanished.
    """
    end = _end(port, patience)
    _send(port, messages.write(messages.TIME, signed), end)
    status = _told(port, end)
    while any(service.state in _UNSETTLED for service in status.services):
        try:
            status = _told(port, end)
        except NoAgent:
            raise NoAgent("the node's agent does not finish starting its services") from None
    return status


def _told(port: Port, end: float) -> NodeStatus:
    status = _ask(port, end, refusals=True)
    if not status.time:
        raise errors.NoTrustedTime("the node still says so after it got the time")
    return status


def _ask(port: Port, end: float, *, refusals: bool = False) -> NodeStatus:
    again = _AGAIN
    while True:
        # A line that comes before the agent listens is lost, so that it is asked again. The nonce
        # is new each time, since each answer makes the nonce before it void.
        nonce = _MARK + secrets.token_bytes(_NONCE_BYTES - _MARK_BYTES)
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
    return NoAgent("nothing at the port answers like a node's agent")


def _send(port: Port, message: bytes, end: float) -> None:
    line = b"~" + base64.b64encode(message)
    # The newline at the beginning ends a line that a person has typed in part.
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
    """Return the next message of a kind before `end` (time.monotonic()). Raises BoardTimeout."""
    while True:
        if time.monotonic() >= end:
            raise BoardTimeout("no answer in the output of the board")
        line = port.read_line(end - time.monotonic())
        kind, values = _parsed(line, _TAKEN)
        if kind == messages.REJECTED and refusals:
            _raise_refusal(*values)
        if kind == wanted:
            return tuple(values)
        kind, values = _parsed(line, b"~")
        if kind == messages.STATUS and values[0].startswith(_MARK):
            raise NoAgent("the node's code is too old: triseal node provision updates it")


def _parsed(line: bytes, begin: bytes) -> tuple[int, tuple[Any, ...]]:
    """Return kind and values of the message in a line; (-1, ()) if there is none."""
    if line.startswith(begin):
        with contextlib.suppress(binascii.Error, errors.SealError):
            kind, values = messages.parse(base64.b64decode(line[len(begin) :], validate=True))
            return kind, values
    return -1, ()


def _raise_refusal(code: str, detail: str) -> None:
    """Raise the error that the agent has reported, if it is a refusal."""
    refusal = coded(code)
    if refusal is not None:
        raise refusal(f"the node says: {detail}")


def _joined(status: tuple[Any, ...], hello: tuple[Any, ...]) -> NodeStatus:
    _, node, now, bundle_version, heap_free, listed = status
    nonce, held = hello[2], hello[-1]
    return NodeStatus(
        node=node,
        time=now,
        bundle_version=bundle_version,
        bundle_mark=hello[4],
        heap_free=heap_free,
        services=tuple(_service(*values) for values in listed),
        serials={name: serial for name, serial, _ in held},
        nonce=nonce,
    )


def _service(name: str, number: int, *more: Any) -> ServiceStatus:
    code, detail, version, not_after, restarts, grants = more
    state = messages.STATES[number]
    told = code, detail, version, not_after, restarts
    return ServiceStatus(name, state, *told, tuple(grants))
