"""`triseal site`: the commands of a site, one module for each kind of command."""

from __future__ import annotations

import typer

from triseal.cli import (
    site_ending,
    site_follow,
    site_grants,
    site_import,
    site_init,
    site_keys,
    site_labels,
    site_nodes,
    site_reports,
    site_review,
    site_rollout,
    site_root,
    site_serve,
    site_services,
    site_settings,
    site_status,
    site_trust,
    site_upkeep,
    site_witness,
)

app = typer.Typer()

for part in (
    site_init,
    site_trust,
    site_keys,
    site_review,
    site_nodes,
    site_labels,
    site_services,
    site_import,
    site_follow,
    site_rollout,
    site_grants,
    site_ending,
    site_settings,
    site_status,
    site_reports,
    site_serve,
    site_upkeep,
    site_witness,
):
    app.add_typer(part.app)
app.add_typer(site_root.app, name="root", help="Roots: the keys that change whom the site trusts.")
