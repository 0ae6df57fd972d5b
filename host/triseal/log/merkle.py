"""The Merkle tree of RFC 6962 section 2.1: hashes, proofs, and the check of proofs.

A tree is a number of leaves and a function that returns the hash of a complete subtree: one with
2**height leaves that begins at leaf index * 2**height. Everything else is computed from those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from triseal.log.errors import LogForked, NotInLog

HASH = 32
MAX_SIZE = 1 << 62  # leaves
MAX_PROOF = 64  # hashes; a proof has at most one for each bit of the size, and one more
EMPTY = sha256(b"").digest()

Complete = Callable[[int, int], bytes]


def leaf(data: bytes) -> bytes:
    """Return the hash of a leaf.

    Args:
        data: contents of the leaf.
    """
    return sha256(b"\x00" + data).digest()


def join(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node over two nodes.

    Args:
        left: hash of the left one, 32 bytes.
        right: hash of the right one.
    """
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the hash over a row of nodes of equal height.

    Args:
        hashes: their hashes; at least one.
    """
    row = list(hashes)
    while len(row) > 1:
        odd = [row.pop()] if len(row) % 2 else []
        row = [join(row[at], row[at + 1]) for at in range(0, len(row), 2)] + odd
    return row[0]


def root(size: int, complete: Complete) -> bytes:
    """Return the hash of a whole tree.

    Args:
        size: number of leaves.
        complete: hashes of complete subtrees.
    """
    return _range(0, size, complete) if size else EMPTY


def inclusion(index: int, size: int, complete: Complete) -> list[bytes]:
    """Make the proof that a tree has a leaf (section 2.1.1).

    Args:
        index: position of the leaf, less than `size`.
        size: number of leaves.
        complete: hashes of complete subtrees.

    Returns: hashes, from the leaf's sibling upwards.
    """
    low, high = 0, size
    proof = []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(_range(middle, high, complete))
            high = middle
        else:
            proof.append(_range(low, middle, complete))
            low = middle
    return proof[::-1]


def consistency(old: int, new: int, complete: Complete) -> list[bytes]:
    """Make the proof that a tree begins with an older one (section 2.1.2).

    Args:
        old: number of leaves of the older tree, not more than `new`.
        new: number of leaves.
        complete: hashes of complete subtrees of the newer tree.
    """
    low, high = 0, new
    proof: list[bytes] = []
    if old == 0:
        return proof
    while high != old:
        middle = low + _split(high - low)
        if old <= middle:
            proof.append(_range(middle, high, complete))
            high = middle
        else:
            proof.append(_range(low, middle, complete))
            low = middle
    if low:  # the older tree is not itself a complete subtree whose hash is known
        proof.append(_range(low, high, complete))
    return proof[::-1]


def check_inclusion(
    hashed: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes
) -> None:
    """Check that a tree has a leaf (RFC 9162 section 2.1.3.2).

    Args:
        hashed: hash of the leaf.
        index: its position.
        size: number of leaves of the tree.
        proof: as `inclusion` makes it.
        expected: hash of the tree.

    Raises:
        NotInLog: the proof does not show that.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise NotInLog(f"entry {index} of {size}")
    at, last = index, size - 1
    for sibling in proof:
        if last == 0:
            raise NotInLog("the proof is too long")
        if at & 1 or at == last:
            hashed = join(sibling, hashed)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            hashed = join(hashed, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise NotInLog("the proof is too short")
    if hashed != expected:
        raise NotInLog("the proof leads to another tree")


def check_consistency(
    old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """Check that a tree begins with an older one (RFC 9162 section 2.1.4.2).

    Args:
        old: number of leaves of the older tree.
        new: number of leaves.
        proof: as `consistency` makes it.
        old_root: hash of the older tree.
        new_root: hash of the tree.

    Raises:
        LogForked: the proof does not show that.
    """
    if not 0 <= old <= new <= MAX_SIZE:
        raise LogForked(f"a tree of {new} entries can't begin with {old}")
    if old in (0, new):
        if proof or old_root != (new_root if old else EMPTY):
            raise LogForked(f"two trees of {old} entries differ, or the proof is too long")
        return
    hashes = list(proof)
    if not old & (old - 1):
        hashes.insert(0, old_root)
    if not hashes:
        raise LogForked("the proof is too short")
    _check_joined(old - 1, new - 1, hashes, (old_root, new_root))


def _check_joined(at: int, last: int, hashes: list[bytes], roots: tuple[bytes, bytes]) -> None:
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise LogForked("the proof is too long")
        if at & 1 or at == last:
            first, second = join(sibling, first), join(sibling, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = join(second, sibling)
        at, last = at >> 1, last >> 1
    if last or (first, second) != roots:
        raise LogForked("the newer tree does not begin with the older one")


def _split(count: int) -> int:
    """Return the largest power of two that is less than `count`."""
    return 1 << (count - 1).bit_length() - 1


def _range(low: int, high: int, complete: Complete) -> bytes:
    """Return the hash over leaves low to high, which are a subtree of some tree."""
    count = high - low
    if not count & (count - 1):
        height = count.bit_length() - 1
        return complete(height, low >> height)
    middle = low + _split(count)
    return join(_range(low, middle, complete), _range(middle, high, complete))
