"""Any certificate: each part in its one form, and the check under a direct issuer."""

from checks import raises, row
from sealcore import eckeys, encode, limits, x509
from sealcore.encode import element, integer, sequence
from specimens import (
    ADA,
    AUTHORITY,
    BASIC_CONSTRAINTS,
    BEGIN,
    CRITICAL,
    END,
    HOME,
    KEY_USAGE,
    NOW,
    SHOP,
    Rsa,
    certificate,
    ec_spki,
    extension,
    listed,
    name,
    patched,
    rsa_spki,
    tbs,
    validity,
)

PARSED = listed(extension(b"\x55\x1d\x0e", b"\x04\x01\xaa"))
UNIQUE = b"\x81\x02\x00\xaa\x82\x02\x01\xfe"
UNKNOWN = b"\x2a\x03\x04"
SOME = extension(UNKNOWN, b"\x05\x00")
RSA = Rsa()
GOOD = certificate()
SHA1_RSA = patched(limits.RSA_SHA256, b"\x01\x0b", b"\x01\x05")
NULL_ECDSA = sequence(eckeys.ECDSA_SHA256[2:], b"\x05\x00")
BARE_RSA = sequence(limits.RSA_SHA256[2:13])


def both(algorithm):
    """The same algorithm inside and outside."""
    return {"inner": algorithm, "outer": algorithm}


def rest_of(*extensions):
    return {"rest": listed(*extensions)}


def attribute(kind, tag, value):
    return sequence(encode.oid(kind), element(tag, value))


def rdn(*attributes):
    return element(limits.SET, *attributes)


CN = b"\x55\x04\x03"
OU = b"\x55\x04\x0b"

