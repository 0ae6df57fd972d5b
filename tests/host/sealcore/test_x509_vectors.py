"""Every certificate among cryptography's x509 vectors, and every CRL, request and OCSP message as
something that is no certificate: judged by sealcore, `cryptography` and `asn1crypto`."""

from pathlib import Path

import cryptography_vectors
import pytest
from asn1crypto import pem

from sealcore import errors, x509
from tests.host.sealcore import differences, referees
from tests.vectors import make_x509

FOLDER = Path(cryptography_vectors.__file__).parent / "x509"
SUFFIXES = (".pem", ".der", ".crt", ".crl")
# Kinds of file that no parser of one DER structure reads.
LEFT = {".eml", ".p12", ".ldif", ".schema", ".txt", ".cp"}


def _read_all() -> dict[str, bytes]:
    """{file name, with the number of the block where a file has several: DER}."""
    found = {}
    for file in sorted(FOLDER.rglob("*")):
        if file.suffix not in SUFFIXES:
            continue
        name = str(file.relative_to(FOLDER))
        octets = file.read_bytes()
        if not pem.detect(octets):
            found[name] = octets
            continue
        blocks = [der for _, _, der in pem.unarmor(octets, multiple=True)]
        found |= {f"{name}#{i}" if i else name: der for i, der in enumerate(blocks)}
    return found


VECTORS = _read_all()


def _code(der: bytes) -> str:
    try:
        x509.parse(der)
    except errors.SealError as refusal:
        return refusal.code
    return ""


OURS = {name: _code(der) for name, der in VECTORS.items()}


@pytest.fixture(scope="module")
def by_cryptography() -> dict[str, str]:
    return {name: referees.refusal(referees.by_cryptography, der) for name, der in VECTORS.items()}


@pytest.fixture(scope="module")
def by_asn1crypto() -> dict[str, str]:
    return {name: referees.refusal(referees.by_asn1crypto, der) for name, der in VECTORS.items()}


def test_no_file_is_passed_over() -> None:
    suffixes = {file.suffix for file in FOLDER.rglob("*") if file.is_file()}
    assert suffixes == LEFT | set(SUFFIXES)
    assert len(VECTORS) >= 800


def test_what_another_refuses_is_refused(
    by_cryptography: dict[str, str], by_asn1crypto: dict[str, str]
) -> None:
    """Stricter than "what both refuse": one is enough, but for what is listed."""
    accepted = {
        name
        for name, code in OURS.items()
        if not code and (by_cryptography[name] or by_asn1crypto[name])
    }
    listed = " ".join(differences.VECTORS_ACCEPTED.values()).split()
    assert sorted(accepted) == sorted(listed)


def test_what_cryptography_accepts_is_accepted_or_listed(by_cryptography: dict[str, str]) -> None:
    refused = {name: code for name, code in OURS.items() if code and not by_cryptography[name]}
    listed = {
        name: code for code, names in differences.VECTORS_REFUSED.values() for name in names.split()
    }
    assert refused == listed


def test_hundreds_are_accepted_by_all_three(
    by_cryptography: dict[str, str], by_asn1crypto: dict[str, str]
) -> None:
    agreed = [n for n, c in OURS.items() if not (c or by_cryptography[n] or by_asn1crypto[n])]
    assert len(agreed) >= 400


def test_the_part_for_both_interpreters_is_what_its_script_writes() -> None:
    assert Path(make_x509.__file__).with_name("x509.txt").read_text() == make_x509.text()
