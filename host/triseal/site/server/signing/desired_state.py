"""What each node should hold, read once per revision: services, their files, seals laid out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, select

from sealcore import errors, upstream
from sealcore.bundle import TrustBundle
from triseal.certificate import Validity
from triseal.package import Package
from triseal.site.records import nodes, releases, revision, services, tables
from triseal.site.records.ledger import Place
from triseal.site.rules import grants, trust
from triseal.site.rules.sealing import Preparer, Wanted
from triseal.site.slca.template import SealTemplate

METADATA = "metadata.json"
DEVELOPER_SEAL = "developer.der"
STORE_SEAL = "store.der"

File = tuple[str, int, bytes]  # name on the board, octets, SHA-256


@dataclass(frozen=True)
class Plan:
    """One service as it should be on one node.

    Attributes:
        place: where.
        template: of its site seals.
        digest: of the template.
        usable: when both upstream seals are valid.
        package: its digest.
        files: what the node needs of it.
    """

    place: Place
    template: SealTemplate
    digest: bytes
    usable: Validity
    package: bytes
    files: tuple[File, ...]

    def validity(self, now: int, lifetime: int) -> Validity:
        """First and last second of a seal issued now.

        Raises:
            NotYetValid, Expired: an upstream seal is not valid now, so no node would run it.
        """
        if now < self.usable.not_before:
            raise errors.NotYetValid("developer or Store seal")
        if now > self.usable.not_after:
            raise errors.Expired("developer or Store seal")
        return Validity(now, now + lifetime)


@dataclass(frozen=True)
class NodePlan:
    """A node: its key (SubjectPublicKeyInfo), and its services by name.

    A service whose package isn't trusted any more, or whose seal can't hold all its grants, stands
    there as the refusal: the node's other services don't suffer for it.
    """

    spki: bytes
    services: dict[str, Plan | errors.SealError]

    def get(self, service: str) -> Plan | None:
        """The plan of a service that may be sealed; None if it is not assigned.

        Raises: the refusal of a service that can't be sealed.
        """
        found = self.services.get(service)
        if isinstance(found, errors.SealError):
            raise found
        return found


class Plans:
    """The plans of all nodes at one revision of the database. For one thread.

    Args:
        preparer: lays seals out.
    """

    def __init__(self, preparer: Preparer) -> None:
        self._preparer = preparer
        self.revision = 0
        self.lifetime = 0
        self.bundle: TrustBundle
        self._nodes: dict[str, NodePlan] = {}
        self._contents: dict[bytes, tuple[File, ...] | errors.SealError] = {}

    def refresh(self, connection: Connection) -> bool:
        """Forget what an older revision said; whether there was something to forget."""
        number = revision.current(connection)
        if number == self.revision:
            return False
        self._nodes.clear()
        self._contents.clear()
        self.lifetime = connection.execute(select(tables.site.c.lifetime)).scalar_one()
        self.bundle = trust.current(connection)
        self.revision = number
        return True

    def of(self, connection: Connection, node: str, now: int) -> NodePlan:
        """What a node should hold. Raises: UnknownNode, NodeRetired, NotEnrolled."""
        found = self._nodes.get(node)
        if found is None:
            spki = nodes.key_of(connection, node)
            found = NodePlan(spki, self._load(connection, node, spki, now))
            self._nodes[node] = found
        return found

    def _load(
        self, connection: Connection, node: str, spki: bytes, now: int
    ) -> dict[str, Plan | errors.SealError]:
        query = (
            select(tables.services.c.name, tables.services.c.package)
            .join(tables.assignments)
            .where(tables.assignments.c.node == node)
        )
        due = releases.of_node(connection, node)
        plans: dict[str, Plan | errors.SealError] = {}
        for row in connection.execute(query).all():
            granted = grants.effective(connection, row.name, node)
            package = due.get(row.name, row.package)
            one = Wanted(Place(node, row.name), spki, package, granted)
            try:
                plans[row.name] = self._plan(connection, one, now)
            except errors.SealError as refusal:
                plans[row.name] = refusal
        return plans

    def _plan(self, connection: Connection, one: Wanted, now: int) -> Plan:
        made = self._preparer.prepare(connection, one)
        files = self._files(connection, one.package, _during(made.usable, now))
        return Plan(one.place, made.template, made.template.digest, made.usable, one.package, files)

    def _files(self, connection: Connection, digest: bytes, moment: int) -> tuple[File, ...]:
        """The files of a package; raises if the trust bundle no longer bears its seals out."""
        found = self._contents.get(digest)
        if found is None:
            package = services.load(connection, digest)
            try:
                upstream.verify_package(package.opened(), self.bundle, moment)
                found = files_of(package)
            except errors.SealError as refusal:
                found = refusal
            self._contents[digest] = found
        if isinstance(found, errors.SealError):
            raise found
        return found


def _during(usable: Validity, now: int) -> int:
    """The moment nearest to now at which a package's seals are valid.

    What is read once per revision must not depend on when: `Plan.validity` asks for the time.
    """
    return min(max(now, usable.not_before), usable.not_after)


def files_of(package: Package) -> tuple[File, ...]:
    """A package as the files that a node fetches."""
    named = {
        package.name: package.executable,
        METADATA: package.metadata,
        DEVELOPER_SEAL: package.developer_seal,
        STORE_SEAL: package.store_seal,
    }
    return tuple((name, len(data), hashlib.sha256(data).digest()) for name, data in named.items())
