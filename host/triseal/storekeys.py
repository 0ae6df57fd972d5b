"""The signing keys of a Store, named by its root: so that a stolen signing key can't name others.

    StoreKeys ::= SEQUENCE { tbs TBSStoreKeys, signatureAlgorithm, signature BIT STRING }
    TBSStoreKeys ::= SEQUENCE {
        label    UTF8String ("triseal store keys v1"),
        store    UTF8String,                             -- name of the Store
        version  INTEGER (1..2147483647),                -- only goes up
        root     SubjectPublicKeyInfo,                   -- it signs this
        keys     SEQUENCE OF SubjectPublicKeyInfo }      -- 1 to 8, in the order of their making

The certificate of each signing key, which that key signs itself, holds the SHA-256 of the root's
key. So a party that trusts a signing key knows the root, and the root names the signing key that
comes next. The key of the root is needed only for this and can lie elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from sealcore import certificate, der, encode, errors, keys, limits, sealwriter, x509
from sealcore.compat import sha256
from triseal import pem
from triseal.certificate import STORE_ROOT
from triseal.errors import BadStoreKeys, NotRecognised
from triseal.signer import Signer

LABEL = "triseal store keys v1"
MAX_SIZE = 16384
MAX_KEYS = 8
_MAX_VERSION = 2147483647


@dataclass(frozen=True)
class StoreKeys:
    """A list of signing keys that the root in it has signed.

    Attributes:
        store: name of the Store.
        version: it only goes up.
        root: key of the root, DER SubjectPublicKeyInfo.
        keys: the signing keys, the same, in the order of their making.
        der: all of it.
    """

    store: str
    version: int
    root: bytes
    keys: tuple[bytes, ...]
    der: bytes

    @property
    def root_mark(self) -> bytes:
        """SHA-256 of the root's key, as the certificates of signing keys hold it."""
        return bytes(sha256(self.root))


def make(root: Signer, store: str, version: int, signing: tuple[bytes, ...]) -> StoreKeys:
    """Sign a list.

    Args:
        root: signs with the key of the root.
        store: name of the Store.
        version: one more than that of the list before.
        signing: the signing keys, DER SubjectPublicKeyInfo.

    Raises:
        BadStoreKeys: there are too many keys.
    """
    tbs = encode.sequence(
        encode.text(LABEL),
        encode.text(store),
        encode.integer(version),
        root.spki,
        encode.sequence(*signing),
    )
    return parse(sealwriter.signed(tbs, root.algorithm, root.sign(tbs)))


def parse(data: bytes) -> StoreKeys:
    """Read a list and verify that the root in it has signed it.

    Args:
        data: PEM or DER. Compare `root_mark` before you use it.

    Raises:
        BadStoreKeys: it is none.
    """
    try:
        return _parse(pem.expect(data, pem.STORE_KEYS))
    except NotRecognised as error:
        raise BadStoreKeys(error.detail) from None
    except errors.SealError as error:
        raise BadStoreKeys(f"{error.code} {error}".strip()) from None


def _parse(data: bytes) -> StoreKeys:
    if len(data) > MAX_SIZE:
        raise errors.TooLarge("list of Store keys")
    tbs, algorithm, signature = certificate.split(data)
    fields = der.single(tbs)
    if fields.text(1, len(LABEL)) != LABEL:
        raise errors.MalformedDER
    store = fields.text(1, 64)
    version = fields.unsigned(1, _MAX_VERSION)
    root = bytes(fields.element(limits.SEQUENCE))
    inner, signing = fields.enter(), []
    fields.end()
    while inner.peek() >= 0:
        signing.append(bytes(inner.element(limits.SEQUENCE)))
        keys.parse(signing[-1])
    if not 1 <= len(signing) <= MAX_KEYS or len(set(signing)) != len(signing) or root in signing:
        raise errors.TooLarge("number of Store keys")
    keys.verify(keys.parse(root), algorithm, sha256(tbs), signature)
    return StoreKeys(store, version, root, tuple(signing), data)


def root_of(own: x509.Certificate) -> bytes:
    """Return the SHA-256 of the root's key that a Store's certificate holds; b"" without one.

    Args:
        own: the certificate of a signing key.

    Raises:
        BadStoreKeys: it has such an extension of another form.
    """
    found = own.extensions.get(STORE_ROOT)
    if found is None:
        return b""
    try:
        inner = der.Reader(found[1])
        mark = bytes(inner.octets(32, 32))
        inner.end()
    except errors.MalformedDER:
        raise BadStoreKeys("the certificate names its root in another form") from None
    return mark
