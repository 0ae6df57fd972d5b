"""`triseal site status`."""

from __future__ import annotations

import typer

from triseal import database, request
from triseal.cli import options, output
from triseal.cli.site_options import open_site
from triseal.site.views import overview, placements

app = typer.Typer()


@app.command(epilog=options.examples("site status", "site status --json"))
def status(home_dir: options.Home = None, as_json: options.Json = False) -> None:
    """Show the site, the trusted keys, and what runs where."""
    with open_site(home_dir) as site, database.reading(site.engine) as connection:
        places = [_place(row) for row in placements.places(connection)]
        trusted = [vars(row) for row in overview.all_trusted(connection)]
        claimed = [
            row.name for row in overview.all_nodes(connection) if row.state == overview.TWO_BOARDS
        ]
        facts: dict[str, object] = {
            "site": site.name,
            "fingerprint": request.fingerprint(site.issuer.spki),
            "lifetime": site.lifetime,
            "bundle_version": overview.bundle_version(connection),
            "claimed_by_two_boards": claimed,
        }
    if as_json:
        output.facts(facts | {"trusted": trusted, "services": places}, as_json=True)
        return
    output.facts(facts, as_json=False)
    typer.echo()
    output.table(trusted, ("kind", "name", "fingerprint"), as_json=False, empty="trusts nobody")
    typer.echo()
    columns = (
        *("node", "service", "due", "version", "state"),
        *("restarts", "not_after", "grants", "why"),
    )
    output.table(places, columns, as_json=False, empty="nothing deployed")


def _place(place: placements.PlaceFacts) -> output.Facts:
    return {
        "node": place.node,
        "service": place.service,
        "assigned": place.assigned,
        "due": place.due,
        "version": place.version,
        "state": place.state,
        "why": place.why,
        "not_after": output.time(place.not_after),
        "grants": place.grants,
        "restarts": place.restarts,
    }
