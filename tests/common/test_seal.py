"""The three seals: the profile to the byte, in each role."""

from checks import row
from sealcore import encode, limits, seal, sealwriter
from sealcore.compat import sha256
from sealcore.limits import TLS_BOTH_SIDES
from specimens import (
    ADA,
    CODE,
    CRITICAL,
    EXECUTABLE,
    GRANTS,
    KEY_ID,
    METADATA,
    NO_CA,
    NO_REV,
    URI,
    USAGE,
    Rsa,
    code_list,
    core,
    developer_seal,
    ec_spki,
    extension,
    listed,
    name,
    service,
    site_seal,
    store_seal,
    uri_names,
    validity,
)

CORE = core()
PREDECESSOR = bytes(range(32))
DEVELOPER = developer_seal()
STORE = store_seal(DEVELOPER)
SITE = site_seal(STORE)


def value(*parts):
    return encode.sequence(*parts)


def before(digest=PREDECESSOR):
    return encode.octets(digest, limits.PREDECESSOR)


def granted(*texts):
    return encode.element(limits.GRANTS, *[encode.text(text) for text in texts])


OF_DEVELOPER = value(CORE)
OF_STORE = value(CORE, before())
OF_SITE = value(CORE, before(), granted(*GRANTS))


def developer(**parts):
    return seal.parse(developer_seal(**parts), seal.DEVELOPER)


def store(**parts):
    return seal.parse(store_seal(DEVELOPER, **parts), seal.STORE)


def site(**parts):
    return seal.parse(site_seal(STORE, **parts), seal.SITE)


HASH = encode.octets(bytes(32))
SIZE = encode.integer(1280)
VERSION = encode.text("1.0.0")
SECURITY = encode.integer(3)
ONE = encode.integer(1)


def fields(version=ONE, digest=HASH, size=SIZE, metadata=HASH, text=VERSION, security=SECURITY):
    return version + digest + size + metadata + text + security


# The ServiceSeal of a developer seal.
MALFORMED = (
    ("no ServiceSeal", b""),
    ("something behind it", OF_DEVELOPER + b"\x00"),
    ("a SET", b"\x31" + OF_DEVELOPER[1:]),
    ("nothing in it", value()),
    ("version 0", value(fields(version=encode.integer(0)))),
    ("version 2", value(fields(version=encode.integer(2)))),
    ("no version", value(fields(version=b""))),
    ("a version with a leading zero", value(fields(version=b"\x02\x02\x00\x01"))),
    ("a hash of 31 bytes", value(fields(digest=encode.octets(bytes(31))))),
    ("a hash of 33 bytes", value(fields(digest=encode.octets(bytes(33))))),
    ("a hash in bits", value(fields(digest=encode.bits(bytes(31))))),
    ("a size of zero", value(fields(size=encode.integer(0)))),
    ("a negative size", value(fields(size=b"\x02\x01\xff"))),
    ("a size of more than 16 MiB", value(fields(size=encode.integer(limits.MAX_EXECUTABLE + 1)))),
    ("no size", value(fields(size=b""))),
    ("metadata of 31 bytes", value(fields(metadata=encode.octets(bytes(31))))),
    ("metadata of 33 bytes", value(fields(metadata=encode.octets(bytes(33))))),
    ("an empty text", value(fields(text=encode.text("")))),
    ("a text of 33 bytes", value(fields(text=encode.text("1" * 33)))),
    ("a text of 17 letters in 34 bytes", value(fields(text=encode.text("\u00e4" * 17)))),
    ("a text that is none", value(fields(text=b"\x0c\x01\xff"))),
    ("a PrintableString", value(fields(text=b"\x13\x011"))),
    ("a negative security version", value(fields(security=b"\x02\x01\xff"))),
    ("a security version of 32 bits", value(fields(security=encode.integer(1 << 31)))),
    ("a security version with a leading zero", value(fields(security=b"\x02\x02\x00\x03"))),
    ("a predecessor", OF_STORE),
    ("grants", value(CORE, granted("log"))),
    ("a field more", value(CORE, b"\x05\x00")),
    ("hash and size in the other order", value(ONE, SIZE, HASH, HASH, VERSION, SECURITY)),
)

