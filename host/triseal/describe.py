"""Certificates and keys as facts for people. Nothing here checks who signed what."""

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

# What people call the seals, by role: sealcore.seal's DEVELOPER, STORE and SITE.
SEALS = ("developer seal", "Store seal", "site seal")


def key(spki: bytes) -> Facts:
    """Kind and fingerprint of a SubjectPublicKeyInfo."""
    try:
        parsed = keys.parse(spki)
        kind = "P-256" if isinstance(parsed, p256.PublicKey) else f"RSA-{parsed.n.bit_length()}"
    except errors.SealError as error:
        kind = f"not accepted: {error.code}"
    return {"kind": kind, "fingerprint": request.fingerprint(bytes(spki))}


def name(der: bytes) -> str:
    """A Name's one common name, or its DER in hex where it is another."""
    try:
        return str(names.common_name(der))
    except errors.SealError:
        return bytes(der).hex()


def any_certificate(der: bytes) -> Facts:
    """Facts about a certificate: as a seal, as an identity of a site, or else as any X.509.

    Raises MalformedDER or UnsupportedCertificate.
    """
    for role in (seal.SITE, seal.STORE, seal.DEVELOPER):
        try:
            return of_seal(seal.parse(der, role))
        except errors.SealError:
            continue
    try:
        found = identity.parse(der)
    except errors.SealError:
        return _other(x509.parse(der))
    return _frame(found, "identity of a node or site") | {"uri": found.uri}


def of_seal(one: seal.Seal) -> Facts:
    """Facts about a parsed seal."""
    facts = _frame(one, SEALS[one.role]) | {
        "service": one.service,
        "service_version": one.service_version,
        "security_version": one.security_version,
        "executable_sha256": bytes(one.executable_hash).hex(),
        "executable_size": one.executable_size,
        "metadata_sha256": bytes(one.metadata_hash).hex(),
    }
    if one.predecessor is not None:
        facts["predecessor"] = bytes(one.predecessor).hex()
    if one.role == seal.SITE:
        facts |= {"uri": one.uri, "grants": list(one.grants)}
    return facts


def _other(found: x509.Certificate) -> Facts:
    constraints = found.extensions.get(extensions.BASIC_CONSTRAINTS)
    is_ca = constraints is not None and extensions.basic_constraints(constraints[1]) >= 0
    return _frame(found, "CA certificate" if is_ca else "certificate, no seal of the profile")


def _frame(found: certificate.Certificate, kind: str) -> Facts:
    return {
        "kind": kind,
        "issuer": name(found.issuer),
        "subject": name(found.subject),
        "serial": f"{found.serial:032x}",
        "valid_from": timetext.iso(found.not_before),
        "valid_to": timetext.iso(found.not_after),
        "key": key(found.spki),
        "signature": "RSA with SHA-256"
        if found.algorithm == limits.RSA_SHA256
        else "ECDSA, SHA-256",
        "sha256": sha256(found.der).hex(),
    }
