"""The messages at a serial line: lines of `~`, a mark and base64, among all that a board prints.

Services print there too. So the node's lines bear a mark that the line's owner has drawn and no
service knows (see `nlsm.answers`); whatever else comes, or is garbled on its way, costs no more
than itself: a node whose message was lost begins anew after a while.
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
_MARK_OCTETS = 6  # base64 of them is whole
_NONCE_OCTETS = 16
_LONGEST = 1 + 8 + 4 * ((messages.MAX_FRAME + 2) // 3) + 2  # sign, mark, base64, line end
_MOST_WAITING = 4  # messages; with more, the line's own flow control holds the node up
_GAP = 0.005  # seconds between two reads: a board that never stops talking is one of many
_FIRST_TRY = 2.0  # seconds for the answer to the first question
_STUCK = 10.0  # seconds without an answer, after which the node has forgotten half a line
_HEAD = 4
_STATUS = 0xA0 + messages.STATUS
_REJECTED = 0xA0 + messages.REJECTED


class Restarted(Failure):
    """The node was started again, and has forgotten what was said."""

    code = "node-restarted"
    advice = "Nothing: it is told the time, and served again."


class Line:
    """The messages of one open port.

    Args:
        stream: the port; `close` closes it.
        limits: how long a node may be silent, and how long it may take.
        garbled: called for each line that bears the mark and is no message.
    """

    def __init__(self, stream: Stream, limits: Limits, garbled: Callable[[], object]) -> None:
        self._garbled = garbled
        self._mark = secrets.token_bytes(_MARK_OCTETS)
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
        """The next message. A node that says nothing for long is asked whether it is there; the
        HELLO that answers this lets both begin anew.

        Raises:
            BoardGone: the port vanished.
            Restarted: the node has lost the time.
            TimeoutError: it does not answer.
        """
        asked = False
        while True:
            limits = self._limits
            found = await self._take(limits.line_seconds if asked else limits.quiet_seconds)
            if found is None:
                if asked:
                    raise TimeoutError
                asked = True
                self._ask(self._nonce(), anew=True)
            elif found[0] == _REJECTED:
                pass  # it lost a part of what it was told: it begins anew when it misses the rest
            elif found[0] != _STATUS:
                return found
            elif not messages.parse(found)[1][2]:
                raise Restarted("by its own word it has no time")

    async def ask(self) -> tuple[tuple[Any, ...], bytes]:
        """The values of a STATUS, and the message HELLO that goes with it.

        A node that is starting loses what comes too early, so it is asked again.

        Raises: NoAgent, BoardGone.
        """
        end = self._loop.time() + self._limits.line_seconds
        patience = _FIRST_TRY
        while (left := end - self._loop.time()) > 0:
            nonce = self._nonce()
            self._ask(nonce, anew=patience > _STUCK)
            status = await self.answer(messages.STATUS, min(patience, left), nonce)
            if status is not None:
                hello = await self.answer(messages.HELLO, left)
                if hello is not None:
                    return messages.parse(status)[1], hello
            patience *= 2
        raise NoAgent("nothing at the port answers as a node's agent does")

    async def answer(self, kind: int, seconds: float, nonce: bytes = b"") -> bytes | None:
        """The next message of a kind, or None in so many seconds.

        Args:
            nonce: if given, the message has to begin with it.

        Raises: BoardGone.
        """
        end = self._loop.time() + seconds
        while (left := end - self._loop.time()) > 0:
            found = await self._take(left)
            if found is None:
                break
            if found[0] == 0xA0 + kind and _begins_with(found, nonce):
                return found
        return None

    def unread(self, message: bytes) -> None:
        """Let this be the next message."""
        self._messages.appendleft(message)

    def send(self, frames: list[bytes]) -> int:
        """Send; how many octets that is."""
        before = self._out.size
        for one in frames:
            self._out.add(_SIGN + base64.b64encode(one[_HEAD:]) + b"\n")
        octets = self._out.size - before
        self._write()
        return octets

    async def drain(self) -> None:
        """Wait until the node has taken enough. Raises: TimeoutError, BoardGone."""
        async with asyncio.timeout(self._limits.line_seconds):
            while self._out.size > self._limits.write_octets and self._end is None:
                self._taken.clear()
                await self._taken.wait()
        if self._end is not None:
            raise self._end

    def close(self) -> None:
        """Give the port up; does nothing the second time."""
        if self._end is None:
            self._fail(EOFError())
        self._stream.close()

    @property
    def origin(self) -> str:
        """Empty: a line is not an address, and is found in another port after a replug."""
        return ""

    @property
    def closing(self) -> bool:
        """Whether it has ended."""
        return self._end is not None

    def _nonce(self) -> bytes:
        return self._mark + secrets.token_bytes(_NONCE_OCTETS - _MARK_OCTETS)

    def _ask(self, nonce: bytes, *, anew: bool) -> None:
        """Ask for a STATUS; `anew`: what was not taken by now is not worth waiting for."""
        if anew:
            self._out.clear()
        self._out.add(b"\n")  # ends whatever somebody typed, or another sender left, before
        self.send([messages.frame(messages.write(messages.ASK, nonce))])

    async def _take(self, seconds: float) -> bytes | None:
        """The next message, or None in so many seconds."""
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
        """Read as soon as there is something, unless enough waits already."""
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
        """Take whole lines off what has arrived."""
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
        """Send what may leave, as far as the system takes it."""
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
        if self._out.size <= self._limits.write_octets:
            self._taken.set()

    def _fail(self, error: Exception) -> None:
        """What has come whole is still answered; then `next` raises this."""
        self._end = error
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._stream.fileno())
        self._loop.remove_writer(self._stream.fileno())
        self._arrived.set()
        self._taken.set()


def _begins_with(message: bytes, nonce: bytes) -> bool:
    """Whether it is a message whose first value is this, or anything if that is empty."""
    try:
        return not nonce or messages.parse(message)[1][0] == nonce
    except errors.SealError:
        return False
