"""Every table of a site, wherever it is defined: an older database gets at once what it lacks."""

from __future__ import annotations

from triseal.site import clock, reported, restarts, revision, state, twins

TABLES = state.metadata
# Beside those of `state`.
_OF = (
    clock.clocks,
    reported.refusals,
    restarts.restarts,
    revision.revision,
    twins.twins,
)
