"""Wycheproof's and NIST's signatures get their verdicts, on both interpreters."""

from collections import Counter
from pathlib import Path

import pytest

from boards import micropython
from sealcore import errors, keys, p256
from tests.full import OneOf
from tests.host.sealcore import signature_vectors, signatures

ROOT = Path(__file__).resolve().parents[3]
CASES = signature_vectors.all_cases()
LIMIT_S = 300.0


def _wrong(cases: list[signature_vectors.Case], verdicts: list[str]) -> list[tuple[str, str, str]]:
    pairs = zip(cases, verdicts, strict=True)
    return [(case.name, case.code, verdict) for case, verdict in pairs if verdict != case.code]


def test_every_signature_gets_its_verdict() -> None:
    """With OpenSSL where it accepts; `test_native` compares it with sealcore's own arithmetic."""
    assert _wrong(CASES, [signatures.verdict(case.line) for case in CASES]) == []


def test_micropython_gives_the_same_verdicts(tmp_path: Path, one_of: OneOf) -> None:
    """All of RSA, and of ECDSA, which takes 35 times as long, every fifth; a third of both."""
    part = one_of(3)
    slow = [case for case in CASES if case.line.startswith("p256")]
    cases = [case for case in CASES if case not in slow][::part] + slow[:: 5 * part]
    file = tmp_path / "signatures"
    file.write_text("".join(case.line + "\n" for case in cases))
    done = micropython.run(
        [signatures.__file__, str(file)],
        timeout=LIMIT_S,
        environment={"MICROPYPATH": f"{ROOT / 'common'}:.frozen"},
    )
    assert done.returncode == 0, done.stderr
    assert _wrong(cases, done.stdout.split()) == []
    assert len(cases) > 1000 // part


def test_the_suites_are_whole() -> None:
    counts = Counter((case.line.split(",")[0], case.code) for case in CASES)
    assert counts == {
        ("p256", "-"): 192,
        ("p256", "bad-signature"): 322,
        ("rsa", "-"): 93,
        ("rsa", "bad-signature"): 797,
        ("rsa", "unsupported-key"): 334,
    }


def test_keys_are_read_from_the_encodings_of_the_suite() -> None:
    for case in CASES:
        if not case.spki or case.code == "unsupported-key":
            continue
        first, second = (int(number, 16) for number in case.line.split(",")[1:3])
        found = keys.parse(case.spki)
        assert (first, second) == (
            (found.x, found.y) if isinstance(found, p256.PublicKey) else (found.n, found.e)
        )


@pytest.mark.parametrize(("x", "y", "is_one"), signature_vectors.points())
def test_points_are_keys_or_none(x: int, y: int, is_one: bool) -> None:
    if is_one:
        assert (p256.PublicKey(x, y).x, p256.PublicKey(x, y).y) == (x, y)
    else:
        with pytest.raises(errors.UnsupportedKey):
            p256.PublicKey(x, y)
