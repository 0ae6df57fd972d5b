"""The reading of files that people give to a site: certificates, requests, keys; PEM or DER."""

from __future__ import annotations

from cryptography import x509 as cx509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from sealcore import keys
from triseal import pem, request
from triseal.errors import BadName, BadRequest, NotRecognised
from triseal.request import Request
from triseal.site.errors import BadAuthority


def certificate(data: bytes) -> bytes:
    """Read one certificate.

    Args:
        data: the file, PEM or DER.

    Returns: the certificate, DER.

    Raises:
        BadAuthority: not a certificate.
        SeveralInFile: it holds more than one block of PEM.
    """
    try:
        der = pem.expect(data, pem.CERTIFICATE)
        return cx509.load_der_x509_certificate(der).public_bytes(Encoding.DER)
    except NotRecognised as error:
        raise BadAuthority(error.detail) from None
    except (ValueError, UnsupportedAlgorithm, cx509.InvalidVersion):
        raise BadAuthority("it can't be read as a certificate") from None


def key_of(der: bytes) -> bytes:
    """Return the public key of a certificate.

    Args:
        der: the certificate, DER.

    Returns: SubjectPublicKeyInfo, DER.

    Raises:
        BadAuthority: the key is of a kind that can't be used.
    """
    try:
        key = cx509.load_der_x509_certificate(der).public_key()
    except (ValueError, UnsupportedAlgorithm, cx509.InvalidVersion):
        raise BadAuthority("its key is of a kind that can't be used") from None
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def developer(data: bytes, name: str | None) -> Request:
    """Read a developer's name and key.

    Args:
        data: a certification request (PKCS #10) or a public key (SubjectPublicKeyInfo), PEM or DER.
        name: the name in the developer's seals. It is needed for a public key, and replaces the
            name of a request.

    Raises:
        BadRequest: the file is neither of them.
        SeveralInFile: it holds more than one block of PEM.
        BadName: the name is not allowed or is missing.
        UnsupportedKey: no node accepts such a key.
    """
    spki = _public_key(data)
    if spki is None:
        parsed = request.parse(data)
        return Request(request.check_name(name), parsed.spki) if name else parsed
    if name is None:
        raise BadName("a public key alone has no name: give --name")
    keys.parse(spki)
    return Request(request.check_name(name), spki)


def public_key(data: bytes) -> bytes:
    """Read a public key.

    Args:
        data: SubjectPublicKeyInfo, PEM or DER.

    Returns: SubjectPublicKeyInfo, DER.

    Raises:
        BadRequest: it is no public key.
        SeveralInFile: it holds more than one block of PEM.
        UnsupportedKey: no node accepts such a key.
    """
    spki = _public_key(data)
    if spki is None:
        raise BadRequest("it is no public key")
    keys.parse(spki)
    return spki


def _public_key(data: bytes) -> bytes | None:
    try:
        label, der = pem.decode(data)
    except NotRecognised as error:
        raise BadRequest(error.detail) from None
    if label not in ("", pem.PUBLIC_KEY):
        return None
    try:
        key = load_der_public_key(der)
    except UnsupportedAlgorithm:
        raise BadRequest("its key is of a kind that can't be used") from None
    except ValueError:
        return None
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
