"""The completion of names of nodes and services in the shell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer


def nodes(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of nodes with a prefix.

    Args:
        context: the context of the command; its --home counts.
        incomplete: the prefix, as it was typed so far.
    """
    return _names(context, incomplete, "all_nodes")


def services(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the site's services with a prefix.

    Args:
        context: the context of the command; its --home counts.
        incomplete: the prefix, as it was typed so far.
    """
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
            return [row.name for row in listed(connection) if row.name.startswith(incomplete)]
    except Exception:  # a completing shell must not show any error
        return []