ACCEPTED = (
    ("the smallest size", value(fields(size=ONE))),
    ("the largest size", value(fields(size=encode.integer(limits.MAX_EXECUTABLE)))),
    ("the shortest text", value(fields(text=encode.text("1")))),
    ("the longest text", value(fields(text=encode.text("1" * limits.MAX_VERSION_TEXT)))),
    ("security version 0", value(fields(security=encode.integer(0)))),
    (
        "the last security version",
        value(fields(security=encode.integer(limits.MAX_SECURITY_VERSION))),
    ),
)


def test_a_service_seal_has_one_form():
    for sentence, data in MALFORMED:
        row(sentence, "malformed-der", lambda data: developer(value=data), data)
    for sentence, data in ACCEPTED:
        try:
            developer(value=data)
        except Exception as error:
            raise AssertionError("%s: %r" % (sentence, error))


# Beside what people read: controls (C0, DEL, C1), blanks, what is hidden or turns the text round,
# what ends a line, other letters, and others that look like these.
UNREADABLE = (
    "\x00 \x01 \x07 \x08 \t \n \r \x1b \x1f \x20 \x7f \x80 \x85 \x9b \x9f \xa0 \xad \u034f"
    " \u061c \u115f \u180e \u200b \u200d \u200e \u200f \u2028 \u2029 \u202a \u202d \u202e \u2060"
    " \u2066 \u2069 \u3000 \u3164 \ufe0f \ufeff \ufffd \uffff \u0430 \xe4 \U000e0041 \U0010ffff"
)


def test_the_version_is_text_that_people_can_read():
    for letter in UNREADABLE.split(" ") + [" "]:
        for text in (letter, "1" + letter, letter + "1", "1." + letter + "0"):
            if text not in ("1", "1.0", ""):
                data = value(fields(text=encode.text(text)))
                row(repr(text), "profile-violation", lambda data: developer(value=data), data)
    for code in range(33, 127):
        assert developer(value=value(fields(text=encode.text("1" + chr(code))))).service_version


def test_predecessor_and_grants_are_where_they_are_due():
    long = "g" * limits.MAX_GRANT
    for code, sentence, make, data in (
        ("malformed-der", "a Store seal without predecessor", store, OF_DEVELOPER),
        ("malformed-der", "a Store seal with grants", store, OF_SITE),
        ("malformed-der", "a site seal without predecessor", site, value(CORE, granted("log"))),
        ("malformed-der", "a site seal without grants", site, OF_STORE),
        ("malformed-der", "grants in front", site, value(CORE, granted("log"), before())),
        ("malformed-der", "a predecessor of 31 bytes", store, value(CORE, before(bytes(31)))),
        ("malformed-der", "a predecessor of 33 bytes", store, value(CORE, before(bytes(33)))),
        ("malformed-der", "two predecessors", store, value(CORE, before(), before())),
        ("malformed-der", "a constructed predecessor", store, value(CORE, b"\xa0" + before()[1:])),
        ("malformed-der", "primitive grants", site, value(CORE, before(), b"\x81\x00")),
        ("malformed-der", "grants twice", site, value(CORE, before(), granted(), granted())),
        ("malformed-der", "an empty grant", site, value(CORE, before(), granted(""))),
        ("malformed-der", "a grant too long", site, value(CORE, before(), granted(long + "g"))),
        (
            "malformed-der",
            "a grant that is no text",
            site,
            value(CORE, before(), b"\xa1\x02\x05\x00"),
        ),
        ("too-large", "65 grants", site, value(CORE, before(), granted(*["log"] * 65))),
    ):
        row(sentence, code, lambda make, data: make(value=data), make, data)
    assert site(value=value(CORE, before(), granted())).grants == ()
    assert site(value=value(CORE, before(), granted(long))).grants == (long,)
    assert len(site(value=value(CORE, before(), granted(*["log"] * 64))).grants) == 64


