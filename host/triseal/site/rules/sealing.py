"""Site seals: issued and renewed, for what is assigned and with what is granted, and recorded.

A seal is signed outside of any transaction and recorded in one that looks again whether all that
was sealed still holds. So a change that has been answered with a bound can't be followed by a seal
that still says the old thing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Lock

from sqlalchemy import Connection, Engine

from sealcore import errors, seal
from sealcore.seal import Seal
from triseal import database
from triseal.certificate import Validity
from triseal.site.errors import Changed, NodeRetired, NotAssigned, NotEnrolled
from triseal.site.records import holdings, ledger, nodes, releases, services, tables
from triseal.site.records.placement import Place
from triseal.site.rules import grants
from triseal.site.slca.authority import Authority, Issuer, SignedSeal
from triseal.site.slca.template import SealTemplate

_PREPARED_AT_ONCE = 4096


@dataclass(frozen=True)
class Wanted:
    """All that decides what a place's seal says.

    Attributes:
        place: node and service.
        spki: the node's key.
        package: digest of the package.
        grants: in order.
    """

    place: Place
    spki: bytes
    package: bytes
    grants: tuple[str, ...]


@dataclass(frozen=True)
class Prepared:
    """A template, and the times between which its package may be sealed."""

    template: SealTemplate
    usable: Validity


def wanted(connection: Connection, place: Place) -> Wanted:
    """What a place's seal shall say now.

    Raises: UnknownNode, NodeRetired, NotEnrolled, UnknownService, NotAssigned.
    """
    spki = nodes.key_of(connection, place.node)
    newest = services.get(connection, place.service).package
    if not services.is_assigned(connection, place):
        raise NotAssigned(f"{place.service} to {place.node}")
    granted = grants.effective(connection, place.service, place.node)
    return Wanted(place, spki, releases.due(connection, place, newest), granted)


@dataclass(frozen=True)
class Issued:
    """A seal that the ledger has, and the digest of the package that it seals."""

    seal: SignedSeal
    package: bytes


class Preparer:
    """Lays out the seals of places, and keeps what it laid out.

    Args:
        issuer: the public side of the SLCA.
    """

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._known: OrderedDict[Wanted, Prepared] = OrderedDict()
        self._lock = Lock()

    def prepare(self, connection: Connection, one: Wanted) -> Prepared:
        """The template for what a place's seal shall say; raises TooLarge."""
        with self._lock:
            if one in self._known:
                self._known.move_to_end(one)
                return self._known[one]
        made = self._make(connection, one)
        with self._lock:
            self._known[one] = made
            while len(self._known) > _PREPARED_AT_ONCE:
                self._known.popitem(last=False)
        return made

    def _make(self, connection: Connection, one: Wanted) -> Prepared:
        package = services.load(connection, one.package)
        store = seal.parse(package.store_seal, seal.STORE)
        developer = seal.parse(package.developer_seal, seal.DEVELOPER)
        prepared = self._issuer.prepare(one.place.node, one.spki, store, one.package, one.grants)
        return Prepared(prepared, _common(store, developer))


def check_fits(connection: Connection, preparer: Preparer, places: Iterable[Place]) -> None:
    """Look, before a change is kept, whether all places that it concerns can still be sealed.

    Else it would be found out when a node asks for its seals, and nobody is there to be told.

    Args:
        places: assigned; those without a key have no seals yet.

    Raises: TooLarge.
    """
    seen = set()
    for place in places:
        try:
            one = wanted(connection, place)
        except (NodeRetired, NotEnrolled):
            continue
        # Nothing else decides how large a seal gets, and there may be many nodes.
        form = (len(place.node), len(one.spki), one.package, one.grants)
        if form not in seen:
            preparer.prepare(connection, one)
            seen.add(form)


class Sealer:
    """Issues site seals.

    Args:
        engine: the site's database.
        authority: the SLCA.
        preparer: with the same issuer.
        lifetime: of a seal, seconds.
    """

    def __init__(
        self, engine: Engine, authority: Authority, preparer: Preparer, lifetime: int
    ) -> None:
        self._engine = engine
        self._authority = authority
        self._preparer = preparer
        self._lifetime = lifetime

    def issue(self, places: Sequence[Place], now: int) -> list[Issued]:
        """New seals for these places, recorded; all or none.

        Raises: what `wanted` raises; Expired or NotYetValid where the package's own seals no
            longer, or not yet, hold; Changed where something changed meanwhile.
        """
        with database.reading(self._engine) as connection:
            due = [wanted(connection, place) for place in places]
            prepared = [self._preparer.prepare(connection, one) for one in due]
        signed = [self._sign(one, now) for one in prepared]
        with database.writing(self._engine) as connection:
            tables.lock_shared(connection)
            if [wanted(connection, place) for place in places] != due:
                raise Changed("while it was being sealed")
            ledger.record_seals(connection, zip(places, signed, strict=True))
            holdings.expect(connection, places)
        return [Issued(one, w.package) for one, w in zip(signed, due, strict=True)]

    def _sign(self, prepared: Prepared, now: int) -> SignedSeal:
        _check_within(prepared.usable, now)
        return self._authority.seal(prepared.template, Validity(now, now + self._lifetime))


def _common(store: Seal, developer: Seal) -> Validity:
    return Validity(
        max(store.not_before, developer.not_before), min(store.not_after, developer.not_after)
    )


def _check_within(usable: Validity, now: int) -> None:
    """A node would refuse the site seal if the seals below it did not hold when it began."""
    if now < usable.not_before:
        raise errors.NotYetValid(f"package valid from {usable.not_before}, now {now}")
    if now > usable.not_after:
        raise errors.Expired(f"package valid to {usable.not_after}, now {now}")
