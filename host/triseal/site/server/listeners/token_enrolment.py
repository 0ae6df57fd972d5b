"""Boards without a certificate: each may say one ENROL that proves a one-time token, nothing else.

They come one after the other, at a bounded rate, and each holds a place among the strangers at the
door until it has left: whoever pretends to be many costs the site's nodes nothing.
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

# What they get: (PKCS #10 request, proof) -> certificate, all DER.
Redeem = Callable[[bytes, bytes], bytes]

DONE = "enrolled"

_MOST_NAME = 63
_log = logging.getLogger(__name__)


class Newcomers:
    """Serves connections without a certificate.

    Args:
        redeem: gives a board its certificate, recorded, or raises; called in another thread.
        limits: see there.
    """

    def __init__(self, redeem: Redeem, limits: Limits) -> None:
        self._redeem = redeem
        self._seconds = limits.hello_seconds
        self._turn = asyncio.Lock()
        self._allowance = Allowance(limits.enrol_burst, limits.enrol_rate, time.monotonic())

    async def serve(self, frames: Frames, address: str) -> str:
        """One connection to its end; returns the code that tells why it ended.

        Raises: SealError, Failure, DatabaseUnusable, OSError, EOFError, TimeoutError.
        """
        async with asyncio.timeout(self._seconds):
            kind, values = messages.parse(await frames.next())
        if kind != messages.ENROL:
            raise errors.BadMessage("a node without a certificate can only enrol")
        csr, proof = values
        node = request.parse(csr).name[:_MOST_NAME]
        code, answer = await self._answer(csr, proof, node, address)
        frames.transport.write(messages.frame(answer))
        await self._leave(frames)
        return code

    async def _answer(self, csr: bytes, proof: bytes, node: str, address: str) -> tuple[str, bytes]:
        said = {"address": address, "node": node}
        try:
            certificate = await self._in_turn(csr, proof)
        except Failure as refusal:
            _log.warning(
                "not enrolled", extra={**said, "code": refusal.code, "detail": refusal.detail}
            )
            return refusal.code, messages.write(messages.REFUSED, node, refusal.code)
        _log.info("enrolled", extra=said)
        return DONE, messages.write(messages.ENROLLED, certificate)

    async def _in_turn(self, csr: bytes, proof: bytes) -> bytes:
        async with self._turn:
            # Within the turn, so that who gives up meanwhile leaves no debt to the others.
            await asyncio.sleep(self._allowance.wait(1, time.monotonic()))
            return await asyncio.to_thread(self._redeem, csr, proof)

    async def _leave(self, frames: Frames) -> None:
        """Let the answer arrive: the board closes, or says more, which nobody hears."""
        with suppress(EOFError, OSError, TimeoutError, errors.SealError):
            async with asyncio.timeout(self._seconds):
                await frames.drain()
                await frames.next()
