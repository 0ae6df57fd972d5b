"""Files that people hand to a site: certificates, requests and public keys, PEM or DER."""

from __future__ import annotations

from cryptography import x509 as cx509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from sealcore import keys
from triseal import request
from triseal.errors import BadName, BadRequest
from triseal.request import Request
from triseal.site.errors import BadAuthority

MAX_SIZE = 32768


def certificate(data: bytes) -> bytes:
    """One certificate, DER; raises BadAuthority if it is none."""
    load = cx509.load_pem_x509_certificate if _is_pem(data) else cx509.load_der_x509_certificate
    try:
        return load(data).public_bytes(Encoding.DER)
    except (ValueError, UnsupportedAlgorithm, cx509.InvalidVersion):
        raise BadAuthority("it can't be read as a certificate") from None


def key_of(der: bytes) -> bytes:
    """The SubjectPublicKeyInfo (DER) of a certificate (DER); raises BadAuthority."""
    try:
        key = cx509.load_der_x509_certificate(der).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise BadAuthority("a key of a kind that can't be used") from None
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def developer(data: bytes, name: str | None) -> Request:
    """A developer's name and key, from the request that the developer made or from a public key.

    Args:
        data: PKCS #10 request or SubjectPublicKeyInfo.
        name: as in the developer's seals; needed for a bare key, overrides that of a request.

    Raises:
        BadRequest: it is neither.
        BadName: the name is none, or there is none.
        UnsupportedKey: a key that no node accepts.
    """
    spki = _public_key(data)
    if spki is None:
        found = request.parse(data)
        return Request(request.check_name(name), found.spki) if name else found
    if name is None:
        raise BadName("a bare key says no name: give --name")
    keys.parse(spki)
    return Request(request.check_name(name), spki)


def _public_key(data: bytes) -> bytes | None:
    load = load_pem_public_key if _is_pem(data) else load_der_public_key
    try:
        key = load(data)
    except UnsupportedAlgorithm:
        raise BadRequest("a key of a kind that can't be used") from None
    except ValueError:
        return None
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _is_pem(data: bytes) -> bool:
    return data.lstrip().startswith(b"-----")
