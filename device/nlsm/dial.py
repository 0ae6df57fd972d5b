"""The link over the network: one TLS connection, which is made again after each failure.

A board that is not enrolled yet says ENROL in place of HELLO; see `newcomer`.

The wait after a failure is random (`sealcore.renewal`), so that nodes which lost the site together
do not all come back at the same time.
"""

import asyncio
import errno
import gc

from sealcore import errors
from sealcore.compat import const

from . import clock, link, memory

_CONNECT_S = const(30)
# Tries in a row that fail because memory is short: this takes half a minute or more.
_STARVED = const(6)
_TRIED = const(2)
_FRAME_S = const(20)
_STEADY_MS = const(10000)  # a connection that ends sooner counts as a failure
_PAUSE_MS = const(50)
# Made here, because to make it takes memory.
_ENDINGS = (Exception, asyncio.CancelledError)


class Dial(link.Link):
    """The link of a node whose settings name a server."""

    def __init__(self, node):
        super().__init__(node)
        self._session = self._running = None
        self.turn = 0
        self._wake = asyncio.Event()

    def tick(self) -> None:
        """Do the work of `Link.tick`, and restart the connecting task if it has ended for lack of
        memory.
        """
        if not self._running or self._running.done():
            self._running = asyncio.create_task(self.run())
        super().tick()

    async def run(self) -> None:
        """Reconnect forever. After six out-of-memory failures in a row, reset the board.

        Until the reset, no more memory becomes free: the services hold the rest of the heap.
        """
        await asyncio.sleep(self._draw("connect_delay"))
        attempt = starved = 0
        node = self.node
        while True:
            began = clock.ms()
            held = node.bundle
            short = await self.connect()
            lost = not self.greeted
            self.turn += lost
            brief = lost or clock.ms() - began < _STEADY_MS
            # The site ends the connection after each trust bundle, and a node that slept has many.
            attempt = attempt + 1 if brief and node.bundle == held else 0
            if node.offered:  # new settings end a connection, and want several tries in time
                attempt = min(attempt, _TRIED)
            starved = starved + 1 if short and lost else 0
            if starved == _STARVED:
                self.say("out-of-memory", "no connection for want of it, so the board is reset")
                node.land()
                from . import board

                board.reset()
            self._begin()  # until the next connection, nothing is due and nobody is asked
            await asyncio.sleep(self._pause(attempt))

    async def connect(self) -> bool:
        """Run one connection until it ends. Return whether it ended because memory was short."""
        short = False
        try:
            from . import board

            await board.network(self.node.settings)
            del board  # this frame lives as long as the connection
            self._session = asyncio.create_task(self._serve())
            await self._session
        except errors.SealError as error:
            self.say(error.code, error)
        except _ENDINGS as error:
            # Any exception ends only this connection.
            memory.relieve()
            short = isinstance(error, MemoryError) or getattr(error, "errno", 0) == errno.ENOMEM
            self.say(type(error).__name__, error)
        self._session = None  # the finished task would keep everything that it has loaded in memory
        memory.free()
        return short

    def _pause(self, attempt: int) -> int:
        try:
            return self._draw("retry_delay", attempt, *self._stakes())
        except MemoryError:
            return _CONNECT_S

    def _stakes(self) -> tuple:
        """Return the time and the first expiry of a seal.

        The next try should come before that expiry.
        """
        try:
            now = self.node.clock.now()
        except errors.NoTrustedTime:
            return 0, None
        ends = [one.not_after for one in self.node.services.values() if one.not_after >= now]
        return now, min(ends) if ends else None

    async def _serve(self) -> None:
        """Run one connection until it ends: connect, greet, then receive messages."""
        from . import secure

        seen: list[bytes] = []
        context = secure.context(seen)
        servers = self.node.settings["server"]
        if type(servers[0]) is str:
            servers = [servers]
        server = servers[self.turn % len(servers)]
        self._out = []
        plain = await secure.connect(server, self.turn // len(servers), _CONNECT_S)
        del secure
        reader = asyncio.StreamReader(
            context.wrap_socket(plain, server_hostname=server[0], do_handshake_on_connect=False)
        )
        plain = None
        # Reading drives the TLS handshake, and the node says nothing before it has checked the
        # server. The event loop would wait for bytes before its first read, so read here once; this
        # finds no bytes.
        if reader.s.read(1):
            raise errors.BadMessage("before HELLO")
        first = asyncio.create_task(reader.readexactly(4))
        sending = None
        try:
            await asyncio.wait_for(self.hello(first, seen), _CONNECT_S)
            context.verify_callback = None  # it would keep its module in memory
            sending = asyncio.create_task(self.drain(reader))
            head = await asyncio.wait_for(first, _CONNECT_S)
            while True:
                await self._take(reader, head)
                head = await reader.readexactly(4)
        finally:
            first.cancel()
            if sending:
                sending.cancel()
            self._end_download()
            # Close at once, to free the buffers: a stream would close only when it is collected.
            reader.s.close()
            gc.collect()

    async def hello(self, first, seen) -> None:
        """Wait for the server's certificate, check it, and say HELLO or ENROL.

        Data leaves only after the handshake, so only the owner of that certificate's key can
        receive it.
        """
        while not seen:
            if first.done():
                await first  # raises the error of the handshake
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
        while self.renewed:  # with deltas in memory there is no room for another message
            await asyncio.sleep_ms(_PAUSE_MS)
        memory.free()

    async def drain(self, writer) -> None:
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
        """Queue a message to be sent soon. It is lost if there is no connection."""
        if len(self._out) >= link.MOST_OUT:
            self.drop()
            return
        self._out.append(len(message).to_bytes(4, "big") + message)
        self._wake.set()

    def drop(self) -> None:
        """Give up the connection; `run` makes another one."""
        if self._session and not self._session.done():
            self._session.cancel()