MALFORMED = (
    ("a version of DEFAULT value written", {"version": b"\xa0\x03\x02\x01\x00"}),
    ("a version 4", {"version": b"\xa0\x03\x02\x01\x03"}),
    ("a negative version", {"version": b"\xa0\x03\x02\x01\xff"}),
    ("a version of two bytes", {"version": b"\xa0\x04\x02\x02\x00\x02"}),
    ("two versions", {"version": b"\xa0\x06\x02\x01\x02\x02\x01\x02"}),
    ("an empty version", {"version": b"\xa0\x00"}),
    ("a version without its tag", {"version": b"\x02\x01\x02"}),
    ("a serial number of no bytes", {"serial": b"\x02\x00"}),
    ("a serial number with a leading zero", {"serial": b"\x02\x02\x00\x01"}),
    ("no serial number", {"serial": b""}),
    ("an algorithm inside that is another", {"inner": limits.RSA_SHA256}),
    ("an algorithm outside that is another", {"outer": limits.RSA_SHA256}),
    ("the same algorithm with NULL outside only", {"outer": NULL_ECDSA}),
    ("the same algorithm with NULL inside only", {"inner": NULL_ECDSA}),
    ("an algorithm that is empty", both(b"\x30\x00")),
    ("an algorithm without identifier", both(b"\x30\x02\x05\x00")),
    ("an issuer that is no SEQUENCE", {"issuer": b"\x31\x00"}),
    ("an RDN that is no SET", {"issuer": sequence(sequence(attribute(CN, 12, b"a")))}),
    ("an empty RDN", {"issuer": sequence(rdn())}),
    ("an attribute without value", {"issuer": sequence(rdn(sequence(encode.oid(CN))))}),
    (
        "an attribute of two values",
        {"issuer": sequence(rdn(sequence(encode.oid(CN), encode.text("a"), encode.text("b"))))},
    ),
    ("an attribute without type", {"issuer": sequence(rdn(sequence(encode.text("a"))))}),
    ("a type of no bytes", {"issuer": sequence(rdn(attribute(b"", 12, b"a")))}),
    ("a type that does not end", {"issuer": sequence(rdn(attribute(b"\x55\x84", 12, b"a")))}),
    ("a type with padding", {"issuer": sequence(rdn(attribute(b"\x55\x80\x03", 12, b"a")))}),
    (
        "a SET out of order",
        {"subject": sequence(rdn(attribute(OU, 12, b"a"), attribute(CN, 12, b"a")))},
    ),
    (
        "a SET with the same twice",
        {"subject": sequence(rdn(attribute(CN, 12, b"a"), attribute(CN, 12, b"a")))},
    ),
    ("a PrintableString with an @", {"subject": sequence(rdn(attribute(CN, 19, b"a@b")))}),
    ("a PrintableString with an *", {"subject": sequence(rdn(attribute(CN, 19, b"*")))}),
    ("a PrintableString with a _", {"subject": sequence(rdn(attribute(CN, 19, b"a_b")))}),
    ("a NumericString with a letter", {"subject": sequence(rdn(attribute(CN, 18, b"1a")))}),
    ("an IA5String beyond ASCII", {"subject": sequence(rdn(attribute(CN, 22, b"\x80")))}),
    ("a VisibleString with a control", {"subject": sequence(rdn(attribute(CN, 26, b"\x1f")))}),
    ("a VisibleString with a DEL", {"subject": sequence(rdn(attribute(CN, 26, b"\x7f")))}),
    ("a UTF8String that is none", {"subject": sequence(rdn(attribute(CN, 12, b"\xc0\x80")))}),
    ("a BMPString of three bytes", {"subject": sequence(rdn(attribute(CN, 30, b"\x00a\x00")))}),
    ("a UniversalString of six", {"subject": sequence(rdn(attribute(CN, 28, bytes(6))))}),
    ("a BMPString with a surrogate", {"subject": sequence(rdn(attribute(CN, 30, b"\xd8\x00")))}),
    (
        "a UniversalString beyond Unicode",
        {"subject": sequence(rdn(attribute(CN, 28, b"\x00\x11\x00\x00")))},
    ),
    ("a TeletexString beyond ASCII", {"subject": sequence(rdn(attribute(CN, 20, b"\xe4")))}),
    ("bits without their first byte", {"subject": sequence(rdn(attribute(CN, 3, b"")))}),
    ("bits with eight unused", {"subject": sequence(rdn(attribute(CN, 3, b"\x08\x00")))}),
    ("bits with unused ones", {"subject": sequence(rdn(attribute(CN, 3, b"\x04\xf8")))}),
    ("no bits, of which some are unused", {"subject": sequence(rdn(attribute(CN, 3, b"\x04")))}),
    ("an INTEGER for a string", {"subject": sequence(rdn(attribute(CN, 2, b"\x01")))}),
    ("a validity of one time", {"validity": sequence(validity()[2:17])}),
    ("a validity of three times", {"validity": sequence(validity()[2:], validity()[2:17])}),
    ("a time that is an INTEGER", {"validity": sequence(integer(1), integer(2))}),
    ("a validity that is no SEQUENCE", {"validity": b"\x31" + validity()[1:]}),
    ("a subject's key that is no SEQUENCE", {"spki": b"\x31\x00"}),
    ("a subject's key with something behind", {"spki": sequence(ADA.spki[2:], b"\x05\x00")}),
    ("an RSA modulus with a leading zero", {"spki": rsa_spki(b"\x02\x02\x00\x01", integer(3))}),
    ("nothing for the subject's key", {"spki": b""}),
    ("unique identifiers in a version 1", {"version": b"", "rest": UNIQUE}),
    ("unique identifiers out of order", {"rest": UNIQUE[4:] + UNIQUE[:4]}),
    ("a unique identifier twice", {"rest": UNIQUE[:4] + UNIQUE[:4]}),
    ("a unique identifier behind the extensions", {"rest": PARSED + UNIQUE[4:]}),
    ("a unique identifier, constructed", {"rest": b"\xa1\x04\x03\x02\x00\xaa"}),
    ("a unique identifier of no bytes", {"rest": b"\x82\x00"}),
    ("a unique identifier with ones among the unused bits", {"rest": b"\x82\x02\x01\xff"}),
    ("extensions in a version 1", {"version": b"", "rest": PARSED}),
    ("extensions in a version 2", {"version": b"\xa0\x03\x02\x01\x01", "rest": PARSED}),
    ("an empty list of extensions", {"rest": listed()}),
    ("an empty tag of extensions", {"rest": b"\xa3\x00"}),
    ("something behind the list", {"rest": encode.explicit(3, sequence(SOME), b"\x05\x00")}),
    ("something behind the extensions", {"rest": PARSED + b"\x05\x00"}),
    ("the extensions twice", {"rest": PARSED + PARSED}),
    ("a tag that there is not", {"rest": b"\xa4\x00"}),
    ("the same extension twice", rest_of(SOME, SOME)),
    ("the same extension with another value", rest_of(SOME, extension(UNKNOWN, b"\x04\x00"))),
    ("critical FALSE, the DEFAULT", rest_of(extension(UNKNOWN, b"", b"\x01\x01\x00"))),
    ("critical 01", rest_of(extension(UNKNOWN, b"", b"\x01\x01\x01"))),
    ("critical FE", rest_of(extension(UNKNOWN, b"", b"\x01\x01\xfe"))),
    ("critical of two bytes", rest_of(extension(UNKNOWN, b"", b"\x01\x02\xff\xff"))),
    ("critical of no bytes", rest_of(extension(UNKNOWN, b"", b"\x01\x00"))),
    ("critical twice", rest_of(extension(UNKNOWN, b"", CRITICAL + CRITICAL))),
    ("an extension without value", rest_of(sequence(encode.oid(UNKNOWN)))),
    ("an extension without identifier", rest_of(sequence(encode.octets(b"")))),
    ("an extension with something behind", rest_of(sequence(SOME[2:], b"\x05\x00"))),
    ("a value in a BIT STRING", rest_of(sequence(encode.oid(UNKNOWN), encode.bits(b"")))),
    ("an identifier with padding", rest_of(extension(b"\x2a\x80\x04", b""))),
    ("an identifier that does not end", rest_of(extension(b"\x2a\x83", b""))),
    ("an identifier of no bytes", rest_of(extension(b"", b""))),
)

