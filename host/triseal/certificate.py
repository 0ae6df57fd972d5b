"""The making of certificates that follow the profile (X.509, RFC 5280).

The encoder is sealcore's own. The tests compare its output byte by byte with the output of the
builder of `cryptography`.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from cryptography import x509 as cx509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sealcore import encode, limits, sealwriter, timetext
from triseal import pem
from triseal.errors import BadAnswer, ClockNotSet, Failure
from triseal.signer import Signer

# Certificates that last for years begin so many seconds ago: other clocks may be behind.
CLOCK_SKEW = 300
SERIAL_BITS = 127
# This program was made later; Unix seconds. A computer with an earlier time does not know the time.
MADE = 1_793_491_200  # 2026-11-01
# What ends within this time is pointed out, so that there is time to renew it; seconds.
SOON = 90 * 86400

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
# In the certificate of a Store: SHA-256 of the key of its root, see `storekeys`.
STORE_ROOT = limits.SERVICE_SEAL[:-1] + b"\x02"
_TRUE = bytes.fromhex("0101ff")


@dataclass(frozen=True)
class Validity:
    """The first and the last second of a certificate's validity.

    Attributes:
        not_before, not_after: Unix seconds, both included.
    """

    not_before: int
    not_after: int


def now() -> int:
    """Return this computer's time, to sign with; Unix seconds.

    Raises:
        ClockNotSet: the time is before this program was made. What is signed with it would have
            ended long ago, or would end long before it should.
    """
    moment = int(time.time())
    if moment < MADE:
        shown = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
        raise ClockNotSet(f"this computer's time is {shown}")
    return moment


def new_serial() -> int:
    """Draw a random serial number of exactly 16 bytes, the first of which is 1 to 127.

    RFC 5280 section 4.1.2.2 allows at most 20 bytes and no negative numbers.
    """
    low = 1 << (SERIAL_BITS - 7)
    return low + secrets.randbelow((1 << SERIAL_BITS) - low)


def key_id(spki: bytes) -> bytes:
    """Compute a key identifier: SHA-256 cut to 160 bits (RFC 7093 section 2).

    Args:
        spki: SubjectPublicKeyInfo, DER.
    """
    return hashlib.sha256(spki).digest()[:20]


def extension(kind: bytes, value: bytes, *, critical: bool = False) -> bytes:
    """Encode one Extension (RFC 5280 section 4.1).

    Args:
        kind: the encoded object identifier, without tag and length.
        value: the DER inside.
        critical: whether the extension is critical.
    """
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
    """Encode the part of a certificate that is signed (RFC 5280 section 4.1.2).

    Args:
        algorithm: AlgorithmIdentifier of the signature, DER.
        issuer: name of the issuer, DER.
        subject: name of the subject, DER.
        spki: the subject's SubjectPublicKeyInfo, DER.
        validity: first and last second.
        serial: serial number, from `new_serial`.
        extension_list: encoded Extensions in their final order.

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
    """Sign a certificate.

    Args:
        signer: signs with the issuer's key.
        issuer: name of the issuer, DER.
        subject: name of the subject, DER.
        spki: the subject's SubjectPublicKeyInfo, DER.
        validity: first and last second.
        serial: serial number, from `new_serial`.
        extension_list: encoded Extensions in their final order.

    Returns: the certificate, DER.
    """
    body = tbs(signer.algorithm, issuer, subject, spki, validity, serial, extension_list)
    return sealwriter.signed(body, signer.algorithm, signer.sign(body))


_IP_ADDRESS = 0x87
_DNS_NAME = 0x82


def _end_entity(purposes: bytes, issuer_spki: bytes) -> list[bytes]:
    """Return the first extensions of all end-entity certificates; `purposes` is one of them."""
    authority = encode.sequence(encode.octets(key_id(issuer_spki), 0x80))
    return [
        extension(_KEY_USAGE, _DIGITAL_SIGNATURE, critical=True),
        purposes,
        extension(_BASIC_CONSTRAINTS, _NOT_A_CA, critical=True),
        extension(_AUTHORITY_KEY_ID, authority),
    ]


