"""The node's side of the link to its site: one connection, kept or sought again.

    connect, check the server's certificate, HELLO -> WELCOME (time, trust), then both ways:
    what is due is asked for in one RENEW, what comes is handed to `duties`.

A board that is no node yet says ENROL in place of HELLO; see `newcomer`.

Nothing that runs depends on it: without a site, services live as long as their seals. Waits after
a failure, and the moment of each renewal, are drawn (`sealcore.renewal`), so that nodes which
started together don't come together.
"""

import asyncio
import gc
import os
import time

from sealcore import errors
from sealcore.compat import const

from . import memory

_CONNECT_S = const(30)
_FRAME_S = const(20)
_ANSWER_MS = const(30000)
_PAUSE_MS = const(50)
_MOST_OUT = const(32)  # frames that wait to be sent; beyond it the connection is given up


class Link:
    """The link, whether there is a connection at the moment or not.

    node       the node.Node
    greeted    whether the site has said WELCOME on this connection
    """

    def __init__(self, node):
        self.node = node
        self.greeted = False
        self.peer = self.question = None
        self.download = None
        self._asked = {}
        self._untold = {}
        self._out = []
        self._session = None
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Connect, and again, for ever."""
        from . import board

        await asyncio.sleep(self._draw("connect_delay"))
        attempt = 0
        while True:
            self.greeted = False
            try:
                await board.network(self.node.settings)
                self._session = asyncio.create_task(self._serve())
                await self._session
            except errors.SealError as error:
                self._say(error.code, error)
            except (Exception, asyncio.CancelledError) as error:
                # Whatever it is, it ends this connection only: running out of memory, say.
                self._say(type(error).__name__, error)
            attempt = 0 if self.greeted else attempt + 1
            memory.free()
            await asyncio.sleep(self._draw("retry_delay", attempt, *self._stakes()))

    def _say(self, code: str, error) -> None:
        print("triseal: link: %s: %s" % (code, error))

    def _draw(self, name: str, *values) -> int:
        """One of renewal's draws, with fresh random bits where it wants them."""
        from sealcore import renewal

        bits = int.from_bytes(os.urandom(4), "big")
        if name == "retry_delay":
            return renewal.retry_delay(values[0], bits, *values[1:])
        if name == "draw":
            return renewal.draw(values[0], values[1], bits)
        return renewal.connect_delay(bits, self.node.settings.get("spread", renewal.CONNECT_SPREAD))

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
        from . import duties

        seen = []
        context = duties.context(seen)
        del duties
        host, port = self.node.settings["server"]
        self._out = []
        self._asked = {}
        self._untold = {}
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection(host, port, ssl=context), _CONNECT_S
        )
        context = None
        # Reading drives the TLS handshake; nothing is said before the server was looked at. The
        # loop would wait for octets before it reads: so the first one is here, and finds nothing.
        if reader.s.read(1):
            raise errors.BadMessage("before HELLO")
        first = asyncio.create_task(reader.readexactly(4))
        sending = None
        try:
            await asyncio.wait_for(self._greet(first, seen), _CONNECT_S)
            sending = asyncio.create_task(self._send_all(writer))
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
        from . import answers, clock, duties

        self.peer = duties.check_peer(self.node, seen[0])
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
            self._say("send", error)
            self.drop()

    def send(self, message: bytes) -> None:
        """Send a message as soon as may be; it is lost if there is no connection."""
        if len(self._out) >= _MOST_OUT:
            self.drop()
            return
        self._out.append(len(message).to_bytes(4, "big") + message)
        self._wake.set()

    def _end_download(self) -> None:
        if self.download:
            self.download.close()  # what has come so far stays for the next connection
            self.download = None

    def drop(self) -> None:
        """Give the connection up; another one is made."""
        if self._session and not self._session.done():
            self._session.cancel()

    def tick(self) -> None:
        """Called some times a second: ask for what is due, see to what was asked for."""
        if not self.greeted:
            return
        now = time.ticks_ms()
        for asked in self._asked.values():
            if time.ticks_diff(now, asked) > _ANSWER_MS:
                self._say("no-answer", "the site does not answer")
                self.drop()
                return
        self.ask(self._due())
        while self._untold and len(self._out) < _MOST_OUT // 2:
            self.report(self._untold.popitem()[1])

    def _due(self) -> list:
        try:
            now = self.node.clock.now()
        except errors.NoTrustedTime:
            return []
        found = []
        for one in self.node.services.values():
            if one.not_after and one.name not in self._asked:
                if one.due is None:
                    one.due = self._draw("draw", one.not_before, one.not_after)
                if one.due <= now:
                    found.append((one.not_after, one.name))
        return [name for _, name in sorted(found)]

    def ask(self, names) -> None:
        """Ask for the renewal of these services."""
        if not names:
            return
        from sealcore import messages

        held = []
        for name in names:
            if len(held) < messages.MAX_LIST:
                self.expect(name)
                held.append((name, self.node.services[name].serial))
        self.send(messages.write(messages.RENEW, held))

    def expect(self, name: str = "") -> None:
        """An answer is due: to the RENEW of a service, or to a FETCH."""
        self._asked[name] = time.ticks_ms()

    def answered(self, name: str = "", again=None) -> None:
        """That answer has come; `again`: when to ask next, if it was a refusal."""
        self._asked.pop(name, None)
        one = self.node.services.get(name)
        if one:
            one.due = again

    def report(self, one, evidence=()) -> None:
        """Tell the site what has become of a service."""
        if not self.greeted:
            return
        if len(self._out) >= _MOST_OUT // 2 and not evidence:
            self._untold[one.name] = one  # all services at once are more than there is room for
            return
        from sealcore import messages

        state = messages.STATES.index(one.state)
        told = one.name, one.serial, state, one.code, one.detail, evidence
        self.send(messages.write(messages.REPORT, *told))

    def log(self, source: str, text: str) -> None:
        """Send a line of a service's log; lines that come too fast are left out."""
        from sealcore import messages

        if len(self._out) < _MOST_OUT // 4:
            self.send(messages.write(messages.LOG, source, text[:128]))
