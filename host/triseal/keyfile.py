"""Private keys in files: PKCS #8 PEM (RFC 5958, RFC 7468) that only their owner can read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sealcore import errors, keys
from triseal import files, keyseal, pem
from triseal.errors import (
    AlreadyExists,
    NotAKey,
    NotRecognised,
    OpenPermissions,
    SeveralInFile,
    WrongPassphrase,
)
from triseal.signer import PrivateKey

Ask = Callable[[], bytes]


def create(path: Path, key: PrivateKey, passphrase: bytes | None) -> None:
    """Write a new key file, with mode 0600 from the first moment.

    Args:
        path: the file; it must not exist.
        key: the key, RSA or P-256.
        passphrase: encrypts the key, see keyseal; None leaves the key unencrypted.

    Raises:
        AlreadyExists: the file exists, whatever it holds.
        NotPrivate: its file system keeps no permissions.
    """
    der = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    if passphrase is None:
        text = pem.encode(pem.PRIVATE_KEY, der)
    else:
        text = pem.encode(pem.ENCRYPTED_KEY, keyseal.encrypt(der, passphrase))
    try:
        files.create(path, text, files.PRIVATE)
    except FileExistsError:
        raise AlreadyExists(f"there is a key at {path}") from None


def load(path: Path, ask: Ask) -> PrivateKey:
    """Read a key file.

    Args:
        path: the file.
        ask: returns the passphrase; called only if the key is encrypted.

    Raises:
        OpenPermissions: other users may read or write the file.
        NotAKey: it holds no private key, or one of a kind or size that seals don't use.
        WrongPassphrase: the passphrase does not open the key.
        OSError: the file can't be read.
    """
    text = files.read(path, pem.MAX_SIZE)
    check_closed(path)
    try:
        encrypted, der = pem.private_key(text)
    except (NotRecognised, SeveralInFile) as error:
        raise NotAKey(f"{path}: {error.detail}") from None
    return _parse(path, der, ask() if encrypted else None)


def check_closed(path: Path) -> None:
    """Check that only its owner has access to a key file.

    Args:
        path: the file.

    Raises:
        OpenPermissions: other users may read or write it.
    """
    if files.is_open(path):
        raise OpenPermissions(f"other users than its owner have access to {path}")


def _parse(path: Path, der: bytes, passphrase: bytes | None) -> PrivateKey:
    try:
        key = serialization.load_der_private_key(der, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # A wrong passphrase can't be distinguished from damaged encrypted bytes.
        if passphrase is not None:
            raise WrongPassphrase(f"it does not open {path}") from None
        raise NotAKey(f"{path} holds no private key") from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise NotAKey(f"{path} holds a key of another kind")
    spki = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    try:
        keys.parse(spki)
    except errors.SealError as error:
        raise NotAKey(f"{path} holds a key that no node accepts: {error}") from None
    return key
