"""Every table of a site, wherever it is defined: an older database gets at once what it lacks."""

from __future__ import annotations

from triseal.site import clock
from triseal.site.records import reports, restarts, revision, tables, twins

TABLES = tables.metadata
# Beside those of `state`.
_OF = (
    clock.clocks,
    reports.refusals,
    restarts.restarts,
    revision.revision,
    twins.twins,
)
