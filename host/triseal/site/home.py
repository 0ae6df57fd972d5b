"""The folder of a site: its keys, their CA certificates, and the address of its database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection, Engine, select

from boards import state_folder
from sealcore import bundle, limits
from sealcore.bundle import TrustBundle
from sealcore.errors import SealError
from triseal import database, files, folder, keyfile, keysource, label, pem, signer
from triseal.choices import MAX_LIFETIME, MIN_LIFETIME
from triseal.errors import (
    AlreadyExists,
    Failure,
    FileTooLarge,
    NotAFile,
    NotAKey,
    NotInitialised,
)
from triseal.keysource import NewKey
from triseal.signer import Signer
from triseal.site.errors import Incomplete, TokenWanted
from triseal.site.records import schema, sitekeys, tables
from triseal.site.records.sitekeys import SiteKey
from triseal.site.rules import roots, trust
from triseal.site.slca import authority
from triseal.site.slca.authority import Authority, Issuer, Term
from triseal.site.vault import Vault

KEY = "site.key"
CERTIFICATE = "site.crt"
ROOT = "root.key"
FIRST = "trust.der"
SETTINGS = "site.json"
DATABASE = "site.sqlite"

_MAX_FILE = 32768
_IN_FILE = "file:"


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
        root: the key of the only root; None for a key file of the same algorithm and passphrase.
    """

    name: str
    algorithm: str = "rsa2048"
    lifetime: int = 5000
    database: str = ""
    key: str = ""
    root: NewKey | None = None


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
    root = founding.root or NewKey(founding.algorithm, passphrase)
    root.check()
    founding = replace(founding, root=root)
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
        root = (founding.root or new).create(fresh / ROOT)
        certificate = authority.self_signed(key, founding.name, now)
        files.write(fresh / CERTIFICATE, pem.encode(pem.CERTIFICATE, certificate), files.PRIVATE)
        settings = json.dumps({"database": founding.database}).encode()
        files.write(fresh / SETTINGS, settings, files.PRIVATE)  # a URL may hold a password
        _fill(connection, founding, now)
        first = roots.found(connection, Issuer(certificate, founding.name), root, now)
        files.write(fresh / FIRST, bytes(first.der), files.PRIVATE)
        if founding.database:
            folder.settle(fresh, home)


def _fill(connection: Connection, founding: Founding, now: int) -> None:
    connection.execute(
        tables.site.insert().values(
            id=1, name=founding.name, lifetime=founding.lifetime, created_at=now
        )
    )


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
            issuer = issuer_of(home, row.name, sitekeys.all_keys(connection))
            trust.current(connection, issuer)
            if not 1 <= row.lifetime <= MAX_LIFETIME:
                raise Incomplete(f"the database has a lifetime of {row.lifetime} s for seals")
            return engine, issuer, row.lifetime
    except BaseException:
        engine.dispose()
        raise


def key_file(home: Path, number: int) -> Path:
    """Return the file of a key of the site.

    Args:
        home: the site's folder.
        number: number of the key; the one that the site was made with has the number 1.
    """
    return home / (KEY if number == 1 else f"site-{number}.key")


def _certificate_file(home: Path, number: int) -> Path:
    return home / (CERTIFICATE if number == 1 else f"site-{number}.crt")


def issuer_of(home: Path, site: str, known: tuple[SiteKey, ...]) -> Issuer:
    """Read the public part of a site's authority.

    Args:
        home: the site's folder.
        site: name of the site.
        known: the keys of the site, as the database has them.

    Returns: the one of the active key, with those of the others.

    Raises:
        Incomplete: the CA certificate of a key is missing or damaged, or no key is active.
    """
    first = _first(home)
    if not known:
        return Issuer(_certificate(home, 1), site, first=first)
    others = []
    active: tuple[bytes, Term] | None = None
    for key in reversed(known):
        if key.state == sitekeys.PREPARED and not _certificate_file(home, key.number).exists():
            continue  # another server made it; this one needs it when it is active
        certificate = _certificate(home, key.number)
        term = Term(
            key.number,
            key.since,
            key.until,
            renews=key.state in (sitekeys.TAINTED, sitekeys.REVOKED),
            signs=key.activated_at is not None or key.number == 1,
        )
        if key.state == sitekeys.ACTIVE:
            active = certificate, term
        else:
            others.append(Issuer(certificate, site, term))
            if others[-1].spki != key.spki:
                raise Incomplete(f"{_certificate_file(home, key.number)} is of another key")
    if active is None:
        raise Incomplete("the database has no active key of the site")
    return Issuer(active[0], site, active[1], others, first)


