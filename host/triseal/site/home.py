"""A site's folder: its key, its CA certificate, and where its database is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509 as cx509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection, Engine, select

from boards import state_folder
from triseal import database, files, folder, keyfile, label, signer
from triseal.errors import AlreadyExists, NotAKey, NotInitialised
from triseal.signer import KeySigner
from triseal.site.errors import Incomplete
from triseal.site.records import schema, tables
from triseal.site.rules import trust
from triseal.site.slca import authority
from triseal.site.slca.authority import Authority, Issuer

KEY = "site.key"
CERTIFICATE = "site.crt"
SETTINGS = "site.json"
DATABASE = "site.sqlite"
MIN_LIFETIME = 10  # seconds; below, seals would expire while they travel
MAX_LIFETIME = 30 * 86400

_MAX_FILE = 32768


@dataclass(frozen=True)
class Founding:
    """What is decided when a site is made.

    Attributes:
        name: the site's, a label.
        algorithm: of its key, one of signer.ALGORITHMS.
        lifetime: of its seals, seconds (the paper's Cert_lifetime).
        database: URL; "" for an SQLite file in the site's folder.
    """

    name: str
    algorithm: str = "rsa2048"
    lifetime: int = 5000
    database: str = ""


def default() -> Path:
    """Where a site's home is unless told."""
    return state_folder.root() / "site"


def init(home: Path, founding: Founding, passphrase: bytes | None, now: int) -> None:
    """Make a site: all of it or nothing.

    Args:
        home: folder; must not exist, or be empty.
        founding: what is decided.
        passphrase: encrypts the key; None leaves it in the clear.
        now: Unix seconds.

    Raises:
        BadLabel: the name can't be one.
        AlreadyExists: there is a site, in the folder or in the database.
        DatabaseUnusable: see triseal.database.
    """
    label.check(founding.name, "site")
    if not MIN_LIFETIME <= founding.lifetime <= MAX_LIFETIME:
        raise ValueError(f"lifetime {founding.lifetime}")
    with folder.fresh(home) as fresh:
        engine = database.open_database(founding.database or fresh / DATABASE, schema.TABLES)
        try:
            _found(fresh, home, engine, founding, passphrase, now)
        finally:
            engine.dispose()
        if not founding.database:
            folder.settle(fresh, home)


def _found(
    fresh: Path, home: Path, engine: Engine, founding: Founding, passphrase: bytes | None, now: int
) -> None:
    """Key and files into `fresh`, the rest into the database. A server's database is elsewhere, so
    the folder takes its place while the transaction is still open."""
    with database.writing(engine) as connection:
        if connection.execute(select(tables.site.c.id)).first():
            raise AlreadyExists("there is a site in this database")
        key = signer.generate(founding.algorithm)
        certificate = authority.self_signed(KeySigner(key), founding.name, now)
        keyfile.create(fresh / KEY, key, passphrase)
        files.write(fresh / CERTIFICATE, _pem(certificate))
        settings = json.dumps({"database": founding.database}).encode()
        files.write(fresh / SETTINGS, settings, 0o600)  # a URL may hold a password
        _fill(
            connection,
            founding,
            Authority(KeySigner(key), Issuer(certificate, founding.name)),
            certificate,
            now,
        )
        if founding.database:
            folder.settle(fresh, home)


def _fill(
    connection: Connection, founding: Founding, slca: Authority, certificate: bytes, now: int
) -> None:
    connection.execute(
        tables.site.insert().values(
            id=1, name=founding.name, lifetime=founding.lifetime, created_at=now
        )
    )
    connection.execute(tables.authorities.insert().values(certificate=certificate))
    trust.publish(connection, slca, now)


def _pem(der: bytes) -> bytes:
    return cx509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def open_site(home: Path) -> tuple[Engine, Issuer, int]:
    """The site's database, the public side of its authority, and the lifetime of its seals.

    `dispose` the engine in the end. Raises: NotInitialised, Incomplete, DatabaseUnusable.
    """
    engine = _open_engine(home)
    try:
        with database.reading(engine) as connection:
            row = connection.execute(select(tables.site)).one_or_none()
            if row is None:
                raise Incomplete(f"the database of {home} holds no site")
            return engine, Issuer(trust.signing_certificate(connection), row.name), row.lifetime
    except BaseException:
        engine.dispose()
        raise


def _open_engine(home: Path) -> Engine:
    try:
        settings = json.loads(files.read(home / SETTINGS, _MAX_FILE))
        where = str(settings["database"])
    except FileNotFoundError:
        raise NotInitialised(f"there is no site at {home}") from None
    except (ValueError, KeyError, TypeError):
        raise Incomplete(f"{home / SETTINGS} is damaged") from None
    if not where and not (home / DATABASE).exists():
        raise Incomplete(f"{home / DATABASE} is missing")  # never silently an empty one
    return database.open_database(where or home / DATABASE, schema.TABLES)


def unlock(home: Path, issuer: Issuer, ask: keyfile.Ask) -> Authority:
    """The SLCA, its key open.

    Args:
        home: the site's folder.
        issuer: of the certificate that signs now.
        ask: gives the passphrase if one is needed.

    Raises: NotAKey, and what keyfile.load raises.
    """
    key = KeySigner(keyfile.load(home / KEY, ask))
    try:
        return Authority(key, issuer)
    except ValueError:
        raise NotAKey(f"{home / KEY} is not the key of this site") from None
