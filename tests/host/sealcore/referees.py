"""Two independent readers of certificates whose verdicts sealcore's are held against."""

import warnings
from collections.abc import Callable

from asn1crypto import keys
from asn1crypto import x509 as asn1
from cryptography import x509 as pyca

from tests.host.sealcore import schema

Referee = Callable[[bytes], None]


def by_cryptography(der: bytes) -> None:
    """Read a certificate wholly with `cryptography`, each extension's value and the key included.

    Raises: whatever `cryptography` raises on what it refuses.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, yet accepted
        found = pyca.load_der_x509_certificate(der)
        _ = found.version, found.serial_number, found.issuer, found.subject
        _ = found.not_valid_before_utc, found.not_valid_after_utc
        _ = found.extensions, found.signature, found.signature_hash_algorithm
        found.public_key()


def by_asn1crypto(der: bytes) -> None:
    """Read a certificate wholly with `asn1crypto`, the value of each extension that it knows too.

    `asn1crypto` reads BER. It is held to DER by writing anew what it read: the bytes must be the
    same.

    Raises: whatever `asn1crypto` raises on what it refuses, ValueError if it writes other bytes.
    """
    found = asn1.Certificate.load(der, strict=True)
    _ = found.native
    for extension in found["tbs_certificate"]["extensions"]:
        if extension["extn_id"].native not in asn1.Extension._oid_specs:
            continue
        parsed = extension["extn_value"].parsed
        _ = parsed.native
        if parsed.dump(force=True) != extension["extn_value"].contents:
            raise ValueError("the value of an extension is not in DER")
    if found.dump(force=True) != der:
        raise ValueError("not in DER")


def bundle_by_specification(der: bytes) -> None:
    """Read a trust bundle by the ASN.1 of the specification, names and keys by `asn1crypto`.

    Raises: whatever either of them raises on what it refuses.
    """
    tbs = schema.read("TrustBundle", der)["tbs"]
    for entry in (*tbs["siteKeys"], *tbs["storeKeys"]):
        for kind, value, reader in (
            ("Name", entry["name"], asn1.Name),
            ("SubjectPublicKeyInfo", entry["key"], keys.PublicKeyInfo),
        ):
            part = schema.compiled().encode(kind, value)
            found = reader.load(part, strict=True)
            _ = found.native
            if found.dump(force=True) != part:
                raise ValueError(f"{kind}: not in DER")


def refusal(referee: Referee, der: bytes) -> str:
    """Why a referee refuses; empty if it accepts."""
    try:
        referee(der)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""
