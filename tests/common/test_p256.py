"""P-256 verification: what it accepts, every way to refuse, and the corners of the arithmetic."""

import p256_plain as plain
from checks import raises
from p256_plain import G, N, P
from sealcore import encode, p256, p256_curve, p256_sign, p256_table
from sealcore.compat import sha256
from sealcore.p256_base import BASE

# RFC 6979 appendix A.2.5.
KEY = (
    0x60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6,
    0x7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299,
)
SIGNED = (
    (
        b"sample",
        0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
        0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
    ),
    (
        b"test",
        0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367,
        0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083,
    ),
)
MESSAGE, R, S = SIGNED[0]
DIGEST = int.from_bytes(sha256(MESSAGE), "big")


def signature(r: int, s: int) -> bytes:
    return encode.sequence(encode.integer(r), encode.integer(s))


def refused(key: p256.PublicKey, message, value) -> None:
    """All refusals are one: nothing tells them apart."""
    error = raises("bad-signature", key.verify, message, value)
    assert error.args == ("ECDSA",)


def test_signatures_of_the_rfc_verify():
    key = p256.PublicKey(*KEY)
    for message, r, s in SIGNED:
        assert key.verify(message, signature(r, s)) is None
        key.verify(memoryview(message), memoryview(signature(r, s)))
        key.verify(message, bytearray(signature(r, N - s)))


def test_a_signature_is_of_one_message_and_one_key():
    value = signature(R, S)
    refused(p256.PublicKey(*KEY), b"sampl", value)
    refused(p256.PublicKey(*KEY), b"", value)
    refused(p256.PublicKey(*G), MESSAGE, value)
    refused(p256.PublicKey(*plain.negate(KEY)), MESSAGE, value)


def test_numbers_out_of_range_or_wrong_are_refused():
    key = p256.PublicKey(*KEY)
    for r, s in (
        (0, S),
        (R, 0),
        (0, 0),
        (1, 1),
        (N, S),
        (R, N),
        (N - 1, N - 1),
        (N + 1, S),
        (P, S),
        (R, P),
        (P - 1, S),
        (R + N, S),
        (R, S + N),
        (R + P, S),
        (N - R, S),
        (S, R),
        (R, S + 1),
        (R + 1, S),
        (2**256 - 1, S),
        (R, 2**256),
    ):
        refused(key, MESSAGE, signature(r, s))


def negative(number: int) -> bytes:
    """The INTEGER -number."""
    size = 1
    while number > 1 << 8 * size - 1:
        size += 1
    return encode.element(0x02, ((1 << 8 * size) - number).to_bytes(size, "big"))


def test_encodings_that_are_not_der_are_refused():
    # One signature as long as they get, one with room for more bytes below that size.
    short = p256.PublicKey(*plain.recover(plain.lift(5), 5, S, DIGEST))
    for key, r in ((p256.PublicKey(*KEY), R), (short, 5)):
        check_encodings(key, r, S)


