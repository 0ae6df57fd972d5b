"""CPython and MicroPython give the same verdicts: 10,000 changed seals, certificates and bundles,
among them whole sets of seals that custody checks."""

from base64 import b64encode
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from boards import micropython
from sealcore import bundle
from tests import full
from tests.host.fuzz import plan
from tests.host.fuzz.seeds import all_seeds
from tests.host.sealcore import custody_sets, verdicts

ROOT = Path(__file__).resolve().parents[3]
STRUCTURES = 3000
OCTETS = 6400
SETS = 200  # for each mix of keys

LIMIT_S = 300.0


def _line(kind: str, *values: bytes) -> str:
    return " ".join((kind, *[b64encode(value).decode() for value in values])) + "\n"


def _structures(rng: Random, count: int) -> list[str]:
    made = (plan.carry_out(plan.at_random(rng)) for _ in range(count))
    return [_line(seed.kind, der) for seed, der in made]


def _with_other_octets(der: bytes, rng: Random) -> bytes:
    changed = bytearray(der)
    for _ in range(rng.choice((1, 1, 2, 5))):
        i = rng.randrange(len(changed))
        how = rng.randrange(5)
        if how == 0:
            changed[i] ^= 1 << rng.randrange(8)
        elif how == 1:
            changed[i] = rng.randrange(256)
        elif how == 2:
            changed.insert(i, rng.randrange(256))
        elif how == 3:
            del changed[i]
        else:
            del changed[i + 1 :]
    return bytes(changed)


def _octets(rng: Random, count: int) -> list[str]:
    seeds = [rng.choice(all_seeds()) for _ in range(count)]
    return [_line(seed.kind, _with_other_octets(seed.der, rng)) for seed in seeds]


def _sets(rng: Random, count: int) -> list[str]:
    lines = []
    for parties in custody_sets.all_parties():
        lines.append(_line("trust", custody_sets.trusted(parties)))
        made = (custody_sets.write(parties, rng) for _ in range(count))
        lines += [_line("custody", *values) for values in made]
    return lines


@pytest.fixture(scope="module")
def share(request: pytest.FixtureRequest) -> int:
    """`make test` tries one of so many."""
    return full.step(request, 5)


@pytest.fixture(scope="module")
def lines(share: int) -> list[str]:
    rng = Random(1)
    made = _structures(rng, STRUCTURES // share) + _octets(rng, OCTETS // share)
    return made + _sets(rng, SETS // share)


@pytest.fixture(scope="module")
def on_cpython(lines: list[str]) -> list[str]:
    trusts: list[bundle.TrustBundle] = []
    return [verdicts.verdict(line, trusts) for line in lines]


def test_both_interpreters_give_the_same_verdicts(
    lines: list[str], on_cpython: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "inputs"
    file.write_text("".join(lines))
    done = micropython.run(
        [verdicts.__file__, str(file)],
        timeout=LIMIT_S,
        environment={"MICROPYPATH": f"{ROOT / 'common'}:.frozen"},
    )
    assert done.returncode == 0, done.stderr
    on_micropython = done.stdout.split("\n")[:-1]
    assert len(on_micropython) == len(on_cpython)
    pairs = zip(lines, on_cpython, on_micropython, strict=True)
    assert [(a, b, line) for line, a, b in pairs if a != b] == []


def test_the_inputs_are_many_and_reach_every_step(
    lines: list[str], on_cpython: list[str], share: int
) -> None:
    assert len(lines) >= 10_000 // share
    custody = [v for line, v in zip(lines, on_cpython, strict=True) if line.startswith("custody")]
    counts = Counter(verdict if " " not in verdict else "accepted" for verdict in custody)
    assert set(counts) >= {
        "accepted", "malformed-der", "profile-violation", "untrusted-signer", "wrong-site",
        "wrong-node", "wrong-service", "wrong-key", "predecessor-mismatch", "seal-mismatch",
        "expired", "not-yet-valid", "rollback", "hash-mismatch", "metadata-mismatch",
    }  # fmt: skip
    parsed = Counter(" " in verdict for verdict in on_cpython[: (STRUCTURES + OCTETS) // share])
    assert parsed[True] > 1000 // share
    assert parsed[False] > 5000 // share
