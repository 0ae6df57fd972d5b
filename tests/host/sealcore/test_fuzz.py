"""The structural fuzzer: a short run of it, and that it would see what it looks for."""

import itertools
import re
from collections import Counter
from random import Random

import pytest

from sealcore import bundle, seal, x509
from tests.full import OneOf
from tests.host.fuzz import engine, mutate, plan, tree
from tests.host.fuzz.judge import Find, judge
from tests.host.fuzz.plan import Plan, Step
from tests.host.fuzz.seeds import all_seeds
from tests.host.sealcore import referees


def _is_accepted_by_all(index: int) -> None:
    thing = all_seeds()[index]
    assert judge(thing, thing.der, signed_again=True) == ""


@pytest.mark.parametrize("index", range(len(all_seeds())))
def test_what_is_valid_is_accepted_by_all(index: int) -> None:
    _is_accepted_by_all(index)


def test_trees_are_the_octets_that_they_were_read_from() -> None:
    for thing in all_seeds():
        assert tree.encode(tree.decode(thing.der)) == thing.der


def test_equal_plans_make_equal_inputs() -> None:
    """But for the signature, so it is left as it was."""
    for number in range(200):
        one = plan.at_random(Random(number))._replace(sign_first=True)
        assert plan.carry_out(one) == plan.carry_out(one)


def test_every_mutation_changes_something() -> None:
    for index, mutation in enumerate(mutate.MUTATIONS):
        changed = 0
        for number in range(100):
            made = plan.carry_out(Plan(number % len(all_seeds()), (Step(index, number),), True))
            changed += made[0].der != made[1]
        assert changed > 25, mutation.__name__


def test_a_short_run_finds_nothing(one_of: OneOf) -> None:
    part = one_of(4)
    counts: Counter[str] = Counter()
    for seed in itertools.count(1):
        result = engine.run(0.0, seed, lambda _: None)  # one batch, however long that takes
        assert result.finds == []
        counts += result.codes
        if counts[""] * part > 50 and counts["malformed-der"] * part > 200:
            return


def test_a_parser_that_lets_ber_pass_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The referees see what sealcore would have let pass."""
    thing = all_seeds()[6]
    padded = tree.decode(thing.der)
    padded.form, padded.slack = "padded", 1
    der = tree.encode(padded)
    monkeypatch.setattr(x509, "parse", lambda _: x509.Certificate(thing.der))
    with pytest.raises(Find, match="accepted, but not by_cryptography"):
        judge(thing, der, signed_again=True)
    assert "not in DER" in referees.refusal(referees.by_asn1crypto, der)


def test_a_parser_that_fails_otherwise_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: bytes) -> None:
        raise IndexError("pop from an empty list")

    monkeypatch.setattr(bundle, "parse", fail)
    thing = next(one for one in all_seeds() if one.kind == "bundle")
    with pytest.raises(Find, match="IndexError"):
        judge(thing, thing.der, signed_again=True)


def test_a_seal_beyond_the_profile_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Store seal that passes for a site seal."""
    thing = next(one for one in all_seeds() if one.kind == "site")
    other = next(one for one in all_seeds() if one.kind == "store" and one.signer is thing.signer)
    store = seal.parse(other.der, seal.STORE)
    store.role = seal.SITE
    monkeypatch.setattr(seal, "parse", lambda *_: store)
    with pytest.raises(Find, match="beyond the profile"):
        judge(thing, other.der, signed_again=True)


def test_finds_come_with_what_makes_them_again() -> None:
    text = engine.describe(Plan(0, (Step(3, 7),)), Find("why"))
    assert re.match(
        r"why\n  developer seal \(seed 0\): transplant:7\n  developer NAME CODE \S+$", text
    )
