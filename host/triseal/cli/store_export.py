"""`triseal store export` and `store mirror`: copies of a Store, each file of them checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from triseal.cli import options, output
from triseal.cli.store_options import Database, open_store

app = typer.Typer()

Where = Annotated[
    str,
    typer.Argument(
        help="URL of the Store or of a mirror, folder of a mirror, or home of a Store.",
        metavar="STORE",
    ),
]


@app.command(
    epilog=options.examples(
        "store export https://shop.example:7490 thermo --out usb.tar",
        "store export mirror thermo@1.2.0 pump --out /media/stick/usb.tar",
    )
)
def export(
    where: Where,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File to write.", metavar="FILE", readable=False)
    ],
    services: Annotated[
        list[str] | None,
        typer.Argument(
            help="SERVICE or SERVICE@VERSION; the newest release of each service if none is given.",
            metavar="SERVICE",
        ),
    ] = None,
    database: Database = None,
    as_json: options.Json = False,
) -> None:
    """Write releases to a file, for a site without network.

    The site takes it with `site import`. It refuses the file when the Store's checkpoint in it is
    older than the site allows, so carry it within a week.
    """
    from triseal.copies import stick, storesource  # slow to load, and --help needs none of it
    from triseal.copies.storeview import View

    if not where.startswith(options.URLS):
        _refresh(Path(where), database)
    with storesource.opened(where) as source:
        view = View(source)
        chosen = stick.choose(view, services or ())
        stick.write(out, view, chosen)
    facts = {
        "written": str(out),
        "log": view.head.origin,
        "entries": view.head.size,
        "checkpoint_time": output.time(view.time or None),
        "releases": [f"{one.service} {one.version}" for one in chosen],
    }
    output.facts(facts, as_json=as_json)


def _refresh(home: Path, database: str | None) -> None:
    """Say the time in the checkpoint of a Store on this computer, if its key and database are."""
    from triseal.store import journal, store

    known = database is not None or (home / store.DATABASE).exists()
    if known and (home / journal.KEY).exists():
        with open_store(home, database) as opened:
            opened.refresh(0)


@app.command(
    epilog=options.examples(
        "store mirror https://shop.example:7490 /srv/mirror",
        "store mirror https://shop.example:7490 /srv/mirror --json",
    )
)
def mirror(
    where: Where,
    folder: Annotated[
        Path,
        typer.Argument(help="Folder of the mirror; it is made.", metavar="FOLDER", readable=False),
    ],
    as_json: options.Json = False,
) -> None:
    """Copy a Store's files to a folder, and check each file.

    Any server of files can offer the folder. Run the command again for what is new, or after it was
    cut off. It ends with status 1 if the Store shows another history than the mirror has; then the
    file `evidence` in the folder proves it.
    """
    from triseal.cli import progress
    from triseal.copies import mirror, storesource

    with storesource.opened(where) as source, progress.shown() as report:
        made = mirror.Mirror(folder, source, report).update()
    facts = {
        "log": made.view.head.origin,
        "entries": made.view.head.size,
        "checkpoint_time": output.time(made.view.time or None),
        "services": made.services,
        "new_files": made.fetched,
        "not_offered": made.missing,
    }
    output.facts(facts, as_json=as_json)