UNSUPPORTED = (
    ("a serial number of 21 bytes", {"serial": integer(1 << 160)}),
    ("a serial number of 20 bytes and a sign", {"serial": integer(1 << 159)}),
    ("RSA with SHA-1", both(SHA1_RSA)),
    ("ECDSA with NULL", both(NULL_ECDSA)),
    ("RSA without NULL", both(BARE_RSA)),
    ("Ed25519", both(b"\x30\x05\x06\x03\x2b\x65\x70")),
    ("an issuer without name", {"issuer": b"\x30\x00"}),
    ("a small RSA key", {"spki": rsa_spki(integer((1 << 1024) - 105), integer(3))}),
    ("no point", {"spki": ec_spki(b"\x04" + bytes(64))}),
    ("33 extensions", rest_of(*[extension(bytes((42, i)), b"") for i in range(33)])),
    ("more than 16 KiB", rest_of(extension(UNKNOWN, bytes(16384)))),
)

ACCEPTED = (
    ("version 1", {"version": b""}),
    ("version 2", {"version": b"\xa0\x03\x02\x01\x01"}),
    ("version 3 without extensions", {}),
    ("unique identifiers in a version 2", {"version": b"\xa0\x03\x02\x01\x01", "rest": UNIQUE}),
    ("unique identifiers in a version 3", {"rest": UNIQUE + PARSED}),
    ("the issuer's unique identifier alone", {"rest": UNIQUE[:4]}),
    ("the subject's unique identifier alone", {"rest": UNIQUE[4:]}),
    ("version 3 with extensions", {"rest": PARSED}),
    ("a serial number of 20 bytes", {"serial": integer((1 << 159) - 1)}),
    ("the lowest of 20 bytes", {"serial": b"\x02\x14\x80" + bytes(19)}),
    ("a negative serial number", {"serial": b"\x02\x01\x80"}),
    ("a serial number of zero", {"serial": b"\x02\x01\x00"}),
    ("a subject without name", {"subject": b"\x30\x00"}),
    ("a GeneralizedTime", {"validity": validity(BEGIN, 2524608000)}),
    ("an end before the begin, never valid", {"validity": validity(END, BEGIN)}),
    ("32 extensions", rest_of(*[extension(bytes((42, i)), b"") for i in range(32)])),
    (
        "two attributes in order",
        {"subject": sequence(rdn(attribute(CN, 12, b"a"), attribute(OU, 12, b"a")))},
    ),
    (
        "all string types",
        {
            "subject": sequence(
                rdn(attribute(CN, 12, b"\xc3\xa4")),
                rdn(attribute(CN, 18, b"0 9")),
                rdn(attribute(CN, 19, b"Aa0 '()+,-./:=?")),
                rdn(attribute(CN, 20, b"a")),
                rdn(attribute(CN, 3, b"\x04\xf0")),
                rdn(attribute(CN, 3, b"\x07\x80")),
                rdn(attribute(CN, 3, b"\x00")),
                rdn(attribute(CN, 22, b"a@b\x00")),
                rdn(attribute(CN, 26, b" ~")),
                rdn(attribute(CN, 28, b"\x00\x00\x00a\x00\x10\xff\xff")),
                rdn(attribute(CN, 30, b"\x00a")),
            )
        },
    ),
)


