"""Messages on a serial line: lines of `~`, a mark and base64, among other output of the board.

Services print to the same line. The node's lines therefore carry a mark, random bytes that the
server has chosen and that no service knows (see `nlsm.answers`). Other lines and damaged lines are
skipped. A node whose message was lost starts its conversation again after a while.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import secrets
from collections import deque
from collections.abc import Callable
from typing import Any

from boards.errors import BoardError
from boards.stream import Stream
from sealcore import errors, messages
from triseal.errors import Failure
from triseal.site.errors import NoAgent
from triseal.site.server.limits import Limits
from triseal.site.server.transports.outlet import Outlet

_SIGN = b"~"
_MARK_BYTES = 6  # a multiple of 3: its base64 has no padding
_NONCE_BYTES = 16
_LONGEST = 1 + 8 + 4 * ((messages.MAX_FRAME + 2) // 3) + 2  # sign, mark, base64, line end
_MOST_WAITING = 4  # messages; above that the flow control of the line stops the node
_GAP = 0.005  # seconds between two reads, so that a board that always sends can't take over
_FIRST_TRY = 2.0  # seconds to wait for the answer to the first question
_STUCK = 10.0  # seconds without an answer after which the node has dropped half a line
_HEAD = 4
_STATUS = 0xA0 + messages.STATUS
_REJECTED = 0xA0 + messages.REJECTED


class Restarted(Failure):
    """The node was started again and has lost the conversation."""

    code = "node-restarted"
    advice = "Nothing: the server tells the node the time and serves it again."


class Line:
    """The messages of one open serial port.

    Args:
        stream: the open port; `close` closes it.
        limits: the limits of the server.
        garbled: called for each line that carries the mark and is not a message.
    """

    def __init__(self, stream: Stream, limits: Limits, garbled: Callable[[], object]) -> None:
        self._garbled = garbled
        self._mark = secrets.token_bytes(_MARK_BYTES)
        self._begin = _SIGN + base64.b64encode(self._mark)
        self._stream = stream
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._data = bytearray()
        self._too_long = False
        self._messages: deque[bytes] = deque()
        self._out = Outlet()
        self._end: Exception | None = None
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()
        self._pause: asyncio.TimerHandle | None = None
        self._listen()

    async def next(self) -> bytes:
        """Wait for the next message and return it.

        A node that has been silent for long is asked whether it is there. It answers with a HELLO,
        with which both sides start again.

        Raises:
            BoardGone: the port has vanished.
            Restarted: the node has lost the time.
            TimeoutError: the node does not answer.
        """
        asked = False
        while True:
            limits = self._limits
            message = await self._take(limits.line_seconds if asked else limits.quiet_seconds)
            if message is None:
                if asked:
                    raise TimeoutError
                asked = True
                self._ask(self._nonce(), start_over=True)
            elif message[0] == _REJECTED:
                pass  # the node lost a part; it starts again when it misses the rest
            elif message[0] != _STATUS:
                return message
            elif not messages.parse(message)[1][2]:
                raise Restarted("it reports that it has no time")

    async def ask(self) -> tuple[tuple[Any, ...], bytes]:
        """Ask the node for its state, repeatedly, since a node that is starting loses early bytes.

        Returns: the values of its STATUS, and the HELLO that follows it.

        Raises:
            NoAgent: nothing at the port answers like a node.
            BoardGone: the port has vanished.
        """
        end = self._loop.time() + self._limits.line_seconds
        patience = _FIRST_TRY
        while (left := end - self._loop.time()) > 0:
            nonce = self._nonce()
            self._ask(nonce, start_over=patience > _STUCK)
            status = await self.answer(messages.STATUS, min(patience, left), nonce)
            if status is not None:
                hello = await self.answer(messages.HELLO, left)
                if hello is not None:
                    return messages.parse(status)[1], hello
            patience *= 2
        raise NoAgent("nothing at the port answers like a node's agent")

    async def answer(self, kind: int, seconds: float, nonce: bytes = b"") -> bytes | None:
        """Wait for the next message of a kind.

        Args:
            kind: the kind, see `sealcore.messages`.
            seconds: time to wait.
            nonce: if not empty, the message must have it as its first value.

        Returns: the message, or None after that time.

        Raises:
            BoardGone: the port has vanished.
        """
        end = self._loop.time() + seconds
        while (left := end - self._loop.time()) > 0:
            message = await self._take(left)
            if message is None:
                break
            if message[0] == 0xA0 + kind and _begins_with(message, nonce):
                return message
        return None

    def unread(self, message: bytes) -> None:
        """Make a message the next one again.

        Args:
            message: the message.
        """
        self._messages.appendleft(message)

    def send(self, frames: list[bytes]) -> int:
        """Send frames.

        Args:
            frames: the frames, in order.

        Returns: the number of bytes on the line.
        """
        before = self._out.size
        for frame in frames:
            self._out.add(_SIGN + base64.b64encode(frame[_HEAD:]) + b"\n")
        size = self._out.size - before
        self._write()
        return size

    async def drain(self) -> None:
        """Wait until the node has taken enough. Raises TimeoutError or BoardGone."""
        async with asyncio.timeout(self._limits.line_seconds):
            while self._out.size > self._limits.write_bytes and self._end is None:
                self._taken.clear()
                await self._taken.wait()
        if self._end is not None:
            raise self._end

    def close(self) -> None:
        """Close the port. Does nothing the second time."""
        if self._end is None:
            self._fail(EOFError())
        self._stream.close()

    @property
    def origin(self) -> str:
        """Always empty: a serial line has no address, and the port's name changes with a replug."""
        return ""

    @property
    def closing(self) -> bool:
        """Whether the conversation has ended."""
        return self._end is not None

    def _nonce(self) -> bytes:
        return self._mark + secrets.token_bytes(_NONCE_BYTES - _MARK_BYTES)

    def _ask(self, nonce: bytes, *, start_over: bool) -> None:
        """Ask the node for a STATUS. With `start_over`, drop what waits to be sent."""
        if start_over:
            self._out.clear()
        self._out.add(b"\n")  # ends a line that a person or another sender left incomplete
        self.send([messages.frame(messages.write(messages.ASK, nonce))])

    async def _take(self, seconds: float) -> bytes | None:
        """Wait for the next message; None after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while not self._messages:
                    if self._end is not None:
                        raise self._end
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            return None
        message = self._messages.popleft()
        if self._pause is None:
            self._listen()
        return message

    def _listen(self) -> None:
        """Read as soon as bytes arrive, unless enough messages wait already."""
        self._pause = None
        if self._end is None and len(self._messages) < _MOST_WAITING:
            self._loop.add_reader(self._stream.fileno(), self._read)

    def _read(self) -> None:
        self._loop.remove_reader(self._stream.fileno())
        try:
            self._data += self._stream.receive()
            self._cut()
        except BoardError as error:
            self._fail(error)
            return
        if self._pause is None:
            self._pause = self._loop.call_later(_GAP, self._listen)

    def _cut(self) -> None:
        """Take complete lines from the received bytes."""
        *lines, rest = self._data.split(b"\n")
        for line in lines:
            if not self._too_long:
                self._line(bytes(line).rstrip(b"\r"))
            self._too_long = False
        if len(rest) > _LONGEST:
            if rest.startswith(self._begin) and not self._too_long:
                self._garbled()
            self._too_long = True
            rest.clear()
        self._data = rest

    def _line(self, line: bytes) -> None:
        if line == self._begin:
            self._out.taken()
            self._write()
        elif line.startswith(self._begin):
            try:
                message = base64.b64decode(line[len(self._begin) :], validate=True)
                messages.parse(message)
            except (binascii.Error, errors.SealError):
                self._garbled()
            else:
                self._messages.append(message)
                self._arrived.set()

    def _write(self) -> None:
        """Send what may be sent, as far as the system takes it."""
        if self._end is not None:
            return
        self._loop.remove_writer(self._stream.fileno())
        try:
            while piece := self._out.room():
                sent = self._stream.transmit(piece)
                self._out.left(sent)
                if not sent:
                    self._loop.add_writer(self._stream.fileno(), self._write)
                    break
        except BoardError as error:
            self._fail(error)
            return
        if self._out.size <= self._limits.write_bytes:
            self._taken.set()

    def _fail(self, error: Exception) -> None:
        """End the conversation. `next` first returns the whole messages, then raises this error."""
        self._end = error
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._stream.fileno())
        self._loop.remove_writer(self._stream.fileno())
        self._arrived.set()
        self._taken.set()


def _begins_with(message: bytes, nonce: bytes) -> bool:
    """Tell whether the first value of a message is the nonce. An empty nonce fits all messages."""
    try:
        return not nonce or messages.parse(message)[1][0] == nonce
    except errors.SealError:
        return False