def check_encodings(key: p256.PublicKey, r_number: int, s_number: int) -> None:
    r = encode.integer(r_number)
    s = encode.integer(s_number)
    good = r + s
    key.verify(MESSAGE, encode.sequence(good))
    for sentence, value in (
        ("nothing", b""),
        ("a tag alone", b"\x30"),
        ("an empty sequence", b"\x30\x00"),
        ("one number", encode.sequence(r)),
        ("three numbers", encode.sequence(good, b"\x02\x01\x01")),
        ("a NULL behind the numbers", encode.sequence(good, b"\x05\x00")),
        ("bytes behind the numbers", encode.sequence(good, b"\x00")),
        ("bytes behind the sequence", encode.sequence(good) + b"\x00"),
        ("an byte short", encode.sequence(good)[:-1]),
        ("a length one too small", b"\x30" + bytes([len(good) - 1]) + good),
        ("a length one too large", b"\x30" + bytes([len(good) + 1]) + good),
        ("a long length where a short one is due", b"\x30\x81" + bytes([len(good)]) + good),
        ("a long length with a zero byte", b"\x30\x82\x00" + bytes([len(good)]) + good),
        ("an indefinite length", b"\x30\x80" + good + b"\x00\x00"),
        ("a length of 2^32", b"\x30\x85\x01\x00\x00\x00\x00" + good),
        ("a set", encode.element(0x31, good)),
        ("a primitive sequence", encode.element(0x10, good)),
        ("a byte string for a number", encode.sequence(r, encode.octets(s[2:]))),
        ("a long length inside", encode.sequence(b"\x02\x81" + r[1:], s)),
        ("a padded r", encode.sequence(b"\x02" + bytes([r[1] + 1]) + b"\x00" + r[2:], s)),
        ("a padded s", encode.sequence(r, b"\x02" + bytes([s[1] + 1]) + b"\x00" + s[2:])),
        ("an empty r", encode.sequence(b"\x02\x00", s)),
        ("an empty s", encode.sequence(r, b"\x02\x00")),
        ("an unpadded s that is negative", encode.sequence(r, b"\x02\x20" + s[3:])),
        ("minus r", encode.sequence(negative(r_number), s)),
        ("minus s", encode.sequence(r, negative(s_number))),
        ("minus one", encode.sequence(b"\x02\x01\xff", s)),
        ("r and s without their sequence", good),
        ("r and s as plain bytes", r_number.to_bytes(32, "big") + s_number.to_bytes(32, "big")),
        ("far too many bytes", encode.sequence(r, s, bytes(5000))),
    ):
        try:
            refused(key, MESSAGE, value)
        except AssertionError:
            raise AssertionError("accepted: " + sentence)


def test_a_key_is_a_point_in_range():
    for sentence, x, y in (
        ("off the curve", KEY[0], KEY[1] ^ 1),
        ("coordinates exchanged", KEY[1], KEY[0]),
        ("zero, as some write infinity", 0, 0),
        ("a negative x", KEY[0] - P, KEY[1]),
        ("a negative y", KEY[0], KEY[1] - P),
        ("x not reduced", KEY[0] + P, KEY[1]),
        ("y not reduced", KEY[0], KEY[1] + P),
        ("a point of the curve with another b", 1, 0),
    ):
        assert raises("unsupported-key", p256.PublicKey, x, y), sentence
    at_zero = plain.lift(0)
    assert (p256.PublicKey(*at_zero).x, p256.PublicKey(*at_zero).y) == at_zero


def test_points_are_read_in_their_uncompressed_form_alone():
    key = p256.PublicKey(*KEY)
    point = key.point()
    again = p256.from_point(memoryview(point))
    assert (again.x, again.y) == KEY and again.point() == point and len(point) == 65
    for value in (
        b"",
        b"\x00",
        point[:-1],
        point + b"\x00",
        point[1:],
        bytes([2 + (point[64] & 1)]) + point[1:33],  # compressed
        bytes([6 + (point[64] & 1)]) + point[1:],  # hybrid
        b"\x00" + point[1:],
        point[:-1] + bytes([point[64] ^ 1]),
        bytes(65),
    ):
        raises("unsupported-key", p256.from_point, value)


def test_r_stands_for_itself_and_for_r_plus_n_where_that_is_below_p():
    r = 3
    high = plain.lift(N + r)
    assert N + r < P
    for s in (1, S, N - 1):
        key = p256.PublicKey(*plain.recover(high, r, s, DIGEST))
        key.verify(MESSAGE, signature(r, s))
        refused(key, MESSAGE, signature(r + 1, s))
    low = plain.lift(5)
    key = p256.PublicKey(*plain.recover(low, 5, S, DIGEST))
    key.verify(MESSAGE, signature(5, S))


