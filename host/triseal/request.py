"""Requests: how a developer tells a name and a key, and proves to hold the key (RFC 2986)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from sealcore import certificate, errors, keys, limits, names, sealwriter, x501
from sealcore.der import single
from triseal import pem
from triseal.errors import BadName, BadRequest, NotRecognised, OtherFingerprint
from triseal.signer import PrivateKey

MAX_SIZE = 8192
_ATTRIBUTES = 0xA0
_OID = 0x06

# Blank or default-ignorable (Unicode's DerivedCoreProperties) though letters or marks: joiners and
# fillers, variation selectors, Braille blank, a null note head. And spaces that no eye counts.
_UNSEEN = re.compile(
    "^ | $|  |"
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\ufff0-\ufff8\ufffc\U00016fe4\U0001d159\U000e0000-\U000e0fff]"
)


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

    It is shown to people who decide by it, so nothing in it may be invisible, and there is one way
    to write it (NFC). Letters of two scripts may still look the same: fingerprints decide.
    """
    try:
        octets = len(name.encode())
    except UnicodeEncodeError:
        raise BadName("no text") from None
    # isprintable: no control, no format character (Cf), no space but U+0020.
    if not 1 <= octets <= 64 or not name.isprintable() or _UNSEEN.search(name):
        raise BadName(ascii(name[:64]))
    if not unicodedata.is_normalized("NFC", name):
        raise BadName(f"{name!a} is not in the normal form NFC")
    return name


def likeness(name: str) -> str:
    """What names that people take for the same have in common (NFKC, without case)."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return unicodedata.normalize("NFKC", folded)


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
        der = pem.decode(data)[1]
        proven = x509.load_der_x509_csr(der).is_signature_valid
        subject, spki = _fields(der)
    except (
        NotRecognised,
        ValueError,
        TypeError,
        InvalidSignature,
        UnsupportedAlgorithm,
        x509.InvalidVersion,
        errors.MalformedDER,
    ):
        raise BadRequest("it can't be read as PKCS #10") from None
    try:
        name = names.common_name(subject)
    except (errors.MalformedDER, errors.ProfileViolation):
        raise BadRequest("its name is not one common name in UTF-8") from None
    if not proven:
        raise BadRequest("its signature is not of the key that it names")
    keys.parse(spki)
    return Request(check_name(name), spki)


def _fields(der: bytes) -> tuple[bytes, bytes]:
    """Subject and key as they were signed: what reads certificates takes no other form of them.

    Raises:
        MalformedDER: it is no strict DER.
    """
    info = single(certificate.split(der)[0])
    info.unsigned(0, 0)  # version 1
    subject, spki = (bytes(info.element(limits.SEQUENCE)) for _ in range(2))
    attributes = info.enter(_ATTRIBUTES)
    info.end()
    while attributes.peek() >= 0:  # nobody asks them for anything
        attribute = attributes.enter()
        x501.check_oid(attribute.value(_OID))
        attribute.enter(limits.SET).element()
        attribute.end()
    return subject, spki


def check_fingerprint(spki: bytes, wanted: str | None) -> None:
    """Compare the fingerprint of a key with the one that a person was told.

    Args:
        spki: SubjectPublicKeyInfo, DER.
        wanted: in hex as `plain` takes it; None compares nothing.

    Raises:
        OtherFingerprint: it is another key's.
    """
    if wanted is not None and plain(wanted) != fingerprint(spki):
        raise OtherFingerprint(f"it is {fingerprint(spki)}")


def plain(text: str) -> str:
    """A fingerprint without the colons, spaces and capitals with which other tools print it."""
    return "".join(text.replace(":", " ").split()).lower()


def fingerprint(spki: bytes) -> str:
    """SHA-256 over a SubjectPublicKeyInfo in hex: what people compare."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(spki)
    return digest.finalize().hex()
