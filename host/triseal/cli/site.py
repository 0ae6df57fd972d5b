"""`triseal site`: the site's manager and authority.

Grants have one grammar: SERVICE GRANT..., for all nodes, or for those named by --node.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from triseal import database, files, package, request
from triseal.cli import options, output, site_serve, waiting
from triseal.site import clock, home, inputs, overview, pruning, state
from triseal.site.guarantee import Guarantee
from triseal.site.home import Founding
from triseal.site.manager import Manager

app = typer.Typer(help="Site: trust, nodes, services, grants, deployments.", no_args_is_help=True)

app.command(epilog=site_serve.EPILOG)(site_serve.serve)

_WHO = "the site's key"

NodeName = Annotated[str, typer.Argument(help="The node's name.", metavar="NODE")]
Fingerprint = Annotated[
    str | None,
    typer.Option(
        "--fingerprint",
        help="As the owner told you: refuse another key. Use it.",
        metavar="HEX",
    ),
]
ServiceName = Annotated[str, typer.Argument(help="The service's name.", metavar="SERVICE")]
Grants = Annotated[
    list[str],
    typer.Argument(help="Such as bus.publish:home/# or pin:4 or log.", metavar="GRANT..."),
]
OnNodes = Annotated[
    list[str] | None,
    typer.Option("--node", help="Only on this node; may be repeated.", metavar="NODE"),
]


@app.command(
    epilog=options.examples(
        "site init house",
        "site init lab --algorithm p256 --lifetime 600 --no-passphrase",
        "site init plant --database postgresql://triseal@db/plant",
    )
)
def init(
    name: Annotated[str, typer.Argument(help="The site's name: a-z 0-9 . - _", metavar="NAME")],
    algorithm: options.Algorithm = "rsa2048",
    lifetime: Annotated[
        int,
        typer.Option(
            "--lifetime",
            min=home.MIN_LIFETIME,
            max=home.MAX_LIFETIME,
            help="Seconds that a site seal lives; changes reach every node within it.",
        ),
    ] = 5000,
    database_url: Annotated[
        str,
        typer.Option(
            "--database",
            help="postgresql: or sqlite: URL instead of a file in the home.",
            metavar="URL",
        ),
    ] = "",
    no_passphrase: options.NoPassphraseFlag = False,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Make a site: key, CA certificate, first trust bundle."""
    folder = home_dir or home.default()
    secret = options.new_passphrase(passphrase_file, _WHO, none=no_passphrase)
    founding = Founding(name, algorithm, lifetime, database_url)
    home.init(folder, founding, secret, int(time.time()))
    with open_site(folder, passphrase_file) as site:
        facts = {
            "site": site.name,
            "fingerprint": request.fingerprint(site.issuer.spki),
            "certificate": str(folder / home.CERTIFICATE),
            "lifetime": site.lifetime,
        }
    output.facts(facts, as_json=as_json)


