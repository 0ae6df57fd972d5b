"""The link over the network: one TLS connection, kept or sought again.

A board that is no node yet says ENROL in place of HELLO; see `newcomer`.

Waits after a failure are drawn (`sealcore.renewal`), so that nodes which lost the site together
don't come back together.
"""

import asyncio
import errno
import gc

from sealcore import errors
from sealcore.compat import const

from . import clock, link, memory

_CONNECT_S = const(30)
_STARVED = const(6)  # tries in a row that fail for want of memory: half a minute or more
_FRAME_S = const(20)
_STEADY_MS = const(10000)  # a connection that ends sooner is a failure
_PAUSE_MS = const(50)


class Dial(link.Link):
    """The link of a node that knows where its server is."""

    def __init__(self, node):
        super().__init__(node)
        self._session = self._running = None
        self._turn = 0  # which of the server's addresses comes first
        self._wake = asyncio.Event()

    def tick(self) -> None:
        """As of each link; and seek a connection, also where memory was too short to go on."""
        if not self._running or self._running.done():
            self._running = asyncio.create_task(self.run())
        super().tick()

    async def run(self) -> None:
        """Connect, and again, forever; where memory is too short for that time and again, start
        the board anew: what its services have left of the heap is all that there is."""
        await asyncio.sleep(self._draw("connect_delay"))
        attempt = starved = 0
        while True:
            self._begin()
            began = clock.ms()
            short = await self._connect()
            self._turn += not self.greeted
            brief = not self.greeted or clock.ms() - began < _STEADY_MS
            attempt = attempt + 1 if brief else 0
            starved = starved + 1 if short and not self.greeted else 0
            if starved == _STARVED:
                self.say("out-of-memory", "no connection for want of it, so the board is reset")
                self.node.land()
                from . import board

                board.reset()
            await asyncio.sleep(self._pause(attempt))

    async def _connect(self) -> bool:
        """One connection, to its end: whether that came for want of memory."""
        short = False
        try:
            from . import board

            await board.network(self.node.settings)
            self._session = asyncio.create_task(self._serve())
            await self._session
        except errors.SealError as error:
            self.say(error.code, error)
        except (Exception, asyncio.CancelledError) as error:
            # Whatever it is, it ends this connection only.
            memory.relieve()
            short = isinstance(error, MemoryError) or getattr(error, "errno", 0) == errno.ENOMEM
            self.say(type(error).__name__, error)
        self._session = None  # it would hold all that it has loaded
        memory.free()
        return short

    def _pause(self, attempt: int) -> int:
        try:
            return self._draw("retry_delay", attempt, *self._stakes())
        except MemoryError:
            return _CONNECT_S

    def _stakes(self) -> tuple:
        """The time, and the expiry that the next try should come before."""
        try:
            now = self.node.clock.now()
        except errors.NoTrustedTime:
            return 0, None
        ends = [one.not_after for one in self.node.services.values() if one.not_after >= now]
        return now, min(ends) if ends else None

    async def _serve(self) -> None:
        """One connection, to its end."""
        from . import secure

        seen: list[bytes] = []
        context = secure.context(seen)
        server = self.node.settings["server"]
        self._out = []
        plain = await secure.connect(server, self._turn, _CONNECT_S)
        del secure
        reader = asyncio.StreamReader(
            context.wrap_socket(plain, server_hostname=server[0], do_handshake_on_connect=False)
        )
        context = plain = None
        # Reading drives the TLS handshake; nothing is said before the server was looked at. The
        # loop would wait for bytes before it reads: so the first one is here, and finds nothing.
        if reader.s.read(1):
            raise errors.BadMessage("before HELLO")
        first = asyncio.create_task(reader.readexactly(4))
        sending = None
        try:
            await asyncio.wait_for(self._greet(first, seen), _CONNECT_S)
            sending = asyncio.create_task(self._send_all(reader))
            head = await asyncio.wait_for(first, _CONNECT_S)
            while True:
                await self._take(reader, head)
                head = await reader.readexactly(4)
        finally:
            first.cancel()
            if sending:
                sending.cancel()
            self._end_download()
            reader.s.close()  # at once, with its buffers; a stream itself would leave it to chance
            gc.collect()

    async def _greet(self, first, seen) -> None:
        """Wait for the server's certificate, check it, say HELLO or ENROL.

        What is sent leaves after the handshake only, so to the owner of that certificate's key.
        """
        while not seen:
            if first.done():
                await first  # raises what has failed
            await asyncio.sleep_ms(_PAUSE_MS)
        from . import answers, secure

        self.peer = secure.check_peer(self.node, seen[0])
        if "enrol" in self.node.settings:
            self.send(self.node.settings["enrol"])
            return
        self.question = clock.Question()
        self.send(answers.hello(self.node, self.question))

    async def _take(self, reader, head) -> None:
        from sealcore import messages

        size = messages.frame_size(head)
        message = await asyncio.wait_for(reader.readexactly(size), _FRAME_S)
        from . import duties

        kind, values = messages.parse(message)
        del message, messages
        duties.take(self, kind, values)
        del duties, values
        while self.renewed:  # beside them there is no room for more
            await asyncio.sleep_ms(_PAUSE_MS)
        memory.free()

    async def _send_all(self, writer) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._out:
                    writer.write(self._out.pop(0))
                    await asyncio.wait_for(writer.drain(), _FRAME_S)
        except (OSError, asyncio.TimeoutError) as error:
            self.say("send", error)
            self.drop()

    def send(self, message: bytes) -> None:
        """Send a message as soon as may be; it is lost if there is no connection."""
        if len(self._out) >= link.MOST_OUT:
            self.drop()
            return
        self._out.append(len(message).to_bytes(4, "big") + message)
        self._wake.set()

    def drop(self) -> None:
        """Give the connection up; another one is made."""
        if self._session and not self._session.done():
            self._session.cancel()
