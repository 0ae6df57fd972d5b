"""The keys that the site trusts, and the signed, versioned trust bundle for its nodes.

Whenever a key is added or removed, the same transaction signs a new version of the bundle.
"""

from __future__ import annotations

from sqlalchemy import Connection, Table, func, select

from sealcore import bundle, errors, messages, names, sealwriter, x509
from sealcore.bundle import TrustBundle
from triseal import request
from triseal.site.errors import BadAuthority, NameTaken, UnknownKey
from triseal.site.records import tables
from triseal.site.slca.authority import Authority, Entry


def current(connection: Connection) -> TrustBundle:
    """Return the newest trust bundle.

    Args:
        connection: any transaction.
    """
    query = select(tables.bundles.c.der).order_by(tables.bundles.c.version.desc()).limit(1)
    return bundle.parse(connection.execute(query).scalar_one())


def publish(connection: Connection, authority: Authority, now: int) -> TrustBundle:
    """Sign and keep the next version of the bundle, with the present keys.

    Args:
        connection: a writing transaction.
        authority: the SLCA.
        now: the time, Unix seconds.

    Raises:
        TooLarge: a bundle can't hold so many keys, or a node can't receive it. The caller must roll
            the transaction back.
    """
    newest = connection.execute(select(func.max(tables.bundles.c.version))).scalar_one()
    version = 1 + (newest or 0)
    signed = authority.sign_bundle(
        version, now, _site_keys(connection), _stores(connection), _developers(connection)
    )
    published = bundle.parse(signed)
    # A node receives it together with the signed time in one frame.
    time = authority.sign_time(bytes(16), now)
    if len(messages.write(messages.WELCOME, time, signed)) > messages.MAX_FRAME:
        raise errors.TooLarge("trust bundle")
    connection.execute(tables.bundles.insert().values(version=version, der=signed))
    return published


def signing_certificate(connection: Connection) -> bytes:
    """Return the CA certificate of the key that the site signs with now, DER.

    Args:
        connection: any transaction.
    """
    table = tables.authorities.c
    query = select(table.certificate).order_by(table.id.desc()).limit(1)
    return bytes(connection.execute(query).scalar_one())


def add_store(connection: Connection, certificate: bytes, now: int) -> tuple[str, bool]:
    """Trust a Store, or keep the renewed certificate of one that is trusted.

    Args:
        connection: a writing transaction.
        certificate: the Store's CA certificate, DER.
        now: the time, Unix seconds.

    Returns: the Store's name, and whether it is new.

    Raises:
        BadAuthority: not a self-signed certificate of a CA that is valid now.
        NameTaken: another Store has this name.
    """
    name, spki = _check_authority(certificate, now)
    table = tables.stores
    if connection.execute(select(table.c.id).where(table.c.spki == spki)).first():
        renewed = table.update().where((table.c.spki == spki) & (table.c.name == name))
        connection.execute(renewed.values(certificate=certificate))
        return name, False
    if connection.execute(select(table.c.id).where(table.c.name == name)).first():
        raise NameTaken(f"another Store is called {name}")
    connection.execute(table.insert().values(name=name, spki=spki, certificate=certificate))
    return name, True


def _check_authority(certificate: bytes, now: int) -> tuple[str, bytes]:
    try:
        parsed = x509.parse(certificate)
        x509.check_issued(parsed, parsed, now)
        return names.common_name(parsed.subject), bytes(parsed.spki)
    except errors.SealError as error:
        raise BadAuthority(f"{error.code} {error}".strip()) from None


def add_developer(connection: Connection, name: str, spki: bytes) -> bool:
    """Trust a developer's key. A developer may have several keys while changing them.

    Args:
        connection: a writing transaction.
        name: name of the developer, which is the issuer in its seals.
        spki: the public key, DER SubjectPublicKeyInfo.

    Returns: False if the key was already trusted.

    Raises:
        BadName: the name is not allowed.
    """
    table = tables.developers
    which = (table.c.name == name) & (table.c.spki == spki)
    if connection.execute(select(table.c.id).where(which)).first():
        return False
    request.check_name(name)
    connection.execute(table.insert().values(name=name, spki=spki))
    return True


def remove_store(connection: Connection, name: str) -> None:
    """Stop trusting a Store.

    Args:
        connection: a writing transaction.
        name: name of the Store.

    Raises:
        UnknownKey: there is no such Store.
    """
    _remove(connection, tables.stores, name)


def remove_developer(connection: Connection, name: str) -> None:
    """Stop trusting all keys of a developer.

    Args:
        connection: a writing transaction.
        name: name of the developer.

    Raises:
        UnknownKey: there is no such developer.
    """
    _remove(connection, tables.developers, name)


def _remove(connection: Connection, table: Table, name: str) -> None:
    if not connection.execute(table.delete().where(table.c.name == name)).rowcount:
        raise UnknownKey(f"the site trusts no key of {name}")


def _site_keys(connection: Connection) -> list[Entry]:
    query = select(tables.authorities.c.certificate).order_by(tables.authorities.c.id)
    certificates = [x509.parse(der) for der in connection.scalars(query)]
    return [(bytes(parsed.subject), bytes(parsed.spki)) for parsed in certificates]


def _stores(connection: Connection) -> list[Entry]:
    table = tables.stores.c
    rows = connection.execute(select(table.name, table.spki).order_by(table.id))
    return [(sealwriter.name(row.name), row.spki) for row in rows]


def _developers(connection: Connection) -> list[Entry]:
    table = tables.developers.c
    rows = connection.execute(select(table.name, table.spki).order_by(table.id))
    return [(sealwriter.name(row.name), row.spki) for row in rows]