def _certificate(home: Path, number: int) -> bytes:
    """Read the CA certificate of a key, DER. It is in a file, because an attacker who can write
    only to the database must not change it.

    Raises:
        Incomplete: it is missing or can't be read.
    """
    path = _certificate_file(home, number)
    try:
        return pem.expect(files.read(path, pem.MAX_SIZE), pem.CERTIFICATE)
    except FileNotFoundError:
        raise Incomplete(f"{path} is missing") from None
    except Failure:
        raise Incomplete(f"{path} is damaged") from None


def _first(home: Path) -> TrustBundle | None:
    """Read the first bundle of the site's roots; None if an older program made the site.

    It is in a file, because an attacker who can write only to the database must not change it.

    Raises:
        Incomplete: it is damaged.
    """
    try:
        first = bundle.parse(files.read(home / FIRST, limits.MAX_BUNDLE))
        first.check_signed()
    except FileNotFoundError:
        return None
    except SealError:
        raise Incomplete(f"{home / FIRST} is damaged") from None
    return first


def keep_first(home: Path, first: TrustBundle) -> None:
    """Keep the first bundle of the site's roots; from now on it is where trust begins.

    Args:
        home: the site's folder.
        first: the bundle.
    """
    files.write(home / FIRST, bytes(first.der), files.PRIVATE)


def root(home: Path, ask: keyfile.Ask) -> Signer | None:
    """Open the root's key that is in the site's folder; None if there is none.

    Args:
        home: the site's folder.
        ask: returns the passphrase if one is needed.

    Raises:
        Failure: as keysource.load raises it.
    """
    return keysource.load(home / ROOT, ask) if (home / ROOT).exists() else None


def new_root(home: Path, new: NewKey, ask: keyfile.Ask) -> Signer:
    """Make the key of a root in the site's folder, or open the one that is there.

    Args:
        home: the site's folder.
        new: the key.
        ask: returns the passphrase of one that is there.

    Raises:
        Failure: as keysource.NewKey.create raises it.
    """
    return root(home, ask) or new.create(home / ROOT)


def _open_engine(home: Path) -> Engine:
    try:
        settings = files.read_json(home / SETTINGS, _MAX_FILE)
        where = str(settings["database"])
    except FileNotFoundError:
        raise NotInitialised(f"there is no site at {home}") from None
    except (ValueError, KeyError, FileTooLarge, NotAFile):
        raise Incomplete(f"{home / SETTINGS} is damaged") from None
    if not where and not (home / DATABASE).exists():
        raise Incomplete(f"{home / DATABASE} is missing")  # an empty one must not take its place
    return database.open_database(where or home / DATABASE, schema.SCHEMA)


def unlock(home: Path, issuer: Issuer, ask: keyfile.Ask) -> Authority:
    """Open the active key of a site; the one before it is opened when it must sign.

    Args:
        home: the site's folder.
        issuer: the public part of the authority that signs now.
        ask: returns the passphrase if one is needed, which is the same for all keys.

    Returns: the SLCA.

    Raises:
        NotAKey: the file is not the key of this site.
        Failure: as keysource.load raises it.
    """
    others = [
        Authority(_Later(home, one, ask), one)
        for one in reversed(issuer.all)
        if one is not issuer and one.term.signs and one.term.until is None
    ]
    return Authority(_open(home, issuer, ask), issuer, others)


def _open(home: Path, issuer: Issuer, ask: keyfile.Ask) -> Signer:
    path = key_file(home, issuer.term.number)
    key = keysource.load(path, ask)
    if (key.spki, key.algorithm) != (issuer.spki, issuer.algorithm):
        raise NotAKey(f"{path} is not the key of this site")
    return key


