"""All tables of a site, wherever they are defined, with their migrations.

Each change of a table needs a migration (see `host/ARCHITECTURE.md`).
"""

from __future__ import annotations

from pathlib import Path

from triseal.database import Schema
from triseal.site.records import (
    clocks,
    deployrules,
    labels,
    losses,
    nodesettings,
    reports,
    restarts,
    revision,
    sitekeys,
    tables,
    told,
    twins,
    vitals,
)

# The tables that are not defined in `tables`.
_OF = (
    clocks.clocks,
    deployrules.rules,
    labels.facts,
    labels.labels,
    losses.losses,
    nodesettings.settings,
    nodesettings.versions,
    reports.refusals,
    restarts.restarts,
    revision.revision,
    revision.touched,
    sitekeys.site_keys,
    told.store_changes,
    told.store_lists,
    twins.twins,
    vitals.vitals,
)

SCHEMA = Schema(tables.metadata, "site_12", Path(__file__).with_name("migrations"))
