"""Valid seals, certificates and trust bundles of every kind, for the mutations to start from."""

from __future__ import annotations

import datetime
import functools
import ipaddress
from dataclasses import dataclass

from cryptography import x509 as pyca
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    NameOID,
)

from sealcore import identity, sealwriter
from triseal import bundles, certificate
from triseal.certificate import Validity
from triseal.signer import KeySigner

NOW = 1_795_000_000
VALIDITY = Validity(NOW - 86400, NOW + 86400)
SITE = "home"
SERIAL = 0x11223344556677889900AABBCCDDEEFF
CORE = sealwriter.core(bytes(range(32)), 300, bytes(32), "1.2.0", 200)


@dataclass(frozen=True)
class Seed:
    """Something valid.

    Attributes:
        name: for people.
        kind: "developer", "store", "site" for seals; "identity" for those of nodes and the SLSM;
            "x509" for other certificates; "bundle".
        der: the thing.
        signer: who signed it and signs it again.
    """

    name: str
    kind: str
    der: bytes
    signer: KeySigner


@functools.cache
def p256(number: int) -> KeySigner:
    """The P-256 key of this private number: the same in each run."""
    return KeySigner(ec.derive_private_key(number, ec.SECP256R1()))


@functools.cache
def rsa2048() -> KeySigner:
    """An RSA key; a new one in each process, since only its form matters."""
    return KeySigner(rsa.generate_private_key(public_exponent=65537, key_size=2048))


def _seal(kind: str, signer: KeySigner, spki: bytes) -> Seed:
    grants = ("log", "bus.publish:home/kitchen/#") if kind == "site" else None
    predecessor = b"" if kind == "developer" else bytes(range(32))
    service_seal = sealwriter.service_seal(CORE, predecessor, grants)
    if kind == "site":
        uri = identity.service(SITE, "n1", "blink")
        extensions = certificate.site_seal_extensions(signer.spki, service_seal, uri)
    else:
        extensions = certificate.code_seal_extensions(signer.spki, service_seal)
    return Seed(f"{kind} seal", kind, _issue(signer, kind, "blink", spki, extensions), signer)


def _issue(
    signer: KeySigner, issuer: str, subject: str, spki: bytes, extensions: list[bytes]
) -> bytes:
    names = sealwriter.name(issuer), sealwriter.name(subject)
    return bytes(certificate.issue(signer, *names, spki, VALIDITY, SERIAL, extensions))


def _bundle(signer: KeySigner, *others: KeySigner) -> Seed:
    entries = [(sealwriter.name(f"K{i}"), one.spki) for i, one in enumerate((signer, *others))]
    keys = entries[:1], entries[:2], entries
    der = bundles.simple(signer, 7, SITE, NOW, keys)
    return Seed("bundle", "bundle", bytes(der), signer)


def _rich(signer: KeySigner) -> Seed:
    """A certificate with many kinds of names and extensions, built by `cryptography`."""
    oid = pyca.ObjectIdentifier("1.3.6.1.4.1.55555.1")
    name = pyca.Name(
        [
            pyca.RelativeDistinguishedName(
                [
                    pyca.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
                    pyca.NameAttribute(NameOID.ORGANIZATION_NAME, "Kontor für Siegel"),
                ]
            ),
            pyca.RelativeDistinguishedName([pyca.NameAttribute(NameOID.EMAIL_ADDRESS, "a@b.de")]),
            pyca.RelativeDistinguishedName([pyca.NameAttribute(NameOID.COMMON_NAME, "CA")]),
        ]
    )
    general_names = [
        pyca.DNSName("a.example"),
        pyca.RFC822Name("a@example"),
        pyca.UniformResourceIdentifier("https://a.example/"),
        pyca.DirectoryName(name),
        pyca.IPAddress(ipaddress.ip_address("192.0.2.1")),
        pyca.RegisteredID(oid),
        pyca.OtherName(oid, b"\x0c\x01a"),
    ]
    key_usage = [True, False, True, False, False, True, True, False, False]
    builder = (
        pyca.CertificateBuilder(name, name, signer._key.public_key(), SERIAL)
        .not_valid_before(datetime.datetime.fromtimestamp(NOW - 86400, datetime.UTC))
        .not_valid_after(datetime.datetime(2051, 2, 28, 1, 2, 3, tzinfo=datetime.UTC))
        .add_extension(pyca.BasicConstraints(ca=True, path_length=3), critical=True)
        .add_extension(pyca.KeyUsage(*key_usage), critical=True)
        .add_extension(
            pyca.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, oid]), critical=False
        )
        .add_extension(pyca.SubjectAlternativeName(general_names), critical=False)
        .add_extension(pyca.SubjectKeyIdentifier(bytes(20)), critical=False)
        .add_extension(
            pyca.AuthorityKeyIdentifier(bytes(20), [pyca.DirectoryName(name)], SERIAL),
            critical=False,
        )
        .add_extension(pyca.UnrecognizedExtension(oid, b"\x05\x00"), critical=False)
    )
    made = builder.sign(signer._key, hashes.SHA256())
    return Seed("rich CA", "x509", made.public_bytes(serialization.Encoding.DER), signer)


