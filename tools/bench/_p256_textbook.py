"""The baseline: P-256 verification as textbooks have it, run by MicroPython.

Jacobian double-and-add, both multiples interleaved with the sum of the two points made in advance
(Shamir's trick; Hankerson, Menezes, Vanstone 2004, algorithms 3.48 and 4.30, formulas of section
3.2.2), inversions by Fermat with MicroPython's own `pow`. Nothing is slowed down, nothing is
tuned: each value is reduced where the textbook computes it.
"""

import hashlib

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
A = P - 3
BASE = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    1,
)
INFINITY = (1, 1, 0)


def double(point: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return twice `point`."""
    x, y, z = point
    yy = y * y % P
    s = 4 * x * yy % P
    zz = z * z % P
    m = (3 * x * x + A * zz * zz) % P
    x = (m * m - 2 * s) % P
    return x, (m * (s - x) - 8 * yy * yy) % P, 2 * y * z % P


def add(one: tuple[int, int, int], other: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the sum of the points `one` and `other`."""
    x1, y1, z1 = one
    x2, y2, z2 = other
    if not z1:
        return other
    if not z2:
        return one
    zz1 = z1 * z1 % P
    zz2 = z2 * z2 % P
    u1 = x1 * zz2 % P
    s1 = y1 * z2 * zz2 % P
    h = (x2 * zz1 - u1) % P
    r = (y2 * z1 * zz1 - s1) % P
    if not h:
        return INFINITY if r else double(one)
    hh = h * h % P
    hhh = h * hh % P
    v = u1 * hh % P
    x = (r * r - hhh - 2 * v) % P
    return x, (r * (v - x) - s1 * hhh) % P, z1 * z2 * h % P


def combine(u1: int, u2: int, key: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return u1 times the base point plus u2 times `key`."""
    both = add(BASE, key)
    result = INFINITY
    bit = 1 << 255
    while bit:
        result = double(result)
        if u1 & bit:
            result = add(result, both if u2 & bit else BASE)
        elif u2 & bit:
            result = add(result, key)
        bit >>= 1
    return result


def verify(x: int, y: int, message: bytes, r: int, s: int) -> None:
    """Check a signature.

    Args:
        x: coordinate of the public key.
        y: coordinate of the public key.
        message: bytes.
        r: of the signature.
        s: of the signature.

    Raises: ValueError.
    """
    if not (0 < r < N and 0 < s < N):
        raise ValueError("range")
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
    inverse = pow(s, N - 2, N)
    x, y, z = combine(digest * inverse % N, r * inverse % N, (x, y, 1))
    inverse = pow(z, P - 2, P)
    if not z or x * inverse * inverse % P % N != r:
        raise ValueError("signature")
