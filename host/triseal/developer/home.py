"""A developer's home: a key, and the certification request that names it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from boards import state_folder
from triseal import files, folder, keyfile, keysource, request
from triseal.errors import AlreadyExists, NotAKey, NotInitialised
from triseal.keysource import NewKey
from triseal.signer import Signer

KEY = "developer.key"
REQUEST = "developer.request.pem"


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
        return request.parse(files.read(home / REQUEST, request.MAX_SIZE))
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
    return files.read(home / REQUEST, request.MAX_SIZE)


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
    key = keysource.load(home / KEY, ask)
    if key.spki != known.spki:
        raise NotAKey(f"{home / KEY} is not the key of {home / REQUEST}")
    return Developer(known.name, key)
