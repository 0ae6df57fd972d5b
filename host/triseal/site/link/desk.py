"""The desk: all that nodes ask of the site goes over it, gathered, recorded, then answered.

One thread reads and signs, outside of any lock; another records. While one batch is written, the
next one is signed and a third one gathers: under load a commit serves many renewals, and without
load nobody waits. What has not been recorded is never sent.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy import Engine

from sealcore.errors import SealError
from triseal import database
from triseal.database import DatabaseUnusable
from triseal.errors import Failure
from triseal.site.authority import Authority
from triseal.site.errors import Changed
from triseal.site.link.drafts import Draft, Look, Task
from triseal.site.link.known import Known
from triseal.site.link.plans import Plans
from triseal.site.link.recorder import Recorder, Stale
from triseal.site.sealing import Preparer

_MOST_AT_ONCE = 128
_TRIES = 5
_log = logging.getLogger(__name__)


@dataclass
class _Job:
    task: Task
    future: asyncio.Future[Draft]
    tries: int = _TRIES

    def settle(self, result: Draft | Exception) -> None:
        if self.future.done():  # its connection has gone meanwhile
            return
        if isinstance(result, Draft):
            self.future.set_result(result)
        else:
            self.future.set_exception(result)


class Desk:
    """Two threads and what they work on.

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
        self._recorder = Recorder(engine, self._known)
        self._queue: deque[_Job] = deque()
        self._wake = asyncio.Event()
        self._drafted: asyncio.Queue[list[tuple[_Job, Draft]]] = asyncio.Queue(1)

    @property
    def revision(self) -> int:
        """Of the database, at the last look."""
        return self._plans.revision

    async def ask(self, task: Task) -> Draft:
        """Have a task done; when this returns, all of it is recorded.

        Raises: what the task raises; DatabaseUnusable; Changed.
        """
        future: asyncio.Future[Draft] = asyncio.get_running_loop().create_future()
        self._queue.append(_Job(task, future))
        self._wake.set()
        return await future

    async def run(self) -> None:
        """Work until cancelled; a transaction that has begun is finished."""
        with ThreadPoolExecutor(1, "draft") as drafting, ThreadPoolExecutor(1, "record") as writing:
            recording = asyncio.create_task(self._record(writing))
            try:
                await self._draft(drafting)
            finally:
                recording.cancel()

    async def _draft(self, thread: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                jobs = [self._queue.popleft() for _ in range(min(len(self._queue), _MOST_AT_ONCE))]
                results = await loop.run_in_executor(thread, self._look, [job.task for job in jobs])
                drafted = []
                for job, result in zip(jobs, results, strict=True):
                    if isinstance(result, Draft):
                        drafted.append((job, result))
                    else:
                        job.settle(result)
                await self._drafted.put(drafted)

    async def _record(self, thread: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._drafted.get()
            drafts = [draft for _, draft in batch]
            results = await loop.run_in_executor(thread, self._recorder.record, drafts)
            for (job, draft), error in zip(batch, results, strict=True):
                if isinstance(error, Stale):
                    self._again(job)
                else:
                    job.settle(error or draft)

    def _again(self, job: _Job) -> None:
        job.tries -= 1
        if not job.tries:
            job.settle(Changed("again and again while it was being answered"))
            return
        self._queue.append(job)
        self._wake.set()

    def _look(self, tasks: list[Task]) -> list[Draft | Exception]:
        """Draft all tasks from one look at the database."""
        try:
            with database.reading(self._engine) as connection:
                self._plans.refresh(connection)
                now = int(self._clock())
                look = Look(connection, self._plans, self._known, self._authority, now)
                return [_run(task, look) for task in tasks]
        except DatabaseUnusable as error:
            return [error] * len(tasks)


def _run(task: Task, look: Look) -> Draft | Exception:
    try:
        draft = task(look)
    except (Failure, SealError, DatabaseUnusable) as refusal:
        return refusal
    except Exception as error:  # a defect: this task's connection ends, the server goes on
        _log.exception("task failed", exc_info=error)
        return error
    draft.revision = look.plans.revision
    return draft
