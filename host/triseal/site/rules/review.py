"""The review of what a Store has told: what it means here, and which change of trust follows.

1. The site trusts a Store of this name, and knows its root by the certificate of a trusted key.
2. That root has signed the list of the Store's keys, and the list is not older than the known one.
3. One of the listed keys has signed the file; of a Store without a root, a trusted key.
4. The file continues the history that the Store has told before, without a gap.

Then the change of trust. A developer's new key is trusted if the old key, which the site trusts,
has signed it, or if a person gives its fingerprint: the word of the Store is not enough. A key
that is replaced or revoked is trusted no more, unless services that run here need it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, select, union

from sealcore import errors, keys, names, seal, sealwriter, x509
from triseal import notices, storekeys
from triseal.errors import BadNotices
from triseal.notices import Change, Notices
from triseal.request import fingerprint, plain
from triseal.site.errors import (
    FingerprintWanted,
    NoticesDiffer,
    NoticesGap,
    OlderNotices,
    OtherRoot,
    UnknownKey,
)
from triseal.site.records import services, tables, told
from triseal.site.rules import trust
from triseal.site.rules.trust import Changed, Keys
from triseal.storekeys import StoreKeys


@dataclass(frozen=True)
class Running:
    """A package that nodes get.

    Attributes:
        service, version: what it is.
        nodes: names of the nodes that the service is assigned to.
        developer: name of the developer.
        developer_key: the key that has sealed it, DER SubjectPublicKeyInfo.
        store_seal: its Store seal.
    """

    service: str
    version: str
    nodes: tuple[str, ...]
    developer: str
    developer_key: bytes
    store_seal: seal.Seal

    @property
    def store(self) -> str:
        """Name of the Store."""
        return str(names.common_name(self.store_seal.issuer))

    def __str__(self) -> str:
        """Return service and version."""
        return f"{self.service} {self.version}"


@dataclass(frozen=True)
class NewKey:
    """A key that takes the place of one or more trusted keys.

    Attributes:
        name: name of the developer or Store.
        spki: the new key, DER SubjectPublicKeyInfo.
        instead_of: the trusted keys of the same holder whose place it takes, at once or later.
        proven: whether the old key has signed it (developer), or the Store's root (Store).
        certificate: of a Store's key, DER; b"" for a developer.
    """

    name: str
    spki: bytes
    instead_of: tuple[bytes, ...]
    proven: bool
    certificate: bytes = b""


@dataclass(frozen=True)
class OldKey:
    """A trusted key that is replaced or revoked.

    Attributes:
        kind: "developer" or "store".
        name: name of its holder.
        spki: the key, DER SubjectPublicKeyInfo.
        needed_by: the packages that nodes get and that no trusted key but this one has sealed.
    """

    kind: str
    name: str
    spki: bytes
    needed_by: tuple[str, ...]


@dataclass(frozen=True)
class Review:
    """What a file says, and what it means for this site.

    Attributes:
        store: name of the Store.
        new: the changes that the site did not know.
        last: number of the newest change.
        listed: the Store's keys as its root names them; None without a root that the site knows.
        developers: new keys of trusted developers who are not suspended.
        stores: new keys of the Store.
        old: keys that are trusted and no longer should be.
        suspended: names of suspended developers whom the site trusts, with what runs of them.
        withdrawn: what runs of releases that are withdrawn or held back.
        root_unknown: whether the file has a list of keys, but the site does not know the root.
    """

    store: str
    new: list[Change]
    last: int
    listed: StoreKeys | None
    developers: list[NewKey] = field(default_factory=list)
    stores: list[NewKey] = field(default_factory=list)
    old: list[OldKey] = field(default_factory=list)
    suspended: dict[str, list[Running]] = field(default_factory=dict)
    withdrawn: list[Running] = field(default_factory=list)
    root_unknown: bool = False


def read(
    connection: Connection, trusted: Keys, file: Notices, now: int, *, anew: bool = False
) -> Review:
    """Verify a file, and find out what it means here. Nothing is written.

    Args:
        connection: any transaction.
        trusted: the keys that the site trusts.
        file: the parsed file.
        now: the time, Unix seconds.
        anew: whether a person takes the Store's history anew.

    Raises:
        UnknownKey: the site trusts no Store of this name.
        BadNotices: no key of the Store has signed it, or its list of keys is of another root.
        OlderNotices, NoticesGap, NoticesDiffer: it does not continue what the site knows.
    """
    mine = [spki for name, spki in trusted.stores if names.common_name(name) == file.store]
    if not mine:
        raise UnknownKey(f"the site trusts no Store {file.store}")
    roots = _roots(connection, mine)
    listed = _checked_list(connection, file, roots)
    file.check_signed(listed.keys if listed else mine)
    known = [] if anew else told.changes(connection, file.store)
    made = Review(file.store, _continued(known, file), file.last, listed)
    made = replace(made, root_unknown=file.keys is not None and listed is None)
    _find(connection, made, trusted, [*known, *made.new])
    if listed is not None:
        certificates = {bytes(one.spki): one for one in file.certificates}
        new = [spki for spki in listed.keys if spki not in mine]
        found = {spki: _certificate(listed, certificates, spki, now) for spki in new}
        _find_store_keys(connection, made, mine, found)
    return made


def change(made: Review, fingerprints: Sequence[str], *, drop: bool) -> Changed:
    """Return the change of trust that follows from a review.

    Args:
        made: the review.
        fingerprints: of new keys that a person has compared with the developers, hex.
        drop: whether keys are dropped that running services need, and those of suspended
            developers.

    Raises:
        FingerprintWanted: the old key of a developer has not signed the new one, and its
            fingerprint is not among `fingerprints`.
    """
    compared = {plain(one) for one in fingerprints}
    for one in made.developers:
        if not one.proven and fingerprint(one.spki) not in compared:
            print_ = fingerprint(one.spki)
            raise FingerprintWanted(f"{one.name} has the new key {print_}, says {made.store}")
    gone = [one for one in made.old if drop or not one.needed_by]

    def changed(before: Keys) -> Keys:
        after = _with_new(before, made)
        for old in gone:
            after = _without(after, old)
        for name in made.suspended if drop else ():
            after = trust.without_developer(name)(after)
        return after

    return changed


def _with_new(before: Keys, made: Review) -> Keys:
    after = before
    for new in made.developers:
        kinds = _kinds(before, new)
        if kinds:  # otherwise somebody has just stopped trusting her
            after = trust.with_developer(new.name, new.spki, kinds)(after)
    stores = list(after.stores)
    for new in made.stores:
        entry = bytes(sealwriter.name(new.name)), new.spki
        if entry not in stores:
            stores.append(entry)
    return replace(after, stores=tuple(stores))


def _kinds(before: Keys, new: NewKey) -> int:
    """Return what the keys may sign whose place a developer's new key takes."""
    name = bytes(sealwriter.name(new.name))
    old = {bytes(sealwriter.entry_hash(name, spki)) for spki in new.instead_of}
    found = 0
    for entry, kinds in before.developers:
        if entry in old:
            found |= kinds
    return found


