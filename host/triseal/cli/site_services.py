"""`triseal site add-service`, `deploy`, `undeploy`, `restart` and `services`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triseal import package
from triseal.cli import completion, guarantees, options, output, site_labels, waiting
from triseal.cli.site_options import NodeName, ServiceName, open_site, where_option

if TYPE_CHECKING:
    from triseal.site.manager import Manager
    from triseal.site.views.overview import ServiceFacts

app = typer.Typer()

_CHECK_EVERY = 0.2  # seconds

Started = Annotated[
    float,
    typer.Option(
        "--wait",
        min=0,
        help="Seconds to wait until the node runs it, if the node was ever heard.",
        metavar="SECONDS",
    ),
]

Nodes = Annotated[
    list[str] | None,
    typer.Argument(help="Names of nodes.", metavar="[NODE]...", autocompletion=completion.nodes),
]
File = Annotated[
    Path,
    typer.Argument(
        help="A package that a Store has countersigned; with --store: SERVICE or SERVICE@VERSION.",
        metavar="PACKAGE",
        readable=False,
    ),
]
StoreURL = Annotated[
    str | None,
    typer.Option("--store", help="Get it from the server of this Store.", metavar="URL"),
]


@app.command(
    epilog=options.examples(
        "site add-service thermo-1.0.triseal",
        "site add-service thermo-2.0.triseal --hold",
        "site add-service thermo-2.0.triseal --now",
    )
)
def add_service(
    file: File,
    store_url: StoreURL = None,
    other_developer: Annotated[
        bool,
        typer.Option("--other-developer", help="Let the service pass to another developer."),
    ] = False,
    hold: Annotated[
        bool,
        typer.Option("--hold", help="Keep nodes at their version until `site rollout`."),
    ] = False,
    at_once: Annotated[
        bool,
        typer.Option("--now", help="Let all nodes of the service get it now, however many."),
    ] = False,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Check a package as a node would, and take it in. Prints which nodes get it now.

    If the service is on more than one node, say how they get the new version: --hold keeps it from
    all of them until `site rollout`, and --now gives it to all of them at once.
    """
    if hold and at_once:
        raise typer.BadParameter("not allowed with --now", param_hint="--hold")
    from triseal import database  # slow to load, and --help needs none of it
    from triseal.site.views import placements

    with open_site(home_dir) as site:
        submitted = _obtained(site, store_url, str(file)) if store_url else package.read(file)
        most = None if at_once else 1
        store, moved = site.take_in(
            submitted, other_developer=other_developer, hold=hold, most=most
        )
        with database.reading(site.engine) as connection:
            held = placements.held(connection).get(placements.others(store.service))
    facts = {
        "service": store.service,
        "version": store.service_version,
        "security_version": store.security_version,
        "held": held,
        "nodes": moved,
    }
    output.facts(facts, as_json=as_json)


def _obtained(site: Manager, url: str, wanted: str) -> package.Package:
    from triseal.site import obtaining  # HTTPS takes long to load, and few commands need it

    return obtaining.obtain(site.logs, url, wanted, site.bundle().store_keys)


