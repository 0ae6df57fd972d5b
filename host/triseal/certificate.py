"""Building certificates by the profile, from the bytes up, with whatever `Signer` signs them.

The encoder is sealcore's own; the tests hold its output against `cryptography`'s builder octet by
octet.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sealcore import encode, limits, sealwriter, timetext
from triseal.signer import Signer

# What lasts for years begins this many seconds ago: the next party's clock may be behind ours.
CLOCK_SKEW = 300
SERIAL_BITS = 127

_V3 = encode.explicit(0, encode.integer(2))
_CA_USAGE = bytes.fromhex("03020204")  # keyCertSign alone
_CA_NO_INTERMEDIATE = encode.sequence(bytes.fromhex("0101ff"), encode.integer(0))
_SUBJECT_KEY_ID = bytes.fromhex("551d0e")
_KEY_USAGE = bytes.fromhex("551d0f")
_BASIC_CONSTRAINTS = bytes.fromhex("551d13")
_AUTHORITY_KEY_ID = bytes.fromhex("551d23")
_EXT_KEY_USAGE = bytes.fromhex("551d25")
_NO_REV_AVAIL = bytes.fromhex("551d38")  # RFC 9608
_DIGITAL_SIGNATURE = bytes.fromhex("03020780")
_NOT_A_CA = bytes.fromhex("3000")
_CODE_SIGNING = bytes.fromhex("300a06082b06010505070303")
_NULL = 0x05
_TRUE = bytes.fromhex("0101ff")


@dataclass(frozen=True)
class Validity:
    """First and last second at which a certificate is valid, Unix time."""

    not_before: int
    not_after: int


def new_serial() -> int:
    """A random serial number of exactly 16 octets whose first is neither zero nor above 127."""
    low = 1 << (SERIAL_BITS - 7)
    return low + secrets.randbelow((1 << SERIAL_BITS) - low)


def key_id(spki: bytes) -> bytes:
    """Key identifier of a SubjectPublicKeyInfo: SHA-256 cut to 160 bits (RFC 7093 section 2)."""
    return hashlib.sha256(spki).digest()[:20]


def extension(kind: bytes, value: bytes, *, critical: bool = False) -> bytes:
    """One Extension; `kind` is the encoded object identifier, `value` the DER inside."""
    return encode.sequence(encode.oid(kind), _TRUE if critical else b"", encode.octets(value))


def tbs(
    algorithm: bytes,
    issuer: bytes,
    subject: bytes,
    spki: bytes,
    validity: Validity,
    serial: int,
    extension_list: Sequence[bytes],
) -> bytes:
    """The part of a certificate that is signed.

    Args:
        algorithm: AlgorithmIdentifier of the signature, DER.
        issuer, subject: names, DER.
        spki: the subject's SubjectPublicKeyInfo, DER.
        validity: both ends inclusive.
        serial: from `new_serial`.
        extension_list: encoded Extensions, in their final order.

    Returns: the TBSCertificate, DER.
    """
    return encode.sequence(
        _V3,
        encode.integer(serial),
        algorithm,
        issuer,
        encode.sequence(timetext.der(validity.not_before), timetext.der(validity.not_after)),
        subject,
        spki,
        encode.explicit(3, encode.sequence(*extension_list)),
    )


def issue(
    signer: Signer,
    issuer: bytes,
    subject: bytes,
    spki: bytes,
    validity: Validity,
    serial: int,
    extension_list: Sequence[bytes],
) -> bytes:
    """Sign one certificate with the issuer's `signer`.

    Args: as `tbs`.

    Returns: the certificate, DER.
    """
    body = tbs(signer.algorithm, issuer, subject, spki, validity, serial, extension_list)
    return sealwriter.signed(body, signer.algorithm, signer.sign(body))


def _end_entity(purposes: bytes, issuer_spki: bytes) -> list[bytes]:
    """The extensions that all end-entity certificates of the profile begin with; `purposes` is the
    whole extension that says them."""
    authority = encode.sequence(encode.octets(key_id(issuer_spki), 0x80))
    return [
        extension(_KEY_USAGE, _DIGITAL_SIGNATURE, critical=True),
        purposes,
        extension(_BASIC_CONSTRAINTS, _NOT_A_CA, critical=True),
        extension(_AUTHORITY_KEY_ID, authority),
    ]


def code_seal_extensions(issuer_spki: bytes, service_seal: bytes) -> list[bytes]:
    """Extensions of a developer or Store seal; `service_seal` from sealwriter.service_seal."""
    return [
        *_end_entity(extension(_EXT_KEY_USAGE, _CODE_SIGNING), issuer_spki),
        extension(limits.SERVICE_SEAL, service_seal),
    ]


def site_seal_extensions(issuer_spki: bytes, service_seal: bytes, uri: str) -> list[bytes]:
    """Extensions of a site seal; `uri` from identity.service."""
    return [
        *_end_entity(limits.TLS_BOTH_SIDES, issuer_spki),
        extension(limits.SUBJECT_ALT_NAME, sealwriter.uri_name(uri)),
        extension(_NO_REV_AVAIL, encode.element(_NULL)),
        extension(limits.SERVICE_SEAL, service_seal),
    ]


def identity_extensions(issuer_spki: bytes, uri: str) -> list[bytes]:
    """Extensions of a node's or the SLSM's TLS certificate; `uri` from identity."""
    return [
        *_end_entity(limits.TLS_BOTH_SIDES, issuer_spki),
        extension(limits.SUBJECT_ALT_NAME, sealwriter.uri_name(uri)),
    ]


def self_signed_ca(signer: Signer, name: str, validity: Validity) -> bytes:
    """The self-signed certificate of a Store or SLCA: CA, keyCertSign, path length 0."""
    subject = sealwriter.name(name)
    found = [
        extension(_KEY_USAGE, _CA_USAGE, critical=True),
        extension(_BASIC_CONSTRAINTS, _CA_NO_INTERMEDIATE, critical=True),
        extension(_SUBJECT_KEY_ID, encode.octets(key_id(signer.spki))),
    ]
    return issue(signer, subject, subject, signer.spki, validity, new_serial(), found)
