"""One connection with a node, over TLS or a serial line: one task answers, another one pushes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from boards.errors import BoardError
from sealcore import messages
from sealcore.errors import SealError
from triseal.errors import DatabaseUnusable, Failure
from triseal.site.server.limits import Allowance, Limits
from triseal.site.server.metrics import Metrics
from triseal.site.server.sessions.peers import Peer
from triseal.site.server.sessions.session import Session
from triseal.site.server.signing.pipeline import Pipeline
from triseal.site.server.signing.task import Answer, Snapshot, Task

Follower = asyncio.Queue[tuple[str, str] | None]

_log = logging.getLogger(__name__)
_CERTIFICATE_UNITS = 16  # a certificate is larger than a seal, and is kept for a year longer
_CHECK_EVERY = 1.0  # seconds

Ended = (SealError, Failure, DatabaseUnusable, BoardError, OSError, EOFError, TimeoutError)


class Carrier(Protocol):
    """The transport of one connection: `tls_frames.Frames` or `serial_line.Line`."""

    async def next(self) -> bytes:
        """Wait for the next message and return it. Raises one of Ended."""

    async def drain(self) -> None:
        """Wait until the other end has received enough of the sent bytes. Raises one of Ended."""

    def send(self, frames: list[bytes]) -> int:
        """Send frames, and return the number of bytes.

        Args:
            frames: the frames, in order.
        """

    def close(self) -> None:
        """Close the connection at once."""

    @property
    def closing(self) -> bool:
        """Whether the connection has ended or is about to end."""

    @property
    def origin(self) -> str:
        """The network address of the other end; empty for a serial line."""


class Connection:
    """A connection whose other end has proved that it is a node.

    Args:
        carrier: the transport.
        peer: the node at the other end.
        pipeline: answers the node's messages.
        limits: the limits of the server.
        metrics: the metrics of the server.
        allowances: the two allowances of the node, see `Registry.allowance`.

    Attributes:
        node: name of the node.
        session: the conversation with the node.
    """

    def __init__(
        self,
        carrier: Carrier,
        peer: Peer,
        pipeline: Pipeline,
        limits: Limits,
        metrics: Metrics,
        allowances: tuple[Allowance, Allowance],
    ) -> None:
        self._carrier = carrier
        self.node = peer.node
        self._limits = limits
        self._metrics = metrics
        self._pipeline = pipeline
        self._allowance, self._kept = allowances
        self._stale = asyncio.Event()
        self._turn = asyncio.Lock()
        self._code = ""
        self._followers: set[Follower] = set()
        self.session = Session(self, peer)

    async def serve(self, greeted: Callable[[], None], heard: Callable[[], None]) -> str:
        """Answer the node's messages until the connection ends.

        Args:
            greeted: called after the node has said HELLO; it may raise a Failure to refuse it.
            heard: called for each later message.

        Returns: the stable code of the reason for the end.
        """
        pushing = asyncio.create_task(self._push())
        try:
            # The limit is for what the node says and owes, and not for the work of the site.
            async with asyncio.timeout(self._limits.hello_seconds):
                message = await self._next()
            await self._answer(message)
            greeted()
            while True:
                await self._answer(await self._next())
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
        """The network address of the other end; empty for a serial line."""
        return self._carrier.origin

    def end(self, code: str) -> None:
        """End the connection at once, whatever its tasks are doing.

        Args:
            code: the stable code of the reason; if this is called again, the first code is kept.
        """
        self._code = self._code or code
        self._carrier.close()

    def touch(self) -> None:
        """Check soon whether the node must be told something: the site has changed."""
        self._stale.set()

    def send(self, frames: list[bytes]) -> None:
        """Send frames to the node. The caller must await the carrier's `drain` before sending more.

        Args:
            frames: the frames, in order.
        """
        self._metrics.bytes_out.inc(self._carrier.send(frames))

    async def _next(self) -> bytes:
        """Return the next message, once the node has paid for what the ledger keeps of it."""
        message = await self._carrier.next()
        # Wait outside of the lock, so that changes of the site still reach the node meanwhile.
        while wait := self._kept.wait(0, time.monotonic()):
            await asyncio.sleep(min(wait, _CHECK_EVERY))
            await self._carrier.drain()  # raises if the node is gone
        return message

    async def _answer(self, message: bytes) -> None:
        async with self._turn:
            self._metrics.count(await self.session.receive(message))
        await self._carrier.drain()
        self.session.check_trust()

    async def _push(self) -> None:
        try:
            while True:
                await self._stale.wait()
                self._stale.clear()
                async with self._turn:
                    # While it waited, the node may have been told: it was touched twice, or said
                    # HELLO.
                    if self.session.revision < self._pipeline.changed_at(self.node):
                        self._metrics.count(await self.session.refresh())
                await self._carrier.drain()
        except Ended as error:
            self.end(code_of(error))
        except Exception:  # a defect: else the node would stay connected and hear of no change
            _log.exception("defect", extra={"node": self.node})
            self.end("defect")

    async def answer(
        self, task: Task, node: str, patience: float, renews: Iterable[str] = ()
    ) -> Answer:
        """Run a task in the signing pipeline, and return its recorded answer.

        The node's next message pays for everything that the ledger keeps of this answer. That is
        so even if this connection has ended before: an answer that was made is always recorded.
        None is made for a connection that has ended.

        Args:
            task: makes the answer.
            node: name of the node.
            patience: seconds within which the answer is due.
            renews: names of services; the answer is due before the first of their seals ends.

        Raises: as `Pipeline.answer`.
        """

        def counted(snapshot: Snapshot) -> Answer:
            answer = task(snapshot)
            units = len(answer.seals) + _CERTIFICATE_UNITS * answer.counts.get("certificate", 0)
            self._kept.owe(units)
            return answer

        return await self._pipeline.answer(counted, node, patience, renews, self._gone)

    def _gone(self) -> bool:
        return self._carrier.closing

    async def pace(self, units: int) -> None:
        """Wait until the allowance of the node has so many units of work.

        Args:
            units: number of units; see `Limits.burst`.
        """
        wait = self._allowance.wait(units, time.monotonic())
        if wait:
            await asyncio.sleep(wait)

    def follow(self, follower: Follower) -> None:
        """Start to copy the node's log into a queue.

        Args:
            follower: takes each line as (service, text), and None when the connection ends.
        """
        self._followers.add(follower)
        self._ask_for_log()

    def unfollow(self, follower: Follower) -> None:
        """Stop to copy the node's log into a queue.

        Args:
            follower: the queue that was given to `follow`.
        """
        self._followers.discard(follower)
        self._ask_for_log()

    def _ask_for_log(self) -> None:
        wanted = bool(self._followers)
        if wanted != self.session.following and not self._carrier.closing:
            self.session.following = wanted
            self.send([messages.frame(messages.write(messages.FOLLOW, int(wanted)))])

    def log_line(self, service: str, text: str) -> None:
        """Give one line of the node's log to all followers.

        Args:
            service: name of the service that wrote the line.
            text: the line.
        """
        for follower in self._followers:
            _offer(follower, (service, text))


def _offer(follower: Follower, line: tuple[str, str] | None) -> None:
    """Put a line into a queue. If it is full, drop its oldest line: the node must not wait."""
    if follower.full():
        follower.get_nowait()
    follower.put_nowait(line)


def code_of(error: BaseException) -> str:
    """Return the stable code of an error that ended a connection.

    Args:
        error: one of Ended.
    """
    if isinstance(error, SealError | Failure | DatabaseUnusable | BoardError):
        return error.code
    if isinstance(error, TimeoutError):
        return "too-slow"
    return "closed" if isinstance(error, EOFError) else "connection-lost"
