"""Nodes at serial lines: found, asked who they are, told the time, and served like all others."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from functools import partial

from boards.stream import Stream
from sealcore import messages
from triseal.errors import Failure
from triseal.site.server.handlers import ask_time
from triseal.site.server.sessions import peers
from triseal.site.server.sessions.connection import Ended, code_of
from triseal.site.server.sessions.peers import Peer
from triseal.site.server.sessions.reception import Reception
from triseal.site.server.signing.task import Draft, Look
from triseal.site.server.transports.serial_line import Line

_log = logging.getLogger(__name__)

_FIRST_PAUSE = 0.5  # seconds until the port is tried again; twice that the next time, up to:
_LONGEST_PAUSE = 15.0


class NoProof(Failure):
    """A node at a line does not show that it has its key."""

    code = "no-proof"
    advice = (
        "A node with a network is served over that; else update its code: triseal node provision."
    )


class Lines:
    """The nodes at the ports of one server process.

    Args:
        reception: serves them.

    Attributes:
        nodes: by port, who is served there now; "" for nobody.
    """

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self.nodes: dict[str, str] = {}

    async def run(self, ports: Sequence[str]) -> None:
        """Serve the nodes at these ports until cancelled."""
        async with asyncio.TaskGroup() as group:
            for port in ports:
                self._set(port, "")
                group.create_task(self._keep(port))

    async def _keep(self, port: str) -> None:
        """One port, for ever: it may vanish and come back, with another board even."""
        pause, before = _FIRST_PAUSE, ""
        while True:
            code, detail, served = await self._once(port)
            self._reception.metrics.closed.labels(code).inc()
            if served or code != before:  # an absent board is worth one line
                _log.info("ended", extra={"port": port, "code": code, "detail": detail})
            before = code
            pause = _FIRST_PAUSE if served else min(2 * pause, _LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _once(self, port: str) -> tuple[str, str, bool]:
        """Open and serve; code and detail of how it ended, and whether somebody was served."""
        served = False

        def greeted(peer: Peer) -> None:
            nonlocal served
            served = True
            self._set(port, peer.node)
            _log.info("connected", extra={"port": port, "node": peer.node})

        try:
            stream = await _open(port)
            line = Line(stream, self._reception.limits, self._reception.metrics.garbled.inc)
            try:
                peer = await self._greet(line)
                return await self._reception.serve(line, peer, partial(greeted, peer)), "", served
            finally:
                line.close()
        except Ended as error:
            return code_of(error), str(error), served
        except Exception as error:  # a defect costs this port a pause, not the server
            _log.exception("defect", extra={"port": port})
            return "defect", str(error), served
        finally:
            self._set(port, "")

    async def _greet(self, line: Line) -> Peer:
        """See whose board it is, and that it has the time: then its HELLO is the next message."""
        status, _ = await line.ask()
        peer = await self._prove(line, status[1])
        while True:
            status, hello = await line.ask()
            if status[2]:
                break
            await self._tell_time(line, peer, messages.parse(hello)[1][2])
        line.unread(hello)
        return peer

    async def _prove(self, line: Line, node: str) -> Peer:
        nonce = secrets.token_bytes(16)
        line.send([messages.frame(messages.write(messages.PROVE, nonce))])
        proof = await line.answer(messages.PROOF, self._reception.limits.hello_seconds)
        if proof is None:
            raise NoProof(f"the board that calls itself {node}")
        (signature,) = messages.parse(proof)[1]
        found: list[Peer] = []

        def check(look: Look) -> Draft:
            found.append(peers.by_proof(look, node, nonce, signature))
            return Draft()

        await self._reception.desk.ask(check)
        return found[-1]

    async def _tell_time(self, line: Line, peer: Peer, nonce: bytes) -> None:
        def sign(look: Look) -> Draft:
            peer.admit(look)
            return ask_time.tell(look, peer.node, nonce, 0)

        line.send((await self._reception.desk.ask(sign)).frames)
        await line.drain()

    def _set(self, port: str, node: str) -> None:
        self.nodes[port] = node
        self._reception.metrics.lines.labels(port).set(bool(node))


async def _open(port: str) -> Stream:
    """Opening may take its time; whoever doesn't want it any more must not leave it open."""
    opening = asyncio.ensure_future(asyncio.to_thread(Stream, port))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close)
        raise


def _close(opened: asyncio.Future[Stream]) -> None:
    if not opened.cancelled() and opened.exception() is None:
        opened.result().close()
