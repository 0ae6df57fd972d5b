"""What the shell completes beside commands and options: names of the site's nodes and services."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer


def nodes(context: typer.Context, incomplete: str) -> list[str]:
    """Names of nodes that begin so.

    Args:
        context: of the command; its --home counts.
        incomplete: what was typed so far.
    """
    return _names(context, incomplete, "all_nodes")


def services(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the site's services that begin so; arguments as for `nodes`."""
    return _names(context, incomplete, "all_services")


def _names(context: typer.Context, incomplete: str, view: str) -> list[str]:
    from triseal import database
    from triseal.cli.site_options import open_site
    from triseal.site.views import overview

    listed: Callable[..., list[overview.NodeFacts | overview.ServiceFacts]]
    listed = getattr(overview, view)
    try:
        home = context.params.get("home_dir")
        with (
            open_site(Path(home) if home else None) as site,
            database.reading(site.engine) as connection,
        ):
            return [one.name for one in listed(connection) if one.name.startswith(incomplete)]
    except Exception:  # whatever it is, a shell that completes must not print it
        return []
