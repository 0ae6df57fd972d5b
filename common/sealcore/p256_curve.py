"""The group of P-256 (FIPS 186-4 section D.1.2.3): sums of multiples of known points.

k*A is computed with a signed comb (Hedabou, Pinel, Beneteau 2005). An odd k is a sum of 260 terms
+-2^i. They are read as 52 columns of 5 signs that lie 52 bits apart. A table holds what a column
can add, +-A +-2^52 A +-2^104 A ..., so each column costs one doubling and one addition, whatever k
is. Several multiples share the doublings.

The time of a verification on MicroPython (unix), relative to the textbook's double-and-add with
interleaving, and the bytes of a table. There is one table of the base point and one of each key:

    comb of 4 signs                                      0.34     512
    comb of 5 signs                                      0.28    1024
    the same, and the key's table made                   0.70    1024
    comb of 6 signs                                      0.23    2048
    four windows side by side, 5 signed bits each        0.27    2048
    windows of 5 signed bits, nothing kept of the key    0.56     512    of which doublings 0.35

Half of the time goes into `%`, which costs as much as three products. So formulas reduce a sum of
products only once. The usual replacements of `%` in C are slower here, because each step makes a
new integer: Barrett takes 1.2 to 1.4 times as long, Montgomery 1.2 to 2.4, the shifts and sums for
this prime 8 to 12. The WebAssembly port, with 16-bit digits as on a board, ranks all of them alike.
"""

from .compat import const

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

TEETH = const(5)
SPACING = const(52)  # TEETH * SPACING >= 256

_SIGN = const(0x10)  # of a column: its highest sign
_OTHERS = const(0x0F)  # its other signs: the index into a table
_ALL = const(0x1F)


def invert(a: int, modulus: int) -> int:
    """Return 1/a by Euclid's algorithm, in a sixth of the time of pow(a, modulus - 2, modulus).

    Args:
        a: no multiple of the modulus, and no secret, because the time depends on it.
        modulus: a prime.
    """
    u = modulus
    v = a
    s = 0
    t = 1
    while v:
        q = u // v
        u, v = v, u - q * v
        s, t = t, s - q * t
    return s % modulus


# Points are (x, y, zz, zzz) for x / zz and y / zzz, where zz^3 = zzz^2; infinity has zz = zzz = 0.
# An addition is a product and a `%` shorter than with Jacobian (x, y, z), a doubling longer, but
# of these a sum of two multiples takes half as many.


def double(x: int, y: int, zz: int, zzz: int, times: int = 1) -> tuple[int, int, int, int]:
    """Return the point doubled `times` times; infinity stays infinity.

    Args:
        x: see the comment above.
        y: see the comment above.
        zz: see the comment above.
        zzz: see the comment above.
        times: 1 or more.
    """
    p = P  # a local name is found faster
    while times:
        times -= 1
        u = y + y
        v = u * u % p
        w = u * v % p
        s = x * v % p
        m = 3 * (x - zz) * (x + zz) % p
        x = (m * m - (s + s)) % p
        y = (m * (s - x) - w * y) % p
        zz = v * zz % p
        zzz = w * zzz % p
    return x, y, zz, zzz


def add(x: int, y: int, zz: int, zzz: int, x2: int, y2: int) -> tuple[int, int, int, int]:
    """Return the sum with the affine point (x2, y2), in every case.

    Args:
        x: see the comment above.
        y: see the comment above.
        zz: see the comment above.
        zzz: see the comment above.
        x2: coordinate of the affine point.
        y2: coordinate of the affine point.
    """
    if not zz:
        return x2, y2, 1, 1
    p = P
    u = (x2 * zz - x) % p
    m = (y2 * zzz - y) % p
    if not u and not m:
        return double(x, y, zz, zzz)
    # If only u is zero, the points are opposite, and the formulas give infinity.
    v = u * u % p
    w = u * v % p
    s = x * v % p
    x = (m * m - w - (s + s)) % p
    return x, (m * (s - x) - y * w) % p, zz * v % p, zzz * w % p


def columns(k: int) -> bytearray:
    """Return the columns of a multiplier, lowest first: bit i of a column is the sign of 2^(52 i),
    1 for +.

    An even k has no such form, but N - k is odd: then all its signs are inverted.

    Args:
        k: 0 <= k < N.
    """
    odd = k & 1
    bits = (N - k, k)[odd] >> 1 | 1 << TEETH * SPACING - 1
    result = bytearray(SPACING)
    for _ in range(TEETH):
        row = bits & (1 << SPACING) - 1
        bits >>= SPACING
        for i in range(SPACING):
            result[i] = result[i] >> 1 | (row << 4 & _SIGN)
            row >>= 1
    turn = (_ALL, 0)[odd]
    for i in range(SPACING):
        result[i] ^= turn
    return result


def combine(terms: tuple) -> tuple:
    """Return the sum of several multiples as a point.

    Args:
        terms: pairs of a multiplier's columns and a point's table.
    """
    point = (0, 0, 0, 0)
    for i in range(SPACING - 1, -1, -1):
        point = double(*point)
        for signs, table in terms:
            column = signs[i]
            plus = column >> 4
            # The table has the columns whose highest sign is +: take the opposite of the others.
            at = 64 * ((~column, column)[plus] & _OTHERS)
            x2 = int.from_bytes(table[at : at + 32], "big")
            y2 = int.from_bytes(table[at + 32 : at + 64], "big")
            point = add(*point, x2, (P - y2, y2)[plus])
    return point
