"""Writes `x509.txt`, what both interpreters run of NIST PKITS and cryptography's x509 vectors:

    python tests/vectors/make_x509.py

A line is `x509 NAME CODE BASE64` for a certificate and what x509.parse says of it ("-" where it
accepts), or `issued SUBJECT ISSUER CODE` for two certificates named before, under check_issued at a
time in 2011. The codes are written here by hand, after PKITS and RFC 5280.
"""

import base64
from pathlib import Path

import cryptography_vectors
from asn1crypto import pem

FOLDER = Path(cryptography_vectors.__file__).parent / "x509"
PKITS = "PKITS_data/certs/{}.crt"

PARSED = (
    ("badasn1time.pem", "malformed-der"),
    ("ed25519/ed25519-rfc8410.pem", "malformed-der"),
    ("ed25519/root-ed25519.pem", "unsupported-certificate"),
    ("ecdsa_root.pem", "unsupported-certificate"),
    ("scottishpower-bitstring-dn.pem", "-"),
    ("unique_identifier.pem", "-"),
    ("v1_cert.pem", "malformed-der"),
    ("verisign_md2_root.pem", "unsupported-certificate"),
    ("wosign-bc-invalid.pem", "unsupported-certificate"),
    ("custom/alternate-rsa-sha1-oid.der", "malformed-der"),
    ("custom/ca/ca.pem", "-"),
    ("custom/ca/rsa_ca.pem", "-"),
    ("custom/ecdsa_null_alg.pem", "unsupported-certificate"),
    ("custom/empty-eku.pem", "malformed-der"),
    ("custom/invalid_version.pem", "malformed-der"),
    ("custom/malformed-san.pem", "malformed-der"),
    ("custom/mismatch_inner_outer_sig_algorithm.der", "malformed-der"),
    ("custom/ms-certificate-template.pem", "-"),
    ("custom/name_attribute_unsupported_tag.pem", "malformed-der"),
    ("custom/negative_serial.pem", "-"),
    ("custom/rsa_pss_cert.pem", "unsupported-certificate"),
    ("custom/san_registered_id.pem", "unsupported-certificate"),
    ("custom/two_basic_constraints.pem", "malformed-der"),
    ("custom/unsupported_extension_2.pem", "unsupported-certificate"),
    ("custom/crl_issuer_invalid_printable_string.der", "malformed-der"),
    ("requests/ec_sha256.der", "malformed-der"),
    ("ocsp/resp-revoked.der", "malformed-der"),
)

# Of PKITS: section, issuer, subject and code.
ISSUED = (
    ("4.1.1", "TrustAnchorRootCertificate", "GoodCACert", "-"),
    ("4.1.1", "GoodCACert", "ValidCertificatePathTest1EE", "-"),
    ("4.1.3", "GoodCACert", "InvalidEESignatureTest3EE", "bad-signature"),
    ("4.2.2", "GoodCACert", "InvalidEEnotBeforeDateTest2EE", "not-yet-valid"),
    ("4.2.3", "GoodCACert", "Validpre2000UTCnotBeforeDateTest3EE", "-"),
    ("4.2.6", "GoodCACert", "InvalidEEnotAfterDateTest6EE", "expired"),
    ("4.2.8", "GoodCACert", "ValidGeneralizedTimenotAfterDateTest8EE", "-"),
    ("4.3.1", "GoodCACert", "InvalidNameChainingTest1EE", "name-mismatch"),
    ("4.3.3", "GoodCACert", "ValidNameChainingWhitespaceTest3EE", "-"),
    ("4.3.5", "GoodCACert", "ValidNameChainingCapitalizationTest5EE", "-"),
    (
        "4.3.11",
        "UTF8StringCaseInsensitiveMatchCACert",
        "ValidUTF8StringCaseInsensitiveMatchTest11EE",
        "-",
    ),
    ("4.4.17", "LongSerialNumberCACert", "ValidLongSerialNumberTest17EE", "-"),
    (
        "4.6.1",
        "MissingbasicConstraintsCACert",
        "InvalidMissingbasicConstraintsTest1EE",
        "not-authority",
    ),
    ("4.6.2", "basicConstraintsCriticalcAFalseCACert", "InvalidcAFalseTest2EE", "not-authority"),
    (
        "4.7.1",
        "keyUsageCriticalkeyCertSignFalseCACert",
        "InvalidkeyUsageCriticalkeyCertSignFalseTest1EE",
        "not-authority",
    ),
    (
        "4.13.1",
        "nameConstraintsDN1CACert",
        "ValidDNnameConstraintsTest1EE",
        "unknown-critical-extension",
    ),
    (
        "4.16.1",
        "TrustAnchorRootCertificate",
        "ValidUnknownNotCriticalCertificateExtensionTest1EE",
        "-",
    ),
    (
        "4.16.2",
        "TrustAnchorRootCertificate",
        "InvalidUnknownCriticalCertificateExtensionTest2EE",
        "unknown-critical-extension",
    ),
)


def read(file: Path) -> bytes:
    """The DER in a file, the first block of a PEM file."""
    octets = file.read_bytes()
    return bytes(pem.unarmor(octets)[2]) if pem.detect(octets) else octets


def line(name: str, code: str, file: Path) -> str:
    """One certificate."""
    return f"x509 {name} {code} {base64.b64encode(read(file)).decode()}\n"


def text() -> str:
    """All of the file."""
    lines = [line(name, code, FOLDER / name) for name, code in PARSED]
    named = dict.fromkeys(name for _, *pair, _ in ISSUED for name in pair)
    lines += [line(name, "-", FOLDER / PKITS.format(name)) for name in named]
    lines += [f"issued {subject} {issuer} {code}\n" for _, issuer, subject, code in ISSUED]
    return "".join(lines)


if __name__ == "__main__":
    Path(__file__).with_name("x509.txt").write_text(text())