SEALED = service(OF_DEVELOPER)
OTHER_USAGE = extension(b"\x55\x1d\x0f", b"\x03\x02\x06\xc0", CRITICAL)
LOOSE_USAGE = extension(b"\x55\x1d\x0f", b"\x03\x02\x07\x80")
LOOSE_NO_CA = extension(b"\x55\x1d\x13", b"\x30\x00")
A_CA = extension(b"\x55\x1d\x13", b"\x30\x03\x01\x01\xff", CRITICAL)
LONG_KEY_ID = extension(b"\x55\x1d\x23", b"\x30\x17\x80\x15" + bytes(21))
SHORT_KEY_ID = extension(b"\x55\x1d\x23", b"\x30\x15\x80\x13" + bytes(19))
CRITICAL_KEY_ID = extension(b"\x55\x1d\x23", b"\x30\x16\x80\x14" + bytes(20), CRITICAL)
CRITICAL_SEAL = extension(limits.SERVICE_SEAL, OF_DEVELOPER, CRITICAL)
FALSE_SEAL = extension(limits.SERVICE_SEAL, OF_DEVELOPER, b"\x01\x01\x00")
ODD_SEAL = encode.sequence(service(OF_DEVELOPER)[2:], b"\x05\x00")
STRANGE = extension(b"\x2a\x03\x04", b"\x05\x00")

# The extensions of a developer seal.
NOT_THE_PROFILE = (
    ("malformed-der", "none at all", b""),
    ("profile-violation", "an empty list", listed()),
    (
        "malformed-der",
        "something behind the list",
        encode.explicit(3, encode.sequence(SEALED), b"\x05\x00"),
    ),
    ("malformed-der", "something behind them", code_list(OF_DEVELOPER) + b"\x05\x00"),
    ("malformed-der", "a unique identifier", b"\x81\x02\x00\xaa" + code_list(OF_DEVELOPER)),
    ("profile-violation", "no usage", listed(CODE, NO_CA, SEALED)),
    ("profile-violation", "no purpose", listed(USAGE, NO_CA, SEALED)),
    ("profile-violation", "no constraints", listed(USAGE, CODE, SEALED)),
    ("profile-violation", "no ServiceSeal", listed(USAGE, CODE, NO_CA)),
    ("profile-violation", "a usage more", listed(OTHER_USAGE, CODE, NO_CA, SEALED)),
    ("profile-violation", "usage that is not critical", listed(LOOSE_USAGE, CODE, NO_CA, SEALED)),
    ("profile-violation", "usage twice", listed(USAGE, USAGE, CODE, NO_CA, SEALED)),
    ("profile-violation", "both usages", listed(USAGE, LOOSE_USAGE, CODE, NO_CA, SEALED)),
    ("profile-violation", "the site's purposes", listed(USAGE, TLS_BOTH_SIDES, NO_CA, SEALED)),
    ("profile-violation", "a CA", listed(USAGE, CODE, A_CA, SEALED)),
    (
        "profile-violation",
        "constraints that are not critical",
        listed(USAGE, CODE, LOOSE_NO_CA, SEALED),
    ),
    (
        "profile-violation",
        "two key identifiers",
        listed(USAGE, CODE, NO_CA, KEY_ID, KEY_ID, SEALED),
    ),
    ("profile-violation", "a long key identifier", listed(USAGE, CODE, NO_CA, LONG_KEY_ID, SEALED)),
    (
        "profile-violation",
        "a short key identifier",
        listed(USAGE, CODE, NO_CA, SHORT_KEY_ID, SEALED),
    ),
    (
        "profile-violation",
        "a critical key identifier",
        listed(USAGE, CODE, NO_CA, CRITICAL_KEY_ID, SEALED),
    ),
    ("profile-violation", "a critical ServiceSeal", listed(USAGE, CODE, NO_CA, CRITICAL_SEAL)),
    ("profile-violation", "critical FALSE written", listed(USAGE, CODE, NO_CA, FALSE_SEAL)),
    ("profile-violation", "two ServiceSeals", listed(USAGE, CODE, NO_CA, SEALED, SEALED)),
    ("malformed-der", "something behind its value", listed(USAGE, CODE, NO_CA, ODD_SEAL)),
    ("profile-violation", "something strange", listed(USAGE, CODE, NO_CA, SEALED, STRANGE)),
    ("profile-violation", "a place", listed(USAGE, CODE, NO_CA, SEALED, uri_names())),
    ("profile-violation", "no revocation", listed(USAGE, CODE, NO_CA, SEALED, NO_REV)),
    ("malformed-der", "an extension that is none", listed(USAGE, CODE, NO_CA, SEALED, b"\x30\x00")),
    (
        "malformed-der",
        "an element that is no SEQUENCE",
        listed(USAGE, CODE, NO_CA, SEALED, b"\x05\x00"),
    ),
)


