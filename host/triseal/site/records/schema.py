"""All tables of a site, wherever they are defined; an older database gets those that it lacks."""

from __future__ import annotations

from triseal.site.records import clocks, reports, restarts, revision, tables, twins

TABLES = tables.metadata
# The tables that are not defined in `tables`.
_OF = (
    clocks.clocks,
    reports.refusals,
    restarts.restarts,
    revision.revision,
    twins.twins,
)
