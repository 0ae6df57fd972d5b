"""The desk: all that nodes ask of the site goes over it, gathered, recorded, then answered.

One thread reads and signs, outside of any lock; another records. While one batch is written, the
next one is signed and a third one gathers: under load a commit serves many renewals, and without
load nobody waits. What has not been recorded is never sent.

The threads take their work themselves: the event loop, busy with sending, would keep them waiting.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine

from sealcore.errors import SealError
from triseal import database
from triseal.database import DatabaseUnusable
from triseal.errors import Failure
from triseal.site.clock import Guard
from triseal.site.errors import Changed
from triseal.site.rules.sealing import Preparer
from triseal.site.server.signing.desired_state import Plans
from triseal.site.server.signing.issue_cache import Known
from triseal.site.server.signing.recorder import Recorder, Stale
from triseal.site.server.signing.task import Draft, Look, Task
from triseal.site.slca.authority import Authority

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


_Settled = list[tuple[_Job, Draft | Exception]]
_Drafted = list[tuple[_Job, Draft]]


class Desk:
    """Two threads and what they work on.

    Args:
        engine: the site's database.
        authority: the SLCA.
        clock: gives the time, Unix seconds.
        guard: of that clock; while it is in doubt nothing is signed.
    """

    def __init__(
        self,
        engine: Engine,
        authority: Authority,
        clock: Callable[[], float] = time.time,
        guard: Guard | None = None,
    ) -> None:
        self._engine = engine
        self._authority = authority
        self._clock = clock
        self._guard = guard
        self._plans = Plans(Preparer(authority.issuer))
        self._known = Known()
        self._recorder = Recorder(engine, self._known)
        self._asked: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._drafted: queue.Queue[_Drafted | None] = queue.Queue(1)
        self._loop: asyncio.AbstractEventLoop

    @property
    def revision(self) -> int:
        """Of the database, at the last look."""
        return self._plans.revision

    async def ask(self, task: Task) -> Draft:
        """Have a task done; when this returns, all of it is recorded.

        Raises: what the task raises; DatabaseUnusable; Changed.
        """
        future: asyncio.Future[Draft] = asyncio.get_running_loop().create_future()
        self._asked.put(_Job(task, future))
        return await future

    async def run(self) -> None:
        """Work until cancelled; a transaction that has begun is finished."""
        self._loop = asyncio.get_running_loop()
        threads = [
            threading.Thread(target=self._draft_all, name="draft"),
            threading.Thread(target=self._record_all, name="record"),
        ]
        for thread in threads:
            thread.start()
        try:
            await self._loop.create_future()
        finally:
            self._asked.put(None)
            for thread in threads:
                thread.join()

    def _draft_all(self) -> None:
        while (jobs := self._gather()) is not None:
            results = list(zip(jobs, self._look([job.task for job in jobs]), strict=True))
            self._settle([(job, one) for job, one in results if isinstance(one, Exception)])
            self._drafted.put([(job, one) for job, one in results if isinstance(one, Draft)])
        self._drafted.put(None)

    def _gather(self) -> list[_Job] | None:
        """All that has been asked meanwhile, up to a bound; None at the end."""
        jobs = []
        job = self._asked.get()
        while job is not None:
            jobs.append(job)
            if len(jobs) == _MOST_AT_ONCE or self._asked.empty():
                return jobs
            job = self._asked.get()
        return None

    def _record_all(self) -> None:
        while (batch := self._drafted.get()) is not None:
            results = self._recorder.record([draft for _, draft in batch])
            settled: _Settled = []
            for (job, draft), error in zip(batch, results, strict=True):
                if not isinstance(error, Stale):
                    settled.append((job, error or draft))
                elif job.tries > 1:
                    job.tries -= 1
                    self._asked.put(job)
                else:
                    settled.append((job, Changed("again and again while it was being answered")))
            self._settle(settled)

    def _settle(self, results: _Settled) -> None:
        """Answer a batch, in the event loop."""
        if results:
            self._loop.call_soon_threadsafe(_settle_all, results)

    def _look(self, tasks: list[Task]) -> list[Draft | Exception]:
        """Draft all tasks from one look at the database."""
        try:
            with database.reading(self._engine) as connection:
                self._plans.refresh(connection)
                now = int(self._clock())
                look = Look(connection, self._plans, self._known, self._authority, now, self._guard)
                return [_run(task, look) for task in tasks]
        except DatabaseUnusable as error:
            return [error] * len(tasks)
        except Exception as error:  # a defect must not end the thread that all depend on
            _log.exception("no look at the database", exc_info=error)
            return [error] * len(tasks)


def _settle_all(results: _Settled) -> None:
    for job, result in results:
        job.settle(result)


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