def test_what_is_malformed_is_refused():
    for sentence, parts in MALFORMED:
        row(sentence, "malformed-der", x509.parse, certificate(**parts))


def test_what_is_not_supported_is_refused():
    for sentence, parts in UNSUPPORTED:
        row(sentence, "unsupported-certificate", x509.parse, certificate(**parts))


def test_what_is_well_formed_is_read():
    for sentence, parts in ACCEPTED:
        try:
            x509.parse(certificate(**parts))
        except Exception as error:
            raise AssertionError("%s: %r" % (sentence, error))


def test_sizes_are_bounded():
    # Signatures differ in length by some bytes: what is over is tried out.
    length = 16000 + x509.MAX_SIZE - len(certificate(**rest_of(extension(UNKNOWN, bytes(16000)))))
    sizes = []
    for over in range(-4, 5):
        made = certificate(**rest_of(extension(UNKNOWN, bytes(length + over))))
        sizes.append(len(made))
        if len(made) <= x509.MAX_SIZE:
            x509.parse(made)
        else:
            row("%d bytes" % len(made), "unsupported-certificate", x509.parse, made)
    assert x509.MAX_SIZE in sizes


def nested(tag, depth=3500):
    """Elements in elements, the innermost empty."""
    made = bytearray(4 * depth)
    at = len(made)
    for _ in range(depth):
        size = len(made) - at
        length = b"" if size < 128 else b"\x81" if size < 256 else bytes((0x82, size >> 8))
        head = bytes((tag,)) + length + bytes((size & 0xFF,))
        made[at - len(head) : at] = head
        at -= len(head)
    return bytes(made[at:])


def test_depth_is_of_no_consequence():
    """An interpreter that recursed on it would end, and MicroPython's without an exception."""
    names = b"\x55\x1d\x11"
    policies = b"\x55\x1d\x20"
    for sentence, parts in (
        ("in the signed part", {"version": nested(0xA0)}),
        ("in the issuer", {"issuer": nested(0x30)}),
        ("in the subject", {"subject": nested(0x31)}),
        ("in the key", {"spki": nested(0x30)}),
        ("in the extensions", {"rest": nested(0xA3)}),
        ("in a list of names", rest_of(extension(names, nested(0x30)))),
        ("in a directory name", rest_of(extension(names, sequence(nested(0xA4))))),
        ("in another name", rest_of(extension(names, sequence(nested(0xA0))))),
        ("in a list of policies", rest_of(extension(policies, nested(0x30)))),
    ):
        row(sentence, "malformed-der", x509.parse, certificate(**parts))
    x509.parse(certificate(**rest_of(extension(UNKNOWN, nested(0x30)))))


def test_lengths_that_are_only_claimed_cost_nothing():
    for count in (4, 8, 126):
        raises("malformed-der", x509.parse, bytes((0x30, 0x80 | count)) + b"\xff" * count)
    # One byte more than may be: a larger piece is not to be had in a heap of words of 32 bits.
    raises("unsupported-certificate", x509.parse, b"\x30\x82\x3f\xfd" + bytes(0x3FFD))


