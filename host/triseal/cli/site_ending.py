"""`triseal site forget`, `rename`, `remove-service` and `set`."""

from __future__ import annotations

from typing import Annotated

import typer

from triseal.choices import MAX_LIFETIME, MIN_LIFETIME
from triseal.cli import guarantees, options, output, waiting
from triseal.cli.site_options import NodeName, ServiceName, open_site

app = typer.Typer()


@app.command(epilog=options.examples("site forget kitchen"))
def forget(node: NodeName, home_dir: options.Home = None, as_json: options.Json = False) -> None:
    """Delete a retired node that runs nothing any more. Its name is free afterwards.

    The seals that it had stay in the ledger until `site prune` deletes them.
    """
    with open_site(home_dir) as site:
        site.forget(node)
    output.facts({"node": node, "state": "forgotten"}, as_json=as_json)


@app.command(epilog=options.examples("site rename kitchen kitchen-2"))
def rename(
    node: NodeName,
    new: Annotated[str, typer.Argument(help="The new name.", metavar="NEW")],
    wait: waiting.Wait = 0,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Give a node another name.

    Its services, grants and labels go to the new name. The name of an enrolled node is in its
    certificate and in all its seals: so the old name is retired, and the board runs nothing until
    `triseal node provision --node NEW`. Prints when nothing runs any more under the old name.
    """
    with open_site(home_dir) as site:
        found = waiting.confirmations(site, site.rename(node, new), wait, node=node)
    guarantees.show(found, as_json=as_json)


@app.command(epilog=options.examples("site remove-service thermo"))
def remove_service(
    service: ServiceName, home_dir: options.Home = None, as_json: options.Json = False
) -> None:
    """Delete a service that no node has or runs.

    Its releases and grants go with it. The site then knows no security version of it. Nodes that
    had the service still refuse a lower one.
    """
    with open_site(home_dir) as site:
        site.remove_service(service)
    output.facts({"service": service, "state": "removed"}, as_json=as_json)


@app.command("set", epilog=options.examples("site set --lifetime 1800"))
def site_set(
    lifetime: Annotated[
        int,
        typer.Option(
            "--lifetime",
            min=MIN_LIFETIME,
            max=MAX_LIFETIME,
            help="Lifetime of the site's seals from now on.",
            metavar="SECONDS",
        ),
    ],
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Change settings of the site.

    Seals that nodes hold keep their lifetime: the command prints until when the last one with a
    longer lifetime is valid. From then on no change takes longer than the new lifetime.
    """
    with open_site(home_dir) as site:
        longer = site.set_lifetime(lifetime)
    facts = {"lifetime": lifetime, "longer_seals_end": output.time(longer)}
    output.facts(facts, as_json=as_json)
