"""The keys that the site trusts, as the newest trust bundle of its roots lists them.

The newest bundle that the site's roots have signed is the state; `roots` makes the next one. The
site's folder has the first bundle of the roots. Each later one is signed by the roots of the one
before, so the chain leads from there to the newest. No other row of the database is read for it: an
attacker who can write to the database, but does not have the roots' keys, can't add a key. The
names of developers, of whom the bundle has only hashes, are in a table of their own: a row that
fits no hash counts for nothing.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, bindparam, func, select

from sealcore import bundle, custody, errors, keys, limits, names, seal, sealwriter, x509
from sealcore.bundle import TrustBundle
from triseal import bundles, metadata, request
from triseal.bundles import Developer, Entry, Roots
from triseal.site.errors import BadAuthority, Incomplete, NameTaken, TooFewRoots, UnknownKey
from triseal.site.records import tables
from triseal.site.slca.authority import Issuer

Entries = tuple[Entry, ...]

# Asked for in almost every transaction: to build a statement takes longer than the answer.
_BUNDLES = select(tables.bundles.c.version, tables.bundles.c.der).where(
    tables.bundles.c.version > bindparam("since")
)
_NEWEST_FIRST = _BUNDLES.order_by(tables.bundles.c.version.desc())
_STEPS = _BUNDLES.where(tables.bundles.c.changes_roots).order_by(tables.bundles.c.version)
_SEALS = select(
    tables.packages.c.store_seal, tables.packages.c.developer_seal, tables.packages.c.metadata
).where(tables.packages.c.digest == bindparam("package"))
_MOST_AHEAD = 1000
_LONGEST_NAME = 64


@dataclass(frozen=True)
class Keys:
    """The keys in a trust bundle, each with its name, both DER.

    Attributes:
        roots: keys of the roots, and how many of them sign a bundle.
        site: keys of the site.
        stores: keys of Stores.
        developers: hashes of developers, and what they may sign.
        known: name and key of developers by hash: also of others, and perhaps not of all.
    """

    roots: Roots
    site: Entries
    stores: Entries = ()
    developers: tuple[Developer, ...] = ()
    known: Mapping[bytes, Entry] = field(default_factory=dict, compare=False)


Changed = Callable[[Keys], Keys]
"""Returns the keys after a change of trust. Raises a Failure if the change is not allowed."""


@dataclass(frozen=True)
class Difference:
    """One key that a new trust bundle adds or removes, or that may sign something else in it.

    Attributes:
        added: False if the key is removed.
        kind: "root", "site", "store" or "developer"; "threshold" for the number of roots that sign.
        name: name of its holder; "" for a root, and for a developer whose name is not known.
        fingerprint: fingerprint of the key; the hash of a developer whose name is not known; the
            number for "threshold".
        may: what a developer may sign, in words.
        before: what a developer might sign until now, if only that changes; else "".
    """

    added: bool
    kind: str
    name: str
    fingerprint: str
    may: str = ""
    before: str = ""

    def __str__(self) -> str:
        """Return the difference as the end of a sentence that begins with "the bundle"."""
        if self.before:
            name = f" {self.name}" if self.name else ""
            sign = f"sign: {self.may} (until now: {self.before})"
            return f"lets the {self.kind}{name}, key {self.fingerprint}, {sign}"
        if self.kind == "threshold":
            return f"must be signed by {self.fingerprint} of the roots"
        return f"{'adds' if self.added else 'removes'} {self.what}"

    @property
    def what(self) -> str:
        """The key, its holder and what it may sign, in words."""
        name = f" {self.name}" if self.name else ""
        may = f", for: {self.may}" if self.may not in ("", "service") else ""
        return f"the {self.kind}{name}, key {self.fingerprint}{may}"


def current(connection: Connection, issuer: Issuer) -> TrustBundle:
    """Return the newest trust bundle that the site's roots have signed. Other rows are ignored.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA, with the site's first bundle.

    Raises:
        Incomplete: the database holds no such bundle.
    """
    held, roots = None, issuer.roots
    for step in _steps(connection, issuer):
        held, roots = step, bundles.roots_of(step)
    since = held.version if held is not None else 0
    for row in connection.execute(_NEWEST_FIRST, {"since": since}):
        found = _signed(bytes(row.der), roots, issuer.site)
        if found is not None and found.version == row.version and _of(found) == roots:
            return found
    # The first bundle is in the folder of the site. Without any other, the database is damaged.
    if held is not None and _holds_any(connection, issuer.site):
        return held
    raise Incomplete("the database holds no trust bundle that the site's roots have signed")


def _holds_any(connection: Connection, site: str) -> bool:
    """Return whether the database holds a bundle of the site, whoever has signed it."""
    for der in connection.execute(select(tables.bundles.c.der)).scalars():
        with contextlib.suppress(errors.SealError):
            if bundle.parse(bytes(der)).site == site:
                return True
    return False


def _steps(connection: Connection, issuer: Issuer) -> Iterator[TrustBundle]:
    """Return the first bundle of the roots, and each later one that changed the roots."""
    roots, version = issuer.roots, 0
    if issuer.first is not None:
        yield issuer.first
        version = issuer.first.version
    for row in connection.execute(_STEPS, {"since": version}):
        found = _signed(bytes(row.der), roots, issuer.site)
        if found is not None and found.version == row.version:
            roots = _of(found)
            yield found


_of = bundles.roots_of


@functools.lru_cache(maxsize=64)
def _signed(der: bytes, roots: Roots, site: str) -> TrustBundle | None:
    """Return a bundle if these roots and its own have signed it."""
    try:
        parsed = bundle.parse(der)
        parsed.check_signed((roots[0], list(roots[1])))
        if _of(parsed) != roots:
            parsed.check_signed()
    except errors.SealError:
        return None
    return parsed if parsed.site == site else None


def next_for(
    connection: Connection, issuer: Issuer, version: int, holder: bytes = b""
) -> TrustBundle | None:
    """Return the newest trust bundle that a node can take, which may have slept through several.

    A node takes a bundle that changes the roots only after the very version before. And the bundle
    must have the key of the site that signed the node's certificate.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA.
        version: version of the bundle that the node has; 0 if it has none.
        holder: name of the key of the site that signed the node's certificate, DER; b"" if that is
            not known.

    Returns: the bundle; None if there is none for this node.
    """
    newest = current(connection, issuer)
    if newest.version <= version or not version:
        return newest if newest.version > version else None
    table = tables.bundles.c
    last = _last_before_change(connection, version, newest.version)
    query = select(table.version, table.der).where(table.version > version, table.version <= last)
    for row in connection.execute(query.order_by(table.version.desc())):
        one = newest if row.version == newest.version else _parsed(bytes(row.der))
        if one is None or one.version != row.version:
            continue
        if not holder or any(name == holder for name, _ in one.site_keys):
            return one
    return None


def _last_before_change(connection: Connection, version: int, newest: int) -> int:
    """Return the newest version that a node can take by the rule of the roots alone."""
    table = tables.bundles.c
    among = (table.version > version) & (table.version <= newest)
    change = connection.scalar(select(func.min(table.version)).where(table.changes_roots, among))
    if change is None:
        return newest
    before = connection.scalar(select(func.max(table.version)).where(table.version < change))
    return int(before if before is not None and before > version else change)


def _parsed(der: bytes) -> TrustBundle | None:
    """Return a bundle that its own roots have signed; the node checks the rest."""
    try:
        found = bundle.parse(der)
        found.check_signed()
    except errors.SealError:
        return None
    return found


def marks(connection: Connection, issuer: Issuer, since: int = 1) -> dict[int, bytes]:
    """Return the marks of the site's trust bundles by version.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA.
        since: the lowest version.
    """
    table = tables.bundles.c
    query = select(table.version, table.der).where(table.version >= since).order_by(table.version)
    steps = list(_steps(connection, issuer))
    found = {one.version: bytes(one.mark) for one in steps if one.version >= since}
    for row in connection.execute(query):
        roots = issuer.old_roots
        for step in steps:
            roots = _of(step) if step.version <= row.version else roots
        one = _signed(bytes(row.der), roots, issuer.site)
        if one is not None and one.version == row.version:
            found[one.version] = bytes(one.mark)
    return found


def nodes_with_others(connection: Connection, issuer: Issuer) -> set[str]:
    """Return the names of the nodes that have a trust bundle which is not in the database.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA.
    """
    known = marks(connection, issuer)
    table = tables.nodes.c
    query = select(table.name, table.bundle_version, table.bundle_mark)
    told = (table.bundle_version > 0) & table.bundle_mark.is_not(None) & table.retired_at.is_(None)
    rows = connection.execute(query.where(told))
    return {row.name for row in rows if known.get(row.bundle_version) != row.bundle_mark}


def next_version(connection: Connection, newest: int) -> int:
    """Return the version of the next bundle: higher than any that a node has.

    A node can have a higher one than the database after a backup was restored. A lying node moves
    the version by no more than _MOST_AHEAD.

    Args:
        connection: any transaction.
        newest: version of the newest bundle.
    """
    column = tables.nodes.c.bundle_version
    query = select(func.max(column)).where(column <= newest + _MOST_AHEAD)
    return 1 + max(newest, connection.execute(query).scalar_one() or 0)


def keys_of(trusted: TrustBundle, known: Mapping[bytes, Entry] | None = None) -> Keys:
    """Return the keys in a bundle.

    Args:
        trusted: the bundle.
        known: name and key of developers by hash, from `known`.
    """
    lists = trusted.site_keys, trusted.store_keys
    site, stores = (tuple((bytes(name), bytes(key)) for name, key in found) for found in lists)
    return Keys(_of(trusted), site, stores, bundles.developers_of(trusted), known or {})


def known(connection: Connection) -> dict[bytes, Entry]:
    """Return the names and keys of developers by the hashes that stand for them in bundles.

    Args:
        connection: any transaction.
    """
    table = tables.developer_keys.c
    found = {}
    for row in connection.execute(select(table.name, table.spki)):
        if 0 < len(row.name.encode()) <= _LONGEST_NAME:
            entry = bytes(sealwriter.name(row.name)), bytes(row.spki)
            found[bytes(sealwriter.entry_hash(*entry))] = entry
    return found


def keep_names(connection: Connection, entries: Mapping[bytes, Entry]) -> None:
    """Keep the names and keys of developers.

    Args:
        connection: a writing transaction.
        entries: by hash, as `known` returns them.
    """
    table = tables.developer_keys
    have = known(connection)
    for entry, (name, spki) in entries.items():
        if entry not in have:
            row = {"entry": entry, "name": names.common_name(name), "spki": spki}
            connection.execute(table.delete().where(table.c.entry == entry))
            connection.execute(table.insert().values(row))


def founding_keys(issuer: Issuer, root: bytes) -> Keys:
    """Return the keys of a new site, which trusts only itself.

    Args:
        issuer: the public part of the SLCA.
        root: key of its only root, DER SubjectPublicKeyInfo.
    """
    return Keys((1, (root,)), ((issuer.name, issuer.spki),))


def differences(before: Keys, after: Keys) -> list[Difference]:
    """List what a change adds and removes, for the person who asks for it.

    Args:
        before: the keys before the change.
        after: the keys after it.
    """
    found = []
    if before.roots[0] != after.roots[0]:
        found.append(Difference(True, "threshold", "", str(after.roots[0])))
    for kind in ("roots", "site", "stores", "developers"):
        old, new = _printed(before, kind, after), _printed(after, kind, before)
        may = {one[:2]: one[2] for one in old if len(one) > 2}
        kept = {one[:2] for one in new if one[:2] in may}
        singular = kind.removesuffix("s")
        found += (
            Difference(True, singular, one[0], one[1], "".join(one[2:]), may.get(one[:2], ""))
            for one in new
            if one not in old
        )
        found += (
            Difference(False, singular, *one)
            for one in old
            if one not in new and one[:2] not in kept
        )
    return found


def contents(keys: Keys) -> list[Difference]:
    """List all that a bundle has, as if each of it was added.

    Args:
        keys: the keys in the bundle.
    """
    return differences(Keys(roots=(0, ()), site=()), keys)


def _printed(keys: Keys, kind: str, other: Keys) -> list[tuple[str, ...]]:
    """Return name and fingerprint of each key of a kind, and what a developer may sign."""
    if kind == "roots":
        return [("", request.fingerprint(spki)) for spki in keys.roots[1]]
    if kind != "developers":
        entries: Entries = getattr(keys, kind)
        return [(names.common_name(name), request.fingerprint(spki)) for name, spki in entries]
    who = {**other.known, **keys.known}
    return [(*describe(entry, who), bundles.words(kinds)) for entry, kinds in keys.developers]


def describe(entry: bytes, known: Mapping[bytes, Entry]) -> tuple[str, str]:
    """Return name and fingerprint of a developer; "" and the hash if they are not known.

    Args:
        entry: the hash in the bundle.
        known: name and key of developers by hash.
    """
    found = known.get(entry)
    if found is None:
        return "", entry.hex()
    return str(names.common_name(found[0])), request.fingerprint(found[1])


def check_authority(certificate: bytes, now: int) -> tuple[str, bytes]:
    """Check the CA certificate of a Store.

    Args:
        certificate: the certificate, DER.
        now: the time, Unix seconds.

    Returns: the Store's name, and its key, DER SubjectPublicKeyInfo.

    Raises:
        BadAuthority: not a self-signed certificate of a CA that is valid now.
    """
    try:
        parsed = x509.parse(certificate)
        x509.check_issued(parsed, parsed, now)
        return names.common_name(parsed.subject), bytes(parsed.spki)
    except errors.SealError as error:
        raise BadAuthority(f"{error.code} {error}".strip()) from None


def keep_certificate(connection: Connection, certificate: bytes) -> None:
    """Keep the CA certificate of a Store, to tell when it ends.

    Args:
        connection: a writing transaction.
        certificate: the certificate, DER, which `check_authority` has checked.
    """
    parsed = x509.parse(certificate)
    name, spki = names.common_name(parsed.subject), bytes(parsed.spki)
    table = tables.stores  # a Store may have several keys while it changes its own
    connection.execute(table.delete().where(table.c.spki == spki))
    connection.execute(table.insert().values(name=name, spki=spki, certificate=certificate))


def with_store(name: str, spki: bytes) -> Changed:
    """Return the change that trusts a Store.

    Args:
        name: name of the Store.
        spki: its key, DER SubjectPublicKeyInfo.

    Returns: the change; it raises NameTaken if another Store has this name.
    """

    def change(before: Keys) -> Keys:
        if any(known == spki for _, known in before.stores):
            return before
        if any(known == sealwriter.name(name) for known, _ in before.stores):
            raise NameTaken(
                f"another Store is called {name}, or it has a new key: review its notices"
            )
        return replace(before, stores=(*before.stores, (sealwriter.name(name), spki)))

    return change


def with_developer(name: str, spki: bytes, kinds: int = limits.SERVICE) -> Changed:
    """Return the change that trusts a developer's key. A developer may have several keys.

    Args:
        name: name of the developer, which is the issuer in its seals.
        spki: the public key, DER SubjectPublicKeyInfo.
        kinds: what it may sign, see `sealwriter.kinds`.

    Raises:
        BadName: the name is not allowed.
    """
    request.check_name(name)
    entry = bytes(sealwriter.name(name)), spki
    mine = bytes(sealwriter.entry_hash(*entry))

    def change(before: Keys) -> Keys:
        if any(known == mine and which & kinds == kinds for known, which in before.developers):
            return before
        others = tuple(one for one in before.developers if one[0] != mine)
        may = kinds | sum(which for known, which in before.developers if known == mine)
        developers = tuple(sorted((*others, (mine, may))))
        return replace(before, developers=developers, known={**before.known, mine: entry})

    return change


def without_store(name: str) -> Changed:
    """Return the change that stops trusting a Store.

    Args:
        name: name of the Store.

    Returns: the change; it raises UnknownKey if the site trusts no such Store.
    """
    return lambda before: replace(before, stores=_without(before.stores, name))


def without_developer(name: str) -> Changed:
    """Return the change that stops trusting all keys of a developer.

    Args:
        name: name of the developer, or the hash of a developer whose name is not known.

    Returns: the change; it raises UnknownKey if the site trusts no such developer.
    """

    def change(before: Keys) -> Keys:
        def stays(one: Developer) -> bool:
            who, key = describe(one[0], before.known)
            return name not in (who, "" if who else key)

        left = tuple(one for one in before.developers if stays(one))
        if len(left) == len(before.developers):
            raise UnknownKey(f"the site trusts no key of {name}")
        return replace(before, developers=left)

    return change


def with_root(spki: bytes) -> Changed:
    """Return the change that adds a root.

    Args:
        spki: its key, DER SubjectPublicKeyInfo.
    """

    def change(before: Keys) -> Keys:
        threshold, roots = before.roots
        return before if spki in roots else replace(before, roots=(threshold, (*roots, spki)))

    return change


def without_root(fingerprint: str) -> Changed:
    """Return the change that removes a root.

    Args:
        fingerprint: fingerprint of its key.

    Returns: the change; it raises UnknownKey if there is no such root, and TooFewRoots if too few
        would be left.
    """

    def change(before: Keys) -> Keys:
        threshold, roots = before.roots
        left = tuple(one for one in roots if request.fingerprint(one) != fingerprint)
        if left == roots:
            raise UnknownKey(f"the site has no root {fingerprint}")
        return with_threshold(threshold)(replace(before, roots=(threshold, left)))

    return change


def with_threshold(threshold: int) -> Changed:
    """Return the change that wants so many roots to sign.

    Args:
        threshold: the number.

    Returns: the change; it raises TooFewRoots if there are fewer roots.
    """

    def change(before: Keys) -> Keys:
        roots = before.roots[1]
        if len(roots) < threshold:
            raise TooFewRoots(f"{threshold} roots must sign, and there would be {len(roots)}")
        return replace(before, roots=(threshold, roots))

    return change


def with_site_key(entry: Entry) -> Changed:
    """Return the change that adds a key of the site.

    Args:
        entry: name and SubjectPublicKeyInfo of the key, both DER.
    """
    return lambda before: replace(before, site=(*before.site, entry))


def without_site_key(spki: bytes) -> Changed:
    """Return the change that removes a key of the site.

    Args:
        spki: the key, DER SubjectPublicKeyInfo.
    """
    return lambda before: replace(before, site=tuple(e for e in before.site if e[1] != spki))


def _without(entries: Entries, name: str) -> Entries:
    left = tuple(entry for entry in entries if names.common_name(entry[0]) != name)
    if len(left) == len(entries):
        raise UnknownKey(f"the site trusts no key of {name}")
    return left


def check_package(connection: Connection, issuer: Issuer, package: bytes) -> None:
    """Check that the newest bundle trusts the developer and the Store of a package.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA.
        package: digest of the package, 32 bytes.

    Raises:
        UntrustedSigner, BadSignature: the site does not trust one of them now.
        UntrustedKind: the developer may not sign what this package is.
        SealError: no node would accept these two seals.
    """
    row = connection.execute(_SEALS, {"package": package}).one()
    newest = current(connection, issuer)
    what = metadata.parse(row.metadata).kind
    refused = _refusal(newest.der, bytes(row.store_seal), bytes(row.developer_seal), what)
    if refused is not None:
        kind, detail = refused
        raise kind(detail)


@functools.lru_cache(maxsize=4096)
def _refusal(
    trusted: bytes, store_seal: bytes, developer_seal: bytes, kind: str
) -> tuple[type[errors.SealError], str] | None:
    """Return why two seals are refused at the first moment at which both are valid, or None."""
    believed = bundle.parse(trusted)
    signer = "the Store"
    try:
        store = seal.parse(store_seal, seal.STORE)
        developer = seal.parse(developer_seal, seal.DEVELOPER)
        moment = max(store.not_before, developer.not_before)
        signer = f"the Store {names.common_name(store.issuer)}"
        keys.check_signed(store, believed.store_keys, moment)
        signer = f"the developer {names.common_name(developer.issuer)}"
        may = custody.check_package(store, developer, believed, moment)
        if not may & bundles.kinds_of([kind]):
            return errors.UntrustedKind, f"the site takes no {kind} that {signer[4:]} has signed"
    except errors.UntrustedSigner as error:
        return type(error), f"the site does not trust {signer}"
    except errors.SealError as error:
        return type(error), str(error)
    return None
