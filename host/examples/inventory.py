"""Write what runs where as CSV: python inventory.py > inventory.csv."""

import csv
import sys
from datetime import UTC, datetime

from triseal.site.fleet import Fleet


def iso(seconds: int | None) -> str:
    """Unix seconds as a date and time in UTC; empty for None."""
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


with Fleet() as site:
    nodes = {node.name: node for node in site.nodes()}
    table = csv.writer(sys.stdout)
    table.writerow(["node", "heard", "service", "version", "state", "sealed until", "grants"])
    for place in site.places():
        state = [place.service, place.version, place.state, iso(place.not_after)]
        heard = iso(nodes[place.node].heard_at)
        table.writerow([place.node, heard, *state, " ".join(place.grants)])
