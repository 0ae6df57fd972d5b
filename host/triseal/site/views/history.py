"""The history of what nodes have refused and reported, and the evidence that they have reported."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, select

from sealcore import der, messages
from sealcore.errors import SealError
from triseal import evidence
from triseal.errors import NoContradiction
from triseal.evidence import Finding, Trust
from triseal.site.records.reports import refusals


@dataclass(frozen=True)
class Refusal:
    """A refusal or an error that a node has reported.

    Attributes:
        node, service: the place.
        code: stable code of the error, or the name of an exception in the service.
        detail: more about the error, or "".
        told_at: when the node reported it, Unix seconds.
        seals: the seals that the node has sent as evidence, DER.
    """

    node: str
    service: str
    code: str
    detail: str
    told_at: int
    seals: tuple[bytes, ...]


@dataclass(frozen=True)
class Evidence:
    """Evidence from the reports of nodes.

    Attributes:
        refusal: the newest report that holds it.
        data: the evidence, as `triseal evidence check` reads it.
        finding: the fact that it shows.
        proven: whether the keys that the site trusts prove it; else the code of the reason.
    """

    refusal: Refusal
    data: bytes
    finding: Finding
    proven: str

    @property
    def digest(self) -> str:
        """The first 8 bytes of its SHA-256, in hexadecimal digits."""
        return hashlib.sha256(self.data).hexdigest()[:16]


def refused(
    connection: Connection,
    *,
    nodes: Iterable[str] = (),
    services: Iterable[str] = (),
    since: int = 0,
) -> list[Refusal]:
    """Return what nodes have refused and reported, the newest first.

    Args:
        connection: any transaction.
        nodes: names of nodes; empty for all.
        services: names of services; empty for all.
        since: the earliest time, Unix seconds.
    """
    table = refusals.c
    query = select(refusals).where(table.told_at >= since).order_by(table.id.desc())
    for column, names in ((table.node, list(nodes)), (table.service, list(services))):
        if names:
            query = query.where(column.in_(names))
    return [
        Refusal(
            row.node, row.service, row.code, row.detail, row.told_at, tuple(_seals(row.evidence))
        )
        for row in connection.execute(query)
    ]


def found(history: Iterable[Refusal], trust: Trust) -> list[Evidence]:
    """Find the evidence in reports: each pair of seals that contradict each other, once.

    A node may send anything. `Evidence.proven` says whether the seals are really signed by parties
    that the site trusts.

    Args:
        history: reports, the newest first.
        trust: the keys that the site trusts.
    """
    made: dict[bytes, Evidence] = {}
    for refusal in history:
        for pair in itertools.combinations(refusal.seals, 2):
            try:
                data = evidence.make(*pair)
            except (SealError, NoContradiction):
                continue
            if data not in made:
                finding = evidence.contradiction(*evidence.parse(data))
                made[data] = Evidence(refusal, data, finding, _proven(data, trust))
    return list(made.values())


def _proven(data: bytes, trust: Trust) -> str:
    try:
        evidence.check(data, trust)
    except (SealError, NoContradiction) as error:
        return str(error.code)
    return "proven"


def _seals(stored: bytes) -> Iterator[bytes]:
    """Return the seals of the column `evidence`: a SEQUENCE OF OCTET STRING."""
    inside = der.single(stored)
    while inside.peek() >= 0:
        yield bytes(inside.octets(0, messages.MAX_FRAME))