def test_extensions_are_those_of_the_profile():
    for code, sentence, rest in NOT_THE_PROFILE:
        row(sentence, code, lambda rest: developer(rest=rest), rest)
    for rest in (
        listed(USAGE, CODE, NO_CA, SEALED),
        listed(SEALED, KEY_ID, NO_CA, CODE, USAGE),
    ):
        assert developer(rest=rest).core == CORE


def test_a_site_seal_has_its_own():
    sealed = service(OF_SITE)
    place = uri_names()
    for sentence, rest in (
        ("no place", listed(USAGE, TLS_BOTH_SIDES, NO_CA, NO_REV, sealed)),
        ("no word on revocation", listed(USAGE, TLS_BOTH_SIDES, NO_CA, place, sealed)),
        (
            "another word on revocation",
            listed(USAGE, TLS_BOTH_SIDES, NO_CA, place, sealed, extension(b"\x55\x1d\x38", b"")),
        ),
        ("the developer's purpose", listed(USAGE, CODE, NO_CA, place, NO_REV, sealed)),
        ("both purposes", listed(USAGE, CODE, TLS_BOTH_SIDES, NO_CA, place, NO_REV, sealed)),
        ("two places", listed(USAGE, TLS_BOTH_SIDES, NO_CA, place, place, NO_REV, sealed)),
    ):
        row(sentence, "profile-violation", lambda rest: site(rest=rest), rest)
    assert site(rest=listed(sealed, NO_REV, place, NO_CA, TLS_BOTH_SIDES, USAGE)).uri == URI


def test_no_seal_fits_another_role():
    for made, code in (
        (DEVELOPER, {seal.STORE: "malformed-der", seal.SITE: "profile-violation"}),
        (STORE, {seal.DEVELOPER: "malformed-der", seal.SITE: "profile-violation"}),
        (SITE, {seal.DEVELOPER: "profile-violation", seal.STORE: "profile-violation"}),
    ):
        for role in code:
            row("as %d" % role, code[role], seal.parse, made, role)


RSA = Rsa()
ED25519 = encode.sequence(b"\x30\x05\x06\x03\x2b\x65\x70", encode.bits(bytes(32)))
SERIALS = (
    ("profile-violation", "15 bytes", encode.integer((1 << 120) - 1)),
    ("profile-violation", "17 bytes", encode.integer(1 << 127)),
    ("profile-violation", "one byte", encode.integer(1)),
    ("profile-violation", "zero", encode.integer(0)),
    ("profile-violation", "a negative of 16 bytes", b"\x02\x10\x80" + bytes(15)),
    ("profile-violation", "20 bytes", encode.integer(1 << 158)),
    ("malformed-der", "a leading zero", b"\x02\x11\x00\x01" + bytes(15)),
)


def test_a_serial_number_has_16_octets():
    for code, sentence, serial in SERIALS:
        row(sentence, code, lambda serial: developer(serial=serial), serial)
    for number in (1 << 120, (1 << 127) - 1):
        assert developer(serial=encode.integer(number)).serial == number


def test_the_frame_is_that_of_the_profile():
    for code, sentence, parts in (
        ("profile-violation", "version 1", {"version": b""}),
        ("profile-violation", "version 2", {"version": b"\xa0\x03\x02\x01\x01"}),
        ("profile-violation", "an issuer without name", {"issuer": b"\x30\x00"}),
        ("profile-violation", "a subject without name", {"subject": b"\x30\x00"}),
        ("profile-violation", "a subject that is no label", {"subject": name("Thermo")}),
        ("profile-violation", "a subject that is a path", {"subject": name("../thermo")}),
        ("malformed-der", "another algorithm inside", {"inner": ADA.algorithm[:-1] + b"\x01"}),
        ("malformed-der", "a time of another form", {"validity": validity()[:-1] + b"z"}),
        ("malformed-der", "a key that is no SEQUENCE", {"spki": b"\x04\x00"}),
        ("malformed-der", "a key that is an empty SEQUENCE", {"spki": b"\x30\x00"}),
        ("malformed-der", "an RSA key without bits", {"spki": encode.sequence(RSA.spki[4:19])}),
        (
            "malformed-der",
            "something behind an RSA key",
            {"spki": encode.sequence(RSA.spki[4:], b"\x05\x00")},
        ),
        ("unsupported-key", "an Ed25519 key", {"spki": ED25519}),
        ("unsupported-key", "a compressed point", {"spki": ec_spki(b"\x02" + bytes(32))}),
        ("unsupported-key", "a point cut off", {"spki": ec_spki(b"\x04" + bytes(63))}),
        ("unsupported-key", "a point with an byte more", {"spki": ec_spki(b"\x04" + bytes(65))}),
        (
            "profile-violation",
            "an algorithm that is none",
            {"inner": b"\x30\x00", "outer": b"\x30\x00"},
        ),
    ):
        row(sentence, code, lambda parts: developer(**parts), parts)
    assert developer(issuer=name("Any name: \u00e4!")).service == "thermo"


