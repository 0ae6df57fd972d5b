"""Certification requests: a developer's name and key, with a proof of possession (RFC 2986)."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass

from sealcore import certificate, encode, errors, keys, limits, names, sealwriter, x501
from sealcore.der import single
from triseal import pem
from triseal.errors import BadName, BadRequest, NotRecognised, OtherFingerprint
from triseal.signer import Signer

MAX_SIZE = 8192
_ATTRIBUTES = 0xA0
_OID = 0x06

# Letters and marks that are blank or ignorable by default (Unicode's DerivedCoreProperties):
# joiners and fillers, variation selectors, Braille blank, a null note head; and extra spaces.
_UNSEEN = re.compile(
    "^ | $|  |"
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\ufff0-\ufff8\ufffc\U00016fe4\U0001d159\U000e0000-\U000e0fff]"
)


@dataclass(frozen=True)
class Request:
    """A request whose signature was verified with its own key.

    Attributes:
        name: the name in it, which nobody has confirmed.
        spki: public key, DER SubjectPublicKeyInfo.
    """

    name: str
    spki: bytes

    @property
    def entry(self) -> tuple[bytes, bytes]:
        """Name (DER) and SubjectPublicKeyInfo, as in trust bundles."""
        return sealwriter.name(self.name), self.spki


def check_name(name: str) -> str:
    """Check that a name is allowed for a person or an authority.

    People see the name when they decide. It must therefore hold nothing invisible, and there must
    be only one way to write it (NFC). Letters of two scripts may still look the same: people must
    compare fingerprints.

    Args:
        name: the name.

    Returns: the name.

    Raises:
        BadName: the name is not allowed.
    """
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise BadName("not text") from None
    # isprintable: no control or format character (Cf), and no other space than U+0020.
    if not 1 <= size <= 64 or not name.isprintable() or _UNSEEN.search(name):
        raise BadName(ascii(name[:64]))
    if not unicodedata.is_normalized("NFC", name):
        raise BadName(f"{name!a} is not in the normal form NFC")
    return name


def likeness(name: str) -> str:
    """Return the common form of all names that look the same (NFKC, without case).

    Args:
        name: the name.
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    return unicodedata.normalize("NFKC", folded)


def make(key: Signer, name: str) -> bytes:
    """Make a self-signed certification request (PKCS #10, RFC 2986), PEM.

    Args:
        key: signs with the private key whose possession the request proves.
        name: becomes the common name.

    Raises:
        BadName: the name is not allowed.
    """
    subject = sealwriter.name(check_name(name))
    info = encode.sequence(encode.integer(0), subject, key.spki, encode.element(_ATTRIBUTES))
    return pem.encode(pem.REQUEST, sealwriter.signed(info, key.algorithm, key.sign(info)))


def parse(data: bytes) -> Request:
    """Read a request and verify its signature, which proves possession of the key.

    Args:
        data: the request, PEM or DER.

    Raises:
        BadRequest: it is not a request, or another key signed it.
        SeveralInFile: it holds more than one block of PEM.
        BadName: the name is not allowed.
        UnsupportedKey: no node accepts such a key.
    """
    # Most commands of a site read no request, and this takes longer to load than they run.
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    if len(data) > MAX_SIZE:
        raise BadRequest(f"more than {MAX_SIZE} bytes")
    try:
        der = pem.expect(data, pem.REQUEST)
    except NotRecognised as error:
        raise BadRequest(error.detail) from None
    try:
        subject, spki = _fields(der)
        loaded = x509.load_der_x509_csr(der)
        # First the kind of key: a stranger must not choose how much work the signature is.
        keys.parse(spki)
        proven = loaded.is_signature_valid
    except (
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
        raise BadRequest("it was not signed with the key in it")
    return Request(check_name(name), spki)


def _fields(der: bytes) -> tuple[bytes, bytes]:
    """Return subject and key in the form in which they were signed.

    Raises:
        MalformedDER: it is not strict DER.
    """
    info = single(certificate.split(der)[0])
    info.unsigned(0, 0)  # version 1
    subject, spki = (bytes(info.element(limits.SEQUENCE)) for _ in range(2))
    attributes = info.enter(_ATTRIBUTES)
    info.end()
    while attributes.peek() >= 0:  # attributes are not used, only their form is checked
        attribute = attributes.enter()
        x501.check_oid(attribute.value(_OID))
        attribute.enter(limits.SET).element()
        attribute.end()
    return subject, spki


def check_fingerprint(spki: bytes, wanted: str | None) -> None:
    """Compare the fingerprint of a key with an expected one.

    Args:
        spki: SubjectPublicKeyInfo, DER.
        wanted: the expected fingerprint in hex, in any form that `plain` takes; None compares
            nothing.

    Raises:
        OtherFingerprint: the key has another fingerprint.
    """
    if wanted is not None and plain(wanted) != fingerprint(spki):
        raise OtherFingerprint(f"it is {fingerprint(spki)}")


def plain(text: str) -> str:
    """Remove colons, spaces and capitals from a fingerprint, which other tools print.

    Args:
        text: the fingerprint.
    """
    return "".join(text.replace(":", " ").split()).lower()


def fingerprint(spki: bytes) -> str:
    """Compute the fingerprint of a key, which people compare: SHA-256 in hex.

    Args:
        spki: SubjectPublicKeyInfo, DER.
    """
    return hashlib.sha256(spki).hexdigest()
