"""The keys that the site trusts, and the signed, versioned trust bundle for its nodes.

The newest bundle that the site's own key has signed is the state. The next one is that bundle plus
or minus what a person asks for. No other row of the database is read for it, so an attacker who can
write to the database, but does not have the site's key, can't add a key.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Connection, func, select

from sealcore import bundle, custody, errors, keys, messages, names, seal, sealwriter, x509
from sealcore.bundle import TrustBundle
from triseal import request
from triseal.site.errors import BadAuthority, Incomplete, NameTaken, UnknownKey
from triseal.site.records import tables
from triseal.site.slca.authority import Authority, Entry, Issuer

Entries = tuple[Entry, ...]

_MOST_AHEAD = 1000


@dataclass(frozen=True)
class Keys:
    """The keys in a trust bundle, each with its name, both DER.

    Attributes:
        site: keys of the site.
        stores: keys of Stores.
        developers: keys of developers.
    """

    site: Entries
    stores: Entries = ()
    developers: Entries = ()


Changed = Callable[[Keys], Keys]
"""Returns the keys after a change of trust. Raises a Failure if the change is not allowed."""


@dataclass(frozen=True)
class Difference:
    """One key that a new trust bundle adds or removes.

    Attributes:
        added: False if the key is removed.
        kind: "site", "store" or "developer".
        name: name of its holder.
        fingerprint: fingerprint of the key.
    """

    added: bool
    kind: str
    name: str
    fingerprint: str


def current(connection: Connection, issuer: Issuer) -> TrustBundle:
    """Return the newest trust bundle that the site's key has signed. Other rows are ignored.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA.

    Raises:
        Incomplete: the database holds no such bundle.
    """
    table = tables.bundles.c
    for row in connection.execute(select(table.version, table.der).order_by(table.version.desc())):
        found = _verified(bytes(row.der), issuer.signers(row.version), issuer.site)
        if found is not None and found.version == row.version:
            return found
    raise Incomplete("the database holds no trust bundle that the site's key has signed")


def next_for(
    connection: Connection, issuer: Issuer, version: int, holder: bytes
) -> TrustBundle | None:
    """Return the newest trust bundle that a node can take, which may have slept through several.

    Its own bundle must have a key that signed the new one, and the new one must have the key that
    signed the node's certificate.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA.
        version: version of the bundle that the node has.
        holder: name of the key of the site that signed the node's certificate, DER; b"" if that is
            not known.

    Returns: the bundle; None if there is none for this node.
    """
    known = tuple(
        one.entry
        for one in issuer.all
        if one.term.since <= version and (one.term.until or version + 1) > version
    )
    table = tables.bundles.c
    query = select(table.version, table.der).where(table.version > version)
    for row in connection.execute(query.order_by(table.version.desc())):
        ours = _verified(bytes(row.der), issuer.signers(row.version), issuer.site)
        if (
            ours is not None
            and ours.version == row.version
            and _verified(bytes(row.der), known, issuer.site) is not None
            and (not holder or any(name == holder for name, _ in ours.site_keys))
        ):
            return ours
    return None


@functools.lru_cache(maxsize=64)
def _verified(der: bytes, signers: Entries, site: str) -> TrustBundle | None:
    try:
        parsed = bundle.parse(der)
        parsed.check_signed(signers)
    except errors.SealError:
        return None
    return parsed if parsed.site == site else None


def marks(connection: Connection, issuer: Issuer, since: int = 1) -> dict[int, bytes]:
    """Return the marks of the site's trust bundles by version.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA.
        since: the lowest version.
    """
    table = tables.bundles.c
    query = select(table.version, table.der).where(table.version >= since)
    found = {}
    for row in connection.execute(query):
        one = _verified(bytes(row.der), issuer.signers(row.version), issuer.site)
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


def keys_of(trusted: TrustBundle) -> Keys:
    """Return the keys in a bundle.

    Args:
        trusted: the bundle.
    """
    lists = trusted.site_keys, trusted.store_keys, trusted.developers
    return Keys(*(tuple((bytes(name), bytes(key)) for name, key in found) for found in lists))


def founding_keys(issuer: Issuer) -> Keys:
    """Return the keys of a new site, which trusts only itself.

    Args:
        issuer: the public part of the SLCA.
    """
    return Keys(((issuer.name, issuer.spki),))


def differences(before: Keys, after: Keys) -> list[Difference]:
    """List what a change adds and removes, for the person who asks for it.

    Args:
        before: the keys before the change.
        after: the keys after it.
    """
    found = []
    for kind in ("site", "stores", "developers"):
        old, new = getattr(before, kind), getattr(after, kind)
        for entries, others, added in ((new, old, True), (old, new, False)):
            for name, spki in entries:
                if (name, spki) not in others:
                    who = names.common_name(name), request.fingerprint(spki)
                    found.append(Difference(added, kind.removesuffix("s"), *who))
    return found


def publish(
    connection: Connection, authority: Authority, trusted: Keys, version: int, now: int
) -> TrustBundle:
    """Sign and keep a new bundle.

    Args:
        connection: a writing transaction.
        authority: the SLCA.
        trusted: the keys that it holds.
        version: its version, higher than that of every bundle before.
        now: the time, Unix seconds.

    Raises:
        TooLarge: a bundle can't hold so many keys, or a node can't receive it. The caller must roll
            the transaction back.
    """
    signed = authority.sign_bundle(version, now, trusted.site, trusted.stores, trusted.developers)
    published = bundle.parse(signed)
    # A node receives it together with the signed time in one frame.
    time = authority.sign_time(bytes(16), now)
    if len(messages.write(messages.WELCOME, time, signed)) > messages.MAX_FRAME:
        raise errors.TooLarge("trust bundle")
    # Rows of this version or a later one are not signed by the site, see `current`.
    table = tables.bundles
    connection.execute(table.delete().where(table.c.version >= version))
    connection.execute(table.insert().values(version=version, der=signed))
    return published


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


def with_developer(name: str, spki: bytes) -> Changed:
    """Return the change that trusts a developer's key. A developer may have several keys.

    Args:
        name: name of the developer, which is the issuer in its seals.
        spki: the public key, DER SubjectPublicKeyInfo.

    Raises:
        BadName: the name is not allowed.
    """
    request.check_name(name)
    entry = sealwriter.name(name), spki

    def change(before: Keys) -> Keys:
        if entry in before.developers:
            return before
        return replace(before, developers=(*before.developers, entry))

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
        name: name of the developer.

    Returns: the change; it raises UnknownKey if the site trusts no such developer.
    """
    return lambda before: replace(before, developers=_without(before.developers, name))


def with_site_key(entry: Entry) -> Changed:
    """Return the change that adds a key of the site.

    Args:
        entry: name and SubjectPublicKeyInfo of the key, both DER.
    """
    return lambda before: replace(before, site=(*before.site, entry))


def without_site_key(entry: Entry) -> Changed:
    """Return the change that removes a key of the site.

    Args:
        entry: name and SubjectPublicKeyInfo of the key, both DER.
    """
    return lambda before: replace(before, site=tuple(e for e in before.site if e != entry))


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
        SealError: no node would accept these two seals.
    """
    table = tables.packages.c
    query = select(table.store_seal, table.developer_seal).where(table.digest == package)
    row = connection.execute(query).one()
    newest = current(connection, issuer)
    refused = _refusal(newest.der, bytes(row.store_seal), bytes(row.developer_seal))
    if refused is not None:
        kind, detail = refused
        raise kind(detail)


@functools.lru_cache(maxsize=4096)
def _refusal(
    trusted: bytes, store_seal: bytes, developer_seal: bytes
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
        custody.check_package(store, developer, believed, moment)
    except errors.UntrustedSigner as error:
        return type(error), f"the site does not trust {signer}"
    except errors.SealError as error:
        return type(error), str(error)
    return None
