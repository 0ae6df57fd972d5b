"""What Stores have told about what runs at a site."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from triseal import notices
from triseal.site.records import told
from triseal.site.rules import review


@dataclass(frozen=True)
class Concern:
    """Something that runs here, and what its Store has told about it.

    Attributes:
        store: name of the Store.
        service, version: what runs.
        nodes: names of the nodes.
        what: "withdrawn", "quarantined", or "developer suspended".
        reason: the Store's reason.
    """

    store: str
    service: str
    version: str
    nodes: tuple[str, ...]
    what: str
    reason: str

    def __str__(self) -> str:
        """Return one line for people."""
        where = ", ".join(self.nodes)
        return (
            f"{self.service} {self.version} on {where}: {self.what} at {self.store}: {self.reason}"
        )


def concerns(connection: Connection) -> list[Concern]:
    """Return what runs of a release that is withdrawn or held back, or of a suspended developer.

    Args:
        connection: any transaction.
    """
    stores = told.stores(connection)
    if not stores:  # spares the parsing of all seals
        return []
    runs = review.running(connection)
    return [found for store in stores for found in _of(connection, store, runs)]


def _of(connection: Connection, store: str, runs: list[review.Running]) -> Iterator[Concern]:
    every = told.changes(connection, store)
    gone, barred = review.withdrawn(every), review.suspended(every)
    for one in runs:
        if one.store != store:
            continue
        found = gone.get((one.service, "")) or gone.get((one.service, one.version))
        if found is not None:
            what = "withdrawn" if found.kind == notices.WITHDRAWN else "quarantined"
            yield Concern(store, one.service, one.version, one.nodes, what, found.reason)
        if one.developer in barred:
            what = "developer suspended"
            yield Concern(
                store, one.service, one.version, one.nodes, what, barred[one.developer].reason
            )