@app.command(
    epilog=options.examples(
        "site deploy kitchen thermo",
        "site deploy kitchen thermo --port /dev/ttyACM0",
        "site deploy thermo --where floor=2,chip=esp32c3",
    )
)
def deploy(
    *,
    nodes: Nodes = None,
    service: ServiceName,
    where: Annotated[str | None, where_option("Make a rule: all nodes, now or later,")] = None,
    port: Annotated[
        str | None,
        typer.Option("--port", help="Deploy to the node at this port now.", metavar="PORT"),
    ] = None,
    wait: Started = waiting.DEFAULT_SECONDS,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Assign a service to nodes. Without --port the site's server delivers it.

    Prints whether each node runs it. The command ends with status 1 if a node refuses the service
    or the service fails within the time of --wait.

    With --where it makes a rule that is kept: nodes that match later get the service by themselves,
    and those that match no longer lose it. `site rules` lists the rules, `site remove-rule` ends
    one.
    """
    if bool(nodes) == (where is not None):
        raise typer.BadParameter("give names of nodes, or --where", param_hint="NODE")
    if port is not None:
        if where is not None or len(nodes or ()) != 1:
            raise typer.BadParameter("give one node", param_hint="--port")
        from triseal.cli import node as cable_commands

        cable_commands.deploy_by_cable(
            (nodes or [""])[0], service, port, passphrase_file, home_dir, as_json=as_json
        )
    elif where is not None:
        with open_site(home_dir, passphrase_file) as site:
            facts: dict[str, object] = {"service": service, "rule": where}
            site_labels.output_applied(
                site, facts, site.add_rule(service, where), wait, as_json=as_json
            )
    else:
        with open_site(home_dir, passphrase_file) as site:
            _deploy(site, nodes or [], service, wait, as_json=as_json)


def _deploy(site: Manager, on: list[str], service: str, seconds: float, *, as_json: bool) -> None:
    """Assign a service to nodes, wait until they run it, and print that."""
    from triseal import database  # slow to load, and --help needs none of it
    from triseal.site.records.placement import Place
    from triseal.site.views import placements
    from triseal.site.views.rollout_status import Watch

    watch = Watch(site, service)
    site.assign_all(on, service)
    end = time.monotonic() + seconds
    rows: list[output.Facts] = []
    for node in on:
        heard_at = site.heard_at(node)
        runs = heard_at is not None and watch.started(node, max(0, end - time.monotonic()))
        with database.reading(site.engine) as connection:
            version = placements.due(connection, Place(node, service))
        heard = output.time(heard_at)
        row = {"node": node, "service": service, "version": version, "heard_at": heard}
        rows.append(row | {"state": "running" if runs else "assigned"})
    if as_json and len(rows) == 1:
        output.facts(rows[0], as_json=True)
    elif as_json:
        output.table(rows, (), as_json=True, empty="")
    else:
        for one in rows:
            typer.echo(_sentence(one))


def _sentence(facts: output.Facts) -> str:
    """Say whether a node runs what was deployed."""
    if facts["state"] == "running":
        return "{node} runs {service} {version}".format_map(facts)
    heard = facts["heard_at"]
    when = "was never heard" if heard is None else f"was heard at {heard}"
    return "{node} gets {service} {version} when it connects; it ".format_map(facts) + when


@app.command(
    epilog=options.examples("site undeploy kitchen thermo", "site undeploy thermo --where floor=2")
)
def undeploy(
    *,
    nodes: Nodes = None,
    service: ServiceName,
    where: Annotated[str | None, where_option("From the nodes of the service")] = None,
    wait: waiting.Wait = waiting.DEFAULT_SECONDS,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Take a service from nodes. Prints when it has stopped there.

    A node that has it by a rule keeps it: end the rule with `site remove-rule`.
    """
    if bool(nodes) == (where is not None):
        raise typer.BadParameter("give names of nodes, or --where", param_hint="NODE")
    with open_site(home_dir) as site:
        on = nodes or site.matching_with(service, where or "")
        guarantee = waiting.until_confirmed(
            lambda: site.guarantee_among(on, service), site.undeploy_all(on, service), wait
        )
    guarantees.show(guarantee, as_json=as_json)


@app.command(epilog=options.examples("site restart kitchen thermo"))
def restart(
    node: NodeName,
    service: ServiceName,
    wait: waiting.Wait = waiting.DEFAULT_SECONDS,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Restart a service on its node.

    This also restarts a service that the node has quarantined. A node that is not connected does it
    when it connects again.
    """
    with open_site(home_dir) as site:
        site.restart(node, service)
        end = time.monotonic() + wait
        while waits := site.restarting(node, service):
            if time.monotonic() >= end:
                break
            time.sleep(_CHECK_EVERY)
    facts = {"node": node, "service": service, "restarted": not waits}
    if as_json:
        output.facts(facts, as_json=True)
    elif waits:
        typer.echo(f"{node} has not answered yet: it restarts {service} when it connects again")
    else:
        typer.echo(f"{node} restarts {service}")


@app.command(epilog=options.examples("site services", "site services --json"))
def services(home_dir: options.Home = None, as_json: options.Json = False) -> None:
    """List the services with their grants."""
    from triseal import database
    from triseal.site.views import overview

    with open_site(home_dir) as site, database.reading(site.engine) as connection:
        rows = [_service(row, as_json=as_json) for row in overview.all_services(connection)]
    columns = ("service", "version", "security_version", "held", "nodes", "grants")
    output.table(rows, columns, as_json=as_json, empty="no services")


def _service(service: ServiceFacts, *, as_json: bool) -> output.Facts:
    grants: object = {node or "*": given for node, given in service.grants.items()}
    if not as_json:
        grants = _flat(service.grants)
    return {
        "service": service.name,
        "version": service.version,
        "security_version": service.security_version,
        "held": service.held,
        "nodes": service.nodes,
        "grants": grants,
    }


def _flat(grants: dict[str, tuple[str, ...]]) -> Sequence[str]:
    from triseal.site.records import tables

    return [
        grant if node == tables.EVERY_NODE else f"{grant} ({node})"
        for node, given in grants.items()
        for grant in given
    ]
