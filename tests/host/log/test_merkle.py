"""The Merkle tree against the known values of RFC 6962 trees, and against its own definition."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from itertools import pairwise

import pytest

from tests.worlds.site_world import code_of
from triseal.log import merkle

# The tree over these leaves is the test of Certificate Transparency's own implementations.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
MOST = 34  # sizes of trees that are tried against each other


def defined(leaves: list[bytes]) -> bytes:
    """The definition of section 2.1, word by word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha256(b"\1" + defined(leaves[:k]) + defined(leaves[k:])).digest()


def complete(leaves: list[bytes], height: int, index: int) -> bytes:
    return defined(leaves[index << height : (index + 1) << height])


def hashes_of(leaves: list[bytes]) -> merkle.Complete:
    return partial(complete, leaves)


@pytest.fixture(scope="module")
def many() -> list[bytes]:
    return [bytes([n]) for n in range(MOST)]


@pytest.mark.parametrize("size", range(len(ROOTS)))
def test_known_roots(size: int) -> None:
    assert merkle.root(size, hashes_of(LEAVES[:size])).hex() == ROOTS[size]
    assert defined(LEAVES[:size]).hex() == ROOTS[size]


def test_known_proofs() -> None:
    """Values of the same implementations."""
    at5 = merkle.inclusion(5, 8, hashes_of(LEAVES))
    assert [one.hex() for one in at5] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    from6 = merkle.consistency(6, 8, hashes_of(LEAVES))
    assert [one.hex() for one in from6] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_every_leaf_of_every_tree_is_proved_and_no_other_is(many: list[bytes]) -> None:
    for size in range(1, MOST):
        hashes = hashes_of(many[:size])
        root = merkle.root(size, hashes)
        for index in range(size):
            proof = merkle.inclusion(index, size, hashes)
            check = partial(merkle.check_inclusion, merkle.leaf(many[index]))
            check(index, size, proof, root)
            for other in (index ^ 1, index + 1, (index + size // 2 + 1) % size):
                if other != index:
                    assert refused(check, other, size, proof, root)
            for wrong in damaged(proof):
                assert refused(check, index, size, wrong, root)


def test_every_tree_begins_with_every_smaller_one_and_with_no_other(many: list[bytes]) -> None:
    roots = [merkle.root(size, hashes_of(many[:size])) for size in range(MOST)]
    for new in range(MOST):
        hashes = hashes_of(many[:new])
        for old in range(new + 1):
            proof = merkle.consistency(old, new, hashes)
            check = merkle.check_consistency
            check(old, new, proof, roots[old], roots[new])
            assert refused(check, old, new, proof, bytes(32), roots[new], code="log-forked")
            if old:
                assert refused(check, old, new, proof, roots[old], bytes(32), code="log-forked")
            for wrong in damaged(proof):
                given = old, new, wrong, roots[old], roots[new]
                assert refused(check, *given, code="log-forked")


def test_sizes_that_make_no_sense() -> None:
    root = bytes(32)
    for index, size in ((0, 0), (-1, 1), (1, 1), (0, merkle.MAX_SIZE + 1)):
        assert refused(merkle.check_inclusion, root, index, size, [], root)
    for old, new in ((-1, 0), (2, 1), (0, merkle.MAX_SIZE + 1)):
        assert refused(merkle.check_consistency, old, new, [], root, root, code="log-forked")


def test_a_row_folds_to_the_root() -> None:
    row = [merkle.leaf(one) for one in LEAVES]
    for size in range(1, len(row) + 1):
        assert merkle.fold(row[:size]).hex() == ROOTS[size]


def test_the_known_roots_differ() -> None:
    assert all(one != other for one, other in pairwise(ROOTS))


def damaged(proof: list[bytes]) -> list[list[bytes]]:
    """A hash too many at each end, one too few, one that is another."""
    made = [[*proof, bytes(32)], [bytes(32), *proof]]
    if proof:
        made += [proof[1:], proof[:-1], [bytes(32), *proof[1:]], [*proof[:-1], bytes(32)]]
    return made


def refused(check: Callable[..., None], *arguments: object, code: str = "not-in-log") -> bool:
    return code_of(lambda: check(*arguments)) == code
