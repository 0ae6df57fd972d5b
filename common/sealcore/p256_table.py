"""Build the table of a point for `p256_curve.combine`: 16 affine points, 64 bytes each."""

from .p256_curve import SPACING, TEETH, P, add, double, invert


def build(x: int, y: int) -> bytearray:
    """Return the table of the point (x, y).

    With A[i] = 2^(52 i) * (x, y), entry e is A[4] plus A[i] for each bit i that e has, minus A[i]
    for each bit that it lacks. No sum here is infinity or a doubling, because the terms are
    multiples of the point by different numbers, none of them 0, all far below N.

    Args:
        x: coordinate of an affine point on the curve.
        y: coordinate of an affine point on the curve.
    """
    table = bytearray(64 << TEETH - 1)  # first, while the heap has a free piece of this size
    powers = _powers(x, y)
    point = powers[-1] + (1, 1)
    for i in range(0, 2 * TEETH - 2, 2):
        x, y = powers[i]
        point = add(*point, x, P - y)
    _put(table, 0, *_affine([point])[0])
    for bit in range(TEETH - 1):
        _extend(table, 1 << bit, *powers[2 * bit + 1])
    return table


def _powers(x: int, y: int) -> list[tuple[int, int]]:
    """Return A[0], 2*A[0], A[1], 2*A[1], ... A[4], affine."""
    points = []
    point = (x, y, 1, 1)
    for _ in range(TEETH - 1):
        points.append(point)
        points.append(double(*point))
        point = double(*points[-1], SPACING - 1)
    points.append(point)
    return _affine(points)


def _extend(table: bytearray, count: int, x2: int, y2: int) -> None:
    """Make entry count + e the sum of entry e and (x2, y2), for each of the first
    `count` entries."""
    number = int.from_bytes
    inverses = _inverses([x2 - number(table[64 * e : 64 * e + 32], "big") for e in range(count)])
    for e in range(count):
        x1 = number(table[64 * e : 64 * e + 32], "big")
        y1 = number(table[64 * e + 32 : 64 * e + 64], "big")
        m = (y2 - y1) * inverses[e] % P
        x = (m * m - x1 - x2) % P
        _put(table, count + e, x, (m * (x1 - x) - y1) % P)


def _put(table: bytearray, entry: int, x: int, y: int) -> None:
    table[64 * entry : 64 * entry + 32] = x.to_bytes(32, "big")
    table[64 * entry + 32 : 64 * entry + 64] = y.to_bytes(32, "big")


def _affine(points: list) -> list[tuple[int, int]]:
    """Return the points, given as (x, y, zz, zzz), none of them infinity, as (x, y)."""
    inverses = _inverses([point[3] for point in points])
    result = []
    for (x, y, zz, _), cube in zip(points, inverses):
        z = zz * cube % P
        result.append((x * (z * z % P) % P, y * cube % P))
    return result


def _inverses(values: list) -> list:
    """Return all 1 / value with one inversion (Montgomery's trick)."""
    products = [1]
    for value in values:
        products.append(products[-1] * value % P)
    inverse = invert(products.pop(), P)
    for i in range(len(values) - 1, -1, -1):
        products[i] = inverse * products[i] % P
        inverse = inverse * values[i] % P
    return products
