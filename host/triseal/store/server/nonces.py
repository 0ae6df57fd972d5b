"""The nonces that the server gives out: each is good once, for five minutes."""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict

from triseal.signedrequest import NotSigned

SECONDS = 300
_MOST = 100_000  # used nonces that are remembered; the oldest go first


class Nonces:
    """The nonces of one process. They need no memory until they are used."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._used: OrderedDict[str, int] = OrderedDict()

    def make(self, now: int) -> str:
        """Return a new nonce.

        Args:
            now: the time, Unix seconds.
        """
        said = f"{now}.{secrets.token_hex(8)}"
        return f"{said}.{self._mark(said)}"

    def use(self, nonce: str, now: int) -> None:
        """Take a nonce, which can't be used again.

        Args:
            nonce: the nonce.
            now: the time, Unix seconds.

        Raises:
            NotSigned: it is not of this process, too old, or used.
        """
        said, _, mark = nonce.rpartition(".")
        if not hmac.compare_digest(mark.encode(), self._mark(said).encode()):
            raise NotSigned("the nonce is not of this server")
        made = int(said.partition(".")[0])
        if not 0 <= now - made <= SECONDS:
            raise NotSigned("the nonce is too old")
        if nonce in self._used:
            raise NotSigned("the nonce was used before")
        self._used[nonce] = made
        while self._used and (
            len(self._used) > _MOST or now - next(iter(self._used.values())) > SECONDS
        ):
            self._used.popitem(last=False)

    def _mark(self, said: str) -> str:
        return hmac.new(self._secret, said.encode(), "sha256").hexdigest()
