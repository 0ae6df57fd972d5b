"""A developer's request to replace her key: signed with the old key, and with the new one.

    Replacement ::= SEQUENCE { tbs TBSReplacement, signatureAlgorithm, signature BIT STRING }
    TBSReplacement ::= SEQUENCE {
        label    UTF8String ("triseal replacement v1"),
        old      SubjectPublicKeyInfo,            -- it signs this
        request  CertificationRequest }           -- name and new key, signed with the new key

A party that trusts the old key can verify it, and needs nobody's word for it. It does not say
whether the old key was stolen: a thief could sign such a request as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from sealcore import encode, errors, keys, limits, sealwriter
from sealcore.compat import sha256
from sealcore.der import single
from triseal import pem, request
from triseal.errors import BadReplacement, NotRecognised
from triseal.signer import Signer

LABEL = "triseal replacement v1"
MAX_SIZE = request.MAX_SIZE + 2048


@dataclass(frozen=True)
class Replacement:
    """A request whose two signatures were verified.

    Attributes:
        name: the developer's name.
        old: the key that is replaced, DER SubjectPublicKeyInfo.
        new: the key that takes its place, the same.
        request: the self-signed request of the new key, DER.
        der: all of it.
    """

    name: str
    old: bytes
    new: bytes
    request: bytes
    der: bytes


def make(old: Signer, new_request: bytes) -> bytes:
    """Sign a replacement.

    Args:
        old: signs with the key that is replaced.
        new_request: the self-signed request of the new key, PEM or DER.

    Returns: the replacement, PEM.

    Raises:
        BadRequest, BadName: the request is none.
    """
    request.parse(new_request)
    der = pem.expect(new_request, pem.REQUEST)
    tbs = encode.sequence(encode.text(LABEL), old.spki, der)
    return pem.encode(pem.REPLACEMENT, sealwriter.signed(tbs, old.algorithm, old.sign(tbs)))


def is_one(data: bytes) -> bool:
    """Tell whether a file says that it is a replacement; nothing is checked.

    Args:
        data: the file, PEM or DER.
    """
    try:
        label, der = pem.decode(data)
    except NotRecognised:
        return False
    return label == pem.REPLACEMENT or (not label and LABEL.encode() in der[:64])


def parse(data: bytes) -> Replacement:
    """Read a replacement and verify both signatures.

    Args:
        data: the replacement, PEM or DER.

    Raises:
        BadReplacement: it is none, or a signature is not of the key that it names.
        BadRequest, BadName, UnsupportedKey, SeveralInFile: as `request.parse`.
    """
    if len(data) > 2 * MAX_SIZE:
        raise BadReplacement(f"more than {2 * MAX_SIZE} bytes")
    try:
        der = pem.expect(data, pem.REPLACEMENT)
        old, inner = _fields(der)
    except NotRecognised as error:
        raise BadReplacement(error.detail) from None
    except errors.SealError:
        raise BadReplacement("it can't be read, or the old key did not sign it") from None
    new = request.parse(inner)
    if new.spki == old:
        raise BadReplacement("the new key is the old one")
    return Replacement(new.name, old, new.spki, inner, der)


def _fields(der: bytes) -> tuple[bytes, bytes]:
    """Return the old key and the request, after the old key's signature was verified."""
    outer = single(der)
    tbs = bytes(outer.element(limits.SEQUENCE))
    algorithm = outer.element(limits.SEQUENCE)
    signature = outer.bits()
    outer.end()
    inner = single(tbs)
    if inner.text(1, len(LABEL)) != LABEL:
        raise errors.MalformedDER
    old = bytes(inner.element(limits.SEQUENCE))
    new = bytes(inner.element(limits.SEQUENCE))
    inner.end()
    keys.verify(keys.parse(old), algorithm, sha256(tbs), signature)
    return old, new
