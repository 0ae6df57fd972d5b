"""The overview of a site: nodes, services and trusted keys, as plain facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, select

from sealcore import names
from sealcore.bundle import TrustBundle
from triseal import bundles, request
from triseal.bundles import Entry
from triseal.site.records import labels, tables, twins, vitals
from triseal.site.records.vitals import Vitals
from triseal.site.rules import trust
from triseal.site.slca.authority import Issuer
from triseal.site.views import placements

TWO_BOARDS = "claimed by two boards"


@dataclass(frozen=True)
class NodeFacts:
    """A node. Times are Unix seconds or None.

    Attributes:
        name: name of the node.
        state: "added", "awaiting enrolment" (an image with a token was made), "enrolled", "claimed
            by two boards" (seen in the two hours before the node was last heard) or "retired".
        services: names of the assigned services.
        heard_at: when the node last sent something.
        bundle_version: version of the trust bundle that the node has.
        other_bundle: whether this bundle is none of those in the site's database, as after the
            restore of a backup.
        reset_cause: reason for the last reset that the node has reported, a word such as "power-on"
            or "watchdog".
        labels: what people call it, values by key.
        facts: what it has said about itself, values by key.
        vitals: what it has said about its condition, or None.
    """

    name: str
    state: str
    services: tuple[str, ...]
    heard_at: int | None
    bundle_version: int | None
    other_bundle: bool = False
    reset_cause: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    vitals: Vitals | None = None


@dataclass(frozen=True)
class ServiceFacts:
    """A service with its newest release.

    Attributes:
        name: name of the service.
        version: version of the newest release.
        security_version: its security version.
        held: the version that nodes get until they are moved on; None if all get the newest.
        nodes: names of the nodes that have the service.
        grants: grants by node; those for all nodes under tables.EVERY_NODE.
    """

    name: str
    version: str
    security_version: int
    held: str | None
    nodes: tuple[str, ...]
    grants: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Trusted:
    """A Store or developer that the site trusts.

    Attributes:
        kind: "store" or "developer".
        name: its name.
        fingerprint: fingerprint of its key.
        may_sign: the kinds of packages that a developer may sign, in words; None for a Store.
    """

    kind: str
    name: str
    fingerprint: str
    may_sign: str | None = None


def all_nodes(connection: Connection, issuer: Issuer) -> list[NodeFacts]:
    """Return every node, sorted by name.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA.
    """
    other = trust.nodes_with_others(connection, issuer)
    assigned = _grouped(connection, by_node=True)
    unused = select(tables.tokens.c.node).where(tables.tokens.c.certificate.is_(None))
    awaited = set(connection.scalars(unused))
    claimed = twins.seen(connection)
    given, told = labels.given(connection), labels.told(connection)
    present = vitals.every(connection)
    rows = connection.execute(select(tables.nodes).order_by(tables.nodes.c.name))
    return [
        NodeFacts(
            row.name,
            _state(row, awaited, claimed.get(row.name)),
            tuple(assigned.get(row.name, ())),
            row.heard_at,
            row.bundle_version,
            row.name in other,
            row.reset_cause,
            given.get(row.name, {}),
            told.get(row.name, {}),
            present.get(row.name),
        )
        for row in rows
    ]


def claimed_by_two_boards(connection: Connection, issuer: Issuer) -> list[str]:
    """Return the names of the nodes whose state is TWO_BOARDS, sorted.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA.
    """
    if not twins.seen(connection):  # spares the list of all nodes
        return []
    return [node.name for node in all_nodes(connection, issuer) if node.state == TWO_BOARDS]


def with_another_bundle(connection: Connection, issuer: Issuer) -> list[str]:
    """Return the names of the nodes that have a trust bundle which is not in the database, sorted.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA.
    """
    return sorted(trust.nodes_with_others(connection, issuer))


def all_services(connection: Connection) -> list[ServiceFacts]:
    """Return every service, sorted by name.

    Args:
        connection: any transaction.
    """
    assigned = _grouped(connection, by_node=False)
    given = _grants(connection)
    held = placements.held(connection)
    rows = connection.execute(select(tables.services).order_by(tables.services.c.name))
    return [
        ServiceFacts(
            row.name,
            row.service_version,
            row.security_version,
            held.get(placements.others(row.name)),
            tuple(assigned.get(row.name, ())),
            given.get(row.name, {}),
        )
        for row in rows
    ]


def all_trusted(trusted: TrustBundle, known: Mapping[bytes, Entry]) -> list[Trusted]:
    """Return every Store, then every developer.

    Args:
        trusted: the newest trust bundle.
        known: name and key of developers by hash, from `trust.known`.
    """
    stores = [
        Trusted("store", names.common_name(name), request.fingerprint(bytes(spki)))
        for name, spki in trusted.store_keys
    ]
    developers = [
        (*trust.describe(entry, known), bundles.words(kinds))
        for entry, kinds in bundles.developers_of(trusted)
    ]
    return stores + [Trusted("developer", *one) for one in sorted(developers)]


def _state(row: Row[Any], awaited: set[str], claimed: int | None) -> str:
    if row.retired_at:
        return "retired"
    if claimed is not None and claimed + twins.SECONDS >= (row.heard_at or 0):
        return TWO_BOARDS
    if row.spki:
        return "enrolled"
    return "awaiting enrolment" if row.name in awaited else "added"


def _grouped(connection: Connection, *, by_node: bool) -> dict[str, list[str]]:
    table = tables.assignments.c
    groups: dict[str, list[str]] = {}
    for row in connection.execute(select(table.node, table.service).order_by(*table)):
        key, value = (row.node, row.service) if by_node else (row.service, row.node)
        groups.setdefault(key, []).append(value)
    return groups


def _grants(connection: Connection) -> dict[str, dict[str, tuple[str, ...]]]:
    given: dict[str, dict[str, tuple[str, ...]]] = {}
    for row in connection.execute(select(tables.grants).order_by(*tables.grants.c)):
        by_node = given.setdefault(row.service, {})
        by_node[row.node] = (*by_node.get(row.node, ()), row.grant)
    return given
