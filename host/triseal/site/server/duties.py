"""The duties of a server process: what it does again and again, and must go on trying.

All nodes depend on the duties. A full disk, a missing table or a lack of memory must not end them:
a duty that fails is tried again after a pause, which grows while it fails. The log gets one line
when it fails, and one when it works again. Meanwhile `Duties.failing` names it. Only a defect of
Triseal ends the server, which a supervisor then starts again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import SQLAlchemyError

from sealcore.errors import SealError
from triseal import advice
from triseal.errors import Failure

# SQLAlchemyError: while a database is being restored, a table may be empty for a moment, too.
_TROUBLE = (Failure, SealError, SQLAlchemyError, OSError, EOFError, MemoryError)
_NO_THREAD = "can't start new thread"  # CPython has no class of its own for this error

_log = logging.getLogger(__name__)


def is_trouble(error: BaseException) -> bool:
    """Tell whether an error comes from the server's surroundings, and not from a defect of Triseal.

    Args:
        error: the error.
    """
    return isinstance(error, _TROUBLE) or (
        isinstance(error, RuntimeError) and str(error) == _NO_THREAD
    )


class Duty:
    """One duty. Only one task or thread at a time may fulfil it; all may look at it.

    Args:
        name: its name in the log and on the pages.
        shortest: seconds from a failure to the next attempt.
        longest: the same after many failures in a row: each pause is twice as long as the one
            before.

    Attributes:
        name: its name.
        trouble: code and detail of the newest failure; "" while the duty works.
        failures: number of failures in a row.
    """

    def __init__(self, name: str, shortest: float = 1.0, longest: float = 60.0) -> None:
        self.name = name
        self.trouble = ""
        self.failures = 0
        self._code = ""
        self._shortest = shortest
        self._longest = longest
        self._next = 0.0

    @property
    def pause(self) -> float:
        """The seconds until the next attempt; 0 if it may be made now."""
        return max(0.0, self._next - time.monotonic())

    async def attempt(self, work: Callable[[], Awaitable[object]]) -> bool:
        """Fulfil the duty now, unless the pause after a failure is not over.

        Args:
            work: does the work once.

        Returns: whether the work was done.

        Raises:
            Exception: a defect.
        """
        if self.pause:
            return False
        try:
            await work()
        except Exception as error:
            if not is_trouble(error):
                raise
            self.failed(error)
            return False
        self.works()
        return True

    async def rest(self) -> None:
        """Wait until the next attempt may be made."""
        await asyncio.sleep(self.pause)

    def failed(self, error: BaseException) -> None:
        """Note a failure, and log it unless the last one was of the same kind.

        Args:
            error: the reason.
        """
        code, detail = _explain(error)
        self.failures += 1
        self.trouble = advice.printable(f"{code}: {detail}")
        doubled = self._shortest * 2.0 ** min(self.failures - 1, 32)
        self._next = time.monotonic() + min(self._longest, doubled)
        if code != self._code:
            self._code = code
            _log.error("failing", extra={"duty": self.name, "code": code, "detail": detail})

    def works(self) -> None:
        """Note that the duty was fulfilled."""
        if self.failures:
            again = f"after {self.failures} failed attempts"
            _log.warning("works again", extra={"duty": self.name, "detail": again})
            self.trouble, self.failures, self._code, self._next = "", 0, "", 0.0


def _explain(error: BaseException) -> tuple[str, str]:
    if isinstance(error, MemoryError | RuntimeError):
        return "no-resources", str(error) or "no memory is left"
    return advice.explain(error)[:2]


class Duties:
    """The duties of one server process."""

    def __init__(self) -> None:
        self._all: dict[str, Duty] = {}

    def add(self, name: str, shortest: float = 1.0, longest: float = 60.0) -> Duty:
        """Add a duty, or return the one of this name.

        Args:
            name: its name.
            shortest: see `Duty`.
            longest: see `Duty`.
        """
        return self._all.setdefault(name, Duty(name, shortest, longest))

    def failing(self) -> dict[str, str]:
        """Return the code and detail of the newest failure by name of the duty that fails now."""
        return {name: duty.trouble for name, duty in list(self._all.items()) if duty.trouble}
