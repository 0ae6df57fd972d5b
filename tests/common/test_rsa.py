"""RSA signatures: which keys, which signatures, and the forgeries that others have let pass."""

from checks import raises, row
from sealcore import ladder, rsa
from sealcore.compat import sha256
from specimens import Rsa, encoded_message

MESSAGE = b"what is signed"
KEY = Rsa()
CUBE = Rsa(3)

DIGEST_INFO = encoded_message(MESSAGE, 256)[-51:]
HASH = sha256(MESSAGE)


def padded(info, size=256, head=b"\x00\x01", pad=b"\xff", end=b"\x00"):
    """An encoded message with other parts than are due."""
    count = size - len(head) - len(end) - len(info)
    return head + pad * count + end + info


def without_null(info):
    """The DigestInfo with its parameters left out, which RFC 8017 tells to accept, and none do."""
    return b"\x30\x2f\x30\x0b" + info[4:15] + info[17:]


WRONG_MESSAGES = (
    ("block type 2", padded(DIGEST_INFO, head=b"\x00\x02")),
    ("block type 0", padded(DIGEST_INFO, head=b"\x00\x00", pad=b"\x00")),
    ("a first byte that is not zero", padded(DIGEST_INFO, head=b"\x01\x01")),
    ("no zero behind the padding", padded(DIGEST_INFO, end=b"")),
    ("a one behind the padding", padded(DIGEST_INFO, end=b"\x01")),
    ("padding of other bytes", padded(DIGEST_INFO, pad=b"\xfe")),
    ("padding with a hole", padded(DIGEST_INFO)[:100] + b"\x00" + padded(DIGEST_INFO)[101:]),
    ("short padding, garbage behind the hash", padded(DIGEST_INFO, 64) + bytes(192)),
    ("short padding, garbage in front", bytes(192) + padded(DIGEST_INFO, 64)),
    ("eight bytes of padding", padded(DIGEST_INFO + b"\x00" * 194)),
    ("no padding at all", b"\x00\x01\x00" + DIGEST_INFO + bytes(202)),
    ("no DigestInfo, the hash alone", padded(HASH)),
    ("no parameters", padded(without_null(DIGEST_INFO))),
    ("another algorithm: SHA-384", padded(DIGEST_INFO[:14] + b"\x02" + DIGEST_INFO[15:])),
    ("the hash of another message", encoded_message(b"another", 256)),
    ("a BER length", padded(b"\x30\x81\x31" + DIGEST_INFO[2:])),
    ("garbage in the parameters", padded(DIGEST_INFO[:17] + b"\x05\x01\x00" + DIGEST_INFO[19:])),
    ("one byte more behind the hash", padded(DIGEST_INFO + b"\x00")),
    ("the hash without its last byte", padded(DIGEST_INFO[:-1])),
    ("nothing", bytes(256)),
)


def root(number):
    """The largest integer whose cube is not above `number`."""
    low = 0
    high = 1 << 700
    while high - low > 1:
        middle = (low + high) // 2
        if middle * middle * middle <= number:
            low = middle
        else:
            high = middle
    return low


def test_a_signature_is_accepted():
    for key in (KEY, CUBE):
        rsa.PublicKey(key.n, key.e).verify(MESSAGE, key.sign(MESSAGE))


def test_what_is_signed_wrongly_is_refused():
    public = rsa.PublicKey(KEY.n, KEY.e)
    for sentence, block in WRONG_MESSAGES:
        assert len(block) == 256, sentence
        row(sentence, "bad-signature", public.verify, MESSAGE, KEY.raise_to_d(block))


def test_a_cube_root_is_no_signature():
    """Bleichenbacher's forgery of 2006: right in front, garbage behind, no private key."""
    public = rsa.PublicKey(CUBE.n, 3)
    for pad in (b"", b"\xff", b"\xff" * 8, b"\xff" * 24):
        front = b"\x00\x01" + pad + b"\x00" + DIGEST_INFO
        forged = root(int.from_bytes(front + b"\xff" * (256 - len(front)), "big"))
        block = (forged * forged * forged).to_bytes(256, "big")
        assert block.startswith(front)
        raises("bad-signature", public.verify, MESSAGE, forged.to_bytes(256, "big"))


def test_a_number_too_small_to_be_reduced_is_no_signature():
    public = rsa.PublicKey(CUBE.n, 3)
    for number in (0, 1, 2, CUBE.n - 1):
        raises("bad-signature", public.verify, MESSAGE, number.to_bytes(256, "big"))


def test_length_and_range_are_exact():
    public = rsa.PublicKey(KEY.n, KEY.e)
    good = KEY.sign(MESSAGE)
    number = int.from_bytes(good, "big")
    for sentence, signature in (
        ("nothing", b""),
        ("one byte too few", good[:-1]),
        ("without its first byte", good[1:]),
        ("one zero in front", b"\x00" + good),
        ("one byte more", good + b"\x00"),
        ("the modulus itself", KEY.n.to_bytes(256, "big")),
        ("all ones", b"\xff" * 256),
        ("its negative", (KEY.n - number).to_bytes(256, "big")),
        ("one bit turned", bytes((good[0] ^ 1,)) + good[1:]),
        ("the last bit turned", good[:-1] + bytes((good[-1] ^ 1,))),
    ):
        row(sentence, "bad-signature", public.verify, MESSAGE, signature)
    raises("bad-signature", public.verify, b"another", good)
    # The same number modulo n, where it fits in as many bytes.
    if number + KEY.n < 1 << 2048:
        raises("bad-signature", public.verify, MESSAGE, (number + KEY.n).to_bytes(256, "big"))


def test_a_modulus_of_no_whole_octets_has_its_own_length():
    """2330 bits: 292 bytes. Both primes are Mersenne's."""
    key = Rsa(65537, (1 << 127) - 1, (1 << 2203) - 1)
    key.size = 292
    public = rsa.PublicKey(key.n, key.e)
    good = key.sign(MESSAGE)
    public.verify(MESSAGE, good)
    for signature in (good[1:], b"\x00" + good):
        raises("bad-signature", public.verify, MESSAGE, signature)


SMALL = (1 << 2047) - 1
LARGE = (1 << 4096) + 1


def test_keys_out_of_bounds_are_refused():
    for sentence, n, e in (
        ("2047 bits", SMALL, 65537),
        ("4097 bits", LARGE, 65537),
        ("an even modulus", KEY.n + 1, 65537),
        ("a negative modulus", -KEY.n, 65537),
        ("no modulus", 0, 65537),
        ("exponent 1", KEY.n, 1),
        ("exponent 0", KEY.n, 0),
        ("exponent 2", KEY.n, 2),
        ("exponent -1", KEY.n, -1),
        ("exponent -3", KEY.n, -3),
        ("an even exponent", KEY.n, 65536),
        ("an exponent of 257 bits", KEY.n, (1 << 256) + 1),
    ):
        row(sentence, "unsupported-key", rsa.PublicKey, n, e)


def test_keys_at_the_bounds_are_taken():
    for n, e in (
        (SMALL + 2, 3),
        (LARGE - 2, 65537),
        (KEY.n, (1 << 256) - 1),
    ):
        key = rsa.PublicKey(n, e)
        assert (key.n, key.e) == (n, e)


def test_the_ladder_is_pow():
    for base, exponent, modulus in (
        (0, 0, 1),
        (5, 0, 7),
        (0, 5, 7),
        (2, 10, 1000),
        (3, 65537, (1 << 127) - 1),
        (123456789, (1 << 61) - 1, KEY.n),
    ):
        assert ladder.modpow(base, exponent, modulus) == pow(base, exponent, modulus)
