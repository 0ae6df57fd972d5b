"""The SLSM: what people and nodes ask of a site. Each decision has a module of its own.

Every call is one transaction, or ends as if it had not been made.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Connection

from sealcore import keys, proof
from sealcore.bundle import TrustBundle
from sealcore.seal import Seal
from triseal import database
from triseal.certificate import Validity
from triseal.package import Package
from triseal.site import clock, home
from triseal.site.deployment import Deployment
from triseal.site.records import (
    holdings,
    ledger,
    node_clocks,
    nodes,
    restarts,
    services,
    tables,
    tokens,
)
from triseal.site.records.placement import Place
from triseal.site.rules import grants, guarantee, rollout, trust
from triseal.site.rules.guarantee import Guarantee
from triseal.site.rules.sealing import Preparer, Sealer, check_fits
from triseal.site.slca.authority import Authority, Certified

NODE_SECONDS = 365 * 86400

Clock = Callable[[], int]
Ask = Callable[[], bytes]


def now() -> int:
    """This computer's time, Unix seconds."""
    return int(time.time())


class Manager:
    """A site that has been made. A context manager; safe for several threads and processes.

    Args:
        folder: the site's home.
        ask: gives the passphrase of the site key; called when something is to be signed.
        clock: gives the time, Unix seconds.

    Attributes:
        engine: the site's database.
        name: the site's.
        lifetime: of its seals, seconds.
        issuer: the public side of the SLCA.
        preparer: lays out seals.

    Raises: NotInitialised, Incomplete, DatabaseUnusable.
    """

    def __init__(self, folder: Path, ask: Ask, clock: Clock = now) -> None:
        self._folder = folder
        self._ask = ask
        self._clock = clock
        self._authority: Authority | None = None
        self.engine, self.issuer, self.lifetime = home.open_site(folder)
        self.name = self.issuer.site
        self.preparer = Preparer(self.issuer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database. Threads that use the site have to end before."""
        self.engine.dispose()

    @property
    def authority(self) -> Authority:
        """The SLCA; asks for its passphrase the first time."""
        if self._authority is None:
            self._authority = home.unlock(self._folder, self.issuer, self._ask)
        return self._authority

    def unlock(self) -> None:
        """Ask for the passphrase now rather than in the middle. Raises: see keyfile.load."""
        _ = self.authority

    def check_clock(self) -> None:
        """Raises ClockDoubted where this computer's time can't be signed."""
        with database.reading(self.engine) as connection:
            clock.check(connection, self._clock())

    def accept_clock(self) -> None:
        """This computer's time is right, whatever was noted before."""
        with self._changing() as connection:
            clock.accept(connection, self._clock())
            clock.note(connection, self._clock(), doubted=False)

    def check_node(self, node: str) -> None:
        """Raises UnknownNode or NodeRetired."""
        with database.reading(self.engine) as connection:
            nodes.get(connection, node)

    def check_has_key(self, node: str, nonce: bytes, signature: bytes) -> None:
        """That the node's key made this signature over a nonce: see sealcore.proof.

        Raises: BadSignature, UnknownNode, NodeRetired, NotEnrolled.
        """
        with database.reading(self.engine) as connection:
            key = keys.parse(nodes.key_of(connection, node))
        key.verify(proof.tbs(node, nonce), signature)

    def assigned(self, node: str) -> list[str]:
        """The services of a node, by name. Raises: UnknownNode, NodeRetired."""
        with database.reading(self.engine) as connection:
            nodes.get(connection, node)
            return services.assigned(connection, node)

    def bundle(self) -> TrustBundle:
        """The newest trust bundle."""
        with database.reading(self.engine) as connection:
            return trust.current(connection)

    def trust_store(self, certificate: bytes) -> tuple[str, TrustBundle]:
        """Trust a Store by its CA certificate (DER): its name, and the bundle that says so.

        Raises: see trust.add_store; TooLarge if the bundle has no room.
        """
        slca = self.authority
        with self._changing() as connection:
            name, fresh = trust.add_store(connection, certificate, self._clock())
            return name, self._publish(connection, slca, fresh=fresh)

    def trust_developer(self, name: str, spki: bytes) -> TrustBundle:
        """Trust a developer's key (SubjectPublicKeyInfo, DER) under a name; as `trust_store`."""
        slca = self.authority
        with self._changing() as connection:
            fresh = trust.add_developer(connection, name, spki)
            return self._publish(connection, slca, fresh=fresh)

    def distrust_store(self, name: str) -> TrustBundle:
        """Believe a Store no longer. Raises: UnknownKey."""
        slca = self.authority
        with self._changing() as connection:
            trust.remove_store(connection, name)
            return self._publish(connection, slca, fresh=True)

    def distrust_developer(self, name: str) -> TrustBundle:
        """Believe none of a developer's keys any longer. Raises: UnknownKey."""
        slca = self.authority
        with self._changing() as connection:
            trust.remove_developer(connection, name)
            return self._publish(connection, slca, fresh=True)

    def add_node(self, node: str) -> None:
        """Add a node by name. Raises: see nodes.add."""
        with self._changing() as connection:
            nodes.add(connection, node, self._clock())

    def add_enrolled(self, node: str, csr: bytes) -> Certified:
        """Add a node with its request, and its certificate: both or neither.

        Who lost the certificate repeats it with a request of the same key.
        """
        slca = self.authority
        with self._changing() as connection:
            if not nodes.is_known(connection, node, csr):
                nodes.add(connection, node, self._clock())
            return self._enrol(connection, slca, node, csr, replace=False)

    def enrol(self, node: str, csr: bytes, *, replace: bool = False) -> Certified:
        """The certificate of a node for its request, recorded. Raises: see nodes.enrol."""
        slca = self.authority
        with self._changing() as connection:
            return self._enrol(connection, slca, node, csr, replace=replace)

    def check_free(self, node: str, *, replace: bool = False) -> None:
        """Raises UnknownNode, NodeRetired or OtherKey: see tokens.check_free."""
        with database.reading(self.engine) as connection:
            tokens.check_free(connection, node, replace=replace)

    def allow_grace(self, node: str, seconds: int, *, in_force: bool) -> None:
        """Note what a node is allowed, so that guarantees name it: see nodes.allow_grace."""
        with self._changing() as connection:
            nodes.allow_grace(connection, node, seconds, in_force=in_force)

    def expect(
        self, node: str, token: bytes, seconds: int, *, grace: int = 0, replace: bool = False
    ) -> None:
        """Await a board that has this one-time token, for so many seconds; voids older tokens.

        Args:
            grace: that its settings allow it, seconds.

        Raises: as `check_free`.
        """
        with self._changing() as connection:
            tokens.check_free(connection, node, replace=replace)
            nodes.allow_grace(connection, node, grace, in_force=False)
            tokens.expect(connection, node, token, self._clock() + seconds)

    def redeem(self, csr: bytes, proof: bytes) -> bytes:
        """The certificate (DER) of a board that proves its one-time token; the token is used up.

        Who lost it repeats this with a request of the same key. Raises: see tokens.check.
        """
        with database.reading(self.engine) as connection:  # nobody is held up by who has no token
            tokens.check(connection, csr, proof, self._clock())
        slca = self.authority
        with self._changing() as connection:
            proven = tokens.check(connection, csr, proof, self._clock())
            if proven.certificate is not None:
                return proven.certificate
            return self._enrol(connection, slca, proven.node, csr, replace=True).der

    def retire(self, node: str) -> Guarantee:
        """Cut a node off for ever, and by when it runs nothing any more."""
        with self._changing() as connection:
            nodes.retire(connection, node, self._clock())
            tokens.void(connection, node)
        return self.guarantee(node=node)

    def add_service(
        self, package: Package, *, other_developer: bool = False, hold: bool = False
    ) -> Seal:
        """Take in a package; returns its Store seal.

        It goes to all nodes of its service, or with `hold` to none until `rollout`.

        Raises: see services.add; TooLarge if it could not be sealed where it is assigned.
        """
        with self._changing() as connection:
            taken = services.add(
                connection, package, self._clock(), other_developer=other_developer, hold=hold
            )
            self._check_fits(connection, taken.service)
            return taken

    def wave(self, service: str, share: int) -> list[str]:
        """The nodes for a rollout to `share` percent of them: see rollout.wave."""
        with database.reading(self.engine) as connection:
            return rollout.wave(connection, service, share)

    def rollout(
        self, service: str, on: Sequence[str] | None = None, *, version: str = ""
    ) -> Guarantee:
        """Move nodes on to the newest release; and by when these have it.

        Args:
            on: names of nodes that have the service; None for all, those that come later too.
            version: what the newest must be; "" for any.

        Raises: see rollout.forward; TooLarge if a node's seal can't hold what it says.
        """
        with self._changing() as connection:
            places = rollout.forward(connection, service, on, version, self._clock())
            check_fits(connection, self.preparer, places)
        return self._guarantee_of(places)

    def roll_back(self, service: str, on: Sequence[str] | None = None) -> Guarantee:
        """Take nodes, or all that were moved on, back to the release that is held; as `rollout`.

        Raises: see rollout.back; TooLarge.
        """
        with self._changing() as connection:
            places = rollout.back(connection, service, on, self._clock())
            check_fits(connection, self.preparer, places)
        return self._guarantee_of(places)

    def grant(
        self, service: str, wanted: Sequence[str], on: Sequence[str] = (), *, force: bool = False
    ) -> Guarantee:
        """Give grants on these nodes, or on all; and where they are in force by when.

        Raises: see policy.grant; TooLarge if a node's seal can't hold them all. The guarantee holds
            all the same if a node can't be told.
        """
        with self._changing() as connection:
            for node in on or (tables.EVERY_NODE,):
                grants.grant(connection, service, wanted, node, force=force)
            self._check_fits(connection, service)
        return self.guarantee(service=service)

    def revoke(self, service: str, unwanted: Sequence[str], on: Sequence[str] = ()) -> Guarantee:
        """Take grants on these nodes, or everywhere; as `grant`. Raises: see policy.revoke."""
        with self._changing() as connection:
            for node in on or (tables.EVERY_NODE,):
                grants.revoke(connection, service, unwanted, node)
        return self.guarantee(service=service)

    def assign(self, node: str, service: str) -> None:
        """Assign a service to a node: from now on the node may have seals for it.

        Raises: UnknownNode, NodeRetired, UnknownService; TooLarge for more services than a node can
            have, or more grants than its seal can hold.
        """
        place = Place(node, service)
        with self._changing() as connection:
            nodes.get(connection, node)
            services.get(connection, service)
            services.assign(connection, place, self._clock())
            check_fits(connection, self.preparer, [place])

    def restart(self, node: str, service: str) -> None:
        """Have a service started again on its node, also one that the node has quarantined.

        It is kept until the node has said that it does so, however long the node is away.

        Args:
            node, service: their names.

        Raises: UnknownNode, NodeRetired, NotAssigned.
        """
        with self._changing() as connection:
            nodes.get(connection, node)
            restarts.ask(connection, Place(node, service), self._clock())

    def restarting(self, node: str, service: str) -> bool:
        """Whether the node has not said yet that it starts the service again; see `restart`."""
        with database.reading(self.engine) as connection:
            return service in restarts.pending(connection, node)

    def undeploy(self, node: str, service: str) -> Guarantee:
        """Take a service from a node, and by when it has stopped there. Raises: NotAssigned."""
        with self._changing() as connection:
            services.unassign(connection, Place(node, service))
        return self.guarantee(node=node, service=service)

    def deployment(self, node: str, service: str) -> Deployment:
        """A fresh seal for an assigned service, recorded, with the package that it seals.

        Raises: see sealing.Sealer.issue; ClockDoubted.
        """
        place = Place(node, service)
        sealer = Sealer(self.engine, self.authority, self.preparer, self.lifetime)
        self.check_clock()
        (signed,) = sealer.issue([place], self._clock())
        with database.reading(self.engine) as connection:
            return Deployment(place, services.load(connection, signed.package), signed.seal)

    def heard(
        self,
        node: str,
        told: Mapping[str, tuple[bytes, str]],
        bundle_version: int,
        time_told: int = 0,
    ) -> None:
        """A node said what it holds: all of it, so what it did not name, it does not have.

        Args:
            node: its name.
            told: serial of the seal (16 octets) and state, by service.
            bundle_version: of its trust bundle.
            time_told: what time it has, Unix seconds; 0 if it does not know.
        """
        with database.writing(self.engine) as connection:
            moment = self._clock()
            nodes.heard(connection, node, moment, bundle_version)
            node_clocks.note(connection, node, time_told, moment)
            for place in guarantee.places_of(connection, node=node):
                if place.service not in told:
                    holdings.gone(connection, place)
            for service, (serial, became) in told.items():
                holdings.confirm(connection, Place(node, service), serial, became, moment)

    def guarantee(self, *, service: str = "", node: str = "") -> Guarantee:
        """Where what the site wishes is in force, for a service, on a node, or at one place."""
        with database.reading(self.engine) as connection:
            places = guarantee.places_of(connection, service=service, node=node)
            return self._guarantee(connection, places)

    def guarantee_at(self, service: str, on: Iterable[str]) -> Guarantee:
        """The same for a service on these nodes."""
        return self._guarantee_of([Place(node, service) for node in on])

    def sign_time(self, nonce: bytes) -> bytes:
        """The time, signed for a node's nonce (16 octets). Raises: ClockDoubted."""
        self.check_clock()
        return self.authority.sign_time(nonce, self._clock())

    def _guarantee_of(self, places: Iterable[Place]) -> Guarantee:
        with database.reading(self.engine) as connection:
            return self._guarantee(connection, places)

    def _guarantee(self, connection: Connection, places: Iterable[Place]) -> Guarantee:
        moment = self._clock()
        step = clock.step_since(connection, moment)
        return guarantee.of(connection, self.preparer, places, moment, step)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Connection]:
        with database.writing(self.engine) as connection:
            tables.lock(connection)
            yield connection

    def _check_fits(self, connection: Connection, service: str) -> None:
        places = [Place(node, service) for node in services.nodes_of(connection, service)]
        check_fits(connection, self.preparer, places)

    def _enrol(
        self, connection: Connection, slca: Authority, node: str, csr: bytes, *, replace: bool
    ) -> Certified:
        spki = nodes.enrol(connection, node, csr, replace=replace)
        begin = self._clock()
        clock.check(connection, begin)
        issued = slca.certify_node(node, spki, Validity(begin, begin + NODE_SECONDS))
        ledger.record_certificate(connection, issued)
        tokens.use(connection, node, issued)
        return issued

    def _publish(self, connection: Connection, slca: Authority, *, fresh: bool) -> TrustBundle:
        if not fresh:
            return trust.current(connection)
        now = self._clock()
        clock.check(connection, now)
        return trust.publish(connection, slca, now)
