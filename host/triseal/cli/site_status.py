"""`triseal site status`."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triseal.cli import options, output
from triseal.cli.site_options import Width, node_option, open_site, service_option, where_option

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from triseal.site.manager import Manager
    from triseal.site.views.ends import End
    from triseal.site.views.placements import PlaceFacts

app = typer.Typer()

_REFRESH_SECONDS = 2.0
_CLEAR = "\x1b[H\x1b[2J"  # the cursor to the corner, and an empty screen
_NARROW = ("node", "service", "due", "version", "state", "heard", "not_after", "why")
_WIDE = (*_NARROW[:6], "restarts", "not_after", "grants", "why")


OnlyNodes = Annotated[
    list[str] | None,
    node_option("Only services of this node; may be repeated."),
]
Where = Annotated[str | None, where_option("Only services of nodes")]
OnlyServices = Annotated[
    list[str] | None,
    service_option("Only this service; may be repeated."),
]
Failed = Annotated[
    bool,
    typer.Option("--failed", help="Only services that do not run, or not the due version."),
]
Output = Annotated[
    Width,
    typer.Option(
        "--output",
        "-o",
        help="With `wide`, also restarts and grants.",
        metavar="narrow|wide",
    ),
]
Watch = Annotated[
    bool, typer.Option("--watch", "-w", help="Show it again every 2 s, until Ctrl-C.")
]


@app.command(
    epilog=options.examples(
        "site status",
        "site status -o wide",
        "site status --failed --watch",
        "site status --node kitchen --json",
        "site status --where floor=2 --failed",
    )
)
def status(
    only_nodes: OnlyNodes = None,
    where: Where = None,
    only_services: OnlyServices = None,
    failed: Failed = False,
    width: Output = Width.NARROW,
    watch: Watch = False,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Show the site, the trusted keys, and what runs where."""
    if watch and as_json:
        raise typer.BadParameter("--watch shows a table: it does not go with --json.")
    if where is not None and only_nodes:
        raise typer.BadParameter("not allowed with --node", param_hint="--where")
    chosen = (only_nodes or [], where, only_services or [], failed)
    columns = _WIDE if width == Width.WIDE else _NARROW
    try:
        while True:
            now = int(time.time())
            facts, trusted, places = _read(home_dir, now, *chosen)
            if as_json:
                shown = [_facts(place) for place in places]
                output.facts(facts | {"trusted": trusted, "services": shown}, as_json=True)
                return
            if watch and sys.stdout.isatty():
                typer.echo(_CLEAR, nl=False)
            output.facts(_worth_showing(facts, width), as_json=False)
            typer.echo()
            kinds = ("kind", "name", "may_sign", "fingerprint")
            output.table(trusted, kinds, as_json=False, empty="trusts nobody")
            typer.echo()
            rows = [_facts(place) | {"heard": _ago(place.heard_at, now)} for place in places]
            empty = "none of these" if any(chosen) else "nothing deployed"
            output.table(rows, columns, as_json=False, empty=empty)
            if not watch:
                return
            time.sleep(_REFRESH_SECONDS)
    except KeyboardInterrupt:
        if not watch:
            raise


def _worth_showing(facts: dict[str, object], width: Width) -> dict[str, object]:
    """Leave out what is empty, unless all is asked for."""
    if width == Width.WIDE:
        return facts
    return {name: value for name, value in facts.items() if value not in (None, [])}


def _read(
    home_dir: Path | None,
    now: int,
    only_nodes: list[str],
    where: str | None,
    only_services: list[str],
    failed: bool,
) -> tuple[dict[str, object], list[output.Facts], list[PlaceFacts]]:
    """Read facts about the site, the trusted keys, and the chosen places. Raises a Failure."""
    from triseal import database, request  # slow to load, and --help needs none of it
    from triseal.site.errors import NodeRetired
    from triseal.site.records import nodes, services
    from triseal.site.views import ends, overview, placements, told

    with open_site(home_dir) as site, database.reading(site.engine) as connection:
        for name in only_nodes:
            with contextlib.suppress(NodeRetired):  # its last seals may still be of interest
                nodes.get(connection, name)
        for name in only_services:
            services.get(connection, name)
        only_nodes = only_nodes if where is None else site.matching(where)
        places = [
            place
            for place in placements.places(connection, site.issuer, now)
            if (not only_nodes or place.node in only_nodes)
            and (not only_services or place.service in only_services)
            and not (failed and place.as_due())
        ]
        bundle = site.bundle()
        trusted: list[output.Facts] = [
            vars(row) for row in overview.all_trusted(bundle, site.known_developers())
        ]
        every = ends.all_ends(connection, site.issuer)
        facts: dict[str, object] = {
            "site": site.name,
            "fingerprint": request.fingerprint(site.issuer.spki),
            "lifetime": site.lifetime,
            "bundle_version": bundle.version,
            "claimed_by_two_boards": overview.claimed_by_two_boards(connection, site.issuer),
            "ends_soon": [_end(end) for end in every if end.is_near(now)],
            "database": _database(site),
            "key_change": _key_change(site),
            "with_another_bundle": overview.with_another_bundle(connection, site.issuer),
            "told_by_stores": [str(one) for one in told.concerns(connection)],
            **_not_met(connection),
        }
        facts["seen_at_stores"] = _seen(site)
    return facts, trusted, places


def _not_met(connection: Connection) -> dict[str, object]:
    """Name what rules want and nodes have no room for, and nodes that gave new settings up."""
    from triseal.site.rules import configuring, deploying

    unmet = [f"{place.service} on {place.node}" for place in deploying.unmet(connection)]
    return {"rules_not_met": unmet, "settings_given_up": configuring.given_up(connection)}


def _seen(site: Manager) -> list[str]:
    """Name what runs of releases that the logs of followed Stores say are no longer offered."""
    from triseal.site import following

    return following.concerns(site, following.Follows(site.folder))


def _database(site: Manager) -> str:
    """Say whether the database has everything that the site has changed and sealed."""
    from triseal.errors import Failure

    try:
        site.check_complete()
    except Failure as error:
        return f"{error.code}: {error}"
    return "complete"


def _key_change(site: Manager) -> str | None:
    """Say how a change of the site's key goes on; None if there is none."""
    progress = site.key_progress()
    if progress.concerned is None:
        return None
    waits = site.key_waits_for()
    return f"next: {progress.next}" + (f", waits for {', '.join(waits)}" if waits else "")


def _facts(place: PlaceFacts) -> dict[str, object]:
    return {
        "node": place.node,
        "service": place.service,
        "assigned": place.assigned,
        "due": place.due,
        "version": place.version,
        "state": place.state,
        "heard_at": output.time(place.heard_at),
        "why": place.why,
        "not_after": output.time(place.not_after),
        "grants": place.grants,
        "restarts": place.restarts,
    }


def _end(end: End) -> str:
    return f"{end.kind} {end.name} ({output.time(end.not_after)})"


def _ago(heard_at: int | None, now: int) -> str | None:
    """Say how old a state is, with one unit of time."""
    if heard_at is None:
        return None
    seconds = max(0, now - heard_at)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
