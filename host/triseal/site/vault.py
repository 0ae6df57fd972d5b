"""The vault: secrets of settings, such as Wi-Fi passwords, encrypted in the site's database.

The public key of the vault encrypts, so that no passphrase is needed to set a secret. Its private
key is a file in the site's folder, protected like the key of the site: the server opens it when it
must tell a node. A copy of the database alone tells no secret.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from triseal import files, keyfile, pem
from triseal.errors import AlreadyExists
from triseal.site.errors import SecretLost

KEY = "settings.key"
PUBLIC = "settings.pub"

_POINT = 65  # bytes of an uncompressed point of P-256
_NONCE = bytes(12)  # each secret has a key of its own


class Vault:
    """The vault of a site.

    Args:
        folder: the site's folder.
        ask: returns the passphrase of the site's key.
        protected: returns whether that key has a passphrase.
    """

    def __init__(self, folder: Path, ask: keyfile.Ask, protected: Callable[[], bool]) -> None:
        self._folder = folder
        self._ask = ask
        self._protected = protected
        self._private: ec.EllipticCurvePrivateKey | None = None

    def seal(self, value: bytes, purpose: str) -> bytes:
        """Encrypt a secret. The first one makes the key of the vault.

        Args:
            value: the secret.
            purpose: what it is for; it can be opened for nothing else.

        Raises:
            Failure: the key can't be made or read.
        """
        once = ec.generate_private_key(ec.SECP256R1())
        point = once.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        shared = once.exchange(ec.ECDH(), self._public())
        return point + AESGCM(_derived(shared, point, purpose)).encrypt(_NONCE, value, None)

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Decrypt a secret.

        Args:
            sealed: from `seal`.
            purpose: as for `seal`.

        Raises:
            SecretLost: another vault has sealed it, or it was changed.
            Failure: the key can't be opened.
        """
        point = sealed[:_POINT]
        try:
            other = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
            shared = self._key().exchange(ec.ECDH(), other)
            key = _derived(shared, point, purpose)
            return AESGCM(key).decrypt(_NONCE, sealed[_POINT:], None)
        except (InvalidTag, ValueError):
            raise SecretLost(purpose) from None

    def _public(self) -> ec.EllipticCurvePublicKey:
        path = self._folder / PUBLIC
        if not path.exists():
            self._make()
        der = files.parsed(path, pem.MAX_SIZE, lambda data: pem.expect(data, pem.PUBLIC_KEY))
        try:
            key = serialization.load_der_public_key(der)
        except (ValueError, UnsupportedAlgorithm):
            raise SecretLost(f"{path} holds no public key") from None
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise SecretLost(f"{path} holds a key of another kind")
        return key

    def _make(self) -> None:
        path = self._folder / KEY
        if not path.exists():
            passphrase = self._ask() if self._protected() else None
            with contextlib.suppress(AlreadyExists):  # another command was faster
                keyfile.create(path, ec.generate_private_key(ec.SECP256R1()), passphrase)
        public = self._key().public_key()
        der = public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        files.write(self._folder / PUBLIC, pem.encode(pem.PUBLIC_KEY, der))

    def _key(self) -> ec.EllipticCurvePrivateKey:
        if self._private is None:
            path = self._folder / KEY
            if not path.exists():
                raise SecretLost(f"there is no {path}")
            key = keyfile.load(path, self._ask)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise SecretLost(f"{path} holds a key of another kind")
            self._private = key
        return self._private


def _derived(shared: bytes, point: bytes, purpose: str) -> bytes:
    info = b"triseal vault v1\0" + purpose.encode()
    return HKDF(hashes.SHA256(), 32, salt=point, info=info).derive(shared)