def test_the_frame_is_exact():
    body = tbs({})
    bits = encode.bits(ADA.sign(body))
    for sentence, data in (
        ("nothing", b""),
        ("something behind it", GOOD + b"\x00"),
        ("cut off", GOOD[:-1]),
        ("something behind the signature", sequence(body, ADA.algorithm, bits, b"\x05\x00")),
        ("no signature", sequence(body, ADA.algorithm)),
        ("an empty signature", sequence(body, ADA.algorithm, b"\x03\x00")),
        ("unused bits in the signature", sequence(body, ADA.algorithm, b"\x03\x02\x01\xaa")),
        (
            "something behind the signed part's end",
            sequence(body, b"\x05\x00", ADA.algorithm, bits),
        ),
        ("no algorithm", sequence(body, bits)),
        ("a length in the long form", b"\x30\x83\x00" + GOOD[2:]),
    ):
        row(sentence, "malformed-der", x509.parse, data)


def test_no_octet_can_be_left_out():
    for i in range(len(GOOD)):
        for changed in (GOOD[:i], GOOD[:i] + GOOD[i + 1 :]):
            try:
                x509.parse(changed)
            except Exception as error:
                assert getattr(error, "code", ""), (i, error)


def test_what_is_read_is_what_was_written():
    found = x509.parse(certificate(rest=AUTHORITY))
    assert found.version == 3
    assert found.serial == 1 << 120
    assert (found.issuer, found.subject) == (name("Ada"), name("thermo"))
    assert (found.not_before, found.not_after) == (BEGIN, END)
    assert found.spki == ADA.spki
    assert found.public_key.point() == ADA.key.public_key().point()
    assert sorted(found.extensions) == [KEY_USAGE, BASIC_CONSTRAINTS]
    critical, value = found.extensions[BASIC_CONSTRAINTS]
    assert critical
    assert value == b"\x30\x03\x01\x01\xff"
    assert found.der == certificate(rest=AUTHORITY)
    assert found.tbs == tbs({"rest": AUTHORITY})
    assert x509.parse(certificate(version=b"")).version == 1


# --- Under an issuer -------------------------------------------------------------------------


def authority(signer=HOME, **parts):
    """A self-signed CA."""
    due = {"issuer": name("home CA"), "subject": name("home CA"), "spki": signer.spki}
    due["rest"] = AUTHORITY
    due.update(parts)
    return x509.parse(certificate(signer, **due))


def issued(signer=HOME, **parts):
    parts.setdefault("issuer", name("home CA"))
    return x509.parse(certificate(signer, **parts))


CA = authority()
CERTIFICATE = issued()


def ca_with(*extensions):
    return authority(rest=listed(*extensions))


IS_CA = extension(BASIC_CONSTRAINTS, b"\x30\x03\x01\x01\xff", CRITICAL)
SIGNS = extension(KEY_USAGE, b"\x03\x02\x02\x04", CRITICAL)
NO_EXAMPLE = b"\x30\x07\xa1\x05\x30\x03\x82\x01\x61"  # nameConstraints: no host in a
HOST = b"\x30\x03\x82\x01\x61"
STRANGE = extension(UNKNOWN, b"\x05\x00", CRITICAL)

