"""`triseal store restored`: a Store goes on after the restore of a backup."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from triseal.cli import options, output, progress
from triseal.cli.store_options import Database, Endpoint, open_store, place

if TYPE_CHECKING:
    from triseal.store.store import Store

app = typer.Typer()

BucketNow = Annotated[
    str,
    typer.Option(
        "--bucket",
        help="Where the files are now, if they were moved after the backup and this home does not"
        " know it.",
        metavar="URL",
    ),
]
FromMirror = Annotated[
    str,
    typer.Option(
        "--mirror",
        help="Take the log and the packages from this mirror (URL or folder), because those of the"
        " home were restored from a backup, too.",
        metavar="MIRROR",
    ),
]
Newest = Annotated[
    bool,
    typer.Option(
        "--log-is-newest",
        help="The Store has published nothing since the backup, so that no mirror is needed. If"
        " this is wrong, the Store signs a second history, which proves it a cheat.",
    ),
]


@app.command(
    epilog=options.examples(
        "store restored",
        "store restored --mirror https://mirror.example/shop",
    )
)
def restored(
    mirror: FromMirror = "",
    newest: Newest = False,
    bucket: BucketNow = "",
    endpoint: Endpoint = "",
    home_dir: options.Home = None,
    database: Database = None,
    as_json: options.Json = False,
) -> None:
    """Go on after the restore of a backup.

    Releases and decisions that came after the backup are taken from the log and from the packages
    beside it. The command names what it can't take, such as a developer who must register again;
    when she is approved, run the command once more for her releases.

    If the home's log was restored, too, the Store must first have the newer one that sites have
    seen: give a mirror with --mirror.
    """
    if mirror and (newest or bucket):
        other = "--log-is-newest" if newest else "--bucket"
        raise typer.BadParameter(f"give --mirror or {other}", param_hint="--mirror")
    now_at = place(bucket, endpoint)
    with open_store(home_dir, database, None) as store:
        if mirror:
            _refill(store, mirror)
        elif not newest and now_at is None:
            store.check_restored_log()
        output.facts(asdict(store.accept_restored(now_at)), as_json=as_json)


def _refill(store: Store, where: str) -> None:
    """Take the log and the packages from a mirror of this Store."""
    from triseal.copies import storesource  # slow to load, and --help needs none of it
    from triseal.copies.mirror import Mirror
    from triseal.copies.storeview import View
    from triseal.log.errors import UnknownLog

    with (
        storesource.opened(where) as source,
        store.refilling() as public,
        progress.shown() as report,
    ):
        shown = View(source).key
        if shown != store.log_key:
            raise UnknownLog(f"{where} is a mirror of another log, {shown.name}")
        Mirror(public, source, report).update()
