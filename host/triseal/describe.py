"""Certificates and keys as facts for people. Nothing here checks signatures."""

from __future__ import annotations

from sealcore import (
    certificate,
    errors,
    extensions,
    identity,
    keys,
    limits,
    names,
    p256,
    seal,
    timetext,
    x509,
)
from sealcore.compat import sha256
from triseal import request

Facts = dict[str, object]

# The names of the seals for people, by role: sealcore.seal's DEVELOPER, STORE and SITE.
SEALS = ("developer seal", "Store seal", "site seal")


def key(spki: bytes) -> Facts:
    """Describe a public key: its kind and its fingerprint.

    Args:
        spki: SubjectPublicKeyInfo, DER.
    """
    try:
        parsed = keys.parse(spki)
        kind = "P-256" if isinstance(parsed, p256.PublicKey) else f"RSA-{parsed.n.bit_length()}"
    except errors.SealError as error:
        kind = f"not accepted: {error.code}"
    return {"kind": kind, "fingerprint": request.fingerprint(bytes(spki))}


def name(der: bytes) -> str:
    """Return the common name of a Name, or its DER in hex if it is something else.

    Args:
        der: the Name, DER.
    """
    try:
        return str(names.common_name(der))
    except errors.SealError:
        return bytes(der).hex()


def any_certificate(der: bytes) -> Facts:
    """Describe a certificate: as a seal, as an identity of a site, or as any X.509 certificate.

    Args:
        der: the certificate, DER.

    Raises:
        MalformedDER, UnsupportedCertificate: it can't be read.
    """
    for role in (seal.SITE, seal.STORE, seal.DEVELOPER):
        try:
            return of_seal(seal.parse(der, role))
        except errors.SealError:
            continue
    try:
        parsed = identity.parse(der)
    except errors.SealError:
        return _other(x509.parse(der))
    return _frame(parsed, "identity of a node or site") | {"uri": parsed.uri}


def of_seal(parsed: seal.Seal) -> Facts:
    """Describe a seal.

    Args:
        parsed: the seal.
    """
    facts = _frame(parsed, SEALS[parsed.role]) | {
        "service": parsed.service,
        "service_version": parsed.service_version,
        "security_version": parsed.security_version,
        "executable_sha256": bytes(parsed.executable_hash).hex(),
        "executable_size": parsed.executable_size,
        "metadata_sha256": bytes(parsed.metadata_hash).hex(),
    }
    if parsed.predecessor is not None:
        facts["predecessor"] = bytes(parsed.predecessor).hex()
    if parsed.role == seal.SITE:
        facts |= {"uri": parsed.uri, "grants": list(parsed.grants)}
    return facts


def _other(parsed: x509.Certificate) -> Facts:
    constraints = parsed.extensions.get(extensions.BASIC_CONSTRAINTS)
    is_ca = constraints is not None and extensions.basic_constraints(constraints[1]) >= 0
    return _frame(parsed, "CA certificate" if is_ca else "certificate, not a seal of the profile")


def _frame(parsed: certificate.Certificate, kind: str) -> Facts:
    return {
        "kind": kind,
        "issuer": name(parsed.issuer),
        "subject": name(parsed.subject),
        "serial": f"{parsed.serial:032x}",
        "valid_from": timetext.iso(parsed.not_before),
        "valid_to": timetext.iso(parsed.not_after),
        "key": key(parsed.spki),
        "signature": "RSA with SHA-256"
        if parsed.algorithm == limits.RSA_SHA256
        else "ECDSA, SHA-256",
        "sha256": sha256(parsed.der).hex(),
    }
