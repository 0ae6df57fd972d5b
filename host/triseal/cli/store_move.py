"""`triseal store move`: the files of a Store go into a bucket, or back."""

from __future__ import annotations

from typing import Annotated

import typer

from triseal.cli import options, output, progress
from triseal.cli.store_options import BucketURL, Database, Endpoint, open_store, place

app = typer.Typer()

IntoHome = Annotated[
    bool, typer.Option("--into-home", help="Move them out of the bucket into the Store's home.")
]


There = Annotated[
    bool,
    typer.Option(
        "--already-there",
        help="The files are in that bucket already: copy nothing, and use it from now on.",
    ),
]


@app.command(
    epilog=options.examples(
        "store move --bucket s3://shop/files --endpoint https://s3.example:9000",
        "store move --into-home",
        "store move --bucket s3://shop/files --endpoint https://new.example:9000 --already-there",
    )
)
def move(
    bucket: BucketURL = "",
    endpoint: Endpoint = "",
    into_home: IntoHome = False,
    there: There = False,
    home_dir: options.Home = None,
    database: Database = None,
    as_json: options.Json = False,
) -> None:
    """Move packages and the log into a bucket, or back.

    If the command is cut off, the Store is where it was, or where it is to be; the same command
    goes on. Servers of the Store that run, on any computer, write nothing more at the old place and
    end: start them again. The files at the old place stay: delete them when nobody reads them any
    more.
    """
    if bool(bucket) == into_home:
        raise typer.BadParameter("give --bucket or --into-home", param_hint="--bucket")
    if there and into_home:
        raise typer.BadParameter("give --bucket as well", param_hint="--already-there")
    to = place(bucket, endpoint)
    with open_store(home_dir, database) as store:
        before = store.files.where("").removesuffix("/")
        with progress.shown() as report:
            copied = store.move(to, report, there=there)
    with open_store(home_dir, database) as store:
        after = store.files.where("").removesuffix("/")
    facts: dict[str, object] = {"files": after, "copied": copied}
    output.facts(facts | ({"old": before} if before != after else {}), as_json=as_json)
