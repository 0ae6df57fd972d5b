"""The health of a Store's server process: each problem by name, on the pages and in metrics.

`/livez`: does the process work at all? `/readyz`: can it serve now? `/health`: is there anything
that a person should know? Strangers can't make a server unready: that many developers wait for
approval is only on `/health`.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, Response
from sqlalchemy.exc import SQLAlchemyError

from sealcore import timetext
from sealcore.errors import SealError
from triseal import advice
from triseal.bucket import BucketDenied, BucketUnreachable
from triseal.certificate import SOON
from triseal.errors import DatabaseUnusable, Failure, StoreBehind, StoreEnded, StoreMoved
from triseal.log.errors import LogBehind, LogDamaged
from triseal.serving import state
from triseal.serving.state import Problem
from triseal.store.server.metrics import Figures, Metrics

if TYPE_CHECKING:
    from triseal.store.store import Store

SLOW = "database-slow"
LITTLE_SPACE = "little-disk-space"
ENDS_SOON = "ends-soon"
MANY_WAIT = "many-developers-wait"
CODES = (
    DatabaseUnusable.code,
    SLOW,
    StoreBehind.code,
    StoreMoved.code,
    LogDamaged.code,
    LogBehind.code,
    BucketUnreachable.code,
    BucketDenied.code,
    StoreEnded.code,
    LITTLE_SPACE,
    ENDS_SOON,
    MANY_WAIT,
)
_ANSWER_SECONDS = 5.0
_LEAST_FREE = 256 << 20  # bytes; sixteen of the largest packages
_MANY = 500  # half of those that may wait
_TROUBLE = (Failure, SealError, SQLAlchemyError, OSError)


class Health:
    """The health of one server process.

    Args:
        store: the Store.
        metrics: the metrics of the process.
    """

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics

    async def stopping(self) -> list[Problem]:
        """Return the problems with which nobody can be served."""
        return (await self._look())[0]

    async def all(self) -> list[Problem]:
        """Return all problems, the worst ones first."""
        found, read = await self._look()
        return found + self._of(read)

    async def page(self) -> bytes:
        """Make the page for Prometheus, as UTF-8 bytes."""
        found, read = await self._look()
        present = {one.code for one in found + self._of(read)}
        return self._metrics.text({code: code in present for code in CODES}, read, self._free())

    async def _look(self) -> tuple[list[Problem], Figures | None]:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                read = await asyncio.to_thread(self._read)
        except TimeoutError:
            return [Problem(SLOW, f"no answer for {_ANSWER_SECONDS:.0f} s", True)], None
        except _TROUBLE as error:
            code, detail, _ = advice.explain(error)
            known = code if code in CODES else DatabaseUnusable.code
            return [Problem(known, f"{code}: {detail}", True)], None
        if read.ends < time.time():
            detail = f"the Store's certificate has ended at {timetext.iso(read.ends)}"
            return [Problem(StoreEnded.code, detail, True)], read
        return [], read

    def _read(self) -> Figures:
        store = self._store
        entries = store.check()
        developers = Counter(one.state for one in store.developers())
        return Figures(developers, store.count_releases(), entries, store.certificate.not_after)

    def _of(self, read: Figures | None) -> list[Problem]:
        found = []
        free = self._free()
        if free is not None and free < _LEAST_FREE:
            found.append(Problem(LITTLE_SPACE, f"{free >> 20} MiB are free", False))
        if read is not None and time.time() < read.ends < time.time() + SOON:
            detail = f"the Store's certificate ends at {timetext.iso(read.ends)}"
            found.append(Problem(ENDS_SOON, detail, False))
        if read is not None and read.developers["pending"] >= _MANY:
            detail = f"{read.developers['pending']} developers wait for approval"
            found.append(Problem(MANY_WAIT, detail, False))
        return found

    def _free(self) -> int | None:
        try:
            return shutil.disk_usage(Path(self._store.home)).free
        except OSError:
            return None


def router(health: Health) -> APIRouter:
    """Make the pages about the state of the process.

    Args:
        health: its health.
    """
    made = APIRouter(include_in_schema=False)

    @made.get("/livez")
    async def alive() -> dict[str, str]:
        return {"status": "ok"}

    @made.get("/readyz")
    async def ready() -> Response:
        return state.answer(await health.stopping(), {})

    @made.get("/health")
    async def everything() -> Response:
        return state.answer(await health.all(), {})

    @made.get("/metrics")
    async def metrics() -> Response:
        return Response(await health.page(), media_type=state.TEXT)

    return made
