"""`triseal site grant` and `revoke`.

Both take SERVICE GRANT..., for all nodes or for those that --node or --where names.
"""

from __future__ import annotations

from typing import Annotated

import typer

from triseal.cli import guarantees, options, waiting
from triseal.cli.site_options import ServiceName, chosen, node_option, open_site, where_option

app = typer.Typer()

Grants = Annotated[
    list[str],
    typer.Argument(help="A grant such as bus.publish:home/#, pin:4 or log.", metavar="GRANT"),
]
OnNodes = Annotated[
    list[str] | None,
    node_option("Only on this node; may be repeated."),
]
Where = Annotated[str | None, where_option("Only on nodes")]


@app.command(
    epilog=options.examples(
        "site grant thermo bus.publish:home/kitchen/# log",
        "site grant thermo pin:4 --node kitchen",
        "site grant thermo pin:4 --where floor=2,chip=esp32c3",
    )
)
def grant(
    service: ServiceName,
    grants: Grants,
    node: OnNodes = None,
    where: Where = None,
    force: Annotated[
        bool, typer.Option("--force", help="Grant even what its metadata does not ask for.")
    ] = False,
    wait: waiting.Wait = waiting.DEFAULT_SECONDS,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Give grants to a service, on all or some nodes. Prints when they are in force.

    With --where, the nodes that match now get them, and no later ones.
    """
    with open_site(home_dir) as site:
        guarantee = waiting.confirmations(
            site,
            site.grant(service, grants, chosen(site, node, where), force=force),
            wait,
            service=service,
        )
    guarantees.show(guarantee, as_json=as_json)


@app.command(
    epilog=options.examples("site revoke thermo log", "site revoke thermo pin:4 --node kitchen")
)
def revoke(
    service: ServiceName,
    grants: Grants,
    node: OnNodes = None,
    where: Where = None,
    wait: waiting.Wait = waiting.DEFAULT_SECONDS,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Take grants from a service. Prints when no node can use them any more."""
    with open_site(home_dir) as site:
        guarantee = waiting.confirmations(
            site,
            site.revoke(service, grants, chosen(site, node, where)),
            wait,
            service=service,
        )
    guarantees.show(guarantee, as_json=as_json)