def _without(before: Keys, old: OldKey) -> Keys:
    entry = bytes(sealwriter.name(old.name)), old.spki
    if old.kind == "store":
        return replace(before, stores=tuple(one for one in before.stores if one != entry))
    mine = bytes(sealwriter.entry_hash(*entry))
    left = tuple(one for one in before.developers if one[0] != mine)
    return replace(before, developers=left)


def developers_of(trusted: Keys) -> list[tuple[str, bytes]]:
    """Return name and key of each developer whom the site trusts, and whose name it knows.

    Args:
        trusted: the keys that the site trusts.
    """
    entries = [trusted.known[entry] for entry, _ in trusted.developers if entry in trusted.known]
    return [(str(names.common_name(name)), spki) for name, spki in entries]


def _roots(connection: Connection, mine: list[bytes]) -> set[bytes]:
    """Return the roots of a Store by the certificates of its trusted keys, which those signed."""
    table = tables.stores.c
    query = select(table.certificate).where(table.spki.in_(mine))
    found = set()
    for der in connection.scalars(query):
        own = x509.parse(bytes(der))
        try:
            keys.verify(keys.parse(own.spki), own.algorithm, own.digest, own.signature)
        except errors.SealError:
            continue  # somebody has changed the database
        if own.spki in mine:
            found.add(storekeys.root_of(own))
    return found - {b""}


