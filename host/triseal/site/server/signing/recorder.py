"""Records what was drafted: many drafts in one transaction, and only if nothing has changed."""

from __future__ import annotations

import logging

from sqlalchemy import Engine

from triseal import database
from triseal.site.records import holdings, ledger, revision, tables
from triseal.site.server.signing.issue_cache import Known
from triseal.site.server.signing.task import Draft

_log = logging.getLogger(__name__)


class Stale(Exception):
    """Something that decides over seals has changed since they were drafted."""


class Recorder:
    """Writes drafts into the database. For one thread.

    Args:
        engine: the site's database.
        known: told what was issued.
    """

    def __init__(self, engine: Engine, known: Known) -> None:
        self._engine = engine
        self._known = known
        self._revision = 0

    def record(self, drafts: list[Draft]) -> list[Exception | None]:
        """Record drafts of one revision; for each None, or why it is not recorded.

        A change that has been answered with a bound can't be followed by a seal that says the old
        thing: such drafts are Stale, all of them.
        """
        try:
            self._together(drafts)
            return [None] * len(drafts)
        except Stale as stale:
            return [stale] * len(drafts)
        except Exception as error:  # whatever it was, it concerns the drafts, not the server
            if len(drafts) == 1:
                _log.exception("not recorded", exc_info=error)
                return [error]
        # One draft that can't be recorded must not cost the others theirs.
        return [self.record([draft])[0] for draft in drafts]

    def _together(self, drafts: list[Draft]) -> None:
        seals = [one for draft in drafts for one in draft.seals]
        writes = [write for draft in drafts for write in draft.writes]
        if not seals and not writes:
            return
        for node in {draft.gave_up for draft in drafts if draft.gave_up}:
            self._known.forget(node)
        with database.writing(self._engine) as connection:
            tables.lock_shared(connection)
            now_at = revision.current(connection, hold=True)
            if now_at != drafts[0].revision:
                raise Stale
            if now_at != self._revision:
                self._known.forget()
                self._revision = now_at
            for write in writes:
                write(connection)
            if seals:  # last: a place that a node just gave up may be the one that is given anew
                ledger.record_seals(connection, seals)
                fresh = {place for place, _ in seals if not self._known.expected(place)}
                holdings.expect(connection, fresh)
        for place, one in seals:
            self._known.issued(place, one)
