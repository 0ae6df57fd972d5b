"""The completion of names of nodes and services in the shell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from triseal.site.manager import Manager


def nodes(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of nodes with a prefix.

    Args:
        context: the context of the command; its --home counts.
        incomplete: the prefix, as it was typed so far.
    """

    def names(site: Manager, connection: Connection) -> Iterable[str]:
        from triseal.site.views import overview  # slow to load, as all that a site needs

        return (node.name for node in overview.all_nodes(connection, site.issuer))

    return _beginning(context, incomplete, names)


def services(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the site's services with a prefix.

    Args:
        context: the context of the command; its --home counts.
        incomplete: the prefix, as it was typed so far.
    """

    def names(_: Manager, connection: Connection) -> Iterable[str]:
        from triseal.site.views import overview

        return (service.name for service in overview.all_services(connection))

    return _beginning(context, incomplete, names)


def _beginning(
    context: typer.Context,
    incomplete: str,
    names: Callable[[Manager, Connection], Iterable[str]],
) -> list[str]:
    try:
        from triseal import database
        from triseal.cli.site_options import open_site

        home = context.params.get("home_dir")
        with (
            open_site(Path(home) if home else None) as site,
            database.reading(site.engine) as connection,
        ):
            return [name for name in names(site, connection) if name.startswith(incomplete)]
    except Exception:  # a completing shell must not show any error
        return []
