"""Requests to a Store that a developer has signed: no password, and no token that could leak.

    SignedRequest ::= SEQUENCE { tbs TBSRequest, signatureAlgorithm AlgorithmIdentifier,
                                 signature BIT STRING }
    TBSRequest    ::= SEQUENCE {
        label   UTF8String ("triseal request v1"),
        store   OCTET STRING (SIZE(32)),         -- SHA-256 of the Store's key
        method  UTF8String,
        path    UTF8String,
        digest  OCTET STRING (SIZE(32)),         -- SHA-256 of the body
        time    INTEGER,                         -- Unix seconds
        nonce   UTF8String }                     -- as the Store gave it out

The Store is named, so that no Store can pass a request on to another one, with a nonce of that one.
This holds if the developer knows the Store by its fingerprint. Without one, the Store says its key
itself.

It comes in the header `Triseal-Request` as base64; `Triseal-Key` is the fingerprint of the key.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from sealcore import encode, errors, keys, sealwriter
from sealcore.certificate import split
from sealcore.compat import sha256
from sealcore.der import single
from triseal.errors import Failure
from triseal.signer import Signer

LABEL = "triseal request v1"
REQUEST = "Triseal-Request"
KEY = "Triseal-Key"
MAX_SIZE = 4096
_MAX_TIME = 1 << 40


class NotSigned(Failure):
    """The request to the Store is not signed by a registered key, or not for this moment."""

    code = "not-signed"
    advice = "Register the key first; if it is registered, correct this computer's clock."


@dataclass(frozen=True)
class Wanted:
    """What a developer has signed.

    Attributes:
        store: fingerprint of the Store's key, hex.
        method: of HTTP.
        path: of the URL, without the query.
        digest: SHA-256 of the body.
        time: Unix seconds.
        nonce: as the Store gave it out.
    """

    store: str
    method: str
    path: str
    digest: bytes
    time: int
    nonce: str

    def sign(self, key: Signer) -> str:
        """Return the value of the header.

        Args:
            key: the developer's key.
        """
        tbs = encode.sequence(
            encode.text(LABEL),
            encode.octets(bytes.fromhex(self.store)),
            encode.text(self.method),
            encode.text(self.path),
            encode.octets(self.digest),
            encode.integer(self.time),
            encode.text(self.nonce),
        )
        signed = sealwriter.signed(tbs, key.algorithm, key.sign(tbs))
        return base64.b64encode(signed).decode()


def check(header: str, spki: bytes) -> Wanted:
    """Return what a header says.

    Args:
        header: its value.
        spki: key of the developer, DER SubjectPublicKeyInfo.

    Raises:
        NotSigned: it has another form, or is not signed with that key.
    """
    try:
        if len(header) > MAX_SIZE:
            raise NotSigned("the signature is too long")
        tbs, algorithm, signature = split(base64.b64decode(header, validate=True))
        keys.verify_any([(b"", spki)], algorithm, sha256(tbs), signature)
        fields = single(tbs)
        if fields.text(1, len(LABEL)) != LABEL:
            raise NotSigned("another thing was signed")
        store = bytes(fields.octets(32, 32)).hex()
        method, path = fields.text(1, 16), fields.text(1, 256)
        digest = bytes(fields.octets(32, 32))
        time, nonce = fields.unsigned(0, _MAX_TIME), fields.text(1, 128)
        fields.end()
    except (errors.SealError, binascii.Error, ValueError):
        raise NotSigned("the signature is wrong") from None
    return Wanted(store, method, path, digest, time, nonce)
