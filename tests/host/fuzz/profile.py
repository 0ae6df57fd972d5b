"""The profile of the three seals once more, written with `cryptography` and `asn1crypto` alone."""

from __future__ import annotations

from typing import Any

from asn1crypto import x509 as asn1
from cryptography import x509 as pyca
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from tests.host.sealcore import schema

SERVICE_SEAL = pyca.ObjectIdentifier("2.25.328739721842243933527932212422477103568.1")
NO_REV_AVAIL = pyca.ObjectIdentifier("2.5.29.56")
DEVELOPER, STORE, SITE = range(3)
TLS = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
CRITICAL = {ExtensionOID.KEY_USAGE, ExtensionOID.BASIC_CONSTRAINTS}
ALWAYS = CRITICAL | {ExtensionOID.EXTENDED_KEY_USAGE}
AT_A_SITE = {ExtensionOID.SUBJECT_ALTERNATIVE_NAME, NO_REV_AVAIL}


class BeyondProfile(Exception):
    """A seal that the profile does not allow."""


def _due(condition: bool, what: str) -> None:
    if not condition:
        raise BeyondProfile(what)


def check(seal: Any) -> None:
    """Raise unless what sealcore accepted as a seal fits the profile, read by others.

    Args:
        seal: a sealcore.seal.Seal.

    Raises:
        BeyondProfile: it does not; or whatever the readers raise.
    """
    cert = _frame(seal)
    at_a_site = AT_A_SITE if seal.role == SITE else set()
    purposes = TLS if seal.role == SITE else [ExtendedKeyUsageOID.CODE_SIGNING]
    _check_extensions(cert, {SERVICE_SEAL} | at_a_site, purposes)
    service_seal = cert.extensions.get_extension_for_oid(SERVICE_SEAL).value
    assert isinstance(service_seal, pyca.UnrecognizedExtension)
    _check_service_seal(service_seal.value, seal)


def check_identity(found: Any) -> None:
    """The same for what it accepted as a node's or the SLSM's certificate, an identity.Identity."""
    cert = _frame(found)
    _check_extensions(cert, {ExtensionOID.SUBJECT_ALTERNATIVE_NAME}, TLS)
    names = cert.extensions.get_extension_for_class(pyca.SubjectAlternativeName).value
    _due(names.get_values_for_type(pyca.UniformResourceIdentifier) == [found.uri], "URI")
    _due(next(iter(cert.subject)).value == found.name, "name")


def _frame(found: Any) -> pyca.Certificate:
    cert = pyca.load_der_x509_certificate(bytes(found.der))
    _check_names(cert)
    _due(cert.version is pyca.Version.v3, "version")
    _due(
        len(asn1.Certificate.load(bytes(found.der))["tbs_certificate"]["serial_number"].contents)
        == 16,
        "serial",
    )
    _due(cert.serial_number > 0 and cert.serial_number >> 120 != 0, "serial")
    _due(
        (cert.not_valid_before_utc.timestamp(), cert.not_valid_after_utc.timestamp())
        == (found.not_before, found.not_after),
        "times",
    )
    return cert


def _check_names(cert: pyca.Certificate) -> None:
    for name in (cert.issuer, cert.subject):
        attributes = list(name)
        _due([one.oid for one in attributes] == [NameOID.COMMON_NAME], "name")
        _due(attributes[0]._type.value == 0x0C, "type of a name")


def _check_extensions(
    cert: pyca.Certificate, more: set[pyca.ObjectIdentifier], purposes: list[pyca.ObjectIdentifier]
) -> None:
    found = {one.oid: one for one in cert.extensions}
    due = ALWAYS | more
    _due(due <= set(found) <= due | {ExtensionOID.AUTHORITY_KEY_IDENTIFIER}, "extensions")
    _due({kind for kind, one in found.items() if one.critical} == CRITICAL, "critical")
    usage = pyca.KeyUsage(True, *[False] * 8)
    _due(found[ExtensionOID.KEY_USAGE].value == usage, "key usage")
    _due(found[ExtensionOID.BASIC_CONSTRAINTS].value == pyca.BasicConstraints(False, None), "CA")
    _due(list(found[ExtensionOID.EXTENDED_KEY_USAGE].value) == purposes, "purposes")
    if ExtensionOID.SUBJECT_ALTERNATIVE_NAME in due:
        names = list(found[ExtensionOID.SUBJECT_ALTERNATIVE_NAME].value)
        _due(len(names) == 1 and isinstance(names[0], pyca.UniformResourceIdentifier), "URI")


def _check_service_seal(der: bytes, seal: Any) -> None:
    found = schema.read("ServiceSeal", der)
    read = (
        found["executableHash"], found["executableSize"], found["metadataHash"],
        found["serviceVersion"], found["securityVersion"], found.get("predecessor"),
        tuple(found.get("grants", ())),
    )  # fmt: skip
    ours = (
        bytes(seal.executable_hash), seal.executable_size, bytes(seal.metadata_hash),
        seal.service_version, seal.security_version,
        None if seal.predecessor is None else bytes(seal.predecessor), seal.grants,
    )  # fmt: skip
    _due(read == ours, "fields")
    _due(("predecessor" not in found) == (seal.role == DEVELOPER), "predecessor")
    _due(("grants" not in found) == (seal.role != SITE), "grants")