def vault(home: Path, issuer: Issuer, ask: keyfile.Ask) -> Vault:
    """Return the vault of a site, which opens its key when it needs it.

    Args:
        home: the site's folder.
        issuer: the public part of the authority that signs now.
        ask: returns the passphrase of its key.
    """
    return Vault(home, ask, lambda: keysource.is_protected(key_file(home, issuer.term.number)))


class _Later:
    """A key of the site that is opened when it signs for the first time."""

    def __init__(self, home: Path, issuer: Issuer, ask: keyfile.Ask) -> None:
        self._place = home, issuer, ask
        self._opened: Signer | None = None
        self.spki = issuer.spki
        self.algorithm = issuer.algorithm

    def sign(self, message: bytes) -> bytes:
        """Sign a message, see `Signer.sign`."""
        if self._opened is None:
            self._opened = _open(*self._place)
        return self._opened.sign(message)


def next_key(home: Path, issuer: Issuer, ask: keyfile.Ask, algorithm: str, uri: str) -> NewKey:
    """Return the choices for the next key of a site, which has the passphrase of the present one.

    Args:
        home: the site's folder.
        issuer: the public part of the present key.
        ask: returns the passphrase.
        algorithm: one of choices.ALGORITHMS; "" for that of the present key.
        uri: URI of the key on a token; "file:" for a key file; "" for a key file where the present
            key is in one.

    Raises:
        BadKeyURI: the URI can't be read.
        TokenWanted: the present key is on a token, and no URI says where the next one is to be.
    """
    present = key_file(home, issuer.term.number)
    if not uri and keysource.is_on_token(present):
        raise TokenWanted("the present key is on a token")
    secret = ask() if uri or keysource.is_protected(present) else None
    place = "" if uri == _IN_FILE else uri
    new = NewKey(algorithm or signer.algorithm_of(issuer.spki), secret, place)
    new.check()
    return new


def left_keys(home: Path, site: str, number: int) -> Iterator[Issuer]:
    """Find keys in the site's folder that no bundle had yet, and that have signed nothing.

    A command was interrupted that had made such a key, or its bundle waits for signatures of roots
    that are elsewhere.

    Args:
        home: the site's folder.
        site: name of the site.
        number: the lowest number that such a key has.

    Returns: their public parts.
    """
    while key_file(home, number).exists() or _certificate_file(home, number).exists():
        if key_file(home, number).exists() and _certificate_file(home, number).exists():
            yield Issuer(_certificate(home, number), site, Term(number, signs=False))
        number += 1


def make_key(home: Path, site: str, new: NewKey, number: int, now: int) -> Issuer:
    """Make another key of a site, with its CA certificate. It counts once a bundle has it.

    It is one that `left_keys` finds, if there is one of the same kind.

    Args:
        home: the site's folder.
        site: name of the site.
        new: the choices for the key.
        number: the lowest number that it may have.
        now: the time, Unix seconds.

    Returns: its public part.

    Raises:
        Failure: as `keysource.NewKey.create` raises it.
    """
    for left in left_keys(home, site, number):
        on_token = keysource.is_on_token(key_file(home, left.term.number))
        if (signer.algorithm_of(left.spki), on_token) == (new.algorithm, bool(new.uri)):
            return left
    while key_file(home, number).exists() or _certificate_file(home, number).exists():
        number += 1
    key = new.create(key_file(home, number))
    certificate = authority.self_signed(key, site, now, number)
    text = pem.encode(pem.CERTIFICATE, certificate)
    files.write(_certificate_file(home, number), text, files.PRIVATE)
    return Issuer(certificate, site, Term(number, signs=False))


def renew_certificate(home: Path, slca: Authority, now: int) -> None:
    """Replace the CA certificate of the active key by one that ends later, also after its end.

    Args:
        home: the site's folder.
        slca: the SLCA.
        now: the time, Unix seconds.
    """
    issuer = slca.issuer
    text = pem.encode(pem.CERTIFICATE, slca.self_signed(now))
    files.write(_certificate_file(home, issuer.term.number), text, files.PRIVATE)
