"""Which changes are made to which seed: pure data, so that a find can be repeated and shrunk."""

from __future__ import annotations

import functools
from random import Random
from typing import NamedTuple

from tests.host.fuzz import mutate, tree
from tests.host.fuzz.seeds import Seed, all_seeds
from tests.host.fuzz.tree import Node

CHOICES = 1 << 20
MAX_STEPS = 3


class Step(NamedTuple):
    """One change: an index of mutate.MUTATIONS, and the seed of its choices."""

    mutation: int
    choices: int


class Plan(NamedTuple):
    """An index of seeds.all_seeds() and the changes, in their order.

    `sign` first: the changes come after the signature and may hit it; it is not made anew.
    """

    seed: int
    steps: tuple[Step, ...]
    sign_first: bool = False

    def __str__(self) -> str:
        names = [f"{mutate.MUTATIONS[m].__name__}:{choices}" for m, choices in self.steps]
        order = ", signed before" if self.sign_first else ""
        return f"{all_seeds()[self.seed].name} (seed {self.seed}): {', '.join(names)}{order}"


@functools.cache
def _trees() -> tuple[Node, ...]:
    return tuple(tree.decode(seed.der) for seed in all_seeds())


def at_random(rng: Random) -> Plan:
    """A plan from a plain source of random numbers."""
    steps = rng.choice((1, 1, 1, 2, MAX_STEPS))
    return Plan(
        rng.randrange(len(all_seeds())),
        tuple(
            Step(rng.randrange(len(mutate.MUTATIONS)), rng.randrange(CHOICES)) for _ in range(steps)
        ),
        rng.random() < 0.1,
    )


def carry_out(plan: Plan) -> tuple[Seed, bytes]:
    """The seed and what became of it: signed again, so that nothing but its structure is wrong."""
    seed = all_seeds()[plan.seed]
    root = tree.clone(_trees()[plan.seed])
    signed = root.children or []
    target = root if plan.sign_first else signed[0]
    for mutation, choices in plan.steps:
        mutate.MUTATIONS[mutation](target, Random(choices))
    if not plan.sign_first:
        signature = seed.signer.sign(tree.encode(signed[0]))
        where = signed if seed.kind != "bundle" else _only_signature(signed)
        where[2] = Node(b"\x03", b"\x00" + signature)
    return seed, tree.encode(root)


def _only_signature(signed: list[Node]) -> list[Node]:
    """The parts of the only signature of a trust bundle."""
    (one,) = signed[1].children or []
    return one.children or []
