"""SubjectPublicKeyInfo and signature algorithms: one form each."""

from binascii import unhexlify

from checks import raises, row
from sealcore import eckeys, encode, keys, limits, p256, rsa
from sealcore.compat import sha256
from specimens import ADA, SHOP, Rsa, ec_spki, name, patched, rsa_spki

KEY = Rsa()
N = encode.integer(KEY.n)
E = encode.integer(KEY.e)
POINT = ADA.key.public_key().point()
RSA_OID = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"


def spki(algorithm, bits):
    return encode.sequence(algorithm, bits)


def ec_with(parameters):
    return spki(encode.sequence(eckeys.EC_KEY[2:11], parameters), encode.bits(POINT))


BITS = encode.bits(encode.sequence(N, E))

REFUSED = (
    ("malformed-der", "nothing", b""),
    ("malformed-der", "an empty SEQUENCE", b"\x30\x00"),
    ("malformed-der", "something behind it", KEY.spki + b"\x00"),
    ("malformed-der", "something behind its bits", encode.sequence(KEY.spki[4:], b"\x05\x00")),
    (
        "malformed-der",
        "unused bits",
        patched(KEY.spki, b"\x03\x82\x01\x0f\x00", b"\x03\x82\x01\x0f\x01"),
    ),
    ("malformed-der", "no bits", spki(KEY.spki[4:19], b"\x03\x01\x00")),
    ("malformed-der", "a modulus alone", rsa_spki(N)),
    ("malformed-der", "a third number", rsa_spki(N, E, E)),
    (
        "malformed-der",
        "a modulus with a leading zero",
        rsa_spki(b"\x02\x82\x01\x02\x00" + N[4:], E),
    ),
    (
        "unsupported-key",
        "a modulus whose top bit is its sign",
        rsa_spki(b"\x02\x01\x80", E),
    ),
    ("malformed-der", "an exponent with a leading zero", rsa_spki(N, b"\x02\x04\x00\x01\x00\x01")),
    ("malformed-der", "an empty exponent", rsa_spki(N, b"\x02\x00")),
    ("unsupported-key", "a negative exponent", rsa_spki(N, b"\x02\x01\xff")),
    ("unsupported-key", "RSA without parameters", spki(encode.sequence(RSA_OID), BITS)),
    (
        "unsupported-key",
        "RSA with other parameters",
        spki(encode.sequence(RSA_OID, b"\x30\x00"), BITS),
    ),
    (
        "unsupported-key",
        "RSA-PSS",
        spki(encode.sequence(RSA_OID[:-1] + b"\x0a"), BITS),
    ),
    ("malformed-der", "an algorithm without identifier", spki(encode.sequence(b"\x05\x00"), BITS)),
    ("malformed-der", "an empty algorithm", spki(b"\x30\x00", BITS)),
    ("malformed-der", "an algorithm that is no SEQUENCE", spki(b"\x31\x00", BITS)),
    ("unsupported-key", "Ed25519", spki(unhexlify("300506032b6570"), encode.bits(bytes(32)))),
    ("unsupported-key", "P-384", ec_with(b"\x06\x05\x2b\x81\x04\x00\x22")),
    ("unsupported-key", "a curve without name", ec_with(b"\x30\x00")),
    ("unsupported-key", "no curve", ec_with(b"")),
    ("unsupported-key", "an implicit curve", ec_with(b"\x05\x00")),
    ("unsupported-key", "a compressed point", ec_spki(bytes((2 + POINT[64] % 2,)) + POINT[1:33])),
    ("unsupported-key", "a hybrid point", ec_spki(bytes((6 + POINT[64] % 2,)) + POINT[1:])),
    ("unsupported-key", "infinity", ec_spki(b"\x00")),
    ("unsupported-key", "no point", ec_spki(b"")),
    ("unsupported-key", "a point cut off", ec_spki(POINT[:-1])),
    ("unsupported-key", "a point with an byte more", ec_spki(POINT + b"\x00")),
    ("unsupported-key", "a point beside the curve", ec_spki(POINT[:-1] + bytes((POINT[64] ^ 1,)))),
    (
        "unsupported-key",
        "a coordinate above the prime",
        ec_spki(b"\x04" + b"\xff" * 32 + POINT[33:]),
    ),
    ("unsupported-key", "zero", ec_spki(b"\x04" + bytes(64))),
)


