"""The folder of a site: its key, its CA certificate, and the address of its database."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection, Engine, select

from boards import state_folder
from triseal import database, files, folder, keyfile, keysource, label, pem
from triseal.choices import MAX_LIFETIME, MIN_LIFETIME
from triseal.errors import AlreadyExists, Failure, NotAKey, NotInitialised
from triseal.keysource import NewKey
from triseal.site.errors import Incomplete
from triseal.site.records import schema, tables
from triseal.site.rules import trust
from triseal.site.slca import authority
from triseal.site.slca.authority import Authority, Issuer

KEY = "site.key"
CERTIFICATE = "site.crt"
SETTINGS = "site.json"
DATABASE = "site.sqlite"

_MAX_FILE = 32768


@dataclass(frozen=True)
class Founding:
    """The choices that are made when a site is created.

    Attributes:
        name: name of the site, a label.
        algorithm: algorithm of its key, one of choices.ALGORITHMS.
        lifetime: lifetime of its seals, seconds (Cert_lifetime in the paper).
        database: path or URL of the database; "" for an SQLite file in the site's folder. A
            relative path counts from the present folder, once.
        key: URI of the site key on a token; "" for a key file.
    """

    name: str
    algorithm: str = "rsa2048"
    lifetime: int = 5000
    database: str = ""
    key: str = ""


def default() -> Path:
    """Return the default folder of a site's home."""
    return state_folder.root() / "site"


def init(home: Path, founding: Founding, passphrase: bytes | None, now: int) -> None:
    """Create a site; all of it or nothing.

    Args:
        home: the folder; it must not exist, or be empty.
        founding: the choices.
        passphrase: encrypts the key, or is the PIN of its token; see `keysource.NewKey`.
        now: the time, Unix seconds.

    Raises:
        BadLabel: the name is not allowed.
        ValueError: the lifetime is out of its range.
        AlreadyExists: there is a site in the folder or in the database.
        DatabaseUnusable: the database can't be used.
        Failure: as `keysource.NewKey.create` raises it.
    """
    label.check(founding.name, "site")
    new = NewKey(founding.algorithm, passphrase, founding.key)
    new.check()
    if not MIN_LIFETIME <= founding.lifetime <= MAX_LIFETIME:
        raise ValueError(f"lifetime {founding.lifetime}")
    if founding.database:
        founding = replace(founding, database=database.resolved(founding.database))
    with folder.fresh(home) as fresh:
        engine = database.open_database(founding.database or fresh / DATABASE, schema.SCHEMA)
        try:
            _found(fresh, home, engine, founding, new, now)
        finally:
            engine.dispose()
        if not founding.database:
            folder.settle(fresh, home)


def _found(
    fresh: Path, home: Path, engine: Engine, founding: Founding, new: NewKey, now: int
) -> None:
    """Write key and files into `fresh`, and the rest into the database.

    A database on a server is outside of the folder. The folder therefore takes its place while the
    transaction is still open.
    """
    with database.writing(engine) as connection:
        if connection.execute(select(tables.site.c.id)).first():
            raise AlreadyExists("there is a site in this database")
        key = new.create(fresh / KEY)
        certificate = authority.self_signed(key, founding.name, now)
        files.write(fresh / CERTIFICATE, pem.encode(pem.CERTIFICATE, certificate), files.PRIVATE)
        settings = json.dumps({"database": founding.database}).encode()
        files.write(fresh / SETTINGS, settings, files.PRIVATE)  # a URL may hold a password
        _fill(
            connection,
            founding,
            Authority(key, Issuer(certificate, founding.name)),
            now,
        )
        if founding.database:
            folder.settle(fresh, home)


def _fill(connection: Connection, founding: Founding, slca: Authority, now: int) -> None:
    connection.execute(
        tables.site.insert().values(
            id=1, name=founding.name, lifetime=founding.lifetime, created_at=now
        )
    )
    trust.publish(connection, slca, trust.founding_keys(slca.issuer), 1, now)


def open_site(home: Path) -> tuple[Engine, Issuer, int]:
    """Open a site.

    Args:
        home: the site's folder.

    Returns: the engine of its database, which the caller must `dispose`; the public part of its
        authority; and the lifetime of its seals, seconds.

    Raises:
        NotInitialised: the folder holds no site.
        Incomplete: something is missing in the folder or in the database.
        DatabaseUnusable: the database can't be opened.
    """
    engine = _open_engine(home)
    try:
        with database.reading(engine) as connection:
            row = connection.execute(select(tables.site)).one_or_none()
            if row is None:
                raise Incomplete(f"the database of {home} holds no site")
            issuer = Issuer(_certificate(home), row.name)
            trust.current(connection, issuer)
            if not 1 <= row.lifetime <= MAX_LIFETIME:
                raise Incomplete(f"the database has a lifetime of {row.lifetime} s for seals")
            return engine, issuer, row.lifetime
    except BaseException:
        engine.dispose()
        raise


def _certificate(home: Path) -> bytes:
    """Read the site's CA certificate, DER. It is in a file, because an attacker who can write only
    to the database must not change it.

    Raises:
        Incomplete: it is missing or can't be read.
    """
    try:
        return pem.expect(files.read(home / CERTIFICATE, pem.MAX_SIZE), pem.CERTIFICATE)
    except FileNotFoundError:
        raise Incomplete(f"{home / CERTIFICATE} is missing") from None
    except Failure:
        raise Incomplete(f"{home / CERTIFICATE} is damaged") from None


def _open_engine(home: Path) -> Engine:
    try:
        settings = json.loads(files.read(home / SETTINGS, _MAX_FILE))
        where = str(settings["database"])
    except FileNotFoundError:
        raise NotInitialised(f"there is no site at {home}") from None
    except (ValueError, KeyError, TypeError):
        raise Incomplete(f"{home / SETTINGS} is damaged") from None
    if not where and not (home / DATABASE).exists():
        raise Incomplete(f"{home / DATABASE} is missing")  # an empty one must not take its place
    return database.open_database(where or home / DATABASE, schema.SCHEMA)


def unlock(home: Path, issuer: Issuer, ask: keyfile.Ask) -> Authority:
    """Open the site key.

    Args:
        home: the site's folder.
        issuer: the public part of the authority that signs now.
        ask: returns the passphrase if one is needed.

    Returns: the SLCA.

    Raises:
        NotAKey: the file is not the key of this site.
        Failure: as keysource.load raises it.
    """
    key = keysource.load(home / KEY, ask)
    try:
        return Authority(key, issuer)
    except ValueError:
        raise NotAKey(f"{home / KEY} is not the key of this site") from None
