"""Site seals: made for what is assigned, with what is granted, and recorded.

A seal is signed outside of any transaction. The transaction that records it checks again that
everything it says still holds. After the site has answered a change with a bound, no seal of the
old state can therefore follow.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

from sqlalchemy import Connection, Engine

from sealcore import errors, seal, timetext
from sealcore.seal import Seal
from triseal import database, metadata
from triseal.certificate import Validity
from triseal.site.errors import Changed, NotAssigned
from triseal.site.records import holdings, ledger, nodes, releases, services, tables
from triseal.site.records.placement import Place
from triseal.site.rules import grants, trust
from triseal.site.slca.authority import Authority, Issuer, SignedSeal
from triseal.site.slca.template import SealTemplate

_PREPARED_AT_ONCE = 4096
_PACKAGES_AT_ONCE = 256

_Form = tuple[int, int, bytes, tuple[str, ...]]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Wanted:
    """Everything that decides the content of a place's seal.

    Attributes:
        place: the service and its node.
        spki: the node's public key, DER SubjectPublicKeyInfo.
        package: digest of the package.
        grants: the grants, sorted.
    """

    place: Place
    spki: bytes
    package: bytes
    grants: tuple[str, ...]


@dataclass(frozen=True)
class Prepared:
    """A template of seals.

    Attributes:
        template: the template.
        usable: the time in which both upstream seals of the package are valid.
        kind: of the package.
    """

    template: SealTemplate
    usable: Validity
    kind: str


def wanted(connection: Connection, issuer: Issuer, place: Place) -> Wanted:
    """Return what a place's seal must say now.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA.
        place: the service and its node.

    Raises:
        UnknownNode, NodeRetired, NotEnrolled: the node can't hold any service.
        UnknownService, NotAssigned: the node does not have the service.
        UntrustedSigner, SealError: the site does not trust the package now, see
            `trust.check_package`.
    """
    spki = nodes.key_of(connection, place.node)
    newest = services.get(connection, place.service).package
    if not services.is_assigned(connection, place):
        raise NotAssigned(f"{place.service} is not assigned to {place.node}")
    package = releases.due(connection, place, newest)
    trust.check_package(connection, issuer, package)
    granted = grants.effective(connection, place.service, place.node)
    return Wanted(place, spki, package, granted)


@dataclass(frozen=True)
class Issued:
    """A seal that is recorded in the ledger.

    Attributes:
        seal: the seal.
        package: digest of the package that it seals.
    """

    seal: SignedSeal
    package: bytes


@dataclass(frozen=True)
class _Upstream:
    """What the seals of a package say; a package never changes."""

    store: Seal
    usable: Validity
    kind: str


def form_of(wanted: Wanted) -> _Form:
    """Return the values that decide the form and size of a seal; many nodes have the same.

    Args:
        wanted: what the seal must say.
    """
    return len(wanted.place.node), len(wanted.spki), wanted.package, wanted.grants


def _check_form(template: SealTemplate) -> None:
    template.content()


class _Recent(Generic[_Key, _Value]):
    """A cache of the values that were used last. Several threads may use it.

    Args:
        most: number of values.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[_Key, _Value] = OrderedDict()
        self._lock = Lock()

    def get(self, key: _Key, make: Callable[[], _Value]) -> _Value:
        """Return the value of a key, which is made if it is not there."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        made = make()
        with self._lock:
            self._values[key] = made
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return made


class Preparer:
    """Makes the templates of seals, and caches them. Several threads may use it.

    Args:
        issuer: the public part of the SLCA.

    Attributes:
        issuer: the same.
    """

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self._known: _Recent[Wanted, Prepared] = _Recent(_PREPARED_AT_ONCE)
        self._fits: _Recent[_Form, None] = _Recent(_PREPARED_AT_ONCE)
        self._upstream: _Recent[bytes, _Upstream] = _Recent(_PACKAGES_AT_ONCE)

    def prepare(self, connection: Connection, wanted: Wanted) -> Prepared:
        """Make the template for a seal, or return the cached wanted.

        Args:
            connection: any transaction.
            wanted: what the seal must say.

        Raises:
            TooLarge: the grants don't fit into a seal.
        """
        return self._known.get(wanted, lambda: self._make(connection, wanted))

    def _make(self, connection: Connection, wanted: Wanted) -> Prepared:
        upstream = self._upstream.get(
            wanted.package, lambda: _upstream_of(connection, wanted.package)
        )
        prepared = self.issuer.prepare(
            wanted.place.node,
            wanted.spki,
            upstream.store,
            wanted.package,
            wanted.grants,
            upstream.kind,
        )
        # Raises before signing what a node would refuse for its form.
        self._fits.get(form_of(wanted), lambda: _check_form(prepared))
        return Prepared(prepared, upstream.usable, upstream.kind)


def check_fits(
    connection: Connection, preparer: Preparer, service: str, on: Collection[str] | None = None
) -> None:
    """Check before a change is kept that a service can still be sealed on its nodes.

    Otherwise the error would appear when a node asks for its seals, and nobody would see it. The
    caller keeps all servers from recording seals, so that this needs few queries for many nodes.

    Args:
        connection: any transaction that sees the change.
        preparer: makes the templates of seals.
        service: name of the service.
        on: names of the nodes that the change concerns; None for all. Those on which the service
            is not assigned, those without a key, and those whose package the site does not trust
            are skipped.

    Raises:
        TooLarge: a seal can't hold its grants.
    """
    seen = set()
    for desired in _all_wanted(connection, preparer.issuer, service):
        if on is None or desired.place.node in on:
            form = form_of(desired)
            if form not in seen:
                preparer.prepare(connection, desired)
                seen.add(form)


def _all_wanted(connection: Connection, issuer: Issuer, service: str) -> Iterator[Wanted]:
    """Compute `wanted` of a service on all nodes that can get seals for it."""
    newest = services.get(connection, service).package
    due = releases.of_service(connection, service)
    others = due.get(tables.EVERY_NODE, newest)
    granted = grants.of_service(connection, service)
    everywhere = granted.get(tables.EVERY_NODE, frozenset())

    @functools.cache
    def trusted(package: bytes) -> bool:
        try:
            trust.check_package(connection, issuer, package)
        except errors.SealError:
            return False
        return True

    for node, spki in nodes.with_service(connection, service):
        package = due.get(node, others)
        if trusted(package):
            here = tuple(sorted(everywhere | granted.get(node, frozenset())))
            yield Wanted(Place(node, service), spki, package, here)


class Sealer:
    """Issues site seals.

    Args:
        engine: the site's database.
        authority: the SLCA.
        preparer: makes the templates, with the same issuer.
        lifetime: validity of a seal, seconds.
    """

    def __init__(
        self, engine: Engine, authority: Authority, preparer: Preparer, lifetime: int
    ) -> None:
        self._engine = engine
        self._authority = authority
        self._preparer = preparer
        self._lifetime = lifetime

    def issue(self, places: Sequence[Place], now: int) -> list[Issued]:
        """Issue and record new seals, for all places or for none.

        Args:
            places: the places.
            now: the time, Unix seconds.

        Raises:
            UnknownNode, NodeRetired, NotEnrolled, UnknownService, NotAssigned, UntrustedSigner: as
                `wanted`.
            NotYetValid, Expired: an upstream seal of a package is not valid now.
            TooLarge: the grants don't fit into a seal.
            Changed: the site changed meanwhile.
        """
        with database.reading(self._engine) as connection:
            due = self._wanted(connection, places)
            prepared = [self._preparer.prepare(connection, desired) for desired in due]
        signed = [self._sign(template, now) for template in prepared]
        with database.writing(self._engine) as connection:
            tables.lock_shared(connection)
            if self._wanted(connection, places) != due:
                raise Changed("the site changed while the seal was made")
            ledger.record_seals(connection, zip(places, signed, strict=True))
            holdings.expect(connection, places)
        return [Issued(s, desired.package) for s, desired in zip(signed, due, strict=True)]

    def _wanted(self, connection: Connection, places: Sequence[Place]) -> list[Wanted]:
        return [wanted(connection, self._preparer.issuer, place) for place in places]

    def _sign(self, prepared: Prepared, now: int) -> SignedSeal:
        _check_within(prepared.usable, now)
        return self._authority.seal(prepared.template, Validity(now, now + self._lifetime))


def _upstream_of(connection: Connection, package: bytes) -> _Upstream:
    loaded = services.load(connection, package)
    store = seal.parse(loaded.store_seal, seal.STORE)
    usable = _common(store, seal.parse(loaded.developer_seal, seal.DEVELOPER))
    return _Upstream(store, usable, metadata.parse(loaded.metadata).kind)


def _common(store: Seal, developer: Seal) -> Validity:
    return Validity(
        max(store.not_before, developer.not_before), min(store.not_after, developer.not_after)
    )


def _check_within(usable: Validity, now: int) -> None:
    """Refuse to sign while an upstream seal is not valid: a node would refuse the site seal."""
    begin, end, moment = (timetext.iso(t) for t in (usable.not_before, usable.not_after, now))
    if now < usable.not_before:
        raise errors.NotYetValid(f"the package is valid from {begin}, now it is {moment}")
    if now > usable.not_after:
        raise errors.Expired(f"the package was valid to {end}, now it is {moment}")
