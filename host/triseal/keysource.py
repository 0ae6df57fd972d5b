"""The key of a party, wherever it is kept: in a key file, or on a token that the file names.

The home of a developer, a Store or a site has one key file. It holds the key itself (PKCS #8 PEM),
or one line with the URI of a key on a token (see `keyuri`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from triseal import files, keyfile, keyuri, pem, signer
from triseal.errors import AlreadyExists, BadKeyURI, NoPassphrase
from triseal.keyfile import Ask
from triseal.signer import KeySigner, Signer


@dataclass(frozen=True)
class NewKey:
    """What is to become the key of a new home.

    Attributes:
        algorithm: one of choices.ALGORITHMS.
        passphrase: encrypts the key file, or is the PIN of the token; None leaves the key
            unencrypted, or is for a token that needs no PIN or whose URI says where it is.
        uri: URI of a key on a token, which is generated there unless it exists; "" for a key file.
    """

    algorithm: str = "rsa2048"
    passphrase: bytes | None = None
    uri: str = ""

    def check(self) -> None:
        """Check the URI, before anything is created. Raises BadKeyURI."""
        if self.uri:
            _token(self.uri)

    def create(self, path: Path) -> Signer:
        """Make the key, and write the key file.

        Args:
            path: the key file; it must not exist.

        Raises:
            AlreadyExists: the file exists.
            BadKeyURI, TokenMissing, WrongPassphrase, NotAKey: the token's key can't be used.
        """
        if not self.uri:
            key = signer.generate(self.algorithm)
            keyfile.create(path, key, self.passphrase)
            return KeySigner(key)
        made = _open_token(self.uri, self._pin, self.algorithm)
        try:
            files.create(path, self.uri.encode() + b"\n", files.PRIVATE)
        except FileExistsError:
            raise AlreadyExists(f"there is a key at {path}") from None
        return made

    def _pin(self) -> bytes:
        if self.passphrase is None:
            raise NoPassphrase("the token needs a PIN")
        return self.passphrase


def open_uri(uri: str, ask: Ask) -> Signer:
    """Open a key.

    Args:
        uri: `file:PATH`, a path, or `pkcs11:...` (RFC 7512).
        ask: returns the passphrase or the PIN, if one is needed.

    Raises:
        BadKeyURI: the URI can't be read.
        TokenMissing, WrongPassphrase, NotAKey: the key can't be used.
        Failure: as keyfile.load raises it.
    """
    where = keyuri.parse(uri)
    return load(where, ask) if isinstance(where, Path) else _open_token(uri, ask)


def load(path: Path, ask: Ask) -> Signer:
    """Open the key of a home.

    Args:
        path: the key file.
        ask: returns the passphrase or the PIN, if one is needed.

    Raises: as `open_uri`.
    """
    text = files.read(path, pem.MAX_SIZE)
    if not keyuri.is_token(text[: len(keyuri.SCHEME)].decode(errors="replace")):
        return KeySigner(keyfile.load(path, ask))
    keyfile.check_closed(path)  # who can change the address decides which key signs
    try:
        uri = text.decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise BadKeyURI(f"{path} is not text") from None
    return _open_token(uri, ask)


def is_on_token(path: Path) -> bool:
    """Tell whether the key of a home is on a token.

    Args:
        path: the key file.
    """
    text = files.read(path, pem.MAX_SIZE)
    return keyuri.is_token(text[: len(keyuri.SCHEME)].decode(errors="replace"))


def is_protected(path: Path) -> bool:
    """Tell whether a passphrase or a PIN opens the key of a home.

    Args:
        path: the key file.
    """
    return is_on_token(path) or pem.private_key(files.read(path, pem.MAX_SIZE))[0]


def _token(uri: str) -> keyuri.TokenKey:
    key = keyuri.parse(uri)
    if isinstance(key, Path):
        raise BadKeyURI("it is no key on a token: it begins with pkcs11:")
    return key


def _open_token(uri: str, ask: Ask, create: str = "") -> Signer:
    key = _token(uri)
    from triseal import tokensigner

    return tokensigner.TokenSigner(key, ask, create)
