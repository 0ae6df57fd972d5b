"""One connection, over TLS or a line: frames in, frames out, and two tasks that a node keeps
busy."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from boards.errors import BoardError
from sealcore import messages
from sealcore.errors import SealError
from triseal.database import DatabaseUnusable
from triseal.errors import Failure
from triseal.site.server.limits import Allowance, Limits
from triseal.site.server.metrics import Metrics
from triseal.site.server.sessions.peers import Peer
from triseal.site.server.sessions.session import Session
from triseal.site.server.signing.pipeline import Desk
from triseal.site.server.signing.task import Draft, Look, Task

Follower = asyncio.Queue[tuple[str, str] | None]

_log = logging.getLogger(__name__)
_CERTIFICATE_UNITS = 16  # larger than a seal, and kept for a year more
_LOOK_EVERY = 1.0  # seconds

Ended = (SealError, Failure, DatabaseUnusable, BoardError, OSError, EOFError, TimeoutError)


class Carrier(Protocol):
    """What carries the frames of one connection: `frames.Frames` or `line.Line`."""

    async def next(self) -> bytes:
        """The next message. Raises one of Ended."""

    async def drain(self) -> None:
        """Wait until the other end has taken enough of what was sent. Raises one of Ended."""

    def send(self, frames: list[bytes]) -> int:
        """Send; how many octets that is."""

    def close(self) -> None:
        """End it at once."""

    @property
    def closing(self) -> bool:
        """Whether it has ended, or is about to."""

    @property
    def origin(self) -> str:
        """The address that it came from; empty for a line."""


class Connection:
    """A connection whose other end has proved to be a node's.

    Args:
        carrier: carries the frames that come and go.
        peer: who is at the other end.
        desk: answers.
        limits, metrics: see there.
        allowances: of the node, see `registry`.

    Attributes:
        node: the node's name.
        session: the conversation.
    """

    def __init__(
        self,
        carrier: Carrier,
        peer: Peer,
        desk: Desk,
        limits: Limits,
        metrics: Metrics,
        allowances: tuple[Allowance, Allowance],
    ) -> None:
        self._carrier = carrier
        self.node = peer.node
        self._limits = limits
        self._metrics = metrics
        self._desk = desk
        self._allowance, self._kept = allowances
        self._stale = asyncio.Event()
        self._turn = asyncio.Lock()
        self._code = ""
        self._followers: set[Follower] = set()
        self.session = Session(self._ask, self.send, self._pace, self._log_line, peer)

    async def serve(self, greeted: Callable[[], None], heard: Callable[[], None]) -> str:
        """Converse until the end; returns the code that tells why it ended.

        Args:
            greeted: called once the node has said HELLO; may refuse by raising a Failure.
            heard: called for each frame.
        """
        pushing = asyncio.create_task(self._push())
        try:
            async with asyncio.timeout(self._limits.hello_seconds):
                await self._one()
            greeted()
            while True:
                await self._one()
                heard()
        except Ended as error:
            self.end(code_of(error))
        finally:
            pushing.cancel()
            for follower in self._followers:
                _offer(follower, None)
            self._carrier.close()
        return self._code

    @property
    def origin(self) -> str:
        """The address that it came from; empty for a line."""
        return self._carrier.origin

    def end(self, code: str) -> None:
        """End it, whoever is in the middle of what; the first code counts."""
        self._code = self._code or code
        self._carrier.close()

    def touch(self) -> None:
        """Something has changed in the site: look whether this node must be told."""
        self._stale.set()

    def send(self, out: list[bytes]) -> None:
        """Send frames; who produces them waits in between for the other end to take them."""
        self._metrics.octets_out.inc(self._carrier.send(out))

    async def _one(self) -> None:
        message = await self._carrier.next()
        # Before its turn: what changes in the site is told all the same.
        while wait := self._kept.wait(0, time.monotonic()):
            await asyncio.sleep(min(wait, _LOOK_EVERY))
            await self._carrier.drain()  # whether it is there at all
        async with self._turn:
            self._metrics.count(await self.session.receive(message))
        await self._carrier.drain()

    async def _push(self) -> None:
        try:
            while True:
                await self._stale.wait()
                self._stale.clear()
                async with self._turn:
                    self._metrics.count(await self.session.refresh())
                await self._carrier.drain()
        except Ended as error:
            self.end(code_of(error))
        except Exception:  # a defect ends the connection: a node that hears of nothing would stay
            _log.exception("defect", extra={"node": self.node})
            self.end("defect")

    async def _ask(self, task: Task) -> Draft:
        """Ask the desk; what the ledger keeps of it is paid for by the node's next message.

        Also where the connection has ended by then: what was drafted is recorded all the same.
        """

        def counted(look: Look) -> Draft:
            draft = task(look)
            units = len(draft.seals) + _CERTIFICATE_UNITS * draft.counts.get("certificate", 0)
            self._kept.owe(units)
            return draft

        return await self._desk.ask(counted)

    async def _pace(self, units: int) -> None:
        wait = self._allowance.wait(units, time.monotonic())
        if wait:
            await asyncio.sleep(wait)

    def follow(self, follower: Follower) -> None:
        """Put each line of the node's log, as (service, text), into a queue; None at the end."""
        self._followers.add(follower)
        self._ask_for_log()

    def unfollow(self, follower: Follower) -> None:
        """No longer."""
        self._followers.discard(follower)
        self._ask_for_log()

    def _ask_for_log(self) -> None:
        wanted = bool(self._followers)
        if wanted != self.session.following and not self._carrier.closing:
            self.session.following = wanted
            self.send([messages.frame(messages.write(messages.FOLLOW, int(wanted)))])

    def _log_line(self, service: str, text: str) -> None:
        for follower in self._followers:
            _offer(follower, (service, text))


def _offer(follower: Follower, line: tuple[str, str] | None) -> None:
    """A slow follower misses the oldest lines; the node doesn't wait for it."""
    if follower.full():
        follower.get_nowait()
    follower.put_nowait(line)


def code_of(error: BaseException) -> str:
    """The stable code of what ended a connection."""
    if isinstance(error, SealError | Failure | DatabaseUnusable | BoardError):
        return error.code
    if isinstance(error, TimeoutError):
        return "too-slow"
    return "closed" if isinstance(error, EOFError) else "connection-lost"
