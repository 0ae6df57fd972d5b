"""`triseal site prune`, `clock` and `restored`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from triseal.choices import KEEP_DAYS, LEAST_DAYS
from triseal.cli import options, output
from triseal.cli.site_options import Keys, open_site, open_to_change_trust
from triseal.cli.site_root import Request, asking, merged

app = typer.Typer()


@app.command(epilog=options.examples("site prune", "site prune --keep-days 365 --json"))
def prune(
    keep_days: Annotated[
        int,
        typer.Option(
            "--keep-days",
            min=LEAST_DAYS,
            help="Keep records that expired less than so many days ago.",
            metavar="DAYS",
        ),
    ] = KEEP_DAYS,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Delete records that expired long ago."""
    from triseal.site.records import pruning  # slow to load, and --help needs none of it

    with open_site(home_dir) as site:
        site.check_clock()  # with a wrong clock everything could look expired
        done = pruning.prune(site.engine, int(time.time()), keep_days)
    output.facts(vars(done), as_json=as_json)


@app.command("clock", epilog=options.examples("site clock", "site clock --accept"))
def site_clock(
    accept: Annotated[
        bool, typer.Option("--accept", help="The time of this computer is right: sign it.")
    ] = False,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Show whether the site signs with this computer's time."""
    from triseal import database
    from triseal.site import clock
    from triseal.site.errors import CertificateNotValid

    with open_site(home_dir) as site:
        if accept:
            site.accept_clock()
        with database.reading(site.engine) as connection:
            seen, doubted = clock.latest(connection)
            try:
                site.check_clock()
                code = "doubted" if doubted else "ok"
            except (clock.ClockDoubted, CertificateNotValid) as doubt:
                code = doubt.code
    facts = {"clock": code, "now": output.time(int(time.time())), "last_seen": output.time(seen)}
    output.facts(facts, as_json=as_json)


@app.command(epilog=options.examples("site restored", "site restored --signed bundle-9.request"))
def restored(
    signed: Annotated[
        list[Path] | None,
        typer.Option(
            "--signed",
            help="A signed request of this command. Can be repeated.",
            metavar="REQUEST",
        ),
    ] = None,
    out: Request = None,
    keys: Keys = None,
    root_passphrase_file: options.RootPassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Go on after a backup of the database was restored.

    If roots elsewhere must sign the new trust bundle, it writes a request for them.

    Before, compare grants, nodes and services with what they should be: changes since the backup
    are lost. The trust bundle gets a new version, above those of all nodes, and the command prints
    whom it trusts: a Store or developer that you have distrusted since is in it again. Until the
    printed time, nodes that were not heard since may hold seals that the database lacks. Run it on
    each server of the site.
    """
    from triseal.site.views import overview  # slow to load, and --help needs none of it

    given = merged(signed) if signed else None
    with open_to_change_trust(home_dir, root_passphrase_file, keys or ()) as site, asking(out):
        done = site.accept_restored(given)
        trusted = overview.all_trusted(site.bundle(), site.known_developers())
    facts = {
        "bundle_version": done.bundle_version,
        "stores": [one.name for one in trusted if one.kind == "store"],
        "developers": [one.name for one in trusted if one.kind == "developer"],
        "lost_seals_end": output.time(done.until),
    }
    output.facts(facts, as_json=as_json)
