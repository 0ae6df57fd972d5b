"""What a person decides at a Store about keys, developers, releases and services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from triseal.cli import options, output
from triseal.cli.store_options import (
    Admin,
    AdminCertificate,
    Database,
    Reason,
    deciding,
    developer,
    why,
)

if TYPE_CHECKING:
    from triseal.store.records import Service as KnownService

app = typer.Typer()

Name = Annotated[str, typer.Argument(help="Name of the developer.", metavar="DEVELOPER")]
Held = Annotated[
    str | None,
    typer.Argument(help="Its version; without one, the whole service.", metavar="VERSION"),
]
Service = Annotated[str, typer.Argument(help="Name of the service.", metavar="SERVICE")]

_NEXT = {"next": "tell the sites: `triseal store export-notices --out FILE`"}


@app.command(
    "approve-key",
    epilog=options.examples("store approve-key Ada --fingerprint 6f1c... --reason 'lost laptop'"),
)
def approve_key(
    name: Name,
    fingerprint: Annotated[
        str,
        typer.Option(
            "--fingerprint",
            help="Of the new key, as the developer's `triseal dev show` prints it.",
            metavar="HEX",
        ),
    ],
    reason: Reason,
    home_dir: options.Home = None,
    database: Database = None,
    admin: Admin = "",
    admin_certificate: AdminCertificate = None,
    as_json: options.Json = False,
) -> None:
    """Put a new key in the place of a lost or stolen one.

    The developer registers the new key before, under the same name. Compare the fingerprint over a
    channel that whoever has the old key can't use: a telephone call, or a visit. The old key can
    then sign nothing new; a suspension stays until `triseal store resume`.
    """
    with deciding(home_dir, database, admin, admin_certificate) as store:
        new, old = store.approve_key(name, fingerprint, why(reason))
    facts = developer(new) | {"replaces": old.fingerprint} | _NEXT
    if not as_json:
        typer.echo(f"the key {new.fingerprint} takes the place of {old.fingerprint}")
    output.facts(facts, as_json=as_json)


@app.command(epilog=options.examples("store suspend Ada --reason 'her laptop was stolen'"))
def suspend(
    name: Name,
    reason: Reason,
    home_dir: options.Home = None,
    database: Database = None,
    admin: Admin = "",
    admin_certificate: AdminCertificate = None,
    as_json: options.Json = False,
) -> None:
    """Seal nothing more for a developer.

    Nor does the Store take a new key that the present one signs.
    """
    with deciding(home_dir, database, admin, admin_certificate) as store:
        output.facts(developer(store.suspend(name, why(reason))) | _NEXT, as_json=as_json)


@app.command(epilog=options.examples("store resume Ada --reason 'she has a new key'"))
def resume(
    name: Name,
    reason: Reason,
    home_dir: options.Home = None,
    database: Database = None,
    admin: Admin = "",
    admin_certificate: AdminCertificate = None,
    as_json: options.Json = False,
) -> None:
    """Seal for a suspended developer again."""
    with deciding(home_dir, database, admin, admin_certificate) as store:
        output.facts(developer(store.resume(name, why(reason))) | _NEXT, as_json=as_json)


@app.command(epilog=options.examples("store withdraw blink 1.2.0 --reason 'it drains batteries'"))
def withdraw(
    service: Service,
    version: Annotated[
        str, typer.Argument(help="Its version, as it was submitted.", metavar="VERSION")
    ],
    reason: Reason,
    home_dir: options.Home = None,
    database: Database = None,
    admin: Admin = "",
    admin_certificate: AdminCertificate = None,
    as_json: options.Json = False,
) -> None:
    """Offer a release no more. It stays valid where it runs, and its version is not free again.

    `triseal store get --version` still returns it. There is no way back: release a newer version.
    """
    with deciding(home_dir, database, admin, admin_certificate) as store:
        release = store.withdraw(service, version, why(reason))
    facts: dict[str, object] = {
        "service": release.service,
        "version": release.version,
        "state": release.state,
        "withdrawn_at": output.time(release.withdrawn_at),
    }
    output.facts(facts | _NEXT, as_json=as_json)


@app.command(
    epilog=options.examples(
        "store quarantine blink 1.2.0 --reason 'it may be malicious'",
        "store quarantine blink --reason 'the account of its owner was taken over'",
    )
)
def quarantine(
    service: Service,
    reason: Reason,
    version: Held = None,
    home_dir: options.Home = None,
    database: Database = None,
    admin: Admin = "",
    admin_certificate: AdminCertificate = None,
    as_json: options.Json = False,
) -> None:
    """Hold back a release or a service for now.

    Use it while you look into something. Nobody gets the packages meanwhile, whatever serves the
    files, and the Store takes nothing new of a service that is held back. `triseal store clear`
    ends it.
    """
    with deciding(home_dir, database, admin, admin_certificate) as store:
        known = store.quarantine(service, version or "", why(reason))
    output.facts(_service(known, version) | _NEXT, as_json=as_json)


@app.command(epilog=options.examples("store clear blink 1.2.0 --reason 'nothing was found'"))
def clear(
    service: Service,
    reason: Reason,
    version: Held = None,
    home_dir: options.Home = None,
    database: Database = None,
    admin: Admin = "",
    admin_certificate: AdminCertificate = None,
    as_json: options.Json = False,
) -> None:
    """End the quarantine of a release or a service.

    A release keeps the seals that it had: if the Store has another key or certificate since then,
    its developer submits a newer version.
    """
    with deciding(home_dir, database, admin, admin_certificate) as store:
        known = store.clear(service, version or "", why(reason))
    output.facts(_service(known, version) | _NEXT, as_json=as_json)


@app.command(epilog=options.examples("store archive blink --reason 'nobody works on it'"))
def archive(
    service: Service,
    reason: Reason,
    home_dir: options.Home = None,
    database: Database = None,
    admin: Admin = "",
    admin_certificate: AdminCertificate = None,
    as_json: options.Json = False,
) -> None:
    """Take no new releases of a service. Those that it has stay as they are."""
    with deciding(home_dir, database, admin, admin_certificate) as store:
        known = store.archive(service, why(reason))
    output.facts(_service(known, None) | _NEXT, as_json=as_json)


@app.command(epilog=options.examples("store reopen blink --reason 'Bob works on it'"))
def reopen(
    service: Service,
    reason: Reason,
    home_dir: options.Home = None,
    database: Database = None,
    admin: Admin = "",
    admin_certificate: AdminCertificate = None,
    as_json: options.Json = False,
) -> None:
    """Take new releases of an archived service again."""
    with deciding(home_dir, database, admin, admin_certificate) as store:
        known = store.reopen(service, why(reason))
    output.facts(_service(known, None) | _NEXT, as_json=as_json)


def _service(known: KnownService, version: str | None) -> dict[str, object]:
    facts: dict[str, object] = {"service": known.name}
    if version is not None:
        facts["version"] = version
    return facts | {"owner": known.owner, "service_state": known.state}


@app.command(epilog=options.examples("store limit Ada --hourly 20 --size 65536"))
def limit(
    name: Name,
    hourly: Annotated[
        int | None,
        typer.Option("--hourly", min=0, max=1_000_000, help="Submissions in an hour.", metavar="N"),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            "--size", min=0, max=1 << 30, help="Bytes of code and metadata.", metavar="BYTES"
        ),
    ] = None,
    home_dir: options.Home = None,
    database: Database = None,
    admin: Admin = "",
    admin_certificate: AdminCertificate = None,
    as_json: options.Json = False,
) -> None:
    """Limit what a developer may submit. Without an option, show the limits."""
    with deciding(home_dir, database, admin, admin_certificate) as store:
        made = store.set_limits(name, hourly, size)
    output.facts({"name": name, "hourly": made.hourly, "size": made.size}, as_json=as_json)


@app.command(
    "hand-over", epilog=options.examples("store hand-over blink --to Bob --reason 'Ada has left'")
)
def hand_over(
    service: Service,
    to: Annotated[
        str, typer.Option("--to", help="Name of the developer who gets it.", metavar="DEVELOPER")
    ],
    reason: Reason,
    home_dir: options.Home = None,
    database: Database = None,
    admin: Admin = "",
    admin_certificate: AdminCertificate = None,
    as_json: options.Json = False,
) -> None:
    """Give a service to another developer.

    The Store takes new versions from the new owner only, and only versions above the newest one.
    """
    with deciding(home_dir, database, admin, admin_certificate) as store:
        before = store.hand_over(service, to, why(reason))
    facts = {"service": service, "owner": to, "former_owner": before}
    output.facts(facts | _NEXT, as_json=as_json)


@app.command(
    epilog=options.examples(
        "store changes --since 12 --json", "store changes --who 'certificate:Eve Adams'"
    )
)
def changes(
    since: Annotated[
        int, typer.Option("--since", min=0, help="Only changes after this number.", metavar="N")
    ] = 0,
    who: Annotated[
        str,
        typer.Option(
            "--who",
            help="Only changes by local:USER of the Store's computer, or certificate:NAME; without"
            " the name: by all of them.",
            metavar="WHO",
        ),
    ] = "",
    home_dir: options.Home = None,
    database: Database = None,
    admin: Admin = "",
    admin_certificate: AdminCertificate = None,
    as_json: options.Json = False,
) -> None:
    """List what was decided, why, when and by whom."""
    from triseal.describestore import of_change
    from triseal.store.changes import check_wanted, matches

    with deciding(home_dir, database, admin, admin_certificate) as store:
        found = store.changes(since)
    every = [one if isinstance(one, dict) else of_change(one) for one in found]
    rows = [one for one in every if not who or matches(str(one.get("who", "")), who)]
    if who and not rows:
        check_wanted(who)
    columns = ("number", "time", "kind", "name", "detail", "reason", "who")
    output.table(rows, columns, as_json=as_json, empty="no changes")