NOT_ISSUED = (
    ("name-mismatch", "the issuer has another name", issued(issuer=name("another CA")), CA),
    ("name-mismatch", "the names differ in a letter", issued(issuer=name("home CB")), CA),
    ("bad-signature", "another key signed it", issued(SHOP), CA),
    ("bad-signature", "an authority of this name has another key", CERTIFICATE, authority(SHOP)),
    ("bad-signature", "it signed itself", issued(ADA), CA),
    ("bad-signature", "the authority's key is RSA", CERTIFICATE, authority(RSA, spki=RSA.spki)),
    ("not-authority", "no extensions", CERTIFICATE, authority(rest=b"")),
    ("not-authority", "a version 1", CERTIFICATE, authority(rest=b"", version=b"")),
    ("not-authority", "no basic constraints", CERTIFICATE, ca_with(SIGNS)),
    (
        "not-authority",
        "no CA flag",
        CERTIFICATE,
        ca_with(extension(BASIC_CONSTRAINTS, b"\x30\x00")),
    ),
    (
        "not-authority",
        "a key for signatures but not on certificates",
        CERTIFICATE,
        ca_with(IS_CA, extension(KEY_USAGE, b"\x03\x02\x07\x80", CRITICAL)),
    ),
    (
        "not-authority",
        "a key for CRLs, usage not critical",
        CERTIFICATE,
        ca_with(IS_CA, extension(KEY_USAGE, b"\x03\x02\x01\x02")),
    ),
    (
        "unknown-critical-extension",
        "something strange above",
        CERTIFICATE,
        ca_with(IS_CA, SIGNS, STRANGE),
    ),
    (
        "unknown-critical-extension",
        "something strange below",
        issued(rest=listed(STRANGE)),
        CA,
    ),
    (
        "unknown-critical-extension",
        "critical name constraints above",
        CERTIFICATE,
        ca_with(IS_CA, SIGNS, extension(b"\x55\x1d\x1e", NO_EXAMPLE, CRITICAL)),
    ),
    (
        "unsupported-certificate",
        "name constraints above that are not critical",
        CERTIFICATE,
        ca_with(IS_CA, SIGNS, extension(b"\x55\x1d\x1e", NO_EXAMPLE)),
    ),
    (
        "not-authority",
        "a key for signatures on certificates, the CA flag not set",
        issued(rest=listed(SIGNS, extension(BASIC_CONSTRAINTS, b"\x30\x00", CRITICAL))),
        CA,
    ),
    (
        "not-authority",
        "a key for signatures on certificates, no constraints",
        issued(rest=listed(SIGNS)),
        CA,
    ),
    ("unsupported-certificate", "no name at all", issued(subject=b"\x30\x00"), CA),
    (
        "unsupported-certificate",
        "no name but one that may be passed over",
        issued(subject=b"\x30\x00", rest=listed(extension(b"\x55\x1d\x11", HOST))),
        CA,
    ),
    (
        "unknown-critical-extension",
        "a critical key identifier",
        issued(rest=listed(extension(b"\x55\x1d\x0e", b"\x04\x01\xaa", CRITICAL))),
        CA,
    ),
)

ISSUED = (
    ("the simplest", CERTIFICATE, CA),
    ("itself", CA, CA),
    ("no usage above", CERTIFICATE, ca_with(IS_CA)),
    (
        "constraints that are not critical",
        CERTIFICATE,
        ca_with(extension(BASIC_CONSTRAINTS, b"\x30\x03\x01\x01\xff")),
    ),
    (
        "a path length of zero",
        CERTIFICATE,
        ca_with(extension(BASIC_CONSTRAINTS, b"\x30\x06\x01\x01\xff\x02\x01\x00", CRITICAL)),
    ),
    (
        "no name but a critical one for a host",
        issued(subject=b"\x30\x00", rest=listed(extension(b"\x55\x1d\x11", HOST, CRITICAL))),
        CA,
    ),
    ("another authority", issued(rest=AUTHORITY), CA),
    (
        "name constraints below, which are for a next one",
        issued(rest=listed(extension(b"\x55\x1d\x1e", NO_EXAMPLE))),
        CA,
    ),
    ("something strange that is not critical", issued(rest=listed(SOME)), ca_with(IS_CA, SOME)),
    (
        "all that is understood, critical",
        issued(
            rest=listed(
                extension(KEY_USAGE, b"\x03\x02\x07\x80", CRITICAL),
                extension(
                    b"\x55\x1d\x25", b"\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01", CRITICAL
                ),
                extension(b"\x55\x1d\x11", b"\x30\x03\x82\x01a", CRITICAL),
            )
        ),
        CA,
    ),
    ("an RSA authority", issued(RSA), authority(RSA)),
)


def test_what_this_authority_did_not_issue_is_refused():
    for code, sentence, one, ca in NOT_ISSUED:
        row(sentence, code, x509.check_issued, one, ca, NOW)


def test_what_it_did_is_accepted():
    for sentence, one, ca in ISSUED:
        try:
            x509.check_issued(one, ca, NOW)
        except Exception as error:
            raise AssertionError("%s: %r" % (sentence, error))


