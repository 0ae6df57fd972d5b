"""`triseal store refresh`, `add-witness`, `remove-witness`, `witnesses`: what checkpoints say."""

from __future__ import annotations

from typing import Annotated

import typer

from triseal.cli import options, output
from triseal.cli.store_options import Database, open_store

app = typer.Typer()


@app.command(epilog=options.examples("store refresh"))
def refresh(
    home_dir: options.Home = None, database: Database = None, as_json: options.Json = False
) -> None:
    """Say the time in the log's newest checkpoint again.

    Sites refuse a checkpoint that is older than a week. `store serve` and each change of the Store
    do this as well.
    """
    from triseal.copies import storefiles
    from triseal.copies.storeview import View
    from triseal.errors import NotInitialised
    from triseal.store import journal
    from triseal.store import store as stores

    home = home_dir or stores.default()
    if not (home / journal.KEY).exists():
        raise NotInitialised(f"there is no Store with a log at {home}")
    with open_store(home, database) as store:
        store.refresh(0)
    view = View(storefiles.Folder(home))
    facts = {"log": view.head.origin, "entries": view.head.size}
    output.facts(facts | {"checkpoint_time": output.time(view.time)}, as_json=as_json)


@app.command(epilog=options.examples("store add-witness triseal-witness/6f1c...+0a1b2c3d+BG9r..."))
def add_witness(
    key: Annotated[
        str, typer.Argument(help="Its key, as `site witness` prints it.", metavar="KEY")
    ],
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Publish the cosignatures of a witness from now on."""
    from triseal.store import store as stores  # slow to load, and --help needs none of it
    from triseal.store.witnesses import Witnesses

    added = Witnesses(home_dir or stores.default()).add(key)
    output.facts({"name": added.name, "key": str(added)}, as_json=as_json)


@app.command(epilog=options.examples("store remove-witness triseal-witness/6f1c..."))
def remove_witness(
    name: Annotated[str, typer.Argument(help="Its name.", metavar="NAME")],
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Publish the cosignatures of a witness no longer."""
    from triseal.store import store as stores
    from triseal.store.witnesses import Witnesses

    Witnesses(home_dir or stores.default()).remove(name)
    output.facts({"name": name, "witness": False}, as_json=as_json)


@app.command(epilog=options.examples("store witnesses"))
def witnesses(home_dir: options.Home = None, as_json: options.Json = False) -> None:
    """List the witnesses of the Store's log."""
    from triseal.store import store as stores
    from triseal.store.witnesses import Witnesses

    known = Witnesses(home_dir or stores.default()).keys()
    rows = [{"name": key.name, "key": str(key)} for key in known]
    output.table(rows, ("name", "key"), as_json=as_json, empty="no witness")
