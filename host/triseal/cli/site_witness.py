"""`triseal site witness`: the site cosigns that the log of a Store only grows."""

from __future__ import annotations

from typing import Annotated

import typer

from triseal.cli import options, output
from triseal.cli.site_options import open_site

app = typer.Typer()


@app.command(epilog=options.examples("site witness", "site witness https://shop.example:7490"))
def witness(
    store: Annotated[
        str | None,
        typer.Argument(help="URL of a Store: cosign its log now, and send that.", metavar="URL"),
    ] = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Print the site's witness key, or cosign a Store's log.

    Give the key to the Store (`store add-witness`), and to sites whose policy wants you as a
    witness. The site's server cosigns the logs of all services that it follows.
    """
    with open_site(home_dir) as site:
        from triseal.site.witness import Witness  # slow to load, and --help needs none of it

        mine = Witness(site.folder, site.time)
        if store is None:
            facts: output.Facts = {"name": mine.signer.key.name, "key": str(mine.signer.key)}
        else:
            from triseal.site import obtaining

            view, names = obtaining.cosigned(site.logs, store, site.bundle().store_keys, mine)
            facts = {"log": view.head.origin, "entries": view.head.size, "witnesses": names}
    output.facts(facts, as_json=as_json)