def _constrained(signer: KeySigner) -> Seed:
    """A CA with the standard extensions that sealcore reads for their form alone."""
    oid = pyca.ObjectIdentifier("1.3.6.1.4.1.55555.1")
    name = pyca.Name([pyca.NameAttribute(NameOID.COMMON_NAME, "CA")])
    names = [pyca.DNSName("a.example"), pyca.DirectoryName(name)]
    place = pyca.UniformResourceIdentifier("http://a.example/")
    net = pyca.IPAddress(ipaddress.ip_network("192.0.2.0/24"))
    reasons = frozenset([pyca.ReasonFlags.key_compromise])
    points = [
        pyca.DistributionPoint([place], None, reasons, [pyca.DirectoryName(name)]),
        pyca.DistributionPoint(None, name.rdns[0], None, None),
    ]
    access = [pyca.AccessDescription(AuthorityInformationAccessOID.OCSP, place)]
    policies = [pyca.PolicyInformation(oid, ["http://a.example/cps"])]
    mapping = b"\x30\x0a\x30\x08\x06\x02\x2a\x03\x06\x02\x2a\x04"
    builder = (
        pyca.CertificateBuilder(name, name, signer._key.public_key(), SERIAL)
        .not_valid_before(datetime.datetime.fromtimestamp(NOW - 86400, datetime.UTC))
        .not_valid_after(datetime.datetime.fromtimestamp(NOW + 86400, datetime.UTC))
        .add_extension(pyca.IssuerAlternativeName(names), critical=False)
        .add_extension(pyca.NameConstraints([*names, net], [names[0]]), critical=True)
        .add_extension(pyca.CRLDistributionPoints(points), critical=False)
        .add_extension(pyca.FreshestCRL(points[:1]), critical=False)
        .add_extension(pyca.CertificatePolicies(policies), critical=False)
        .add_extension(
            pyca.UnrecognizedExtension(pyca.ObjectIdentifier("2.5.29.33"), mapping), critical=False
        )
        .add_extension(pyca.PolicyConstraints(0, 1), critical=True)
        .add_extension(pyca.InhibitAnyPolicy(0), critical=True)
        .add_extension(pyca.AuthorityInformationAccess(access), critical=False)
    )
    made = builder.sign(signer._key, hashes.SHA256())
    der = made.public_bytes(serialization.Encoding.DER)
    return Seed("constrained CA", "x509", der, signer)


def _others() -> list[Seed]:
    ca = p256(3)
    extensions = certificate.identity_extensions(ca.spki, identity.node(SITE, "n1"))
    node = _issue(ca, "SLCA", "n1", p256(4).spki, extensions)
    extensions = certificate.identity_extensions(rsa2048().spki, identity.slsm(SITE))
    slsm = _issue(rsa2048(), "SLCA", SITE, rsa2048().spki, extensions)
    return [
        Seed("CA", "x509", bytes(certificate.self_signed_ca(ca, "SLCA", VALIDITY)), ca),
        Seed("node", "identity", node, ca),
        Seed("SLSM", "identity", slsm, rsa2048()),
        _rich(p256(5)),
        _rich(rsa2048()),
        _constrained(p256(5)),
        _bundle(p256(3), rsa2048(), p256(6)),
        _bundle(rsa2048(), p256(3)),
    ]


@functools.cache
def all_seeds() -> tuple[Seed, ...]:
    """Every kind, with P-256 and RSA keys in turn."""
    signers = p256(1), rsa2048()
    seals = [
        _seal(kind, signers[i], signers[1 - i].spki)
        for kind in ("developer", "store", "site")
        for i in range(2)
    ]
    return (*seals, *_others())