def check_root(
    connection: Connection, trusted: Sequence[tuple[bytes, bytes]], certificate: bytes
) -> None:
    """Check that a certificate of a trusted key names the root that the site knows.

    Whoever has stolen a Store's signing key could make a certificate with a root of his own.

    Args:
        connection: any transaction.
        trusted: names and keys of the trusted Stores.
        certificate: the certificate, DER, which its own key has signed.

    Raises:
        OtherRoot: it names another root, or none.
    """
    own = x509.parse(certificate)
    if any(spki == own.spki for _, spki in trusted):
        known = _roots(connection, [bytes(own.spki)])
        found = storekeys.root_of(own)
        if known and found not in known:
            raise OtherRoot(f"the certificate names the root {found.hex() or 'of nobody'}")


def _checked_list(connection: Connection, file: Notices, roots: set[bytes]) -> StoreKeys | None:
    """Return the list of keys in a file if a known root has signed it."""
    if not roots:
        return None
    listed = file.keys
    if listed is None:
        raise BadNotices("it lacks the list of the Store's keys, which its root signs")
    if listed.root_mark not in roots:
        raise BadNotices(f"another root has signed its list of keys: {listed.root_mark.hex()}")
    known = told.newest_list(connection, file.store)
    if known is not None and known.root == listed.root:
        if listed.version < known.version:
            raise OlderNotices(f"its list of keys is {listed.version}, had {known.version}")
        if listed.version == known.version and listed.keys != known.keys:
            raise NoticesDiffer(f"it has another list of keys {listed.version}")
    return listed


def _continued(known: list[Change], file: Notices) -> list[Change]:
    """Return what is new in a file that continues what is known."""
    last = known[-1].number if known else 0
    if file.since > last:
        raise NoticesGap(f"it begins after change {file.since}, the site knows {last}")
    if file.last < last:
        raise OlderNotices(f"it ends with change {file.last}, the site knows {last}")
    before = {one.number: one for one in known}
    for one in file.changes:
        if one.number in before and one != before[one.number]:
            raise NoticesDiffer(f"change {one.number} of {file.store} was another one")
    return [one for one in file.changes if one.number > last]


def _find(connection: Connection, made: Review, trusted: Keys, every: list[Change]) -> None:
    """Find out what a Store's history means for developers and for what runs here."""
    runs = [one for one in running(connection) if one.store == made.store]
    barred = suspended(every)  # perhaps a thief has named the new key
    ends: dict[tuple[str, bytes], NewKey] = {}
    for name, spki in developers_of(trusted):
        end, proven = _follow(name, spki, every)
        if end == spki or name in barred:
            continue
        needed = tuple(str(one) for one in runs if one.developer_key == spki)
        made.old.append(OldKey("developer", name, spki, needed))
        before = ends.get((name, end))
        instead = (*(before.instead_of if before else ()), spki)
        ends[name, end] = NewKey(name, end, instead, proven or bool(before and before.proven))
    have = set(developers_of(trusted))
    made.developers.extend(one for at, one in ends.items() if at not in have)
    for name in sorted(barred.keys() & {name for name, _ in have}):
        made.suspended[name] = [one for one in runs if one.developer == name]
    gone = withdrawn(every)
    for one in runs:
        if {(one.service, one.version), (one.service, "")} & gone.keys():
            made.withdrawn.append(one)