def test_other_forms_are_refused():
    for code, sentence, data in REFUSED:
        row(sentence, code, keys.parse, data)


def test_both_kinds_are_read():
    found = keys.parse(KEY.spki)
    assert isinstance(found, rsa.PublicKey)
    assert (found.n, found.e) == (KEY.n, KEY.e)
    found = keys.parse(ADA.spki)
    assert isinstance(found, p256.PublicKey)
    assert found.point() == POINT


MESSAGE = b"message"
DIGEST = sha256(MESSAGE)
RSA_SIGNATURE = KEY.sign(MESSAGE)
EC_SIGNATURE = ADA.sign(MESSAGE)
SHA1_RSA = patched(limits.RSA_SHA256, b"\x01\x0b", b"\x01\x05")
ECDSA_NULL = encode.sequence(eckeys.ECDSA_SHA256[2:], b"\x05\x00")
RSA_NOTHING = encode.sequence(limits.RSA_SHA256[2:13])


def test_a_signature_is_of_the_algorithm_that_its_key_has():
    keys.verify(keys.parse(KEY.spki), KEY.algorithm, DIGEST, RSA_SIGNATURE)
    keys.verify(keys.parse(ADA.spki), ADA.algorithm, DIGEST, EC_SIGNATURE)
    for sentence, key, algorithm, signature in (
        ("RSA said to be ECDSA", KEY, ADA.algorithm, RSA_SIGNATURE),
        ("ECDSA said to be RSA", ADA, KEY.algorithm, EC_SIGNATURE),
        ("an ECDSA key for an RSA signature", ADA, KEY.algorithm, RSA_SIGNATURE),
        ("RSA with SHA-1", KEY, SHA1_RSA, RSA_SIGNATURE),
        ("RSA without the NULL that is due", KEY, RSA_NOTHING, RSA_SIGNATURE),
        ("ECDSA with a NULL that may not be", ADA, ECDSA_NULL, EC_SIGNATURE),
    ):
        row(
            sentence,
            "bad-signature",
            keys.verify,
            keys.parse(key.spki),
            algorithm,
            DIGEST,
            signature,
        )


def test_any_key_will_do_but_one_must():
    entries = [(name("Shop"), SHOP.spki), (name("Ada"), KEY.spki), (name("Ada"), ADA.spki)]
    last = (entries, ADA.algorithm, DIGEST, EC_SIGNATURE)
    keys.verify_any(*last)
    keys.verify_any(*last, name("Ada"))
    raises("bad-signature", keys.verify_any, *last, name("Shop"))
    raises("untrusted-signer", keys.verify_any, *last, name("Bob"))
    raises("untrusted-signer", keys.verify_any, [], *last[1:])
    raises("bad-signature", keys.verify_any, entries[:2], *last[1:])


ED25519 = spki(unhexlify("300506032b6570"), encode.bits(bytes(32)))
SHORT_RSA = rsa_spki(encode.integer((1 << 1023) + 1), E)


def test_a_key_of_no_use_hides_none_behind_it():
    for sentence, odd, code in (
        ("of another kind", ED25519, "unsupported-key"),
        ("too short", SHORT_RSA, "unsupported-key"),
        ("on another curve", ec_with(b"\x06\x05\x2b\x81\x04\x00\x22"), "unsupported-key"),
        ("beside the curve", ec_spki(POINT[:-1] + bytes((POINT[64] ^ 1,))), "unsupported-key"),
        ("that is none", b"\x30\x00", "malformed-der"),
    ):
        for key in (KEY, ADA):
            signature = key.sign(MESSAGE)
            rest = (key.algorithm, DIGEST, signature, name("Ada"))
            first, last = (name("Ada"), odd), (name("Ada"), key.spki)
            for entries in ([first, last], [last, first], [first, first, last]):
                keys.verify_any(entries, *rest)
            row(sentence, code, keys.verify_any, [first], *rest)
            forged = (key.algorithm, sha256(b"other"), signature, name("Ada"))
            row(sentence, "bad-signature", keys.verify_any, [first, last], *forged)
