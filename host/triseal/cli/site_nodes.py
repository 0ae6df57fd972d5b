"""`triseal site add-node`, `rekey`, `retire` and `nodes`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triseal import files
from triseal.cli import completion, guarantees, options, output, waiting
from triseal.cli.site_options import NodeName, Width, chosen, open_site, where_option

if TYPE_CHECKING:
    from triseal.site.manager import Manager
    from triseal.site.views.overview import NodeFacts

app = typer.Typer()

_REKEY_SECONDS = 30.0
_CHECK_EVERY = 0.2

_NARROW = ("node", "state", "services", "heard_at", "agent", "firmware", "last_reset")
_WIDE = (
    *_NARROW,
    "board",
    "chip",
    "slot",
    "spare",
    "address",
    "free_heap",
    "free_flash",
    "uptime",
    "bundle_version",
    "other_bundle",
    "labels",
)

Output = Annotated[
    Width,
    typer.Option(
        "--output",
        "-o",
        help="With `wide`, also board, chip, address, memory, uptime, trust bundle and labels.",
        metavar="narrow|wide",
    ),
]


@app.command(
    epilog=options.examples(
        "site add-node kitchen", "site add-node hall --request hall.csr --out hall.crt"
    )
)
def add_node(
    node: NodeName,
    csr: Annotated[
        Path | None,
        typer.Option(
            "--request",
            help="Enrol it now with this PKCS #10 request.",
            metavar="FILE",
            readable=False,
        ),
    ] = None,
    out: options.Out = None,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Add a node. `triseal node provision` then makes a board this node."""
    from triseal.request import MAX_SIZE  # slow to load, and --help needs none of it

    wanted = None if csr is None else files.read(csr, MAX_SIZE)
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


@app.command(epilog=options.examples("site retire kitchen"))
def retire(
    node: NodeName,
    wait: waiting.Wait = waiting.DEFAULT_SECONDS,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Cut a node off forever. Prints when it runs nothing any more."""
    with open_site(home_dir) as site:
        guarantee = waiting.confirmations(site, site.retire(node), wait, node=node)
    guarantees.show(guarantee, as_json=as_json)


@app.command(epilog=options.examples("site rekey kitchen", "site rekey --all --wait 120"))
def rekey(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names of nodes.", metavar="[NODE]...", autocompletion=completion.nodes
        ),
    ] = None,
    where: Annotated[str | None, where_option("Nodes")] = None,
    every: Annotated[bool, typer.Option("--all", help="All enrolled nodes.")] = False,
    wait: waiting.Wait = _REKEY_SECONDS,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Let nodes make new keys, which their present keys prove.

    Prints which nodes have a new key. One that is not connected makes it when it comes; one that
    lacks the memory keeps its key, and is not asked again before you repeat the command."""
    if sum((bool(names), where is not None, every)) != 1:
        raise typer.BadParameter("give names of nodes, --where, or --all")
    with open_site(home_dir) as site:
        before = site.rekey(chosen(site, names, where))
        end = time.monotonic() + wait
        while (left := _unchanged(site, before)) and time.monotonic() < end:
            time.sleep(_CHECK_EVERY)
    changed = [name for name in before if name not in left]
    output.facts({"new_key": changed, "waiting": left}, as_json=as_json)


def _unchanged(site: Manager, before: dict[str, bytes]) -> list[str]:
    """Return the names of the nodes that have the same key as before."""
    now = site.node_keys()
    return [name for name, key in before.items() if now.get(name) == key]


@app.command(
    epilog=options.examples("site nodes", "site nodes -o wide --where floor=2", "site nodes --json")
)
def nodes(
    where: Annotated[str | None, where_option("Only nodes")] = None,
    width: Output = Width.NARROW,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """List the nodes.

    Agent, firmware (MicroPython), board and memory are what a node said when it connected last.

    If a node is claimed by two boards, there is a copy of its flash, or its connection breaks
    often. Find the copy, or give the right board a new key with `triseal node provision --replace`.
    The other board is then refused.

    A node with another trust bundle than the site was told to trust others before a backup of the
    site was restored: run `triseal site restored`.
    """
    from triseal import database
    from triseal.site.views import overview

    with open_site(home_dir) as site, database.reading(site.engine) as connection:
        only = None if where is None else site.matching(where)
        every = overview.all_nodes(connection, site.issuer)
        rows = [_node(node) for node in every if only is None or node.name in only]
    columns = _WIDE if width == Width.WIDE else _NARROW
    output.table(rows, columns, as_json=as_json, empty="no nodes")


def _node(node: NodeFacts) -> dict[str, object]:
    """Return what is known of a node. What it said about itself are claims."""
    told, now = node.facts, node.vitals
    return {
        "node": node.name,
        "state": node.state,
        "services": node.services,
        "heard_at": output.time(node.heard_at),
        "agent": told.get("agent"),
        "firmware": told.get("micropython"),
        "last_reset": node.reset_cause,
        "board": told.get("board"),
        "chip": told.get("chip"),
        "port": told.get("port"),
        "mpy": told.get("mpy"),
        "slot": told.get("slot"),
        "spare": told.get("spare"),
        "address": (now.address or None) if now else None,
        "free_heap": now.heap if now else None,
        "free_flash": now.flash if now else None,
        "uptime": now.uptime if now else None,
        "told_at": output.time(now.told_at) if now else None,
        "bundle_version": node.bundle_version,
        "other_bundle": node.other_bundle,
        "labels": [f"{key}={value}" for key, value in node.labels.items()],
    }
