"""P-256 private keys: RFC 6979, key files and key generation."""

from checks import raises
from p256_plain import G, N, multiply
from sealcore import encode, p256_sign
from sealcore.compat import sha256

# RFC 6979 appendix A.2.5: message, k, r, s for SHA-256.
D = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
VECTORS = (
    (
        b"sample",
        0xA6E3C57DD01ABE90086538398355DD4C3B17AA873382B0F24D6129493D8AAD60,
        0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
        0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
    ),
    (
        b"test",
        0xD16B6AE827F17175E040871A1C7EC3500192C4C92677336EC2537ACAEE0008E0,
        0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367,
        0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083,
    ),
)
OID = b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"


def test_signatures_and_nonces_are_those_of_the_rfc():
    key = p256_sign.PrivateKey(D)
    for message, k, r, s in VECTORS:
        assert next(p256_sign._nonces(D, sha256(message))) == k
        expected = encode.sequence(encode.integer(r), encode.integer(s))
        assert key.sign(message) == expected
        assert key.sign(memoryview(message)) == expected


def test_public_keys_are_multiples_of_the_base_point():
    for d in (1, 2, N - 1, D):
        key = p256_sign.PrivateKey(d).public_key()
        assert (key.x, key.y) == multiply(d, G)


def test_every_signature_verifies():
    for d in (1, N - 1, D):
        key = p256_sign.PrivateKey(d)
        for message in (b"", b"a", bytes(1000)):
            key.public_key().verify(message, key.sign(message))


def test_private_keys_lie_within_1_and_n_minus_1():
    for d in (-1, 0, N, N + 1, 1 << 256):
        raises("unsupported-key", p256_sign.PrivateKey, d)


def test_an_error_does_not_hold_the_key():
    error = raises("unsupported-key", p256_sign.PrivateKey, N + 12345)
    assert error.args == ("P-256 private key",)


def test_a_key_file_holds_number_curve_and_public_key():
    for d in (1, D):
        der = p256_sign.PrivateKey(d).sec1()
        point = p256_sign.PrivateKey(d).public_key().point()
        assert der == (
            b"\x30\x77\x02\x01\x01\x04\x20"
            + d.to_bytes(32, "big")
            + b"\xa0\x0a"
            + OID
            + b"\xa1\x44\x03\x42\x00"
            + point
        )
        assert p256_sign.from_sec1(der).sec1() == der
        assert p256_sign.from_sec1(memoryview(der)).sign(b"x") == p256_sign.PrivateKey(d).sign(b"x")


def test_key_files_that_are_not_der_are_refused():
    der = p256_sign.PrivateKey(D).sec1()
    for sentence, value in (
        ("nothing", b""),
        ("cut short", der[:-1]),
        ("bytes behind it", der + b"\x00"),
        ("a long length where a short one is due", b"\x30\x81" + der[1:]),
        ("version 0", der[:4] + b"\x00" + der[5:]),
        ("version 2", der[:4] + b"\x02" + der[5:]),
        ("a number of 31 bytes", b"\x30\x24\x02\x01\x01\x04\x1f" + der[8:39]),
    ):
        assert raises("malformed-der", p256_sign.from_sec1, value), sentence


def file_of(d: bytes, *fields) -> bytes:
    return encode.sequence(encode.integer(1), encode.octets(d), *fields)


def test_key_files_of_other_kinds_are_refused():
    d = D.to_bytes(32, "big")
    curve = encode.explicit(0, OID)
    point = p256_sign.PrivateKey(D).public_key().point()
    public = encode.explicit(1, encode.bits(point))
    assert p256_sign.from_sec1(file_of(d, curve, public))
    for sentence, value in (
        ("no curve", file_of(d, public)),
        ("no public key", file_of(d, curve)),
        ("neither", file_of(d)),
        ("fields exchanged", file_of(d, public, curve)),
        ("a field too many", file_of(d, curve, public, b"\x05\x00")),
        ("another curve", file_of(d, encode.explicit(0, b"\x06\x05\x2b\x81\x04\x00\x0a"), public)),
        ("the public key of another", file_of(bytes(31) + b"\x01", curve, public)),
        ("zero", file_of(bytes(32), curve, public)),
        ("N", file_of(N.to_bytes(32, "big"), curve, public)),
        (
            "unused bits in the public key",
            file_of(d, curve, encode.explicit(1, b"\x03\x42\x01", point)),
        ),
    ):
        assert raises("unsupported-key", p256_sign.from_sec1, value), sentence


class Octets:
    """A random source that gives prepared answers."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def __call__(self, count: int) -> bytes:
        assert count == 32
        return self.answers.pop(0)


def test_generated_keys_are_the_first_octets_in_range():
    good = D.to_bytes(32, "big")
    bad = (bytes(32), b"\xff" * 32, N.to_bytes(32, "big"))
    for answers in ((good,), bad + (good,)):
        source = Octets(*answers, bytes(32))
        assert p256_sign.generate(source).sec1() == p256_sign.PrivateKey(D).sec1()
        assert len(source.answers) == 1  # no byte was asked for in vain


def test_a_broken_random_source_ends_in_a_refusal():
    raises("unsupported-key", p256_sign.generate, Octets(*[bytes(32)] * 100))


def test_keys_from_the_system_differ():
    import os

    first = p256_sign.generate(os.urandom)
    second = p256_sign.generate(os.urandom)
    assert first.sec1() != second.sec1()
    second.public_key().verify(b"hello", second.sign(b"hello"))
