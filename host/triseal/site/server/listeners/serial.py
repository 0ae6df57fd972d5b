"""The listener for serial lines: it identifies the node at a line, tells it the time, serves it."""

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
from triseal.site.server.signing.task import Answer, Snapshot
from triseal.site.server.transports.serial_line import Line

_log = logging.getLogger(__name__)

_FIRST_PAUSE = 0.5  # seconds before the port is tried again; the pause doubles up to the longest
_LONGEST_PAUSE = 15.0


class NoProof(Failure):
    """A board at a serial line does not prove that it has the key of its node."""

    code = "no-proof"
    advice = "Serve the node over its network, or update its code: triseal node provision."


class Lines:
    """The nodes at the serial ports of one server process.

    Args:
        reception: serves the nodes.

    Attributes:
        nodes: by serial port, the name of the node that is served there now, "" for none.
    """

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self.nodes: dict[str, str] = {}

    async def run(self, ports: Sequence[str]) -> None:
        """Serve the nodes at serial ports until cancelled.

        Args:
            ports: names of the ports, such as /dev/ttyACM0.
        """
        async with asyncio.TaskGroup() as group:
            for port in ports:
                self._set(port, "")
                group.create_task(self._keep(port))

    async def _keep(self, port: str) -> None:
        """Serve one port forever. The board may vanish, and another board may come back."""
        pause, before = _FIRST_PAUSE, ""
        while True:
            code, detail, served = await self._once(port)
            self._reception.metrics.closed.labels(code).inc()
            if served or code != before:  # an absent board is logged once
                _log.info("ended", extra={"port": port, "code": code, "detail": detail})
            before = code
            pause = _FIRST_PAUSE if served else min(2 * pause, _LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _once(self, port: str) -> tuple[str, str, bool]:
        """Open the port and serve its node.

        Returns: code and detail of the reason for the end, and whether a node was served.
        """
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
        """Identify the node, and tell it the time. Its HELLO is then the next message."""
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
            raise NoProof(f"the board that calls itself {node} did not prove that it is")
        (signature,) = messages.parse(proof)[1]
        return await self._reception.pipeline.read(
            lambda snapshot: peers.by_proof(snapshot, node, nonce, signature)
        )

    async def _tell_time(self, line: Line, peer: Peer, nonce: bytes) -> None:
        def sign(snapshot: Snapshot) -> Answer:
            peer.admit(snapshot)
            return ask_time.tell(snapshot, peer.node, nonce, 0)

        line.send((await self._reception.pipeline.answer(sign)).frames)
        await line.drain()

    def _set(self, port: str, node: str) -> None:
        self.nodes[port] = node
        self._reception.metrics.lines.labels(port).set(bool(node))


async def _open(port: str) -> Stream:
    """Open a port in a thread. If this is cancelled meanwhile, close the port once it is open."""
    opening = asyncio.ensure_future(asyncio.to_thread(Stream, port))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close)
        raise


def _close(opened: asyncio.Future[Stream]) -> None:
    if not opened.cancelled() and opened.exception() is None:
        opened.result().close()