def _follow(name: str, spki: bytes, every: list[Change]) -> tuple[bytes, bool]:
    """Return the key that has taken the place of a developer's key, and whether it is proven."""
    proven = True
    for one in every:
        if (one.kind, one.name, one.former) == (notices.REPLACED, name, spki):
            spki = one.key
            proven = proven and bool(one.proof)
    return spki, proven


def _find_store_keys(
    connection: Connection, made: Review, mine: list[bytes], new: dict[bytes, bytes]
) -> None:
    """Find out which keys of the Store are new, by their certificates, and which are revoked."""
    listed = made.listed.keys if made.listed else ()
    gone = tuple(spki for spki in mine if spki not in listed)
    made.stores.extend(
        NewKey(made.store, spki, tuple(mine), True, der) for spki, der in new.items()
    )
    runs = [one for one in running(connection) if one.store == made.store]
    for spki in gone:
        needed = tuple(str(one) for one in runs if _sealed_by(one, spki))
        made.old.append(OldKey("store", made.store, spki, needed))


def _certificate(
    listed: StoreKeys, certificates: dict[bytes, x509.Certificate], spki: bytes, now: int
) -> bytes:
    """Return the certificate of a new key of a Store, which names the Store and its root."""
    own = certificates.get(spki)
    if own is None:
        raise BadNotices(f"it lacks the certificate of the key {fingerprint(spki)}")
    name, _ = trust.check_authority(bytes(own.der), now)
    if name != listed.store or storekeys.root_of(own) != listed.root_mark:
        raise BadNotices(f"the certificate of {fingerprint(spki)} names another Store or root")
    return bytes(own.der)


def _sealed_by(one: Running, spki: bytes) -> bool:
    found = one.store_seal
    try:
        keys.verify(keys.parse(spki), found.algorithm, found.digest, found.signature)
    except errors.SealError:
        return False
    return True


def suspended(every: list[Change]) -> dict[str, Change]:
    """Return the developers who are suspended after some changes, with the change that did it.

    Args:
        every: the changes of a Store, oldest first.
    """
    found: dict[str, Change] = {}
    for one in every:
        if one.kind == notices.SUSPENDED:
            found[one.name] = one
        elif one.kind == notices.RESUMED:
            found.pop(one.name, None)
    return found


def withdrawn(every: list[Change]) -> dict[tuple[str, str], Change]:
    """Return the releases that are withdrawn or held back, by service and version.

    Args:
        every: the changes of a Store, oldest first.

    Returns: the change that did it; version "" for all releases of a service.
    """
    found: dict[tuple[str, str], Change] = {}
    gone: dict[tuple[str, str], Change] = {}
    for one in every:
        at = one.name, one.version
        if one.kind == notices.WITHDRAWN:
            gone[at] = one
        elif one.kind in (notices.QUARANTINED, notices.SERVICE_QUARANTINED):
            found[at] = one
        elif one.kind in (notices.CLEARED, notices.SERVICE_CLEARED):
            found.pop(at, None)
    return gone | found


def running(connection: Connection) -> list[Running]:
    """Return the packages that nodes get, sorted by service.

    Args:
        connection: any transaction.
    """
    table, newest, held = tables.packages.c, tables.services.c, tables.releases.c
    due = union(select(newest.package), select(held.package))
    query = select(table.service, table.developer_seal, table.store_seal)
    found = []
    for row in connection.execute(query.where(table.digest.in_(due)).order_by(table.service)):
        nodes = tuple(services.nodes_of(connection, row.service))
        developer = seal.parse(bytes(row.developer_seal), seal.DEVELOPER)
        who = str(names.common_name(developer.issuer))
        sealed = seal.parse(bytes(row.store_seal), seal.STORE)
        version = str(developer.service_version)
        if nodes:
            key = bytes(developer.spki)
            found.append(Running(str(row.service), version, nodes, who, key, sealed))
    return found
