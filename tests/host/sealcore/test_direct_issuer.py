"""A root and what it issued, made by `cryptography`: one deviation a row, after the case list of
C2SP's x509-limbo for RFC 5280, as far as two certificates show it."""

from __future__ import annotations

import datetime
import functools
from typing import Any, NamedTuple

import pytest
from cryptography import x509 as pyca
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from sealcore import errors, x509

NOW = 1_709_294_400  # 2024-03-01T12:00:00Z
BEGIN = datetime.datetime(2024, 3, 1, tzinfo=datetime.UTC)
END = datetime.datetime(2024, 4, 1, tzinfo=datetime.UTC)
PRIVATE = pyca.ObjectIdentifier("1.3.6.1.4.1.55738.666.1")
USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
    "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip

ROOT_KEY = ec.generate_private_key(ec.SECP256R1())
LEAF_KEY = ec.generate_private_key(ec.SECP256R1())


class Extra(NamedTuple):
    """An extension and whether it is critical."""

    value: pyca.ExtensionType
    critical: bool = False


def name(text: str) -> pyca.Name:
    """A common name, or none at all."""
    return pyca.Name([pyca.NameAttribute(NameOID.COMMON_NAME, text)] if text else [])


def usage(*wanted: str) -> pyca.KeyUsage:
    """A keyUsage of these bits."""
    return pyca.KeyUsage(**{one: one in wanted for one in USAGES})


def hosts(*names: str) -> list[pyca.GeneralName]:
    """GeneralNames of hosts."""
    return [pyca.DNSName(one) for one in names]


def raw(oid: pyca.ObjectIdentifier, value: bytes) -> pyca.UnrecognizedExtension:
    """An extension of any bytes."""
    return pyca.UnrecognizedExtension(oid, value)


def key_id(key: ec.EllipticCurvePrivateKey) -> pyca.SubjectKeyIdentifier:
    """The key's identifier."""
    return pyca.SubjectKeyIdentifier.from_public_key(key.public_key())


ROOT = {
    "basic": Extra(pyca.BasicConstraints(True, None), True),
    "usage": Extra(usage("key_cert_sign")),
    "ski": Extra(key_id(ROOT_KEY)),
}
LEAF = {
    "usage": Extra(usage("digital_signature")),
    "san": Extra(pyca.SubjectAlternativeName(hosts("example.com"))),
    "aki": Extra(pyca.AuthorityKeyIdentifier.from_issuer_public_key(ROOT_KEY.public_key())),
    "ski": Extra(key_id(LEAF_KEY)),
    "eku": Extra(pyca.ExtendedKeyUsage([pyca.OID_SERVER_AUTH])),
}


def build(
    due: dict[str, Extra],
    changes: dict[str, Any],
    subject: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
) -> bytes:
    """A certificate of `due`, changed, signed by the root's key or by that in `changes`."""
    changes = dict(changes)
    builder = (
        pyca.CertificateBuilder()
        .subject_name(name(changes.pop("subject", subject)))
        .issuer_name(name(changes.pop("issuer", issuer)))
        .not_valid_before(changes.pop("begin", BEGIN))
        .not_valid_after(changes.pop("end", END))
        .serial_number(changes.pop("serial", 1 << 120))
        .public_key(key.public_key())
    )
    signer = changes.pop("signer", ROOT_KEY)
    twice = changes.pop("twice", None)
    for extra in (due | changes).values():
        if extra is not None:
            builder = builder.add_extension(extra.value, extra.critical)
    if twice is not None:
        builder._extensions.append(builder._extensions[0])
    made = builder.sign(signer, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)


make_root = functools.partial(build, ROOT, subject="root", issuer="root", key=ROOT_KEY)
make_leaf = functools.partial(build, LEAF, subject="leaf", issuer="root", key=LEAF_KEY)