def code_seal_extensions(issuer_spki: bytes, service_seal: bytes) -> list[bytes]:
    """Return the extensions of a developer seal or Store seal.

    Args:
        issuer_spki: the issuer's SubjectPublicKeyInfo, DER.
        service_seal: from sealwriter.service_seal.
    """
    return [
        *_end_entity(extension(_EXT_KEY_USAGE, _CODE_SIGNING), issuer_spki),
        extension(limits.SERVICE_SEAL, service_seal),
    ]


def site_seal_extensions(issuer_spki: bytes, service_seal: bytes, uri: str) -> list[bytes]:
    """Return the extensions of a site seal.

    Args:
        issuer_spki: the site's SubjectPublicKeyInfo, DER.
        service_seal: from sealwriter.service_seal.
        uri: SPIFFE ID of the service on its node, from identity.service.
    """
    return [
        *_end_entity(limits.TLS_BOTH_SIDES, issuer_spki),
        extension(limits.SUBJECT_ALT_NAME, sealwriter.uri_name(uri)),
        extension(_NO_REV_AVAIL, encode.element(_NULL)),
        extension(limits.SERVICE_SEAL, service_seal),
    ]


def identity_extensions(issuer_spki: bytes, uri: str) -> list[bytes]:
    """Return the extensions of the TLS certificate of a node or of the SLSM.

    Args:
        issuer_spki: the site's SubjectPublicKeyInfo, DER.
        uri: SPIFFE ID of the holder, from identity.
    """
    return [
        *_end_entity(limits.TLS_BOTH_SIDES, issuer_spki),
        extension(limits.SUBJECT_ALT_NAME, sealwriter.uri_name(uri)),
    ]


def server_extensions(issuer_spki: bytes, names: Sequence[str]) -> list[bytes]:
    """Return the extensions of the TLS certificate of a Store's server.

    Args:
        issuer_spki: the Store's SubjectPublicKeyInfo, DER.
        names: host names and addresses.
    """
    return [
        *_end_entity(limits.TLS_BOTH_SIDES, issuer_spki),
        extension(limits.SUBJECT_ALT_NAME, encode.sequence(*map(_host_name, names))),
    ]


def _host_name(text: str) -> bytes:
    """Return a GeneralName (RFC 5280 section 4.2.1.6) for a host name or an address."""
    try:
        return encode.octets(ip_address(text).packed, _IP_ADDRESS)
    except ValueError:
        return encode.octets(text.encode("idna"), _DNS_NAME)


def self_signed_ca(signer: Signer, name: str, validity: Validity, root: bytes = b"") -> bytes:
    """Issue the self-signed certificate of a Store or SLCA: CA, keyCertSign, path length 0.

    Args:
        signer: signs with the key of the CA.
        name: the common name of subject and issuer.
        validity: first and last second.
        root: SHA-256 of the key of the Store's root, 32 bytes; b"" for a CA without one.

    Returns: the certificate, DER.
    """
    subject = sealwriter.name(name)
    extension_list = [
        extension(_KEY_USAGE, _CA_USAGE, critical=True),
        extension(_BASIC_CONSTRAINTS, _CA_NO_INTERMEDIATE, critical=True),
        extension(_SUBJECT_KEY_ID, encode.octets(key_id(signer.spki))),
        *([extension(STORE_ROOT, encode.octets(root))] if root else ()),
    ]
    return issue(signer, subject, subject, signer.spki, validity, new_serial(), extension_list)


def key_of(certificate: str) -> bytes:
    """Return the key of a Store's certificate, DER SubjectPublicKeyInfo.

    Args:
        certificate: PEM.

    Raises:
        BadAnswer: it is not a certificate.
    """
    return opened(certificate)[1]


def opened(certificate: str) -> tuple[bytes, bytes]:
    """Return a Store's certificate and its key: DER, and DER SubjectPublicKeyInfo.

    Args:
        certificate: PEM. Readers of PEM differ, so only the DER may go to other programs.

    Raises:
        BadAnswer: it is not a certificate, or its key is of an unknown kind.
    """
    try:
        if len(certificate) > pem.MAX_SIZE:  # nobody has compared it with anything yet
            raise BadAnswer("the Store's certificate is too long")
        der = pem.expect(certificate.encode(), pem.CERTIFICATE)
        key = cx509.load_der_x509_certificate(der).public_key()
        return der, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (Failure, ValueError, UnsupportedAlgorithm, cx509.InvalidVersion):
        raise BadAnswer("the Store's certificate can't be read") from None
