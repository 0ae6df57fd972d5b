"""Site seals from templates: what the ordinary builders make of the same fields, byte by byte."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from sealcore import identity, names, seal, sealwriter
from sealcore.compat import sha256
from tests.host.sealcore import openssl
from tests.worlds.site_world import NOW, World
from triseal import certificate, signer
from triseal.certificate import Validity
from triseal.signer import KeySigner
from triseal.site.slca import template
from triseal.site.slca.authority import Authority, Issuer, SignedSeal, self_signed

ALGORITHMS = ("p256", "rsa2048")
SERVICE_SEAL = "2.25.328739721842243933527932212422477103568.1"
NO_REV_AVAIL = "2.5.29.56"
GRANTS = ("bus.publish:home/kitchen/#", "log", "pin:4")
VALIDITY = Validity(NOW, NOW + 5000)
Y2050 = 2524608000
VALIDITIES = (
    VALIDITY,
    Validity(2**31 - 1, 2**31 + 5000),
    Validity(Y2050 - 5000, Y2050 - 1),
    Validity(Y2050 - 1, Y2050 + 4999),
    Validity(Y2050, Y2050 + 5000),
    Validity(2**32, 2**32 + 5000),
)

BAD_FIELDS = (
    ("a serial of 15 bytes", 1 << 119, VALIDITY),
    ("a serial of 17 bytes", 1 << 128, VALIDITY),
    ("a serial with its top bit set", 1 << 127, VALIDITY),
)


@pytest.fixture(scope="module", params=ALGORITHMS)
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("template") / "site", request.param) as made:
        made.add_node("kitchen")
        made.manager.add_service(made.package())
        yield made


@pytest.fixture(scope="module")
def signed(world: World) -> SignedSeal:
    return sealed(world, VALIDITY)


def sealed(world: World, validity: Validity) -> SignedSeal:
    store = seal.parse(world.package().store_seal, seal.STORE)
    spki = KeySigner(world.node_keys["kitchen"]).spki
    predecessor = sha256(store.der)
    prepared = world.manager.issuer.prepare("kitchen", spki, store, predecessor, GRANTS)
    return world.manager.authority.seal(prepared, validity)


def predecessor_of(found: seal.Seal) -> bytes:
    assert found.predecessor is not None
    return bytes(found.predecessor)


def by_cryptography(world: World, found: seal.Seal) -> bytes:
    """The same fields through the builder of `cryptography`; the signed part."""
    called = names.common_name(world.manager.issuer.name)
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, called)])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "thermo")])
    service_seal = sealwriter.service_seal(bytes(found.core), predecessor_of(found), GRANTS)
    utc = datetime.UTC
    builder = (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(world.node_keys["kitchen"].public_key())
        .serial_number(found.serial)
        .not_valid_before(datetime.datetime.fromtimestamp(VALIDITY.not_before, utc))
        .not_valid_after(datetime.datetime.fromtimestamp(VALIDITY.not_after, utc))
        .add_extension(
            x509.KeyUsage(True, False, False, False, False, False, False, False, False),
            critical=True,
        )
        .add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier(certificate.key_id(world.manager.issuer.spki), None, None),
            critical=False,
        )
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.UniformResourceIdentifier(identity.service("house", "kitchen", "thermo"))]
            ),
            critical=False,
        )
    )
    for oid, value in ((NO_REV_AVAIL, b"\x05\x00"), (SERVICE_SEAL, service_seal)):
        unknown = x509.UnrecognizedExtension(ObjectIdentifier(oid), value)
        builder = builder.add_extension(unknown, critical=False)
    pem = (world.folder / "site.key").read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    return builder.sign(key, hashes.SHA256()).tbs_certificate_bytes  # type: ignore[arg-type]


def test_a_seal_from_a_template_is_what_cryptography_builds(
    world: World, signed: SignedSeal
) -> None:
    found = seal.parse(signed.der, seal.SITE)
    assert bytes(found.tbs) == by_cryptography(world, found)


@pytest.mark.parametrize("validity", VALIDITIES)
def test_a_seal_from_a_template_is_what_the_ordinary_builder_makes(
    world: World, validity: Validity
) -> None:
    signed = sealed(world, validity)
    found = seal.parse(signed.der, seal.SITE)
    service_seal = sealwriter.service_seal(bytes(found.core), predecessor_of(found), GRANTS)
    issuer = world.manager.issuer

    class Replayed:
        """Gives the seal's own signature again: that of P-256 is never twice the same."""

        spki = issuer.spki
        algorithm = issuer.algorithm

        def sign(self, message: bytes) -> bytes:
            assert message == bytes(found.tbs)
            return signed.signature

    built = certificate.issue(
        Replayed(),
        issuer.name,
        bytes(found.subject),
        bytes(found.spki),
        validity,
        signed.serial,
        certificate.site_seal_extensions(issuer.spki, service_seal, found.uri),
    )
    assert built == signed.der
    assert (found.not_before, found.not_after) == (validity.not_before, validity.not_after)


def test_what_is_kept_of_a_seal_gives_it_back(signed: SignedSeal) -> None:
    again = template.from_tbs(signed.template.tbs)
    assert again == signed.template
    assert again.assemble(signed.serial, signed.validity, signed.signature) == signed.der


@pytest.mark.parametrize(("sentence", "serial", "validity"), BAD_FIELDS)
def test_fields_of_another_length_are_refused(
    signed: SignedSeal, sentence: str, serial: int, validity: Validity
) -> None:
    with pytest.raises(ValueError, match="template"):
        signed.template.fill(serial, validity)


def test_openssl_accepts_the_seal_under_the_sites_ca(
    world: World, signed: SignedSeal, tmp_path: Path
) -> None:
    leaf = tmp_path / "site.pem"
    pem = x509.load_der_x509_certificate(signed.der).public_bytes(serialization.Encoding.PEM)
    leaf.write_bytes(pem)
    strictly = ["verify", "-x509_strict", "-attime", str(NOW + 1)]
    openssl.accepts(*strictly, "-CAfile", world.folder / "site.crt", leaf)


def test_an_authority_refuses_the_certificate_of_another_key() -> None:
    one, other = (KeySigner(signer.generate("p256")) for _ in range(2))
    with pytest.raises(ValueError, match="another key"):
        Authority(one, Issuer(self_signed(other, "house", NOW), "house"))