def test_r_plus_n_is_not_taken_modulo_p():
    # The sum's coordinate is 5 and r + N is 5 modulo P: a verifier that reduces would accept.
    r = 5 + P - N
    key = p256.PublicKey(*plain.recover(plain.lift(5), r, S, DIGEST))
    refused(key, MESSAGE, signature(r, S))


def test_a_sum_at_infinity_is_refused():
    for r in (1, R, N - 1):
        # Of this key, u1 * G = -u2 * Q whatever s is.
        d = -DIGEST * pow(r, N - 2, N) % N
        key = p256.PublicKey(*plain.multiply(d, G))
        for s in (1, S):
            refused(key, MESSAGE, signature(r, s))


def test_a_sum_of_equal_points_is_right():
    # u1 * G = u2 * Q: the last step of all ways to add them is a doubling.
    k = 0x123456789
    r = plain.multiply(k, G)[0]
    d = DIGEST * pow(r, N - 2, N) % N
    key = p256.PublicKey(*plain.multiply(d, G))
    s = 2 * DIGEST * pow(k, N - 2, N) % N
    key.verify(MESSAGE, signature(r, s))
    refused(key, MESSAGE, signature(r, s - 1))


def affine(point):
    x, y, zz, zzz = point
    if not zz:
        assert not zzz
        return None
    return x * pow(zz, P - 2, P) % P, y * pow(zzz, P - 2, P) % P


# Numbers whose combs meet the exceptions of addition, in sums with themselves and each other.
MULTIPLIERS = (0, 1, 2, 3, N - 1, N - 2, N // 2, N // 2 + 1, 1 << 52, 1 << 208, (1 << 208) - 1, R)


def test_one_multiple_of_the_base_point():
    for k in MULTIPLIERS:
        assert affine(p256_curve.combine(((p256_curve.columns(k), BASE),))) == plain.multiply(k, G)


def test_sums_of_multiples_meet_every_exception_of_addition():
    known = {}  # the textbook's way is slow
    for d in (1, N - 1, 1 << 52):
        table = p256_table.build(*plain.multiply(d, G))
        for u1, u2 in (
            [(k, k) for k in MULTIPLIERS]
            + [(k, (N - k) % N) for k in MULTIPLIERS]
            + [(0, R), (R, 0), (1, N - 2), (S, R)]
        ):
            terms = ((p256_curve.columns(u1), BASE), (p256_curve.columns(u2), table))
            total = (u1 + u2 * d) % N
            if total not in known:
                known[total] = plain.multiply(total, G)
            assert affine(p256_curve.combine(terms)) == known[total], (d, u1, u2)


def test_columns_add_up_to_their_number():
    for k in MULTIPLIERS:
        total = 0
        for i, column in enumerate(p256_curve.columns(k)):
            for tooth in range(p256_curve.TEETH):
                term = 1 << i + p256_curve.SPACING * tooth
                total += term if column >> tooth & 1 else -term
        assert total % N == k


def test_inverses_are_those_of_fermat():
    for a in (1, 2, 3, R, S, N - 1):
        assert p256_curve.invert(a, N) == pow(a, N - 2, N)
        assert p256_curve.invert(a, P) == pow(a, P - 2, P)


def test_more_keys_than_are_kept_still_verify():
    owners = [p256_sign.PrivateKey(d) for d in (1, 2, 3, 5, 7)]
    pairs = [(owner.public_key(), owner.sign(MESSAGE)) for owner in owners]
    for i in (0, 1, 2, 3, 4, 4, 0, 3, 1, 2):
        key, value = pairs[i]
        key.verify(MESSAGE, value)
        refused(key, MESSAGE, pairs[i - 1][1])


def test_a_table_made_in_advance_is_used_by_every_object_of_the_key():
    table = p256.PublicKey(*KEY).prepare()
    assert len(table) == 1024
    assert p256.PublicKey(*KEY).prepare() is table


def test_the_table_of_the_base_point_is_what_is_built_from_it():
    assert bytes(p256_table.build(*G)) == BASE
