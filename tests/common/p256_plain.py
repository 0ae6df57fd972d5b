"""P-256 as in a textbook, affine and one bit after the other, to compare sealcore's with."""

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def invert(a: int, modulus: int) -> int:
    """1/a, for any a that is no multiple of the prime modulus."""
    rest = (modulus, a % modulus)
    factor = (0, 1)
    while rest[1] > 1:
        quotient, remainder = divmod(*rest)
        rest = (rest[1], remainder)
        factor = (factor[1], factor[0] - quotient * factor[1])
    return factor[1] % modulus


def add(a, b):
    """The sum of two points; None is infinity."""
    if a is None or b is None:
        return a or b
    if a[0] != b[0]:
        slope = (b[1] - a[1]) * invert(b[0] - a[0], P)
    elif a[1] == b[1]:
        slope = (3 * a[0] * a[0] - 3) * invert(2 * a[1], P)
    else:
        return None
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(k: int, point):
    result = None
    while k:
        if k & 1:
            result = add(result, point)
        point = add(point, point)
        k >>= 1
    return result


def negate(point):
    return point[0], P - point[1]


def lift(x: int):
    """A point with this x-coordinate, None if there is none."""
    square = ((x * x - 3) * x + B) % P
    y = pow(square, (P + 1) // 4, P)
    return (x, y) if y * y % P == square else None


def recover(point, r: int, s: int, digest: int):
    """The key under which (r, s) over `digest` leads to `point` (SEC 1 section 4.1.6)."""
    inverse = invert(r, N)
    return add(multiply(s * inverse % N, point), multiply(-digest * inverse % N, G))
