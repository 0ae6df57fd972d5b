"""Certification requests: what a node writes is what RFC 2986 says."""

from sealcore import certificate, csr, der, eckeys, names, p256
from specimens import ADA

POINT = ADA.key.public_key().point()


def test_a_request_names_its_key_and_proves_it():
    body, algorithm, signature = certificate.split(csr.build("kitchen-1", POINT, ADA.sign))
    assert algorithm == eckeys.ECDSA_SHA256
    p256.from_point(POINT).verify(body, signature)
    info = der.single(body)
    assert info.unsigned(0, 0) == 0  # version 1
    assert names.common_name(info.element()) == "kitchen-1"
    assert info.element() == ADA.spki
    assert bytes(info.element()) == b"\xa0\x00"  # no attributes
    info.end()


def test_a_point_becomes_a_key():
    assert csr.spki(POINT) == ADA.spki
