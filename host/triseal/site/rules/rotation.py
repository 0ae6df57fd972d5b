"""The change from one key of the site to the next, step by step (as SPIRE names the steps).

A key is prepared: the trust bundle has it, so that nodes learn of it while it signs nothing. Then
it becomes active, and the one before it is old. An old key is tainted: nodes renew its seals now.
At last it is revoked: it leaves the trust bundle. The database holds the state, so that the change
goes on where it was interrupted.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from triseal.site.errors import WrongStep
from triseal.site.records import ledger, node_clocks, revision, sitekeys, tables
from triseal.site.records.placement import Place
from triseal.site.records.sitekeys import SiteKey
from triseal.site.rules import guarantee
from triseal.site.rules.guarantee import Guarantee
from triseal.site.slca import template
from triseal.site.slca.authority import Issuer

PREPARE, ACTIVATE, TAINT, REVOKE = "prepare", "activate", "taint", "revoke"
CANCEL = "cancel"  # in place of ACTIVATE

_NEXT = {sitekeys.PREPARED: ACTIVATE, sitekeys.OLD: TAINT, sitekeys.TAINTED: REVOKE}
_WHY = {
    PREPARE: "no other key is prepared",
    ACTIVATE: "a key is prepared already",
    TAINT: "the old key is not tainted yet",
    REVOKE: "the old key is not revoked yet",
}


@dataclass(frozen=True)
class Progress:
    """How far the change of the site's key has come.

    Attributes:
        keys: all keys of the site by number.
        next: the next step: PREPARE if no change has begun.
        concerned: the key that the next step is about; None for PREPARE.
    """

    keys: tuple[SiteKey, ...]
    next: str
    concerned: SiteKey | None

    @property
    def concerned_spki(self) -> bytes:
        """The public key that the next step is about; b"" for PREPARE."""
        return self.concerned.spki if self.concerned else b""

    def check(self, step: str) -> None:
        """Check that a step is the next one.

        Args:
            step: PREPARE, ACTIVATE, CANCEL, TAINT or REVOKE.

        Raises:
            WrongStep: it is not.
        """
        if (ACTIVATE if step == CANCEL else step) != self.next:
            raise WrongStep(f"{_WHY[self.next]}: the next step is {self.next}, not {step}")


def progress(connection: Connection, issuer: Issuer) -> Progress:
    """Return how far the change of the site's key has come.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA.
    """
    known = sitekeys.all_keys(connection)
    if not known:
        known = (SiteKey(1, issuer.spki, sitekeys.ACTIVE, since=1),)
    for key in known:
        if key.state in _NEXT:
            return Progress(known, _NEXT[key.state], key)
    return Progress(known, PREPARE, None)


def prepared(connection: Connection, before: Progress, key: SiteKey) -> None:
    """Note a key that the newest trust bundle has for the first time.

    Args:
        connection: a writing transaction.
        before: the progress before.
        key: the key.
    """
    if not sitekeys.all_keys(connection):
        sitekeys.add(connection, before.keys[0])
    sitekeys.add(connection, key)


def renewed(connection: Connection, before: Progress, now: int) -> int:
    """Note that the CA certificate of the active key was renewed, so that servers read it again.

    Args:
        connection: a writing transaction.
        before: the progress.
        now: the time, Unix seconds.

    Returns: number of the key.
    """
    if not sitekeys.all_keys(connection):
        sitekeys.add(connection, before.keys[0])
    (active,) = (key for key in before.keys if key.state == sitekeys.ACTIVE)
    sitekeys.update(connection, active.number, renewed_at=now)
    revision.jump(connection, revision.current(connection) + 1)
    return active.number


def activate(connection: Connection, before: Progress, now: int) -> None:
    """Make the prepared key the one that signs.

    Args:
        connection: a writing transaction.
        before: the progress, whose next step is ACTIVATE.
        now: the time, Unix seconds.
    """
    for key in before.keys:
        if key.state == sitekeys.ACTIVE:
            sitekeys.update(connection, key.number, state=sitekeys.OLD)
        elif key.state == sitekeys.PREPARED:
            sitekeys.update(connection, key.number, state=sitekeys.ACTIVE, activated_at=now)
    revision.jump(connection, revision.current(connection) + 1)


def taint(connection: Connection, before: Progress, now: int) -> None:
    """Let nodes replace all seals of the old key now.

    Args:
        connection: a writing transaction.
        before: the progress, whose next step is TAINT.
        now: the time, Unix seconds.
    """
    for key in before.keys:
        if key.state == sitekeys.OLD:
            sitekeys.update(connection, key.number, state=sitekeys.TAINTED, tainted_at=now)
    revision.jump(connection, revision.current(connection) + 1)


def revoke(connection: Connection, before: Progress, version: int, now: int) -> None:
    """Note that the tainted key, or a prepared one, has left the trust bundle.

    Args:
        connection: a writing transaction.
        before: the progress, with the key that is concerned.
        version: version of the first trust bundle without it.
        now: the time, Unix seconds.
    """
    if before.concerned is not None:
        done = {"state": sitekeys.REVOKED, "until": version, "revoked_at": now}
        sitekeys.update(connection, before.concerned.number, **done)


def lacking(connection: Connection, issuer: Issuer, version: int) -> set[str]:
    """Return the names of the enrolled nodes that have not confirmed a trust bundle.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA.
        version: the version of the bundle, or a later one.
    """
    return _enrolled(connection) - guarantee.with_bundle(connection, issuer, version)


def _enrolled(connection: Connection) -> set[str]:
    table = tables.nodes.c
    enrolled = table.spki.is_not(None) & table.retired_at.is_(None)
    return set(connection.scalars(select(table.name).where(enrolled)))


def of_next(
    connection: Connection, issuer: Issuer, progress: Progress, now: int, step: int = 0
) -> Guarantee:
    """Compute what the next step of a change of the site's key waits for.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA.
        progress: how far the change has come.
        now: the time, Unix seconds.
        step: as for `guarantee.of`.

    Returns: for ACTIVATE, which nodes know the prepared key, and when the last seal of each other
        node ends; for TAINT and REVOKE, until when nodes hold seals of the old key; for PREPARE,
        the same of nodes that have not confirmed that the last old key was revoked.
    """
    if progress.next == ACTIVATE and progress.concerned is not None:
        return _of_prepared(connection, issuer, progress.concerned.since, now, step)
    left = max((key.until or 0 for key in progress.keys), default=0)
    revoked = progress.next == PREPARE
    have = guarantee.with_bundle(connection, issuer, left) if revoked else set()
    found = [
        (place.node, (0, 0) if place.node in have else _by_others(connection, place, issuer))
        for place in guarantee.places_of(connection)
    ]
    counted = guarantee.summed(connection, found, now, step)
    if not revoked:
        return counted
    return counted.silent(lacking(connection, issuer, left))


def _of_prepared(
    connection: Connection, issuer: Issuer, version: int, now: int, step: int
) -> Guarantee:
    missing = lacking(connection, issuer, version)
    have = guarantee.with_bundle(connection, issuer, version)
    found = [(name, (0, 0)) for name in have & _enrolled(connection)]
    for place in guarantee.places_of(connection):
        if place.node in missing:
            end = _bound(connection, place, *ledger.newest_expiry(connection, place))
            found.append((place.node, end))
    # A node without any seal has nothing that could stop; but it does not know the key either.
    return guarantee.summed(connection, found, now, step).silent(missing)


def _by_others(connection: Connection, place: Place, issuer: Issuer) -> tuple[int, int]:
    told = guarantee.told_template(connection, place)
    if told is None:
        return 0, 0
    table = tables.templates.c
    which = (table.node == place.node) & (table.service == place.service)
    rows = connection.execute(select(table.digest, table.tbs).where(which)).all()
    by = {bytes(row.digest): template.issuer_of(bytes(row.tbs)) for row in rows}
    if by.get(told) == issuer.name:
        return 0, 0
    theirs = [digest for digest, name in by.items() if name != issuer.name]
    return _bound(connection, place, *ledger.newest_expiry(connection, place, only=theirs))


def _bound(connection: Connection, place: Place, until: int, lifetime: int) -> tuple[int, int]:
    if not until:
        return 0, 0
    return until, node_clocks.of(connection, place.node).adds(until, lifetime)
