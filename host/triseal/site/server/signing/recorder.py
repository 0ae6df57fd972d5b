"""Recording of answers: many in one transaction, except those that a change has made wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sqlalchemy import Connection, Engine

from triseal import database
from triseal.errors import DatabaseUnusable
from triseal.site.records import holdings, ledger, node_clocks, revision, tables
from triseal.site.records.placement import Place
from triseal.site.server.duties import Duty
from triseal.site.server.signing.issue_cache import IssueCache
from triseal.site.server.signing.progress import Progress
from triseal.site.server.signing.task import Answer

_log = logging.getLogger(__name__)


class Stale(Exception):
    """The site changed after an answer was made, so its seals may be wrong."""


class Recorder:
    """Writes answers into the database. Only one thread may use it.

    Args:
        engine: the site's database.
        issue_cache: the recorder adds each seal to it that it has recorded.
        duty: takes failures of the database.
        recorded: called with each answer that was recorded.
        progress: remembers what was recorded.
    """

    def __init__(
        self,
        engine: Engine,
        issue_cache: IssueCache,
        duty: Duty,
        recorded: Callable[[Answer], None] = lambda _: None,
        progress: Progress | None = None,
    ) -> None:
        self._progress = progress or Progress(None)
        self._duty = duty
        self._recorded = recorded
        self._engine = engine
        self._issue_cache = issue_cache
        self._revision = 0

    def record(self, answers: list[Answer]) -> list[Exception | None]:
        """Record answers that were made from the same revision of the database.

        After the site has answered a change with a bound, no seal of the old state may follow. An
        answer that depends on what has changed is therefore Stale.

        Args:
            answers: the answers, at least one.

        Returns: for each answer None if it was recorded, or else the error.
        """
        try:
            return self._together(answers)
        except Exception as error:  # any error concerns these answers, and must not end the server
            if len(answers) == 1:
                self._note(error)
                return [error]
        # If one answer can't be recorded, the others must still be recorded.
        return [self.record([answer])[0] for answer in answers]

    def _together(self, answers: list[Answer]) -> list[Exception | None]:
        if not any(answer.seals or answer.writes or answer.clocks for answer in answers):
            self._tell(answers)
            return [None] * len(answers)
        for node in {answer.gave_up for answer in answers if answer.gave_up}:
            self._issue_cache.forget(node)
        with database.writing(self._engine) as connection:
            tables.lock_shared(connection)
            changed = self._changed(connection, answers[0].revision)
            errors: list[Exception | None] = [_stale(answer, changed) for answer in answers]
            good = [one for one, error in zip(answers, errors, strict=True) if error is None]
            for answer in good:
                for write in answer.writes:
                    write(connection)
            node_clocks.note(connection, [said for answer in good for said in answer.clocks])
            seals = [seal for answer in good for seal in answer.seals]
            if seals:  # last: a node may have given up the same place that gets a new seal here
                ledger.record_seals(connection, seals)
                fresh = {place for place, _ in seals if not self._issue_cache.expected(place)}
                holdings.expect(connection, fresh)
        self._duty.works()
        for place, seal in seals:
            self._issue_cache.issued(place, seal)
        if seals:
            self._progress.sealed(max(seal.validity.not_after for _, seal in seals))
        self._tell(good)
        return errors

    def _tell(self, answers: list[Answer]) -> None:
        for answer in answers:
            self._recorded(answer)

    def _changed(self, connection: Connection, since: int) -> list[Place]:
        """Return what has changed since a revision, and keep more from changing."""
        newest = revision.current(connection, hold=True)
        if newest != self._revision:
            self._issue_cache.forget_changed(revision.changed(connection, self._revision, newest))
            self._revision = newest
        return revision.changed(connection, since, newest)

    def _note(self, error: Exception) -> None:
        if isinstance(error, DatabaseUnusable):  # each answer would fail, and be logged
            self._duty.failed(error)
        else:
            _log.exception("not recorded", exc_info=error)


def _stale(answer: Answer, changed: list[Place]) -> Stale | None:
    return Stale() if any(answer.depends_on(place) for place in changed) else None