def test_both_ends_of_both_validities_count():
    wide = authority(validity=validity(BEGIN - 1000, END + 1000))
    narrow = authority(validity=validity(BEGIN + 10, END - 10))
    for code, sentence, ca, now in (
        ("", "its first second", wide, BEGIN),
        ("", "its last second", wide, END),
        ("not-yet-valid", "the second before", wide, BEGIN - 1),
        ("expired", "the second after", wide, END + 1),
        ("", "the authority's first second", narrow, BEGIN + 10),
        ("", "the authority's last second", narrow, END - 10),
        ("not-yet-valid", "the second before the authority's", narrow, BEGIN + 9),
        ("expired", "the second after the authority's", narrow, END - 9),
    ):
        if code:
            row(sentence, code, x509.check_issued, CERTIFICATE, ca, now)
        else:
            x509.check_issued(CERTIFICATE, ca, now)


def text_name(tag, value, kind=CN):
    return sequence(rdn(attribute(kind, tag, value)))


PRINTABLE = 19
UTF8 = 12
IA5 = 22
BMP = 30

SAME_NAMES = (
    ("case", text_name(UTF8, b"home CA"), text_name(UTF8, b"HOME ca")),
    ("string type", text_name(UTF8, b"home CA"), text_name(PRINTABLE, b"home CA")),
    ("blanks in a row", text_name(UTF8, b"home CA"), text_name(UTF8, b"home    CA")),
    ("blanks around", text_name(UTF8, b"home CA"), text_name(UTF8, b"  home CA ")),
    ("an IA5String", text_name(IA5, b"home CA"), text_name(PRINTABLE, b"Home Ca")),
    ("a BMPString, the same", text_name(BMP, b"\x00a"), text_name(BMP, b"\x00a")),
)

OTHER_NAMES = (
    ("another attribute type", text_name(UTF8, b"home"), text_name(UTF8, b"home", OU)),
    ("a blank more inside a word", text_name(UTF8, b"homeCA"), text_name(UTF8, b"home CA")),
    ("a BMPString of another case", text_name(BMP, b"\x00a"), text_name(BMP, b"\x00A")),
    ("a BMPString for a UTF8String", text_name(BMP, b"\x00a"), text_name(UTF8, b"\x00a")),
    ("a BMPString for its tag as text", text_name(BMP, b"\x00a"), text_name(UTF8, b"\x1e\x00a")),
    (
        "letters beyond ASCII of another case",
        text_name(UTF8, b"\xc3\xa4"),
        text_name(UTF8, b"\xc3\x84"),
    ),
    (
        "one RDN more",
        text_name(UTF8, b"a"),
        sequence(rdn(attribute(CN, UTF8, b"a")), rdn(attribute(OU, UTF8, b"b"))),
    ),
    (
        "the same RDNs in another order",
        sequence(rdn(attribute(CN, UTF8, b"a")), rdn(attribute(OU, UTF8, b"b"))),
        sequence(rdn(attribute(OU, UTF8, b"b")), rdn(attribute(CN, UTF8, b"a"))),
    ),
    (
        "one RDN of two for two of one",
        sequence(rdn(attribute(CN, UTF8, b"a"), attribute(OU, UTF8, b"b"))),
        sequence(rdn(attribute(CN, UTF8, b"a")), rdn(attribute(OU, UTF8, b"b"))),
    ),
    ("a name for none", text_name(UTF8, b"a"), b"\x30\x00"),
)


def chained(issuer, subject):
    x509.check_issued(issued(issuer=issuer), authority(issuer=subject, subject=subject), NOW)


def test_names_that_differ_in_nothing_that_counts_are_one():
    for sentence, a, b in SAME_NAMES:
        try:
            chained(a, b)
            chained(b, a)
        except Exception as error:
            raise AssertionError("%s: %r" % (sentence, error))


def test_names_that_differ_are_two():
    for sentence, a, b in OTHER_NAMES:
        if b != b"\x30\x00":
            row(sentence, "name-mismatch", chained, a, b)
    raises("name-mismatch", x509.check_issued, CERTIFICATE, authority(subject=b"\x30\x00"), NOW)


def test_attributes_of_one_rdn_match_in_any_order_that_folding_gives():
    """`B` sorts before `a`, `b` behind: the bytes' order is not that of the folded values."""
    upper = sequence(rdn(attribute(CN, UTF8, b"B"), attribute(CN, UTF8, b"a")))
    lower = sequence(rdn(attribute(CN, UTF8, b"A"), attribute(CN, UTF8, b"b")))
    chained(upper, lower)
