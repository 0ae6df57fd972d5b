"""`triseal site import`: releases from a file that `triseal store export` has written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triseal.cli import options, output
from triseal.cli.site_options import open_site

if TYPE_CHECKING:
    from triseal.copies.stick import Stick
    from triseal.site.manager import Manager

app = typer.Typer()


@app.command(
    "import",
    epilog=options.examples("site import usb.tar", "site import usb.tar thermo@1.2.0 --hold"),
)
def take(
    file: Annotated[
        Path,
        typer.Argument(help="What `store export` has written.", metavar="FILE", readable=False),
    ],
    services: Annotated[
        list[str] | None,
        typer.Argument(
            help="SERVICE or SERVICE@VERSION; all in the file if none is given.", metavar="SERVICE"
        ),
    ] = None,
    hold: Annotated[
        bool,
        typer.Option("--hold", help="Keep nodes at their versions until `site rollout`."),
    ] = False,
    at_once: Annotated[
        bool,
        typer.Option("--now", help="Let all nodes of a service get it now, however many."),
    ] = False,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Take in releases that came on a stick. No network is needed.

    All is checked as from the Store's server. The file is refused if its checkpoint is older than
    this site allows, or if the site has already seen a newer one. If one release is refused, those
    before it stay; run the command again after you have done what the line says.
    """
    if hold and at_once:
        raise typer.BadParameter("not allowed with --now", param_hint="--hold")
    from triseal.copies.stick import Stick  # slow to load, and --help needs none of it

    with open_site(home_dir) as site, Stick(file) as source:
        rows = [
            _take(site, source, name, hold=hold, most=None if at_once else 1)
            for name in services or source.services()
        ]
    output.table(
        rows,
        ("service", "version", "held", "nodes"),
        as_json=as_json,
        empty="the file has no releases",
    )


def _take(
    site: Manager, source: Stick, name: str, *, hold: bool, most: int | None
) -> dict[str, object]:
    from triseal import database
    from triseal.site import obtaining
    from triseal.site.views import placements

    package = obtaining.take(site.logs, source, name, site.bundle().store_keys)
    store, moved = site.take_in(package, hold=hold, most=most)
    with database.reading(site.engine) as connection:
        held = placements.held(connection).get(placements.others(store.service))
    facts = {"service": store.service, "version": store.service_version, "held": held}
    return facts | {"nodes": moved}
