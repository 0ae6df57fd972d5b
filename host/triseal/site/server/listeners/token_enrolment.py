"""Enrolment of boards without a certificate: each may send one ENROL that proves a one-time token.

They are served one after the other, at a bounded rate. Each of them stays in the set of
`handshakes` until it has left, so that an attacker with many connections can't harm the nodes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from sealcore import errors, messages
from triseal import request
from triseal.errors import Failure
from triseal.site.server.limits import Allowance, Limits
from triseal.site.server.transports.tls_frames import Frames

# Takes a PKCS #10 request (DER) and the proof of a token, and returns a certificate (DER).
Redeem = Callable[[bytes, bytes], bytes]

DONE = "enrolled"

_MOST_NAME = 63
_log = logging.getLogger(__name__)


class Newcomers:
    """The server of connections without a certificate.

    Args:
        redeem: issues and records a certificate, or raises the refusal; called in another thread.
        limits: the limits of the server.
    """

    def __init__(self, redeem: Redeem, limits: Limits) -> None:
        self._redeem = redeem
        self._seconds = limits.hello_seconds
        self._turn = asyncio.Lock()
        self._allowance = Allowance(limits.enrol_burst, limits.enrol_rate, time.monotonic())

    async def serve(self, frames: Frames, address: str) -> str:
        """Serve one connection to its end.

        Args:
            frames: the connection.
            address: network address of the board.

        Returns: the stable code of the reason for the end.

        Raises:
            SealError, Failure, DatabaseUnusable, OSError, EOFError, TimeoutError: the connection
                failed or the board sent something else than a correct ENROL.
        """
        async with asyncio.timeout(self._seconds):
            kind, values = messages.parse(await frames.next())
        if kind != messages.ENROL:
            raise errors.BadMessage("a node without a certificate can only enrol")
        csr, proof = values
        code, answer = await self._in_turn(csr, proof, address)
        frames.transport.write(messages.frame(answer))
        await self._leave(frames)
        return code

    async def _in_turn(self, csr: bytes, proof: bytes, address: str) -> tuple[str, bytes]:
        async with self._turn:
            # The pause lies within the turn: a board that leaves meanwhile leaves no debt to the
            # others. It comes before all work on the request, because the verification of a
            # signature is work, too.
            await asyncio.sleep(self._allowance.wait(1, time.monotonic()))
            return await self._answer(csr, proof, address)

    async def _answer(self, csr: bytes, proof: bytes, address: str) -> tuple[str, bytes]:
        node = (await asyncio.to_thread(request.parse, csr)).name[:_MOST_NAME]
        fields = {"address": address, "node": node}
        try:
            certificate = await asyncio.to_thread(self._redeem, csr, proof)
        except Failure as refusal:
            _log.warning(
                "not enrolled", extra={**fields, "code": refusal.code, "detail": refusal.detail}
            )
            return refusal.code, messages.write(messages.REFUSED, node, refusal.code)
        _log.info("enrolled", extra=fields)
        return DONE, messages.write(messages.ENROLLED, certificate)

    async def _leave(self, frames: Frames) -> None:
        """Wait until the board closes, so that the answer arrives. Ignore what else it sends."""
        with suppress(EOFError, OSError, TimeoutError, errors.SealError):
            async with asyncio.timeout(self._seconds):
                await frames.drain()
                await frames.next()