AIA = pyca.AuthorityInformationAccess(
    [pyca.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, hosts("example.com")[0])]
)
ONLY_EXAMPLE = pyca.NameConstraints(hosts("example.com"), None)
CASES: tuple[tuple[str, str, dict[str, Any], dict[str, Any]], ...] = (
    ("nothing odd", "-", {}, {}),
    ("an issuer without name", "unsupported-certificate", {}, {"issuer": ""}),
    ("a root without name", "unsupported-certificate", {"subject": ""}, {"issuer": ""}),
    ("another issuer's name", "name-mismatch", {}, {"issuer": "boot"}),
    ("another's signature", "bad-signature", {}, {"signer": LEAF_KEY}),
    (
        "a leaf's strange critical extension",
        "unknown-critical-extension",
        {},
        {"extra": Extra(raw(PRIVATE, b""), True)},
    ),
    (
        "a root's strange critical extension",
        "unknown-critical-extension",
        {"extra": Extra(raw(PRIVATE, b""), True)},
        {},
    ),
    ("a leaf's strange extension", "-", {}, {"extra": Extra(raw(PRIVATE, b"anything"))}),
    ("a root's strange extension", "-", {"extra": Extra(raw(PRIVATE, b"anything"))}, {}),
    ("a root without constraints", "not-authority", {"basic": None}, {}),
    (
        "a root that is no CA",
        "not-authority",
        {"basic": Extra(pyca.BasicConstraints(False, None), True), "usage": None},
        {},
    ),
    # PKITS 4.6.4 has it so, where limbo would refuse: the rule is one for CAs.
    (
        "a root whose constraints are not critical",
        "-",
        {"basic": Extra(pyca.BasicConstraints(True, None))},
        {},
    ),
    (
        "a root whose key may not sign certificates",
        "not-authority",
        {"usage": Extra(usage("crl_sign"))},
        {},
    ),
    ("a root's usage without a bit", "malformed-der", {"usage": Extra(usage())}, {}),
    ("a root without usage", "-", {"usage": None}, {}),
    (
        "a leaf that may sign certificates and is no CA",
        "not-authority",
        {},
        {
            "usage": Extra(usage("digital_signature", "key_cert_sign")),
            "basic": Extra(pyca.BasicConstraints(False, None), True),
        },
    ),
    ("a leaf without usage", "-", {}, {"usage": None}),
    ("a leaf's constraints", "-", {}, {"basic": Extra(pyca.BasicConstraints(False, None), True)}),
    (
        "a CA under a root of path length 0",
        "-",
        {"basic": Extra(pyca.BasicConstraints(True, 0), True)},
        {
            "basic": Extra(pyca.BasicConstraints(True, 0), True),
            "usage": Extra(usage("key_cert_sign")),
        },
    ),
    ("authority information", "-", {}, {"aia": Extra(AIA)}),
    ("critical authority information", "unknown-critical-extension", {}, {"aia": Extra(AIA, True)}),
    (
        "authority information that is text",
        "malformed-der",
        {},
        {"aia": Extra(raw(pyca.OID_AUTHORITY_INFORMATION_ACCESS, b"malformed"))},
    ),
    ("an extension twice", "malformed-der", {}, {"twice": True}),
    ("a leaf without the authority's key identifier", "-", {}, {"aki": None}),
    ("a root without key identifier", "-", {"ski": None}, {}),
    (
        "a root's critical identifier of its authority",
        "unknown-critical-extension",
        {"aki": LEAF["aki"]._replace(critical=True)},
        {},
    ),
    (
        "a root's critical key identifier",
        "unknown-critical-extension",
        {"ski": ROOT["ski"]._replace(critical=True)},
        {},
    ),
    (
        "an alternative name that is text",
        "malformed-der",
        {},
        {"san": Extra(raw(pyca.OID_SUBJECT_ALTERNATIVE_NAME, b"example.com"))},
    ),
    ("no subject, and an alternative name", "unsupported-certificate", {}, {"subject": ""}),
    (
        "no subject, and a critical alternative name",
        "-",
        {},
        {"subject": "", "san": LEAF["san"]._replace(critical=True)},
    ),
    ("a critical alternative name", "-", {}, {"san": LEAF["san"]._replace(critical=True)}),
    ("no alternative name", "-", {}, {"san": None}),
    (
        "an alternative name beyond ASCII",
        "malformed-der",
        {},
        {
            "san": Extra(
                pyca.SubjectAlternativeName(
                    [pyca.DNSName._init_without_validation("\N{SNOWMAN}.example.com")]
                )
            )
        },
    ),
    # A direct check can't follow what binds a whole path: one certificate later it would be gone.
    (
        "name constraints that the leaf keeps to",
        "unknown-critical-extension",
        {"nc": Extra(ONLY_EXAMPLE, True)},
        {},
    ),
    (
        "name constraints that are not critical",
        "unsupported-certificate",
        {"nc": Extra(ONLY_EXAMPLE)},
        {"san": Extra(pyca.SubjectAlternativeName(hosts("example.org")))},
    ),
    ("its first second", "-", {}, {"begin": BEGIN + datetime.timedelta(hours=12)}),
    ("a second early", "not-yet-valid", {}, {"begin": BEGIN + datetime.timedelta(seconds=43201)}),
    ("its last second", "-", {}, {"end": BEGIN + datetime.timedelta(hours=12)}),
    ("a second late", "expired", {}, {"end": BEGIN + datetime.timedelta(seconds=43199)}),
    ("a root that is over", "expired", {"end": BEGIN + datetime.timedelta(hours=1)}, {}),
    ("a root to come", "not-yet-valid", {"begin": BEGIN + datetime.timedelta(hours=13)}, {}),
    ("an end beyond 2049", "-", {}, {"end": datetime.datetime(2993, 1, 1, tzinfo=datetime.UTC)}),
    ("purposes of a client", "-", {}, {"eku": Extra(pyca.ExtendedKeyUsage([PRIVATE]), True)}),
)


def judge(root: dict[str, Any], leaf: dict[str, Any]) -> str:
    """The code of the refusal, "-" for none."""
    try:
        x509.check_issued(x509.parse(make_leaf(leaf)), x509.parse(make_root(root)), NOW)
    except errors.SealError as refusal:
        return str(refusal.code)
    return "-"


@pytest.mark.parametrize(
    ("code", "root", "leaf"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_root_and_what_it_issued(code: str, root: dict[str, Any], leaf: dict[str, Any]) -> None:
    assert judge(root, leaf) == code