def test_a_seal_is_no_larger_than_it_may_be():
    row("one byte more", "too-large", seal.parse, bytes(limits.MAX_SEAL + 1), seal.SITE)
    row("as many", "malformed-der", seal.parse, bytes(limits.MAX_SEAL), seal.SITE)


def test_what_is_read_is_what_was_written():
    found = seal.parse(SITE, seal.SITE)
    assert found.service == "thermo"
    assert found.core == CORE
    assert (found.executable_hash, found.executable_size) == (sha256(EXECUTABLE), len(EXECUTABLE))
    assert found.metadata_hash == sha256(METADATA)
    assert (found.service_version, found.security_version) == ("1.0.0", 3)
    assert found.predecessor == sha256(STORE)
    assert (found.grants, found.uri) == (GRANTS, URI)
    found = seal.parse(STORE, seal.STORE)
    assert (found.predecessor, found.grants, found.uri) == (sha256(DEVELOPER), (), "")
    found = seal.parse(DEVELOPER, seal.DEVELOPER)
    assert (found.predecessor, found.grants, found.uri) == (None, (), "")


def test_any_octet_changed_is_refused_or_changes_what_is_read():
    """Nothing in a seal is passed over: what parses differs in something that is checked."""
    good = seal.parse(SITE, seal.SITE)
    for i in range(len(SITE)):
        data = bytearray(SITE)
        data[i] ^= 0x01
        try:
            found = seal.parse(bytes(data), seal.SITE)
        except Exception as error:
            assert getattr(error, "code", ""), (i, error)
            continue
        assert found.tbs != good.tbs or found.signature != good.signature, i


def test_writers_write_what_is_read():
    assert sealwriter.service_seal(CORE) == OF_DEVELOPER
    assert sealwriter.service_seal(CORE, PREDECESSOR) == OF_STORE
    assert sealwriter.service_seal(CORE, PREDECESSOR, GRANTS) == OF_SITE


# --- Briefs ------------------------------------------------------------------------------------


BRIEF = [
    "issuer",
    "algorithm",
    "digest",
    "signature",
    "not_before",
    "not_after",
    "predecessor",
    "hash",
    "spki",
    "service",
    "core",
    "uri",
    "grants",
    "serial",
    "service_version",
    "security_version",
    "executable_hash",
    "executable_size",
    "metadata_hash",
]


class Package:
    """As `custody` wants it."""

    store_seal = STORE
    developer_seal = DEVELOPER


def test_a_brief_says_what_the_seal_says_in_octets_of_its_own():
    briefs = seal.read(Package, seal.brief(SITE, seal.SITE))
    assert [len(brief) for brief in briefs] == [len(BRIEF)] * 3
    for der, role, brief in zip((SITE, STORE, DEVELOPER), (2, 1, 0), briefs):
        one = seal.parse(der, role)
        for field in BRIEF:
            value = getattr(brief, field)
            assert value == getattr(one, field), field
            assert not isinstance(value, memoryview), field


def test_what_is_equal_in_two_seals_is_kept_once():
    site, store, developer = seal.read(Package, seal.brief(SITE, seal.SITE))
    assert site.core is store.core and store.core is developer.core
    assert site.predecessor is store.hash and store.predecessor is developer.hash
    assert store.spki is developer.spki and site.spki is not store.spki
