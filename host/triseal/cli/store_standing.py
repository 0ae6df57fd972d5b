"""`triseal store approve-key`, `suspend`, `resume`, `withdraw`, `hand-over` and `changes`."""

from __future__ import annotations

from typing import Annotated

import typer

from triseal.cli import options, output
from triseal.cli.store_options import Database, Reason, developer, open_store, why

app = typer.Typer()

Name = Annotated[str, typer.Argument(help="Name of the developer.", metavar="DEVELOPER")]
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
    as_json: options.Json = False,
) -> None:
    """Put a new key in the place of a lost or stolen one.

    The developer registers the new key before, under the same name. Compare the fingerprint over a
    channel that whoever has the old key can't use: a telephone call, or a visit. The old key can
    then sign nothing new; a suspension stays until `triseal store resume`.
    """
    with open_store(home_dir, database) as store:
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
    as_json: options.Json = False,
) -> None:
    """Seal nothing more for a developer.

    Nor does the Store take a new key that the present one signs.
    """
    with open_store(home_dir, database) as store:
        output.facts(developer(store.suspend(name, why(reason))) | _NEXT, as_json=as_json)


@app.command(epilog=options.examples("store resume Ada --reason 'she has a new key'"))
def resume(
    name: Name,
    reason: Reason,
    home_dir: options.Home = None,
    database: Database = None,
    as_json: options.Json = False,
) -> None:
    """Seal for a suspended developer again."""
    with open_store(home_dir, database) as store:
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
    as_json: options.Json = False,
) -> None:
    """Offer a release no more. It stays valid where it runs, and its version is not free again.

    `triseal store get --version` still returns it. There is no way back: release a newer version.
    """
    with open_store(home_dir, database) as store:
        release = store.withdraw(service, version, why(reason))
    facts: dict[str, object] = {
        "service": release.service,
        "version": release.version,
        "state": release.state,
        "withdrawn_at": output.time(release.withdrawn_at),
    }
    output.facts(facts | _NEXT, as_json=as_json)


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
    as_json: options.Json = False,
) -> None:
    """Give a service to another developer.

    The Store takes new versions from the new owner only, and only versions above the newest one.
    """
    with open_store(home_dir, database) as store:
        before = store.hand_over(service, to, why(reason))
    facts = {"service": service, "owner": to, "former_owner": before}
    output.facts(facts | _NEXT, as_json=as_json)


@app.command(epilog=options.examples("store changes", "store changes --since 12 --json"))
def changes(
    since: Annotated[
        int, typer.Option("--since", min=0, help="Only changes after this number.", metavar="N")
    ] = 0,
    home_dir: options.Home = None,
    database: Database = None,
    as_json: options.Json = False,
) -> None:
    """List what was decided, why, when and by whom."""
    from triseal.describestore import of_change

    with open_store(home_dir, database) as store:
        rows = [of_change(one) for one in store.changes(since)]
    columns = ("number", "time", "kind", "name", "detail", "reason", "who")
    output.table(rows, columns, as_json=as_json, empty="no changes")
