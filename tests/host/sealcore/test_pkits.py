"""NIST's Public Key Interoperability Test Suite, each path checked pair by pair from its anchor.

`pkits.txt` has a line for every test of sections 4.1 to 4.16: its number, what the suite says of
the path under the default settings (those of its first subtest, where it has several), what
sealcore says, and the path's files below the trust anchor. The suite's CRLs, S/MIME messages and
PKCS #12 files are for programs that read these.
"""

from pathlib import Path
from typing import NamedTuple

import cryptography_vectors
import pytest

from sealcore import errors, x509
from tests.host.sealcore import differences

HERE = Path(__file__).parent
CERTIFICATES = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data" / "certs"
ANCHOR = "TrustAnchorRootCertificate"
# Within 2010 to 2030, where the suite's certificates are valid: 2011-10-30.
NOW = 1_320_000_000
ACCEPTED = "accepted"
# Tests in each section of the suite's document.
SECTIONS = (6, 8, 11, 21, 8, 17, 5, 20, 8, 14, 11, 10, 38, 35, 10, 2)


class Case(NamedTuple):
    """One test of the suite; `path` begins below the anchor."""

    number: str
    verdict: str
    ours: str
    path: tuple[str, ...]


def _cases() -> list[Case]:
    lines = (HERE / "pkits.txt").read_text().splitlines()
    words = [line.split() for line in lines]
    return [Case(number, verdict, ours, tuple(path)) for number, verdict, ours, *path in words]


CASES = _cases()


def _read(name: str) -> bytes:
    return (CERTIFICATES / f"{name}.crt").read_bytes()


def _check(path: tuple[str, ...]) -> str:
    issuer = x509.parse(_read(ANCHOR))
    try:
        for name in path:
            subject = x509.parse(_read(name))
            x509.check_issued(subject, issuer, NOW)
            issuer = subject
    except errors.SealError as refusal:
        return refusal.code
    return ACCEPTED


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.number)
def test_each_path_gets_its_verdict(case: Case) -> None:
    assert _check(case.path) == case.ours


def test_every_test_of_the_suite_is_listed() -> None:
    due = [f"4.{i}.{n}" for i, count in enumerate(SECTIONS, 1) for n in range(1, count + 1)]
    assert [case.number for case in CASES] == due


def test_every_certificate_of_the_suite_is_on_a_path_or_listed() -> None:
    on_paths = {name for case in CASES for name in case.path} | {ANCHOR}
    assert not on_paths & differences.PKITS_UNUSED
    assert on_paths | differences.PKITS_UNUSED == {file.stem for file in CERTIFICATES.iterdir()}


def _listed(reasons: dict[str, str]) -> list[str]:
    return sorted(number for numbers in reasons.values() for number in numbers.split())


def test_every_difference_from_the_suite_has_a_reason() -> None:
    accepted = [
        case.number for case in CASES if case.ours == ACCEPTED and case.verdict == "invalid"
    ]
    refused = [case.number for case in CASES if case.ours != ACCEPTED and case.verdict == "valid"]
    assert sorted(accepted) == _listed(differences.PKITS_ACCEPTED)
    assert sorted(refused) == _listed(differences.PKITS_REFUSED)
    assert {case.verdict for case in CASES} == {"valid", "invalid"}


def test_the_anchor_is_under_itself() -> None:
    anchor = x509.parse(_read(ANCHOR))
    x509.check_issued(anchor, anchor, NOW)
