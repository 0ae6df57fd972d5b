"""The desired state: what each node should hold, read once and again only where it changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass

from sqlalchemy import Connection, select

from sealcore import errors, upstream
from sealcore.bundle import TrustBundle
from triseal.certificate import Validity
from triseal.loadable import SERVICE
from triseal.package import Package
from triseal.site.records import nodes, releases, revision, services, tables
from triseal.site.records.placement import Place
from triseal.site.rules import grants, trust
from triseal.site.rules.sealing import Preparer, Wanted
from triseal.site.slca.template import SealTemplate

METADATA = "metadata.json"
DEVELOPER_SEAL = "developer.der"
STORE_SEAL = "store.der"

File = tuple[str, int, bytes]  # name on the board, size in bytes, SHA-256


@dataclass(frozen=True)
class Plan:
    """The desired state of one service on one node.

    Attributes:
        place: the node and the service.
        template: the template of its site seals.
        digest: digest of the template, 32 bytes.
        usable: the time in which both upstream seals are valid.
        package: digest of the package, 32 bytes.
        others: digests of the same template with keys of the site whose seals may live to their
            end.
        files: the files of the package that the node needs.
        kind: of the package.
    """

    place: Place
    template: SealTemplate
    digest: bytes
    usable: Validity
    package: bytes
    files: tuple[File, ...]
    others: frozenset[bytes] = frozenset()
    kind: str = SERVICE

    def is_met_by(self, digest: bytes) -> bool:
        """Tell whether a seal needs no replacement before its time.

        Args:
            digest: digest of the template that the seal was made from.
        """
        return digest == self.digest or digest in self.others

    def validity(self, now: int, lifetime: int) -> Validity:
        """Compute the validity of a seal that is issued now.

        Args:
            now: the time, Unix seconds.
            lifetime: how long a site seal lives, seconds.

        Raises:
            NotYetValid, Expired: an upstream seal is not valid now, so that no node would run the
                service.
        """
        if now < self.usable.not_before:
            raise errors.NotYetValid("developer or Store seal")
        if now > self.usable.not_after:
            raise errors.Expired("developer or Store seal")
        return Validity(now, now + lifetime)


@dataclass(frozen=True)
class NodePlan:
    """The desired state of one node.

    Attributes:
        spki: the node's public key, a DER SubjectPublicKeyInfo.
        services: the plan of each service by name. If the package of a service is no longer
            trusted, or its grants don't fit into a seal, the refusal stands in place of the plan,
            and the other services of the node are not affected.
    """

    spki: bytes
    services: dict[str, Plan | errors.SealError]

    def get(self, service: str) -> Plan | None:
        """Look up the plan of a service.

        Args:
            service: name of the service.

        Returns: the plan; None if the service is not assigned to the node.

        Raises:
            SealError: the service can't be sealed.
        """
        plan = self.services.get(service)
        if isinstance(plan, errors.SealError):
            raise plan
        return plan


class DesiredState:
    """The desired state of all nodes at one revision of the database. Only one thread may use it.

    It keeps what it has read. After a change of the site it reads only the changed places again.

    Args:
        preparer: makes the templates of seals.

    Attributes:
        revision: the revision of the database.
        lifetime: how long a site seal lives, seconds.
        bundle: the newest trust bundle.
    """

    def __init__(self, preparer: Preparer) -> None:
        self.use(preparer)
        self.revision = 0
        self.lifetime = 0
        self.bundle: TrustBundle
        self._nodes: dict[str, NodePlan] = {}
        self._unread: dict[str, set[str]] = {}  # services of a known node that have changed
        self._contents: dict[bytes, tuple[File, ...] | errors.SealError] = {}
        self._changed_at: dict[str, int] = {}
        self._all_changed_at = 0

    def use(self, preparer: Preparer) -> None:
        """Use another key of the site from now on. The same change makes every plan be read again.

        Args:
            preparer: makes the templates of seals.
        """
        self._preparer = preparer
        # While a key is old but not tainted, its seals are renewed when their time comes.
        self._elders = [
            Preparer(one)
            for one in preparer.issuer.others
            if one.term.signs and not one.term.renews
        ]

    def refresh(
        self, connection: Connection, reread: Callable[[Connection], None] | None = None
    ) -> bool:
        """Drop the plans that have changed if the database has a newer revision.

        Args:
            connection: a reading transaction.
            reread: called first of all if it has: it may call `use`.

        Returns: whether the revision was newer.
        """
        newest = revision.current(connection)
        if newest == self.revision:
            return False
        if reread is not None:
            reread(connection)
        places = revision.changed(connection, self.revision, newest)
        if revision.EVERYTHING in places:
            self._forget_all(connection, newest)
        else:
            for place in places:
                self._forget(place, newest)
        self.revision = newest
        return True

    def changed_at(self, node: str) -> int:
        """Return the revision at which the desired state of a node changed last. Thread-safe.

        Args:
            node: name of the node; its desired state must have been read once.
        """
        return max(self._all_changed_at, self._changed_at.get(node, 0))

    def of(self, connection: Connection, node: str, now: int) -> NodePlan:
        """Read the desired state of a node, or return what was read before.

        Args:
            connection: a reading transaction.
            node: name of the node.
            now: the time, Unix seconds.

        Raises:
            UnknownNode, NodeRetired, NotEnrolled: the node can't hold any service.
        """
        plan = self._nodes.get(node)
        unread = self._unread.get(node)
        if plan is None:
            spki = nodes.key_of(connection, node)
            plan = NodePlan(spki, self._load(connection, node, spki, now))
        elif unread:
            kept = {name: one for name, one in plan.services.items() if name not in unread}
            kept.update(self._load(connection, node, plan.spki, now, unread))
            plan = NodePlan(plan.spki, dict(sorted(kept.items())))
        else:
            return plan
        self._nodes[node] = plan
        self._unread.pop(node, None)
        return plan

    def _forget_all(self, connection: Connection, newest: int) -> None:
        self._nodes.clear()
        self._unread.clear()
        self._contents.clear()
        self._changed_at.clear()
        self._all_changed_at = newest
        self.lifetime = connection.execute(select(tables.site.c.lifetime)).scalar_one()
        self.bundle = trust.current(connection, self._preparer.issuer)

    def _forget(self, changed: Place, newest: int) -> None:
        """Forget the plans of a changed place, where `revision.EVERY` may stand for a name."""
        if not changed.service:
            self._nodes.pop(changed.node, None)
            self._unread.pop(changed.node, None)
            self._changed_at[changed.node] = newest
            return
        for node in [changed.node] if changed.node else list(self._nodes):
            if changed.node or self._has(node, changed.service):
                self._unread.setdefault(node, set()).add(changed.service)
                self._changed_at[node] = newest

    def _has(self, node: str, service: str) -> bool:
        """Tell whether a known node has a service, or may have it since an unread change."""
        return service in self._nodes[node].services or service in self._unread.get(node, ())

    def _load(
        self,
        connection: Connection,
        node: str,
        spki: bytes,
        now: int,
        only: Collection[str] | None = None,
    ) -> dict[str, Plan | errors.SealError]:
        """Read the plans of all services of a node, or of some, with a few queries."""
        table = tables.services.c
        query = (
            select(table.name, table.package)
            .join(tables.assignments)
            .where(tables.assignments.c.node == node)
            .order_by(table.name)
        )
        due = releases.of_node(connection, node)
        granted = grants.of_node(connection, node)
        plans: dict[str, Plan | errors.SealError] = {}
        for row in connection.execute(query).all():
            if only is None or row.name in only:
                package = due.get(row.name, row.package)
                wanted = Wanted(Place(node, row.name), spki, package, granted.get(row.name, ()))
                try:
                    plans[row.name] = self._plan(connection, wanted, now)
                except errors.SealError as refusal:
                    plans[row.name] = refusal
        return plans

    def _plan(self, connection: Connection, wanted: Wanted, now: int) -> Plan:
        prepared = self._preparer.prepare(connection, wanted)
        files = self._files(connection, wanted.package, _nearest(prepared.usable, now))
        template = prepared.template
        others = frozenset(
            elder.prepare(connection, wanted).template.digest for elder in self._elders
        )
        return Plan(
            wanted.place,
            template,
            template.digest,
            prepared.usable,
            wanted.package,
            files,
            others,
            prepared.kind,
        )

    def _files(self, connection: Connection, digest: bytes, moment: int) -> tuple[File, ...]:
        """List the files of a package. Raises SealError if the bundle does not trust its seals."""
        files = self._contents.get(digest)
        if files is None:
            package = services.load(connection, digest)
            try:
                upstream.verify_package(package.opened(), self.bundle, moment)
                files = files_of(package)
            except errors.SealError as refusal:
                files = refusal
            self._contents[digest] = files
        if isinstance(files, errors.SealError):
            raise files
        return files


def _nearest(usable: Validity, now: int) -> int:
    """Return the moment nearest to now at which the seals of a package are valid.

    The cached plans must not depend on the time at which they were read. `Plan.validity` checks
    the time.
    """
    return min(max(now, usable.not_before), usable.not_after)


def files_of(package: Package) -> tuple[File, ...]:
    """List the files of a package that a node fetches.

    Args:
        package: the package.

    Returns: for each file its name on the board, its size in bytes, and its SHA-256.
    """
    named = {
        package.name: package.executable,
        METADATA: package.metadata,
        DEVELOPER_SEAL: package.developer_seal,
        STORE_SEAL: package.store_seal,
    }
    return tuple((name, len(data), hashlib.sha256(data).digest()) for name, data in named.items())
