"""The signing pipeline, a group commit: answers are gathered, recorded together, and then sent.

One thread reads and signs and takes no lock. A second thread records. While one batch is written,
the next one is signed and a third one gathers: under load one commit serves many renewals, and
without load no request waits for others. Nothing is sent before it was recorded.

The threads take their work from queues themselves. The event loop is busy with sending, and they
would have to wait for it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from triseal import database
from triseal.site.clock import Guard
from triseal.site.errors import Changed
from triseal.site.rules.sealing import Preparer
from triseal.site.server.duties import Duties, is_trouble
from triseal.site.server.signing.desired_state import DesiredState
from triseal.site.server.signing.differences import Differences
from triseal.site.server.signing.issue_cache import IssueCache
from triseal.site.server.signing.progress import Progress
from triseal.site.server.signing.recorder import Recorder, Stale
from triseal.site.server.signing.task import Answer, Snapshot, Task
from triseal.site.slca.authority import Authority
from triseal.watermark import Watermark

_MOST_AT_ONCE = 64
_MOST_SECONDS = 0.03  # of work with one snapshot, so that what is more urgent waits no longer
_TRIES = 5
_AT_ONCE = 0.0  # patience of the server's own work, seconds
_STOP_SECONDS = 3.0
_log = logging.getLogger(__name__)

T = TypeVar("T")


def never() -> bool:
    """Return False: nobody who waits for this answer can leave."""
    return False


@dataclass(order=True)
class _Job:
    """A function of a snapshot, and the future that waits for its result.

    Jobs are sorted by the time at which they are due.
    """

    due: float  # seconds of a monotonic clock
    number: int  # of two jobs that are due at the same time, the first one comes first
    function: Callable[[Snapshot], Any] = field(compare=False)
    future: asyncio.Future[Any] = field(compare=False)
    recorded: bool = field(compare=False)  # whether the result is an Answer, to be recorded first
    node: str = field(compare=False, default="")
    gone: Callable[[], bool] = field(compare=False, default=never)
    tries: int = field(compare=False, default=_TRIES)

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for the result any more."""
        return self.future.done() or self.gone()

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
        mark: the file that remembers how far the database has come, see `rules.restore`.
        duties: takes failures of the database; None if nobody looks.
        reread: returns the SLCA after a change of the site, which may have changed its key; None if
            it never does.

    Attributes:
        authority: the SLCA, with the key that is active now.
    """

    def __init__(
        self,
        engine: Engine,
        authority: Authority,
        clock: Callable[[], float] = time.time,
        guard: Guard | None = None,
        recorded: Callable[[Answer], None] = lambda _: None,
        mark: Watermark | None = None,
        duties: Duties | None = None,
        reread: Callable[[Connection], Authority] | None = None,
    ) -> None:
        self._reread = reread
        self._progress = Progress(mark)
        self._engine = engine
        self.authority = authority
        self._clock = clock
        self._guard = guard
        self._desired = DesiredState(Preparer(authority.issuer))
        self._issue_cache = IssueCache()
        self._differences = Differences()
        self._recorder = Recorder(
            engine,
            self._issue_cache,
            (duties or Duties()).add("recording"),
            recorded,
            self._progress,
        )
        self._asked: queue.PriorityQueue[_Job] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._signed: queue.Queue[_Batch | None] = queue.Queue(1)
        self._loop: asyncio.AbstractEventLoop
        self._ended: asyncio.Future[None]
        self._stopped = False

    @property
    def revision(self) -> int:
        """The revision of the database that the newest snapshot had."""
        return self._desired.revision

    def changed_at(self, node: str) -> int:
        """Return the revision at which the desired state of a node changed last.

        Args:
            node: name of a node that has said HELLO to this process.
        """
        return self._desired.changed_at(node)

    async def answer(
        self,
        task: Task,
        node: str = "",
        patience: float = _AT_ONCE,
        renews: Iterable[str] = (),
        gone: Callable[[], bool] = never,
    ) -> Answer:
        """Run a task, record its answer, and return it. The answer may then be sent.

        Under load the most urgent tasks come first. Each task becomes more urgent while it waits,
        so that none waits forever.

        Args:
            task: makes an answer from a snapshot. It runs in another thread, and again with a newer
                snapshot if the site changed before the answer was recorded.
            node: name of the node that the answer is for; "" if it depends on the whole site.
            patience: seconds within which the answer is due.
            renews: names of services of the node; the answer is due before the first of their
                seals ends.
            gone: tells whether the node has left; then the task is not run. It is called in another
                thread.

        Raises:
            DatabaseUnusable: the database can't be read or written.
            Changed: the site changed at each of several attempts.
            EOFError: the node has left.
            Exception: the task raised it.
        """
        end = self._issue_cache.end(node, renews)
        if end is not None:
            patience = min(patience, end - self._clock())
        job = self._job(task, patience, recorded=True, node=node, gone=gone)
        answer: Answer = await self._submit(job)
        return answer

    async def read(self, function: Callable[[Snapshot], T]) -> T:
        """Run a function that only reads, and return its result. Nothing is recorded.

        Args:
            function: takes a snapshot; it runs in another thread.

        Raises:
            DatabaseUnusable: the database can't be read.
            Exception: the function raised it.
        """
        value: T = await self._submit(self._job(function, _AT_ONCE, recorded=False))
        return value

    async def refresh(self) -> None:
        """Read the newest revision of the database. Raises DatabaseUnusable."""
        await self.read(lambda _: None)

    def _job(self, function: Callable[[Snapshot], Any], patience: float, **others: Any) -> _Job:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        due = time.monotonic() + patience
        return _Job(due, next(self._numbers), function, future, **others)

    async def _submit(self, job: _Job) -> Any:
        self._asked.put(job)
        return await job.future

    async def run(self) -> None:
        """Work until cancelled. A transaction that has begun is finished first, if it is fast.

        What waits is dropped: those that asked have ended before. Nothing that was not recorded has
        been sent, so that the process may also end in the middle of a slow transaction.

        Raises:
            Exception: a defect has ended a thread.
        """
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        threads = [
            threading.Thread(target=self._unless_defect, args=(work,), name=name, daemon=True)
            for name, work in (("sign", self._sign_all), ("record", self._record_all))
        ]
        for thread in threads:
            thread.start()
        try:
            await self._ended
        finally:
            self._stopped = True
            self._asked.put(self._job(lambda _: None, math.inf, recorded=False))  # wakes it
            end = time.monotonic() + _STOP_SECONDS
            for thread in threads:
                thread.join(max(0.0, end - time.monotonic()))
            self._progress.end()

    def _unless_defect(self, work: Callable[[], None]) -> None:
        """Run the work of a thread. Without this thread the server would answer nothing."""
        try:
            work()
        except BaseException as error:
            self._loop.call_soon_threadsafe(_end, self._ended, error)

    def _sign_all(self) -> None:
        try:
            self._sign_until_stopped()
        finally:
            self._signed.put(None)

    def _sign_until_stopped(self) -> None:
        while jobs := self._gather():
            settled: _Settled = []
            batch: _Batch = []
            results = self._run_jobs(jobs)
            for job in jobs[len(results) :]:
                self._asked.put(job)
            for job, result in zip(jobs, results, strict=False):
                if job.recorded and result.error is None:
                    batch.append((job, result.value))
                else:
                    settled.append((job, result))
            self._settle(settled)
            self._signed.put(batch)

    def _gather(self) -> list[_Job]:
        """Take the most urgent jobs, up to a bound; none when the pipeline ends."""
        jobs: list[_Job] = []
        while len(jobs) < _MOST_AT_ONCE and (not jobs or not self._asked.empty()):
            job = self._asked.get()
            if self._stopped:
                return []
            jobs.append(job)
        return jobs

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

    def _read_authority(self, connection: Connection) -> None:
        """Use the key of the site that is active now."""
        if self._reread is not None:
            authority = self._reread(connection)
            if authority is not self.authority:
                self._desired.use(Preparer(authority.issuer))
                self.authority = authority

    def _run_jobs(self, jobs: list[_Job]) -> list[_Result]:
        """Run functions with one snapshot of the database, at least one and as many as time allows.

        Returns: the results of the first jobs.
        """
        results: list[_Result] = []
        end = time.monotonic() + _MOST_SECONDS
        try:
            with database.reading(self._engine) as connection:
                newer = self._desired.refresh(connection, self._read_authority)
                self._progress.check(self._desired.revision)
                if newer:
                    self._progress.changed(self._desired.revision, self._desired.bundle.version)
                snapshot = Snapshot(
                    connection,
                    self._desired,
                    self._issue_cache,
                    self._differences,
                    self.authority,
                    int(self._clock()),
                    self._guard,
                )
                for job in jobs:
                    if results and time.monotonic() > end:
                        break
                    results.append(_run(job, snapshot))
                return results
        except Exception as error:  # a defect must not end the thread that all connections need
            if not is_trouble(error):
                _log.exception("no snapshot of the database", exc_info=error)
            return [_Result(error=error)] * len(jobs)


def _settle_all(results: _Settled) -> None:
    for job, result in results:
        job.settle(result)


def _end(ended: asyncio.Future[None], error: BaseException) -> None:
    if not ended.done():
        ended.set_exception(error)


def _run(job: _Job, snapshot: Snapshot) -> _Result:
    if job.abandoned:
        return _Result(error=EOFError("the node has left"))
    try:
        value = job.function(snapshot)
    except Exception as error:  # a defect ends the connection that asked; the server goes on
        if not is_trouble(error):
            _log.exception("task failed", exc_info=error)
        return _Result(error=error)
    if isinstance(value, Answer):
        value.revision = snapshot.desired.revision
        value.node = job.node
    return _Result(value)
