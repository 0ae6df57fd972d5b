"""`triseal site refusals` and `evidence`: the reports of nodes."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triseal import files
from triseal.cli import options, output
from triseal.cli.site_options import chosen, node_option, open_site, service_option, where_option

if TYPE_CHECKING:
    from sealcore.bundle import TrustBundle
    from triseal.site.views.history import Evidence, Refusal

app = typer.Typer()

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_COLUMNS = ("told_at", "node", "service", "code", "detail", "seals")
_FILES = ("file", "node", "service", "kind", "role", "signer", "signatures")

OnlyNodes = Annotated[
    list[str] | None,
    node_option("Only reports of this node; may be repeated."),
]
Where = Annotated[str | None, where_option("Only reports of nodes")]
OnlyServices = Annotated[
    list[str] | None,
    service_option("Only reports about this service; may be repeated."),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        help="Only reports since then: 90m, 2h, 7d ago, or a time such as 2026-11-30T08:00Z.",
        metavar="TIME",
    ),
]


@app.command(
    epilog=options.examples(
        "site refusals",
        "site refusals --node kitchen --since 2h",
        "site refusals --where floor=2",
        "site refusals --service thermo --json",
    )
)
def refusals(
    only_nodes: OnlyNodes = None,
    where: Where = None,
    only_services: OnlyServices = None,
    since: Since = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Show what nodes refused and reported.

    The newest comes first. The site keeps the last 64 reports of each node.
    """
    with _history(home_dir, (only_nodes, where), only_services, since) as (_, found):
        rows = [_row(one) for one in found]
    output.table(rows, _COLUMNS, as_json=as_json, empty="no reports")


@app.command(
    epilog=options.examples(
        "site evidence evidence-of-plant", "site evidence out --node kitchen --since 7d --json"
    )
)
def evidence(
    folder: Annotated[
        Path, typer.Argument(help="Folder for the files.", metavar="DIR", readable=False)
    ],
    only_nodes: OnlyNodes = None,
    where: Where = None,
    only_services: OnlyServices = None,
    since: Since = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Write the evidence of nodes into files.

    `triseal evidence check` verifies it. A node sends the seals that contradict each other with its
    refusal. Existing files of other evidence stay as they are.
    """
    from triseal.site.views import history  # slow to load, and --help needs none of it

    with _history(home_dir, (only_nodes, where), only_services, since) as (keys, found):
        proofs = history.found(found, keys)
    rows = []
    for one in proofs:
        path = folder / _name(one)
        files.write(path, one.data)
        rows.append(_facts(one) | {"file": str(path)})
    output.table(rows, _FILES, as_json=as_json, empty="no evidence was reported")


@contextlib.contextmanager
def _history(
    home_dir: Path | None,
    which: tuple[list[str] | None, str | None],
    only_services: list[str] | None,
    since: str | None,
) -> Iterator[tuple[TrustBundle, list[Refusal]]]:
    """Read the chosen reports, and the keys that the site trusts."""
    from triseal import database
    from triseal.site.errors import NodeRetired
    from triseal.site.records import nodes
    from triseal.site.rules import trust
    from triseal.site.views import history

    begin = 0 if since is None else _moment(since)
    with open_site(home_dir) as site, database.reading(site.engine) as connection:
        only_nodes = chosen(site, *which)
        for name in only_nodes:
            with contextlib.suppress(NodeRetired):  # its reports are still of interest
                nodes.get(connection, name)
        yield (
            trust.current(connection, site.issuer),
            history.refused(
                connection, nodes=only_nodes, services=only_services or (), since=begin
            ),
        )


def _moment(text: str) -> int:
    """Parse a time: how long ago it was, or ISO 8601 (UTC unless it says otherwise)."""
    ago = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if ago:
        return int(time.time()) - int(ago[1]) * _UNITS[ago[2]]
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            "give a time such as 90m, 2h, 7d or 2026-11-30T08:00Z", param_hint="--since"
        ) from None


def _row(one: Refusal) -> dict[str, object]:
    return {
        "told_at": output.time(one.told_at),
        "node": one.node,
        "service": one.service,
        "code": one.code,
        "detail": one.detail,
        "seals": len(one.seals),
    }


def _facts(one: Evidence) -> dict[str, object]:
    facts = _row(one.refusal) | vars(one.finding) | {"signatures": one.proven}
    return facts | {"service": one.refusal.service, "file": ""}


def _name(one: Evidence) -> str:
    """Name a file: the same evidence always gets the same name, and no name leaves the folder."""
    place = f"{one.refusal.node}-{one.refusal.service}"
    return f"{re.sub('[^A-Za-z0-9-]', '_', place)}-{one.digest}.evidence"
