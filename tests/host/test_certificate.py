"""Our certificates, byte by byte what `cryptography` builds from the same fields."""

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID, ObjectIdentifier

from sealcore import encode, sealwriter
from tests.host.sealcore import openssl
from tests.worlds import seals
from triseal import certificate, pem
from triseal.certificate import Validity
from triseal.errors import BadAnswer
from triseal.signer import KeySigner, PrivateKey, generate
from triseal.site import inputs
from triseal.site.errors import BadAuthority

SEAL_OID = ObjectIdentifier("2.25.328739721842243933527932212422477103568.1")
CORE = sealwriter.core(b"h" * 32, 1234, b"m" * 32, "1.2.0", 7)
URI = "spiffe://home/node/n1/service/blink"
# Up to 2049 a time is written in one way, later in another.
TIMES = (Validity(seals.NOW, seals.NOW + 5000), Validity(seals.NOW, 2_600_000_000))

# For each kind its ServiceSeal, its purposes, and whether it is a site seal.
CODE = [ExtendedKeyUsageOID.CODE_SIGNING]
TLS = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
KINDS = (
    ("developer seal", sealwriter.service_seal(CORE), CODE),
    ("Store seal", sealwriter.service_seal(CORE, b"p" * 32), CODE),
    ("site seal", sealwriter.service_seal(CORE, b"p" * 32, ("log", "pin:4")), TLS),
    ("site seal without grants", sealwriter.service_seal(CORE, b"p" * 32, ()), TLS),
)


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(sign, False, False, False, False, not sign, False, False, False)


def start(key: PrivateKey, issuer: str, subject: str, valid: Validity) -> x509.CertificateBuilder:
    begin, end = (
        datetime.datetime.fromtimestamp(at, datetime.UTC)
        for at in (valid.not_before, valid.not_after)
    )
    return (
        x509.CertificateBuilder()
        .issuer_name(name(issuer))
        .subject_name(name(subject))
        .public_key(key.public_key())
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def to_be_signed(builder: x509.CertificateBuilder, key: PrivateKey, serial: int) -> bytes:
    made = builder.serial_number(serial).sign(key, hashes.SHA256())
    return made.tbs_certificate_bytes


def seal_by_cryptography(
    key: PrivateKey, value: bytes, purposes: list[ObjectIdentifier], valid: Validity
) -> x509.CertificateBuilder:
    identifier = x509.AuthorityKeyIdentifier(certificate.key_id(KeySigner(key).spki), None, None)
    builder = (
        start(key, "Ada", "blink", valid)
        .add_extension(usage(sign=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(identifier, critical=False)
    )
    if purposes is TLS:
        alternative = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(URI)])
        no_revocation = x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.56"), b"\x05\x00")
        builder = builder.add_extension(alternative, critical=False)
        builder = builder.add_extension(no_revocation, critical=False)
    return builder.add_extension(x509.UnrecognizedExtension(SEAL_OID, value), critical=False)


def ours(key: PrivateKey, value: bytes, purposes: list[ObjectIdentifier], valid: Validity) -> bytes:
    signer = KeySigner(key)
    if purposes is TLS:
        extensions = certificate.site_seal_extensions(signer.spki, value, URI)
    else:
        extensions = certificate.code_seal_extensions(signer.spki, value)
    names = sealwriter.name("Ada"), sealwriter.name("blink")
    serial = certificate.new_serial()
    return certificate.issue(signer, *names, signer.spki, valid, serial, extensions)


@pytest.mark.parametrize("valid", TIMES)
@pytest.mark.parametrize(("kind", "value", "purposes"), KINDS)
def test_a_seal_is_what_cryptography_builds(
    any_key: PrivateKey,
    kind: str,
    value: bytes,
    purposes: list[ObjectIdentifier],
    valid: Validity,
) -> None:
    found = x509.load_der_x509_certificate(ours(any_key, value, purposes, valid))
    builder = seal_by_cryptography(any_key, value, purposes, valid)
    assert found.tbs_certificate_bytes == to_be_signed(builder, any_key, found.serial_number), kind
    issuer = x509.load_der_x509_certificate(
        certificate.self_signed_ca(KeySigner(any_key), "Ada", valid)
    )
    found.verify_directly_issued_by(issuer)


@pytest.mark.parametrize("valid", TIMES)
def test_an_authority_is_what_cryptography_builds(any_key: PrivateKey, valid: Validity) -> None:
    signer = KeySigner(any_key)
    found = x509.load_der_x509_certificate(certificate.self_signed_ca(signer, "Shop", valid))
    identifier = x509.SubjectKeyIdentifier(certificate.key_id(signer.spki))
    builder = (
        start(any_key, "Shop", "Shop", valid)
        .add_extension(usage(sign=False), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(identifier, critical=False)
    )
    assert found.tbs_certificate_bytes == to_be_signed(builder, any_key, found.serial_number)
    found.verify_directly_issued_by(found)
    assert found.extensions.get_extension_for_oid(ExtensionOID.BASIC_CONSTRAINTS).critical


@pytest.mark.parametrize(("kind", "value", "purposes"), KINDS)
def test_openssl_reads_it(
    tmp_path: Path, any_key: PrivateKey, kind: str, value: bytes, purposes: list[ObjectIdentifier]
) -> None:
    (tmp_path / "seal").write_bytes(ours(any_key, value, purposes, TIMES[0]))
    text = openssl.accepts("x509", "-in", tmp_path / "seal", "-inform", "DER", "-text", "-noout")
    # Versions before 3.2 print "CN = blink".
    shown = text.replace(" = ", "=")
    for part in ("CN=blink", "Digital Signature", SEAL_OID.dotted_string):
        assert part in shown, kind


def test_serial_numbers_have_one_length() -> None:
    for _ in range(200):
        assert len(encode.integer(certificate.new_serial())) == 18


def test_a_key_is_spki_in_both(any_key: PrivateKey) -> None:
    public = any_key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert KeySigner(any_key).spki == public


P256_OID = bytes.fromhex("06082a8648ce3d030107")
EC_OID = bytes.fromhex("06072a8648ce3d0201")
FOREIGN = {
    "an unknown curve": lambda der: der.replace(P256_OID, P256_OID[:-1] + b"\x7f"),
    "an unknown kind of key": lambda der: der.replace(EC_OID, EC_OID[:-1] + b"\x7f"),
    "an unknown version": lambda der: der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07"),
    "no point of the curve": lambda der: der.replace(
        b"\x03\x42\x00\x04", b"\x03\x42\x00\x04" + b"\xff" * 32
    )[: len(der)],
    "a byte too many": lambda der: der + b"\0",
}


@pytest.mark.parametrize("sentence", FOREIGN)
def test_a_certificate_with_a_foreign_key_is_a_bad_answer(sentence: str) -> None:
    key = KeySigner(generate("p256"))
    der = certificate.self_signed_ca(key, "Shop", TIMES[0])
    text = pem.encode(pem.CERTIFICATE, der).decode()
    assert certificate.opened(text) == (der, key.spki)
    other = FOREIGN[sentence](der)
    assert other != der
    text = pem.encode(pem.CERTIFICATE, other).decode()
    with pytest.raises(BadAnswer):
        certificate.key_of(text)
    with pytest.raises(BadAuthority):
        inputs.key_of(other)
    with pytest.raises(BadAnswer):
        certificate.key_of("\ud800" + text)
