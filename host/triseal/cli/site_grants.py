"""`triseal site grant` and `revoke`.

Both take SERVICE GRANT..., for all nodes or for those that --node names.
"""

from __future__ import annotations

from typing import Annotated

import typer

from triseal.cli import guarantees, options, waiting
from triseal.cli.site_options import ServiceName, node_option, open_site

app = typer.Typer()

Grants = Annotated[
    list[str],
    typer.Argument(help="A grant such as bus.publish:home/#, pin:4 or log.", metavar="GRANT"),
]
OnNodes = Annotated[
    list[str] | None,
    node_option("Only on this node; may be repeated."),
]


@app.command(
    epilog=options.examples(
        "site grant thermo bus.publish:home/kitchen/# log", "site grant thermo pin:4 --node kitchen"
    )
)
def grant(
    service: ServiceName,
    grants: Grants,
    node: OnNodes = None,
    force: Annotated[
        bool, typer.Option("--force", help="Grant even what its metadata does not ask for.")
    ] = False,
    wait: waiting.Wait = waiting.DEFAULT_SECONDS,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Give grants to a service, on all or some nodes. Prints when they are in force."""
    with open_site(home_dir) as site:
        guarantee = waiting.confirmations(
            site, site.grant(service, grants, node or (), force=force), wait, service=service
        )
    guarantees.show(guarantee, as_json=as_json)


@app.command(
    epilog=options.examples("site revoke thermo log", "site revoke thermo pin:4 --node kitchen")
)
def revoke(
    service: ServiceName,
    grants: Grants,
    node: OnNodes = None,
    wait: waiting.Wait = waiting.DEFAULT_SECONDS,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Take grants from a service. Prints when no node can use them any more."""
    with open_site(home_dir) as site:
        guarantee = waiting.confirmations(
            site, site.revoke(service, grants, node or ()), wait, service=service
        )
    guarantees.show(guarantee, as_json=as_json)
