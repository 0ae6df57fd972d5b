"""The health of a server process: each problem by name, on the pages, in metrics and log.

Three pages ask three questions. `/livez`: does the process work at all, or must a supervisor start
it again? `/readyz`: can it serve nodes now? `/health`: is there anything that a person should know?
Strangers can't make a server unready: what depends on connections is only on `/health`.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from sealcore import timetext
from sealcore.errors import SealError
from triseal import advice, database, words
from triseal.database import DatabaseGone, DiskFull
from triseal.errors import DatabaseUnusable, Failure
from triseal.serving.state import Problem
from triseal.site.clock import ClockDoubted, Guard
from triseal.site.errors import CertificateNotValid, DatabaseBehind
from triseal.site.records.placement import Place
from triseal.site.server.duties import Duty
from triseal.site.server.limits import Limits
from triseal.site.server.listeners.certificate import Identity
from triseal.site.server.metrics import Metrics
from triseal.site.server.sessions.registry import Full, Registry
from triseal.site.server.signing.pipeline import Pipeline
from triseal.site.views import figures
from triseal.site.views.figures import Figures

SLOW = "database-slow"
FAILING = "failing"
TURNED_AWAY = "nodes-turned-away"
SILENT = "nodes-silent"
LITTLE_SPACE = "little-disk-space"
ENDS_SOON = "ends-soon"
TWO_BOARDS = "two-boards"
OTHER_BUNDLE = "other-bundle"
# All codes, so that the metrics have each of them from the beginning.
CODES = (
    ClockDoubted.code,
    CertificateNotValid.code,
    DatabaseBehind.code,
    DatabaseUnusable.code,
    DatabaseGone.code,
    DiskFull.code,
    SLOW,
    FAILING,
    Full.code,
    TURNED_AWAY,
    SILENT,
    LITTLE_SPACE,
    ENDS_SOON,
    TWO_BOARDS,
    OTHER_BUNDLE,
)
_TROUBLE = (Failure, SealError, SQLAlchemyError)
_OF_DATABASE = (DatabaseUnusable.code, DatabaseGone.code, DiskFull.code, SLOW)
# Without these duties no node is served; the others can wait.
_NEEDED = ("recording", "changes", "accepting")

_ANSWER_SECONDS = 5.0
_READ_SECONDS = 20.0
_MOST_AGE = 15.0  # seconds; the figures of a large site take half a second of CPU time
_EVERY = 5.0
_LEAST_FREE = 256 << 20  # bytes; a busy site writes some megabytes in an hour
_MOST_TURNED_AWAY = 8
_MOST_LINES = 32  # of one look, for services whose seals ended

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """The parts of a server process that its health depends on.

    Attributes:
        engine: the site's database.
        pipeline, guard, identity, registry, limits: the parts of these names.
        failing: returns code and detail of what fails now, by the name of the duty.
    """

    engine: Engine
    pipeline: Pipeline
    guard: Guard
    identity: Identity
    registry: Registry
    limits: Limits
    failing: Callable[[], Mapping[str, str]] = dict


class Health:
    """The health of one server process.

    Args:
        parts: what it depends on.
        metrics: the metrics of the process.
    """

    def __init__(self, parts: Parts, metrics: Metrics) -> None:
        self._parts = parts
        self._metrics = metrics
        self._began = time.monotonic()
        self._figures: tuple[float, Figures] | None = None
        self._turn = asyncio.Lock()
        self._known: dict[str, Problem] = {}
        self._ended: frozenset[Place] = frozenset()

    # --- The answers ------------------------------------------------------------------------

    async def stopping(self) -> list[Problem]:
        """Return the problems with which no node can be served: none of them if it is ready."""
        parts, found = self._parts, []
        found += await self._of_database()
        ahead = parts.guard.jump()
        if ahead:
            found.append(Problem(ClockDoubted.code, f"it jumped by {ahead:+.0f} s", True))
        found += self._of_certificates(int(time.time()))
        for name, trouble in parts.failing().items():
            code = trouble.partition(": ")[0]
            known = code if code in CODES else FAILING
            found.append(Problem(known, f"{name}: {trouble}", name in _NEEDED))
        return [problem for problem in found if problem.stops]

    async def all(self) -> list[Problem]:
        """Return all problems, the worst ones first."""
        parts = self._parts
        found = await self.stopping()
        for name, trouble in parts.failing().items():
            if name not in _NEEDED:
                found.append(Problem(FAILING, f"{name}: {trouble}", False))
        if len(parts.registry) >= parts.limits.connections:
            found.append(Problem(Full.code, f"{len(parts.registry)} nodes are connected", False))
        free = self.free()
        if free is not None and free < _LEAST_FREE:
            found.append(Problem(LITTLE_SPACE, f"{free >> 20} MiB are free", False))
        read = await self.figures()
        return found + (self._of_nodes(read) if read else [])

    async def figures(self, most_age: float | None = None) -> Figures | None:
        """Return the figures of the site; None if they can't be read.

        Args:
            most_age: how old they may be, seconds; None for the usual.
        """
        most_age = _MOST_AGE if most_age is None else most_age
        async with self._turn:
            if self._figures and time.monotonic() - self._figures[0] < most_age:
                return self._figures[1]
            self._figures = None
            try:
                async with asyncio.timeout(_READ_SECONDS):
                    read = await asyncio.to_thread(self._read, int(time.time()))
            except (*_TROUBLE, TimeoutError):  # `stopping` says which
                return None
            self._figures = time.monotonic(), read
            return read

    def free(self) -> int | None:
        """Return the free bytes on the disk of an SQLite database; None if that is unknown."""
        path = database.file_of(self._parts.engine)
        try:
            return None if path is None else shutil.disk_usage(Path(path).parent).free
        except OSError:
            return None

    async def page(self) -> bytes:
        """Make the page for Prometheus, as UTF-8 bytes."""
        parts = self._parts
        read = await self.figures(most_age=0.0)
        present = {problem.code for problem in await self.all()}
        self._metrics.take_health(
            {code: code in present for code in CODES},
            database=not present & set(_OF_DATABASE),
            free=self.free(),
            doubted=bool(parts.guard.jump()),
        )
        own = [("server", parts.identity.not_after)]
        return self._metrics.text(read, own)

    async def keep(self, duty: Duty) -> None:
        """Look at intervals until cancelled.

        Args:
            duty: takes failures.
        """
        while True:
            await duty.attempt(self.look)
            await asyncio.sleep(_EVERY)

    async def look(self) -> None:
        """Log what has changed since the last look: problems, and services whose seals ended."""
        present = {problem.code: problem for problem in reversed(await self.all())}
        for code, problem in present.items():
            if code not in self._known:
                level = logging.ERROR if problem.stops else logging.WARNING
                _log.log(level, "problem", extra={"code": code, "detail": problem.detail})
        for code in self._known.keys() - present.keys():
            _log.warning("problem over", extra={"code": code})
        self._known = dict(present)
        read = await self.figures()
        if read:
            self._tell_ended(read.ended)

    def _tell_ended(self, ended: frozenset[Place]) -> None:
        """Log each service whose last seal has ended: its node is gone, and reports nothing."""
        fresh = sorted((place.node, place.service) for place in ended - self._ended)
        self._ended = ended
        for node, service in fresh[:_MOST_LINES]:
            _log.warning("seal ended", extra={"node": node, "service": service})
        if len(fresh) > _MOST_LINES:
            detail = f"and of {words.count(len(fresh) - _MOST_LINES, 'more service')}"
            _log.warning("seal ended", extra={"detail": detail})

    # --- The causes -------------------------------------------------------------------------

    def _read(self, now: int) -> Figures:
        with database.reading(self._parts.engine) as connection:
            return figures.read(connection, self._parts.pipeline.authority.issuer, now)

    async def _of_database(self) -> list[Problem]:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._parts.pipeline.refresh()
        except TimeoutError:
            return [Problem(SLOW, f"no answer for {_ANSWER_SECONDS:.0f} s", True)]
        except _TROUBLE as error:  # also damaged contents, and tables that are missing
            code, detail, _ = advice.explain(error)
            if code in CODES:
                return [Problem(code, detail, True)]
            return [Problem(DatabaseUnusable.code, f"{code}: {detail}", True)]
        return []

    def _of_certificates(self, now: int) -> list[Problem]:
        try:
            self._parts.pipeline.authority.issuer.check_valid(now)
        except Failure as error:
            return [Problem(error.code, error.detail, True)]
        end = self._parts.identity.not_after
        if now > end:
            detail = f"the server's own certificate has ended at {timetext.iso(end)}"
            return [Problem(CertificateNotValid.code, detail, True)]
        return []

    def _of_nodes(self, read: Figures) -> list[Problem]:
        registry, found = self._parts.registry, []
        if read.enrolled and not len(registry):
            if registry.turned_away >= _MOST_TURNED_AWAY:
                detail = f"{registry.turned_away} connections were refused, and no node came"
                found.append(Problem(TURNED_AWAY, detail, False))
            # A healthy node comes once in a lifetime, if it has a service to renew.
            up = time.monotonic() - self._began
            silent = min(read.silent.values(), default=up)
            if read.states and min(up, silent) > read.lifetime:
                detail = f"no node was heard for {min(up, silent):.0f} s"
                found.append(Problem(SILENT, detail, False))
        if read.near:
            listed = ", ".join(f"{kind} {name}" for kind, name in read.near[:8])
            found.append(Problem(ENDS_SOON, f"{len(read.near)}: {listed}", False))
        if read.claimed:
            found.append(Problem(TWO_BOARDS, f"{read.claimed} nodes", False))
        if read.strange:
            found.append(Problem(OTHER_BUNDLE, f"{read.strange} nodes", False))
        return found
