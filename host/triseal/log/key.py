"""The private key of a log: Ed25519, in a file of its own with mode 0600, without a passphrase.

A log signs with each change, also while nobody is there to type a passphrase. A thief of the key
can show two histories, which is evidence against the log, and seal nothing.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from triseal import files, keyfile, pem
from triseal.errors import NotAKey, NotRecognised, SeveralInFile


def load(path: Path) -> Ed25519PrivateKey:
    """Read the key; if there is none yet, make it.

    Args:
        path: the file.

    Raises:
        OpenPermissions: other users may read or write the file.
        NotAKey: it holds no Ed25519 key.
        OSError: it can't be read or written.
    """
    if not path.exists():
        _create(path)
    text = files.read(path, pem.MAX_SIZE)
    keyfile.check_closed(path)
    try:
        _, der = pem.private_key(text)
        key = serialization.load_der_private_key(der, None)
    except (NotRecognised, SeveralInFile, ValueError, TypeError, UnsupportedAlgorithm):
        raise NotAKey(f"{path} does not hold the key of a log") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise NotAKey(f"{path} holds a key of another kind, not Ed25519")
    return key


def _create(path: Path) -> None:
    der = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        files.create(path, pem.encode(pem.PRIVATE_KEY, der), files.PRIVATE)
        files.settle([path], path.parent)
    except FileExistsError:
        return  # another process was faster
