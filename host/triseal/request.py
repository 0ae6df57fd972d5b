"""Requests: how a developer tells a name and a key, and proves to hold the key (RFC 2986)."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from sealcore import errors, keys, names, sealwriter
from triseal.errors import BadName, BadRequest
from triseal.signer import PrivateKey

MAX_SIZE = 8192


@dataclass(frozen=True)
class Request:
    """A request whose signature has been verified with its own key.

    Attributes:
        name: the name that it gives; nobody has confirmed it.
        spki: SubjectPublicKeyInfo, DER.
    """

    name: str
    spki: bytes

    @property
    def entry(self) -> tuple[bytes, bytes]:
        """(name DER, SubjectPublicKeyInfo), as trust bundles hold it."""
        return sealwriter.name(self.name), self.spki


def check_name(name: str) -> str:
    """Returns a person's or an authority's name; raises BadName unless it can be one.

    It is shown to people who decide by it, so nothing in it may be invisible.
    """
    try:
        octets = len(name.encode())
    except UnicodeEncodeError:
        raise BadName("no text") from None
    if not 1 <= octets <= 64 or not name.isprintable() or name != name.strip():
        raise BadName(repr(name[:64]))
    return name


def make(key: PrivateKey, name: str) -> bytes:
    """A self-signed PKCS #10 request, PEM.

    Args:
        key: the private key to prove.
        name: becomes the one common name.

    Raises:
        BadName: see `check_name`.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, check_name(name))])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def parse(data: bytes) -> Request:
    """Read a request (PEM or DER) and verify its signature: the proof of possession.

    Raises:
        BadRequest: it is none, or its signature is not of its key.
        BadName: the name is none that people could go by.
        UnsupportedKey: a key that no node accepts.
    """
    if len(data) > MAX_SIZE:
        raise BadRequest(f"more than {MAX_SIZE} octets")
    try:
        load = x509.load_pem_x509_csr if data.lstrip().startswith(b"-") else x509.load_der_x509_csr
        found = load(data)
        proven = found.is_signature_valid
        spki = found.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        name = names.common_name(found.subject.public_bytes())
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        raise BadRequest("it can't be read as PKCS #10") from None
    except (errors.MalformedDER, errors.ProfileViolation):
        raise BadRequest("its name is not one common name in UTF-8") from None
    if not proven:
        raise BadRequest("its signature is not of the key that it names")
    keys.parse(spki)
    return Request(check_name(name), spki)


def fingerprint(spki: bytes) -> str:
    """SHA-256 over a SubjectPublicKeyInfo in hex: what people compare."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(spki)
    return digest.finalize().hex()
