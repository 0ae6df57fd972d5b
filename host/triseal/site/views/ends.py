"""The ends of everything that a site depends on: certificates, and the seals of its packages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, union

from sealcore import identity, seal, x509
from triseal.site.records import tables
from triseal.site.rules import trust
from triseal.site.slca.authority import Issuer

DAY = 86400

# How long before its end a certificate is worth a warning. After the end of the site's own nobody
# can sign; `triseal site key renew` replaces it. A node renews its certificate by itself in the
# middle of its year, so that one with less than a month left has not come for weeks. A developer
# and a Store have to sign a package again, and a Store needs another CA certificate.
WARN = {"site": 365 * DAY, "store": 180 * DAY, "node": 30 * DAY, "package": 30 * DAY}


@dataclass(frozen=True)
class End:
    """The end of one certificate, or of the seals of one package.

    Attributes:
        kind: "site", "store", "node" or "package".
        name: name of the site, Store, node or service.
        not_after: its last second, Unix seconds.
    """

    kind: str
    name: str
    not_after: int

    def is_near(self, now: int) -> bool:
        """Tell whether somebody should act.

        Args:
            now: the time, Unix seconds.
        """
        return self.not_after - now < WARN[self.kind]


def all_ends(connection: Connection, issuer: Issuer) -> list[End]:
    """Return all ends, the earliest first. Retired nodes and unused packages don't count.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA.
    """
    ends = [End("site", issuer.site, issuer.validity.not_after), *_packages(connection)]
    for part in (_stores, _nodes):
        ends += part(connection, issuer)
    return sorted(ends, key=lambda e: e.not_after)


def _stores(connection: Connection, issuer: Issuer) -> Iterator[End]:
    trusted = {bytes(spki) for _, spki in trust.current(connection, issuer).store_keys}
    for row in connection.execute(select(tables.stores)):
        if row.spki in trusted:
            yield End("store", row.name, x509.parse(row.certificate).not_after)


def _nodes(connection: Connection, issuer: Issuer) -> Iterator[End]:
    table = tables.certificates.c
    query = select(table.uri, func.max(table.not_after).label("until")).group_by(table.uri)
    until = {row.uri: row.until for row in connection.execute(query)}
    nodes = tables.nodes.c
    enrolled = nodes.spki.is_not(None) & nodes.retired_at.is_(None)
    for name in connection.scalars(select(nodes.name).where(enrolled)):
        # Without one, its certificate ended so long ago that it was pruned.
        yield End("node", name, until.get(identity.node(issuer.site, name), 0))


def _packages(connection: Connection) -> Iterator[End]:
    """The developer and Store seals of all packages that a node gets: after them nothing renews."""
    services, releases, packages = tables.services.c, tables.releases.c, tables.packages.c
    due = union(select(services.package), select(releases.package))
    assigned = select(tables.assignments.c.service)
    query = select(packages.service, packages.developer_seal, packages.store_seal)
    rows = connection.execute(query.where(packages.digest.in_(due), packages.service.in_(assigned)))
    for row in rows:
        developer = seal.parse(row.developer_seal, seal.DEVELOPER)
        store = seal.parse(row.store_seal, seal.STORE)
        yield End("package", row.service, min(developer.not_after, store.not_after))
