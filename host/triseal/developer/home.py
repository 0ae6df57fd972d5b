"""A developer's home: a key and the request that names it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from boards import state_folder
from triseal import files, folder, keyfile, request, signer
from triseal.errors import AlreadyExists, NotAKey, NotInitialised
from triseal.signer import KeySigner

KEY = "developer.key"
REQUEST = "developer.request.pem"


@dataclass(frozen=True)
class Developer:
    """A developer who can sign.

    Attributes:
        name: as the seals give it as their issuer.
        signer: signs with the developer's key.
    """

    name: str
    signer: KeySigner


def default() -> Path:
    """Where a developer's home is unless told."""
    return state_folder.root() / "dev"


def init(home: Path, name: str, algorithm: str, passphrase: bytes | None) -> request.Request:
    """Make a developer's key and request.

    Args:
        home: folder; must not exist, or be empty.
        name: the developer's, 1 to 64 octets.
        algorithm: one of signer.ALGORITHMS.
        passphrase: encrypts the key; None leaves it in the clear.

    Raises:
        AlreadyExists: there is a developer's key, or something else; it stays as it is.
        BadName: the name can't be one.
    """
    request.check_name(name)
    if (home / KEY).exists():  # the likely case, in plain words
        raise AlreadyExists(f"there is a key at {home / KEY}")
    folder.check_vacant(home)
    key = signer.generate(algorithm)
    pem = request.make(key, name)
    with folder.fresh(home) as fresh:
        keyfile.create(fresh / KEY, key, passphrase)
        files.write(fresh / REQUEST, pem)
        folder.settle(fresh, home)
    return request.parse(pem)


def show(home: Path) -> request.Request:
    """The developer's name and public key; needs no passphrase.

    Raises:
        NotInitialised: nobody's home.
    """
    try:
        return request.parse(files.read(home / REQUEST, request.MAX_SIZE))
    except FileNotFoundError:
        raise NotInitialised(f"there is no developer at {home}") from None


def request_pem(home: Path) -> bytes:
    """The self-signed request that a Store registers, PEM."""
    show(home)
    return files.read(home / REQUEST, request.MAX_SIZE)


def unlock(home: Path, ask: keyfile.Ask) -> Developer:
    """The developer with the key open.

    Args:
        home: the developer's folder.
        ask: gives the passphrase if one is needed.

    Raises:
        NotInitialised, and what keyfile.load raises.
    """
    known = show(home)
    key = KeySigner(keyfile.load(home / KEY, ask))
    if key.spki != known.spki:
        raise NotAKey(f"{home / KEY} is not the key of {home / REQUEST}")
    return Developer(known.name, key)
