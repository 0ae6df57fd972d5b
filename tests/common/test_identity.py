"""Certificates of nodes and of the SLSM: the profile to the byte, and no laxer than X.509."""

from checks import raises, row
from sealcore import eckeys, encode, identity, limits, x509
from sealcore.encode import sequence
from specimens import (
    ADA,
    CODE,
    CRITICAL,
    HOME,
    KEY_ID,
    NO_CA,
    NO_REV,
    NODE,
    NOW,
    SITE_KEYS,
    USAGE,
    Rsa,
    certificate,
    ec_spki,
    extension,
    listed,
    name,
    rsa_spki,
    uri_names,
    validity,
)

URI = "spiffe://home/node/kitchen-1"
RSA = Rsa()
POINT = NODE.key.public_key().point()
BESIDE = POINT[:-1] + bytes((POINT[64] ^ 1,))
E = encode.integer(65537)
TLS = limits.TLS_BOTH_SIDES
GOOD = (USAGE, TLS, NO_CA, KEY_ID, uri_names(URI))


def made(**parts):
    """A node's certificate, DER, of whose parts some are changed."""
    due = {
        "issuer": name("home CA"),
        "subject": name("kitchen-1"),
        "spki": NODE.spki,
        "rest": listed(*GOOD),
    }
    due.update(parts)
    return certificate(HOME, **due)


def with_key(algorithm, bits):
    return sequence(algorithm, bits)


# (code, sentence, parts); what stands before the bar is refused by x509 as well.
NO_CERTIFICATE = (
    ("profile-violation", "version 1 with extensions", {"version": b""}),
    ("profile-violation", "version 2 with extensions", {"version": b"\xa0\x03\x02\x01\x01"}),
    ("malformed-der", "version 1 written", {"version": b"\xa0\x03\x02\x01\x00"}),
    ("profile-violation", "a subject that is no name", {"subject": b"\x30\x03\x0c\x01a"}),
    ("malformed-der", "a subject that is no text", {"subject": name("a")[:-1] + b"\xff"}),
    ("profile-violation", "an issuer that is no name", {"issuer": b"\x30\x02\x05\x00"}),
    ("profile-violation", "an issuer without attributes", {"issuer": b"\x30\x00"}),
    ("malformed-der", "a key that is an empty SEQUENCE", {"spki": b"\x30\x00"}),
    ("malformed-der", "a key that is no SEQUENCE", {"spki": b"\x04\x00"}),
    ("unsupported-key", "a key without bits", {"spki": sequence(eckeys.EC_KEY)}),
    (
        "unsupported-key",
        "an Ed25519 key",
        {"spki": with_key(b"\x30\x05\x06\x03\x2b\x65\x70", encode.bits(bytes(32)))},
    ),
    ("unsupported-key", "a compressed point", {"spki": ec_spki(b"\x02" + POINT[1:33])}),
    ("unsupported-key", "a point with an byte more", {"spki": ec_spki(POINT + b"\x00")}),
    ("unsupported-key", "a point beside the curve", {"spki": ec_spki(BESIDE)}),
    ("unsupported-key", "a point of zeros", {"spki": ec_spki(b"\x04" + bytes(64))}),
    (
        "unsupported-key",
        "an RSA key of 1024 bits",
        {"spki": rsa_spki(encode.integer((1 << 1023) + 1), E)},
    ),
    ("malformed-der", "an RSA key without exponent", {"spki": rsa_spki(encode.integer(RSA.n))}),
    (
        "malformed-der",
        "something behind an RSA key",
        {"spki": sequence(RSA.spki[4:], b"\x05\x00")},
    ),
    (
        "malformed-der",
        "unused bits in a key",
        {"spki": RSA.spki.replace(b"\x0f\x00\x30", b"\x0f\x01\x30")},
    ),
    (
        "profile-violation",
        "a signature algorithm that is none",
        {"inner": b"\x30\x00", "outer": b"\x30\x00"},
    ),
    (
        "profile-violation",
        "ECDSA with SHA-384",
        {
            "inner": eckeys.ECDSA_SHA256[:-1] + b"\x03",
            "outer": eckeys.ECDSA_SHA256[:-1] + b"\x03",
        },
    ),
    ("malformed-der", "a time of another form", {"validity": validity()[:-1] + b"z"}),
    ("malformed-der", "something behind the extensions", {"rest": listed(*GOOD) + b"\x05\x00"}),
    ("profile-violation", "an extension twice", {"rest": listed(*GOOD, NO_CA)}),
)

BEYOND_THE_PROFILE = (
    ("profile-violation", "a serial number of one byte", {"serial": encode.integer(1)}),
    ("profile-violation", "a negative serial number", {"serial": b"\x02\x10\x80" + bytes(15)}),
    ("profile-violation", "a serial number of 17 bytes", {"serial": encode.integer(1 << 128)}),
    ("profile-violation", "a subject of two names", {"subject": sequence(name("a")[2:] * 2)}),
    ("malformed-der", "no extensions", {"rest": b""}),
    ("profile-violation", "no URI", {"rest": listed(*GOOD[:-1])}),
    ("profile-violation", "two URIs", {"rest": listed(*GOOD, uri_names(URI + "2"))}),
    ("profile-violation", "no usage", {"rest": listed(*GOOD[1:])}),
    (
        "profile-violation",
        "the purposes of a seal",
        {"rest": listed(USAGE, CODE, NO_CA, uri_names(URI))},
    ),
    ("profile-violation", "a site seal's noRevAvail", {"rest": listed(*GOOD, NO_REV)}),
    (
        "profile-violation",
        "something strange",
        {"rest": listed(*GOOD, extension(b"\x2a\x03\x04", b"\x05\x00"))},
    ),
    (
        "profile-violation",
        "something strange and critical",
        {"rest": listed(*GOOD, extension(b"\x2a\x03\x04", b"\x05\x00", CRITICAL))},
    ),
)


def test_what_is_no_certificate_is_no_node_s():
    for code, sentence, parts in NO_CERTIFICATE:
        der = made(**parts)
        row(sentence, code, identity.parse, der)
        try:
            x509.parse(der)
        except Exception as error:
            assert error.code in ("malformed-der", "unsupported-certificate"), (sentence, error)
        else:
            raise AssertionError("x509 takes " + sentence)


def test_what_is_beyond_the_profile_is_refused():
    for code, sentence, parts in BEYOND_THE_PROFILE:
        row(sentence, code, identity.parse, made(**parts))


def test_what_is_read_is_what_was_written():
    for spki in (NODE.spki, RSA.spki):
        found = identity.parse(made(spki=spki))
        assert (found.uri, found.name, found.spki) == (URI, "kitchen-1", spki)
        assert x509.parse(found.der).serial == found.serial


def test_it_is_no_larger_than_a_seal():
    row("one byte more", "too-large", identity.parse, bytes(limits.MAX_SEAL + 1))
    row("as many", "malformed-der", identity.parse, bytes(limits.MAX_SEAL))


def test_a_site_key_issued_it_to_whom_it_is_for():
    found = identity.parse(made())
    identity.check(found, SITE_KEYS, URI, NOW)
    raises("wrong-node", identity.check, found, SITE_KEYS, URI + "2", NOW)
    raises("untrusted-signer", identity.check, found, [(name("Shop"), ADA.spki)], URI, NOW)
    raises("bad-signature", identity.check, found, [(name("home CA"), ADA.spki)], URI, NOW)
    raises("expired", identity.check, found, SITE_KEYS, URI, found.not_after + 1)
    raises("not-yet-valid", identity.check, found, SITE_KEYS, URI, found.not_before - 1)
