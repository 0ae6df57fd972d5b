"""The encryption of a private key: PKCS #8 with PBES2, scrypt and AES-256 (RFC 8018, RFC 7914).

`cryptography` and OpenSSL can read this. By default they write 2048 rounds of PBKDF2, which is not
enough for a key that decides what runs on every board.
"""

from __future__ import annotations

import secrets

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7

from sealcore import encode

# OWASP's parameters for 16 MiB; OpenSSL refuses 32 MiB or more.
_N = 1 << 14
_R = 8
_P = 5
_KEY_OCTETS = 32
_BLOCK_OCTETS = 16
_PBES2 = bytes.fromhex("2a864886f70d01050d")
_SCRYPT = bytes.fromhex("2b06010401da47040b")
_AES_256_CBC = bytes.fromhex("60864801650304012a")


def encrypt(pkcs8: bytes, passphrase: bytes) -> bytes:
    """Encrypt a private key.

    Args:
        pkcs8: PrivateKeyInfo, DER.
        passphrase: the passphrase, any bytes.

    Returns: EncryptedPrivateKeyInfo, DER.
    """
    salt = secrets.token_bytes(_BLOCK_OCTETS)
    start = secrets.token_bytes(_BLOCK_OCTETS)
    key = Scrypt(salt=salt, length=_KEY_OCTETS, n=_N, r=_R, p=_P).derive(passphrase)
    padder = PKCS7(8 * _BLOCK_OCTETS).padder()
    cipher = Cipher(AES256(key), CBC(start)).encryptor()
    hidden = cipher.update(padder.update(pkcs8) + padder.finalize()) + cipher.finalize()
    numbers = [encode.integer(number) for number in (_N, _R, _P, _KEY_OCTETS)]
    stretch = encode.sequence(encode.oid(_SCRYPT), encode.sequence(encode.octets(salt), *numbers))
    scheme = encode.sequence(encode.oid(_AES_256_CBC), encode.octets(start))
    algorithm = encode.sequence(encode.oid(_PBES2), encode.sequence(stretch, scheme))
    return bytes(encode.sequence(algorithm, encode.octets(hidden)))
