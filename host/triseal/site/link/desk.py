"""The desk: all that nodes ask of the site goes over it, gathered, recorded, then answered.

While one batch is signed and written, the next one gathers: under load a commit serves many
renewals, and without load nobody waits. A batch reads and signs outside of any lock; then one
transaction looks whether anything that decides over seals has changed meanwhile, and records all of
it. What has not been recorded is never sent.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine

from sealcore.errors import SealError
from triseal import database
from triseal.database import DatabaseUnusable
from triseal.errors import Failure
from triseal.site import holdings, ledger, state
from triseal.site.authority import Authority, SignedSeal
from triseal.site.errors import Changed
from triseal.site.ledger import Place
from triseal.site.link import revision
from triseal.site.link.known import Known
from triseal.site.link.plans import Plans
from triseal.site.sealing import Preparer

_MOST_AT_ONCE = 128
_TRIES = 5
_log = logging.getLogger(__name__)

Write = Callable[[Connection], None]


@dataclass
class Draft:
    """An answer, and what must be recorded before it leaves.

    Attributes:
        frames: to be sent, in order.
        seals: issued for it.
        writes: anything else to record.
        held: what the node will hold once it has taken the answer: serials by service, None for
            nothing.
        counts: outcomes, for the metrics.
    """

    frames: list[bytes] = field(default_factory=list)
    seals: list[tuple[Place, SignedSeal]] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    held: dict[str, bytes | None] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, outcome: str) -> None:
        """Note one outcome."""
        self.counts[outcome] = self.counts.get(outcome, 0) + 1


class Look:
    """What a task may see and use: a reading transaction, the plans, the authority, the time."""

    def __init__(
        self, connection: Connection, plans: Plans, authority: Authority, known: Known, now: int
    ) -> None:
        self.connection = connection
        self.plans = plans
        self.authority = authority
        self.known = known
        self.now = now


Task = Callable[[Look], Draft]


class Desk:
    """One worker thread and what it works on.

    Args:
        engine: the site's database.
        authority: the SLCA.
        clock: gives the time, Unix seconds.
    """

    def __init__(
        self, engine: Engine, authority: Authority, clock: Callable[[], float] = time.time
    ) -> None:
        self._engine = engine
        self._authority = authority
        self._clock = clock
        self._plans = Plans(Preparer(authority.issuer))
        self._known = Known()
        self._queue: deque[tuple[Task, asyncio.Future[Draft]]] = deque()
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "desk")

    @property
    def revision(self) -> int:
        """Of the database, at the last look."""
        return self._plans.revision

    async def ask(self, task: Task) -> Draft:
        """Have a task done; when this returns, all of it is recorded.

        Raises: what the task raises; DatabaseUnusable; Changed.
        """
        future: asyncio.Future[Draft] = asyncio.get_running_loop().create_future()
        self._queue.append((task, future))
        self._wake.set()
        return await future

    async def run(self) -> None:
        """Work until cancelled; what is being worked on then is finished."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    batch = [self._queue.popleft() for _ in range(self._batch_size())]
                    tasks = [task for task, _ in batch]
                    results = await loop.run_in_executor(self._thread, self._work, tasks)
                    for (_, future), result in zip(batch, results, strict=True):
                        _settle(future, result)
        finally:
            self._thread.shutdown()

    def _batch_size(self) -> int:
        return min(len(self._queue), _MOST_AT_ONCE)

    def _work(self, tasks: list[Task]) -> list[Draft | Exception]:
        try:
            return self._together(tasks)
        except Exception as error:  # whatever it was, it concerns the tasks, not the server
            if len(tasks) == 1:
                _log.exception("task failed", exc_info=error)
                return [error]
        # One task that can't be recorded must not cost the others theirs.
        return [self._work([task])[0] for task in tasks]

    def _together(self, tasks: list[Task]) -> list[Draft | Exception]:
        for _ in range(_TRIES):
            results = self._draft(tasks)
            drafts = [one for one in results if isinstance(one, Draft)]
            if self._record(drafts):
                return results
        raise Changed("again and again while it was being answered")

    def _draft(self, tasks: list[Task]) -> list[Draft | Exception]:
        with database.reading(self._engine) as connection:
            if self._plans.refresh(connection):
                self._known.forget()
            now = int(self._clock())
            look = Look(connection, self._plans, self._authority, self._known, now)
            return [_run(task, look) for task in tasks]

    def _record(self, drafts: list[Draft]) -> bool:
        """Record a batch, in one transaction; False if what it was made from has changed."""
        seals = [one for draft in drafts for one in draft.seals]
        writes = [write for draft in drafts for write in draft.writes]
        if not seals and not writes:
            return True
        with database.writing(self._engine) as connection:
            state.lock_shared(connection)
            if revision.current(connection, hold=True) != self._plans.revision:
                return False
            for write in writes:
                write(connection)
            if seals:  # last: a place that a node just gave up may be the one that is given anew
                ledger.record_seals(connection, seals)
                fresh = {place for place, _ in seals if not self._known.expected(place)}
                holdings.expect(connection, fresh)
        for place, one in seals:
            self._known.issued(place, one)
        return True


def _run(task: Task, look: Look) -> Draft | Exception:
    try:
        return task(look)
    except (Failure, SealError, DatabaseUnusable) as refusal:
        return refusal


def _settle(future: asyncio.Future[Draft], result: Draft | Exception) -> None:
    if future.done():  # its connection has gone meanwhile
        return
    if isinstance(result, Draft):
        future.set_result(result)
    else:
        future.set_exception(result)
