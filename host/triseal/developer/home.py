"""A developer's home: a key, the certification request that names it, and replaced keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from boards import state_folder
from triseal import files, folder, keyfile, keyplaces, keysource, replacement, request
from triseal.errors import AlreadyExists, NotAKey, NotInitialised
from triseal.keysource import NewKey
from triseal.signer import Signer

KEY = "developer.key"
REQUEST = "developer.request.pem"
REPLACEMENT = "developer.replacement.pem"


@dataclass(frozen=True)
class Developer:
    """A developer whose key is open.

    Attributes:
        name: the name that is the issuer of the developer's seals.
        signer: signs with the developer's key.
    """

    name: str
    signer: Signer


def default() -> Path:
    """Return the default folder of a developer's home."""
    return state_folder.root() / "dev"


def init(home: Path, name: str, new: NewKey) -> request.Request:
    """Create a developer's key and request.

    Args:
        home: the folder; it must not exist, or be empty.
        name: name of the developer, 1 to 64 bytes.
        new: what is to become the developer's key.

    Raises:
        AlreadyExists: the folder holds a developer's key or something else, which stays as it is.
        BadName: the name is not allowed.
        Failure: as `NewKey.create` raises it.
    """
    request.check_name(name)
    new.check()
    if (home / KEY).exists():  # the most frequent reason gets a message of its own
        raise AlreadyExists(f"there is a key at {home / KEY}")
    folder.check_vacant(home)
    with folder.fresh(home) as fresh:
        proof = request.make(new.create(fresh / KEY), name)
        files.write(fresh / REQUEST, proof, files.PRIVATE)
        folder.settle(fresh, home)
    return request.parse(proof)


def show(home: Path) -> request.Request:
    """Return a developer's name and public key, without a passphrase.

    Args:
        home: the developer's folder.

    Raises:
        NotInitialised: there is no developer in the folder.
    """
    try:
        return request.parse(files.read(keyplaces.in_use(home) / REQUEST, request.MAX_SIZE))
    except FileNotFoundError:
        raise NotInitialised(f"there is no developer at {home}") from None


def request_pem(home: Path) -> bytes:
    """Return the self-signed request that a Store registers, PEM.

    Args:
        home: the developer's folder.

    Raises:
        NotInitialised: there is no developer in the folder.
    """
    show(home)
    return files.read(keyplaces.in_use(home) / REQUEST, request.MAX_SIZE)


def unlock(home: Path, ask: keyfile.Ask) -> Developer:
    """Open a developer's key.

    Args:
        home: the developer's folder.
        ask: returns the passphrase if one is needed.

    Raises:
        NotInitialised: there is no developer in the folder.
        NotAKey: the file is not the key of the request.
        Failure: as keysource.load raises it.
    """
    known = show(home)
    place = keyplaces.in_use(home)
    key = keysource.load(place / KEY, ask)
    if key.spki != known.spki:
        raise NotAKey(f"{place / KEY} is not the key of {place / REQUEST}")
    return Developer(known.name, key)


def rotate(
    home: Path, ask: keyfile.Ask, new: NewKey, hand: Callable[[bytes], None] | None = None
) -> request.Request:
    """Make a new key, let the old one sign that it takes its place, and use the new one.

    The old key stays in the home: it is of no use to anybody once the Stores have the new one.

    Args:
        home: the developer's folder.
        ask: returns the passphrase of the old key if one is needed.
        new: what is to become the new key.
        hand: gets the replacement, PEM, before the new key is used. If it fails, nothing has
            changed: a Store follows no second replacement without the first one.

    Returns: the developer with the new key.

    Raises:
        NotInitialised, NotAKey, Failure: as `unlock`.
        Failure: as `NewKey.create` or `hand` raises it.
    """
    old = unlock(home, ask)
    new.check()
    with keyplaces.alone(home), folder.fresh(home / "new") as fresh:
        if show(home).spki != old.signer.spki:
            raise AlreadyExists("another command has just replaced the key")
        key = new.create(fresh / KEY)
        if key.spki == old.signer.spki:
            raise AlreadyExists("the token has this key in use already; give another object")
        proof = request.make(key, old.name)
        files.write(fresh / REQUEST, proof, files.PRIVATE)
        made = replacement.make(old.signer, proof)
        files.write(fresh / REPLACEMENT, made, files.PRIVATE)
        if hand is not None:
            hand(made)
        place = keyplaces.of(home, request.fingerprint(key.spki))
        folder.settle(fresh, place)
        keyplaces.use(home, place)
    return request.parse(proof)


def replacement_pem(home: Path) -> bytes | None:
    """Return the request by which the key in use took the place of the one before, PEM.

    Args:
        home: the developer's folder.

    Returns: None if the key is the first one.
    """
    try:
        return files.read(keyplaces.in_use(home) / REPLACEMENT, replacement.MAX_SIZE * 2)
    except FileNotFoundError:
        return None


def former(home: Path) -> list[bytes]:
    """Return the keys that this developer has replaced, DER SubjectPublicKeyInfo.

    Args:
        home: the developer's folder.
    """
    now = keyplaces.in_use(home)
    others = [path / REQUEST for path in keyplaces.every(home) if path != now]
    found = [files.read(path, request.MAX_SIZE) for path in others if path.exists()]
    return [request.parse(data).spki for data in found]