@app.command(epilog=options.examples("site trust-store store.pem --fingerprint 6f1c..."))
def trust_store(
    file: Annotated[
        Path, typer.Argument(help="The Store's CA certificate, PEM or DER.", metavar="CERT")
    ],
    fingerprint: Fingerprint = None,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Trust a Store. Give the fingerprint that its own `triseal store show` tells."""
    certificate = inputs.certificate(files.read(file, inputs.MAX_SIZE))
    request.check_fingerprint(inputs.key_of(certificate), fingerprint)
    with open_site(home_dir, passphrase_file) as site:
        name, bundle = site.trust_store(certificate)
        _show_trust(site, name, "store", bundle.version, as_json=as_json)


@app.command(
    epilog=options.examples(
        "site trust-developer ada.request.pem --fingerprint 6f1c...",
        "site trust-developer ada.pub.pem --name Ada",
    )
)
def trust_developer(
    file: Annotated[
        Path,
        typer.Argument(help="The developer's request or public key.", metavar="REQUEST|KEY"),
    ],
    name: Annotated[
        str | None, typer.Option("--name", help="The developer's name, as its seals show it.")
    ] = None,
    fingerprint: Fingerprint = None,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Trust a developer. Give the fingerprint that the developer's own `triseal dev show` tells."""
    found = inputs.developer(files.read(file, inputs.MAX_SIZE), name)
    request.check_fingerprint(found.spki, fingerprint)
    with open_site(home_dir, passphrase_file) as site:
        bundle = site.trust_developer(found.name, found.spki)
        _show_trust(site, found.name, "developer", bundle.version, as_json=as_json)


@app.command(epilog=options.examples("site distrust store 'Example Store'"))
def distrust(
    kind: Annotated[str, typer.Argument(help="store or developer.", metavar="store|developer")],
    name: Annotated[str, typer.Argument(help="The name, as status shows it.")],
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Believe a Store or developer no longer. Nodes learn it with their next bundle."""
    with open_site(home_dir, passphrase_file) as site:
        if kind == "store":
            bundle = site.distrust_store(name)
        elif kind == "developer":
            bundle = site.distrust_developer(name)
        else:
            raise typer.BadParameter("store or developer", param_hint="KIND")
        output.facts({"name": name, "bundle_version": bundle.version}, as_json=as_json)


@app.command(
    epilog=options.examples(
        "site add-node kitchen", "site add-node hall --request hall.csr --out hall.crt"
    )
)
def add_node(
    node: NodeName,
    csr: Annotated[
        Path | None,
        typer.Option("--request", help="Its PKCS #10 request: enrol it now.", metavar="FILE"),
    ] = None,
    out: options.Out = None,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Add a node. `triseal node provision` makes a board this node."""
    wanted = None if csr is None else files.read(csr, request.MAX_SIZE)
    facts: dict[str, object] = {"node": node, "state": "added"}
    with open_site(home_dir, passphrase_file) as site:
        if wanted is None:
            site.add_node(node)
        else:
            issued = site.add_enrolled(node, wanted)
            target = out or Path(f"{node}.crt")
            files.write(target, issued.der)
            facts |= {
                "state": "enrolled",
                "certificate": str(target),
                "valid_to": output.time(issued.validity.not_after),
            }
    output.facts(facts, as_json=as_json)


@app.command(epilog=options.examples("site add-service thermo-1.0.triseal"))
def add_service(
    file: Annotated[
        Path, typer.Argument(help="A package that a Store countersigned.", metavar="PACKAGE")
    ],
    other_developer: Annotated[
        bool,
        typer.Option("--other-developer", help="The service passes to another developer."),
    ] = False,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Check a package as a node would, and take it in."""
    found = package.read(file)
    with open_site(home_dir) as site:
        store = site.add_service(found, other_developer=other_developer)
    facts = {
        "service": store.service,
        "version": store.service_version,
        "security_version": store.security_version,
    }
    output.facts(facts, as_json=as_json)


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
        bool, typer.Option("--force", help="Also grant what its metadata does not ask for.")
    ] = False,
    wait: waiting.Wait = waiting.DEFAULT_SECONDS,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Give grants to a service, on all or some nodes. Tells when that is in force."""
    with open_site(home_dir) as site:
        found = waiting.confirmations(
            site, site.grant(service, grants, node or (), force=force), wait, service=service
        )
    show_guarantee(found, as_json=as_json)


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
    """Take grants from a service. Tells by when no node can use them any more."""
    with open_site(home_dir) as site:
        found = waiting.confirmations(
            site, site.revoke(service, grants, node or ()), wait, service=service
        )
    show_guarantee(found, as_json=as_json)


@app.command(
    epilog=options.examples(
        "site deploy kitchen thermo", "site deploy kitchen thermo --port /dev/ttyACM0"
    )
)
def deploy(
    node: NodeName,
    service: ServiceName,
    port: Annotated[
        str | None,
        typer.Option("--port", help="The node is at this port: put it there now.", metavar="PORT"),
    ] = None,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Assign a service to a node. Without --port the site's server brings it there."""
    if port is not None:
        from triseal.cli import node as cable_commands

        cable_commands.deploy_by_cable(
            node, service, port, passphrase_file, home_dir, as_json=as_json
        )
        return
    with open_site(home_dir, passphrase_file) as site:
        site.assign(node, service)
    output.facts({"node": node, "service": service, "state": "assigned"}, as_json=as_json)


@app.command(epilog=options.examples("site undeploy kitchen thermo"))
def undeploy(
    node: NodeName,
    service: ServiceName,
    wait: waiting.Wait = waiting.DEFAULT_SECONDS,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Take a service from a node. Tells by when it has stopped there."""
    with open_site(home_dir) as site:
        found = waiting.confirmations(
            site, site.undeploy(node, service), wait, service=service, node=node
        )
    show_guarantee(found, as_json=as_json)


@app.command(epilog=options.examples("site retire kitchen"))
def retire(
    node: NodeName,
    wait: waiting.Wait = waiting.DEFAULT_SECONDS,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Cut a node off for ever. Tells by when it runs nothing any more."""
    with open_site(home_dir) as site:
        found = waiting.confirmations(site, site.retire(node), wait, node=node)
    show_guarantee(found, as_json=as_json)


@app.command(epilog=options.examples("site nodes", "site nodes --json"))
def nodes(home_dir: options.Home = None, as_json: options.Json = False) -> None:
    """List the nodes."""
    with open_site(home_dir) as site, database.reading(site.engine) as connection:
        rows = [_node(one) for one in overview.all_nodes(connection)]
    output.table(rows, tuple(_NODE), as_json=as_json, empty="no nodes")


@app.command(epilog=options.examples("site services", "site services --json"))
def services(home_dir: options.Home = None, as_json: options.Json = False) -> None:
    """List the services, with what they are granted."""
    with open_site(home_dir) as site, database.reading(site.engine) as connection:
        rows = [_service(one, as_json=as_json) for one in overview.all_services(connection)]
    columns = ("service", "version", "security_version", "nodes", "grants")
    output.table(rows, columns, as_json=as_json, empty="no services")


@app.command(epilog=options.examples("site status", "site status --json"))
def status(home_dir: options.Home = None, as_json: options.Json = False) -> None:
    """Show the site, whom it trusts, what runs where."""
    with open_site(home_dir) as site, database.reading(site.engine) as connection:
        places = [_place(one) for one in overview.all_places(connection)]
        trusted = [vars(one) for one in overview.all_trusted(connection)]
        facts: dict[str, object] = {
            "site": site.name,
            "fingerprint": request.fingerprint(site.issuer.spki),
            "lifetime": site.lifetime,
            "bundle_version": overview.bundle_version(connection),
        }
    if as_json:
        output.facts(facts | {"trusted": trusted, "services": places}, as_json=True)
        return
    output.facts(facts, as_json=False)
    typer.echo()
    output.table(trusted, ("kind", "name", "fingerprint"), as_json=False, empty="trusts nobody")
    typer.echo()
    columns = ("node", "service", "assigned", "state", "not_after", "grants")
    output.table(places, columns, as_json=False, empty="nothing deployed")


@app.command(epilog=options.examples("site prune", "site prune --keep-days 365 --json"))
def prune(
    keep_days: Annotated[
        int,
        typer.Option(
            "--keep-days",
            min=pruning.LEAST_DAYS,
            help="Keep what expired less than so many days ago.",
        ),
    ] = pruning.KEEP_DAYS,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Delete records of what expired long ago."""
    with open_site(home_dir) as site:
        site.check_clock()  # with a wrong one, all would have expired long ago
        done = pruning.prune(site.engine, int(time.time()), keep_days)
    output.facts(vars(done), as_json=as_json)


@app.command("clock", epilog=options.examples("site clock", "site clock --accept"))
def site_clock(
    accept: Annotated[
        bool, typer.Option("--accept", help="The time that this shows is right: sign it.")
    ] = False,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Show whether this computer's time is signed."""
    with open_site(home_dir) as site:
        if accept:
            site.accept_clock()
        with database.reading(site.engine) as connection:
            seen, doubted = clock.latest(connection)
            try:
                site.check_clock()
                code = "doubted" if doubted else "ok"
            except clock.ClockDoubted as doubt:
                code = doubt.code
    facts = {"clock": code, "now": output.time(int(time.time())), "last_seen": output.time(seen)}
    output.facts(facts, as_json=as_json)


def open_site(folder: Path | None, passphrase_file: Path | None = None) -> Manager:
    """The site in a folder, or in the usual one; its key is opened when it is needed."""
    return Manager(folder or home.default(), options.passphrase(passphrase_file, _WHO))


def show_guarantee(found: Guarantee, *, as_json: bool) -> None:
    """Print the truth about a change."""
    total = len({*found.confirmed, *found.waiting, *found.grace})
    facts: dict[str, object] = {
        "nodes": total,
        "confirmed": found.confirmed,
        "waiting": {node: output.time(until) for node, until in found.waiting.items()},
        "in_force_by": output.time(found.by),
        "grace": found.grace,
    }
    if as_json:
        output.facts(facts, as_json=True)
        return
    typer.echo(_sentence(found, total))
    for node, until in found.waiting.items():
        typer.echo(f"  {node}: {output.time(until)}")
    for node, seconds in found.grace.items():
        typer.echo(f"  {node}: and for up to {seconds} s after a power loss (its --grace)")


def _sentence(found: Guarantee, total: int) -> str:
    if not total:
        return "no node concerned"
    if len(found.confirmed) == total:
        return f"in force on {_count(total)}"
    done = f"in force on {len(found.confirmed)} of {_count(total)}"
    if found.by is None:
        return done
    rest = "all" if not found.confirmed else f"the other {len(found.waiting)}"
    return f"{done}, {rest} by {output.time(found.by)} at the latest"


def _count(total: int) -> str:
    return f"{total} node" if total == 1 else f"{total} nodes"


def _show_trust(site: Manager, name: str, kind: str, version: int, *, as_json: bool) -> None:
    with database.reading(site.engine) as connection:
        known = overview.all_trusted(connection)
    prints = [one.fingerprint for one in known if (one.kind, one.name) == (kind, name)]
    facts = {"name": name, "fingerprints": prints, "bundle_version": version}
    output.facts(facts, as_json=as_json)


_NODE = ("node", "state", "services", "heard_at", "bundle_version")


def _node(one: overview.NodeFacts) -> output.Facts:
    values = (one.name, one.state, one.services, output.time(one.heard_at), one.bundle_version)
    return dict(zip(_NODE, values, strict=True))


def _service(one: overview.ServiceFacts, *, as_json: bool) -> output.Facts:
    grants: object = {node or "*": given for node, given in one.grants.items()}
    if not as_json:
        grants = _flat(one.grants)
    return {
        "service": one.name,
        "version": one.version,
        "security_version": one.security_version,
        "nodes": one.nodes,
        "grants": grants,
    }


def _flat(grants: dict[str, tuple[str, ...]]) -> Sequence[str]:
    return [
        one if node == state.EVERY_NODE else f"{one} ({node})"
        for node, given in grants.items()
        for one in given
    ]


def _place(one: overview.PlaceFacts) -> output.Facts:
    return {
        "node": one.node,
        "service": one.service,
        "assigned": one.assigned,
        "state": one.state,
        "not_after": output.time(one.not_after),
        "grants": one.grants,
    }
