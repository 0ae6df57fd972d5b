"""The signing pipeline, a group commit: answers are gathered, recorded together, and then sent.

One thread reads and signs and takes no lock. A second thread records. While one batch is written,
the next one is signed and a third one gathers: under load one commit serves many renewals, and
without load no request waits for others. Nothing is sent before it was recorded.

The threads take their work from queues themselves. The event loop is busy with sending, and they
would have to wait for it.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Engine

from sealcore.errors import SealError
from triseal import database
from triseal.database import DatabaseUnusable
from triseal.errors import Failure
from triseal.site.clock import Guard
from triseal.site.errors import Changed
from triseal.site.rules.sealing import Preparer
from triseal.site.server.signing.desired_state import DesiredState
from triseal.site.server.signing.issue_cache import IssueCache
from triseal.site.server.signing.recorder import Recorder, Stale
from triseal.site.server.signing.task import Answer, Snapshot, Task
from triseal.site.slca.authority import Authority

_MOST_AT_ONCE = 128
_TRIES = 5
_log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass
class _Job:
    """A function of a snapshot, and the future that waits for its result."""

    function: Callable[[Snapshot], Any]
    future: asyncio.Future[Any]
    recorded: bool  # whether the result is an Answer, which must be recorded first
    tries: int = _TRIES

    def settle(self, result: _Result) -> None:
        if self.future.done():  # the connection that asked has ended meanwhile
            return
        if result.error is None:
            self.future.set_result(result.value)
        else:
            self.future.set_exception(result.error)


@dataclass(frozen=True)
class _Result:
    value: Any = None
    error: Exception | None = None


_Settled = list[tuple[_Job, _Result]]
_Batch = list[tuple[_Job, Answer]]


class Pipeline:
    """The signing pipeline of one server process: two threads and the data that they work on.

    Args:
        engine: the site's database.
        authority: the SLCA.
        clock: returns the time, Unix seconds.
        guard: the guard of that clock; while the clock is in doubt, the pipeline signs nothing.
        recorded: called with each answer that was recorded, in another thread.
    """

    def __init__(
        self,
        engine: Engine,
        authority: Authority,
        clock: Callable[[], float] = time.time,
        guard: Guard | None = None,
        recorded: Callable[[Answer], None] = lambda _: None,
    ) -> None:
        self._engine = engine
        self._authority = authority
        self._clock = clock
        self._guard = guard
        self._desired = DesiredState(Preparer(authority.issuer))
        self._issue_cache = IssueCache()
        self._recorder = Recorder(engine, self._issue_cache, recorded)
        self._asked: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._signed: queue.Queue[_Batch | None] = queue.Queue(1)
        self._loop: asyncio.AbstractEventLoop

    @property
    def revision(self) -> int:
        """The revision of the database that the newest snapshot had."""
        return self._desired.revision

    async def answer(self, task: Task) -> Answer:
        """Run a task, record its answer, and return it. The answer may then be sent.

        Args:
            task: makes an answer from a snapshot. It runs in another thread, and again with a newer
                snapshot if the site changed before the answer was recorded.

        Raises:
            DatabaseUnusable: the database can't be read or written.
            Changed: the site changed at each of several attempts.
            Exception: the task raised it.
        """
        answer: Answer = await self._submit(task, recorded=True)
        return answer

    async def read(self, function: Callable[[Snapshot], T]) -> T:
        """Run a function that only reads, and return its result. Nothing is recorded.

        Args:
            function: takes a snapshot; it runs in another thread.

        Raises:
            DatabaseUnusable: the database can't be read.
            Exception: the function raised it.
        """
        value: T = await self._submit(function, recorded=False)
        return value

    async def refresh(self) -> None:
        """Read the newest revision of the database. Raises DatabaseUnusable."""
        await self.read(lambda _: None)

    async def _submit(self, function: Callable[[Snapshot], Any], *, recorded: bool) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked.put(_Job(function, future, recorded))
        return await future

    async def run(self) -> None:
        """Work until cancelled. A transaction that has begun is finished first."""
        self._loop = asyncio.get_running_loop()
        threads = [
            threading.Thread(target=self._sign_all, name="sign"),
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

    def _sign_all(self) -> None:
        while (jobs := self._gather()) is not None:
            settled: _Settled = []
            batch: _Batch = []
            for job, result in zip(jobs, self._run_jobs(jobs), strict=True):
                if job.recorded and result.error is None:
                    batch.append((job, result.value))
                else:
                    settled.append((job, result))
            self._settle(settled)
            self._signed.put(batch)
        self._signed.put(None)

    def _gather(self) -> list[_Job] | None:
        """Take all jobs that wait, up to a bound; None after the last one."""
        jobs = []
        job = self._asked.get()
        while job is not None:
            jobs.append(job)
            if len(jobs) == _MOST_AT_ONCE or self._asked.empty():
                return jobs
            job = self._asked.get()
        return None

    def _record_all(self) -> None:
        while (batch := self._signed.get()) is not None:
            errors = self._recorder.record([answer for _, answer in batch])
            settled: _Settled = []
            for (job, answer), error in zip(batch, errors, strict=True):
                if not isinstance(error, Stale):
                    settled.append((job, _Result(answer, error)))
                elif job.tries > 1:
                    job.tries -= 1
                    self._asked.put(job)
                else:
                    changed = Changed("the site changed at each attempt to answer")
                    settled.append((job, _Result(error=changed)))
            self._settle(settled)

    def _settle(self, results: _Settled) -> None:
        """Hand results to the event loop, which wakes those that wait for them."""
        if results:
            self._loop.call_soon_threadsafe(_settle_all, results)

    def _run_jobs(self, jobs: list[_Job]) -> list[_Result]:
        """Run all functions with one snapshot of the database."""
        try:
            with database.reading(self._engine) as connection:
                self._desired.refresh(connection)
                snapshot = Snapshot(
                    connection,
                    self._desired,
                    self._issue_cache,
                    self._authority,
                    int(self._clock()),
                    self._guard,
                )
                return [_run(job.function, snapshot) for job in jobs]
        except DatabaseUnusable as error:
            return [_Result(error=error)] * len(jobs)
        except Exception as error:  # a defect must not end the thread that all connections need
            _log.exception("no snapshot of the database", exc_info=error)
            return [_Result(error=error)] * len(jobs)


def _settle_all(results: _Settled) -> None:
    for job, result in results:
        job.settle(result)


def _run(function: Callable[[Snapshot], Any], snapshot: Snapshot) -> _Result:
    try:
        value = function(snapshot)
    except (Failure, SealError, DatabaseUnusable) as refusal:
        return _Result(error=refusal)
    except Exception as error:  # a defect ends the connection that asked; the server goes on
        _log.exception("task failed", exc_info=error)
        return _Result(error=error)
    if isinstance(value, Answer):
        value.revision = snapshot.desired.revision
    return _Result(value)
