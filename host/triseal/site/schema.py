"""Every table of a site, wherever it is defined: an older database gets at once what it lacks."""

from __future__ import annotations

from triseal.site import clock, reported, revision, state, twins

TABLES = state.metadata
_OF = (clock.clocks, reported.refusals, revision.revision, twins.twins)  # beside those of `state`
