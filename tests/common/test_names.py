"""The names that Triseal gives, and who a certificate of a site speaks for."""

from checks import row
from sealcore import encode, identity, names
from sealcore.encode import element, sequence
from sealcore.limits import TLS_BOTH_SIDES
from specimens import (
    BEGIN,
    CRITICAL,
    END,
    HOME,
    NO_CA,
    NODE,
    NOW,
    SHOP,
    SITE_KEYS,
    USAGE,
    certificate,
    extension,
    listed,
    name,
    uri_names,
)

CN = b"\x55\x04\x03"


def one(*values):
    return sequence(element(0x31, sequence(encode.oid(CN), *values)))


OTHER_NAMES = (
    ("no name", sequence()),
    ("nothing", b""),
    ("two RDNs", sequence(name("a")[2:], name("b")[2:])),
    ("an RDN of two", sequence(element(0x31, name("a")[4:], name("b")[4:]))),
    ("an empty RDN", sequence(element(0x31))),
    ("a PrintableString", one(element(0x13, b"a"))),
    ("a BMPString", one(element(0x1E, b"\x00a"))),
    (
        "an organization",
        sequence(element(0x31, sequence(encode.oid(b"\x55\x04\x0a"), encode.text("a")))),
    ),
    (
        "another identifier's length",
        sequence(element(0x31, sequence(encode.oid(b"\x55\x04"), encode.text("aa")))),
    ),
    ("no text", one()),
    ("an empty text", one(encode.text(""))),
    ("65 bytes", one(encode.text("a" * 65))),
    ("65 bytes, some of them of one letter", one(encode.text("a" * 63 + "\u00e4"))),
    ("a SEQUENCE for the SET", sequence(sequence(sequence(encode.oid(CN), encode.text("a"))))),
    ("a length in the long form", b"\x30\x81" + name("a")[1:]),
    ("something behind", name("a") + b"\x00"),
    ("cut off", name("a")[:-1]),
)

LABELS = ("a", "0", "a.b-c_d", "kitchen-1", "a" * 63, "0-", "thermo..")
NO_LABELS = (
    "",
    "a" * 64,
    ".",
    "..",
    "-a",
    "_a",
    ".a",
    "A",
    "aB",
    "a/b",
    "a\\b",
    "a b",
    "a\x00",
    "\u00e4",
    "a:",
    "a\n",
)


def test_a_name_is_one_common_name():
    for text in ("a", "The Store", "\u00e4\u20ac", "a" * 64):
        assert names.common_name(memoryview(name(text))) == text


def test_other_names_are_refused():
    for sentence, der in OTHER_NAMES:
        row(sentence, "profile-violation", names.common_name, memoryview(der))
    inner = one(encode.text("aa"))
    for sentence, der in (
        ("a text that is none", one(element(12, b"\xff"))),
        ("two texts", one(encode.text("a"), encode.text("b"))),
        ("a text that is longer than all", inner[:-3] + b"\x03aa"),
        ("a text with something behind", inner[:-3] + b"\x01aa"),
    ):
        row(sentence, "malformed-der", names.common_name, memoryview(der))


def test_a_label_is_one_path_segment_and_one_file_name():
    for text in LABELS:
        assert names.check_label(text) == text
    for text in NO_LABELS:
        row(repr(text), "profile-violation", names.check_label, text)


def test_names_that_could_not_be_read_back_are_not_written():
    for text in ("", "a" * 65):
        row(repr(text), ValueError, name, text)


# --- TLS certificates --------------------------------------------------------------------------

NODE_URI = "spiffe://home/node/kitchen-1"


def node(signer=HOME, uri=NODE_URI, **parts):
    due = {"issuer": name("home CA"), "subject": name("kitchen-1"), "spki": NODE.spki}
    due["rest"] = listed(USAGE, TLS_BOTH_SIDES, NO_CA, uri_names(uri))
    due.update(parts)
    return identity.parse(certificate(signer, **due))


def test_who_is_who():
    assert identity.slsm("home") == "spiffe://home/slsm"
    assert identity.node("home", "kitchen-1") == NODE_URI
    assert identity.service("home", "kitchen-1", "thermo") == NODE_URI + "/service/thermo"
    for function, arguments in (
        (identity.slsm, ("home/x",)),
        (identity.node, ("home", "a/b")),
        (identity.node, ("", "a")),
        (identity.service, ("home", "a", "../b")),
    ):
        row(repr(arguments), "profile-violation", function, *arguments)


def test_a_peer_is_who_its_certificate_says():
    identity.check(node(), SITE_KEYS, NODE_URI, NOW)
    assert node().uri == NODE_URI
    for code, sentence, peer, uri, now in (
        ("wrong-node", "another node", node(), NODE_URI + "2", NOW),
        ("wrong-node", "the manager", node(), "spiffe://home/slsm", NOW),
        ("wrong-node", "a seal", node(uri=NODE_URI + "/service/thermo"), NODE_URI, NOW),
        ("bad-signature", "another key", node(SHOP), NODE_URI, NOW),
        ("untrusted-signer", "another authority", node(issuer=name("Shop")), NODE_URI, NOW),
        ("not-yet-valid", "too early", node(), NODE_URI, BEGIN - 1),
        ("expired", "too late", node(), NODE_URI, END + 1),
    ):
        row(sentence, code, identity.check, peer, SITE_KEYS, uri, now)


def with_names(*names):
    """A peer's extensions with these in the place of its name."""
    return listed(USAGE, TLS_BOTH_SIDES, NO_CA, *names)


def test_a_peer_has_the_profile():
    san = uri_names(NODE_URI)
    for code, sentence, rest in (
        ("malformed-der", "no extensions", b""),
        ("profile-violation", "no name", listed(USAGE, TLS_BOTH_SIDES, NO_CA)),
        ("profile-violation", "no purposes", listed(USAGE, NO_CA, san)),
        ("profile-violation", "something else", with_names(san, extension(b"\x2a\x03", b""))),
        (
            "profile-violation",
            "a critical name",
            with_names(extension(b"\x55\x1d\x11", b"", CRITICAL)),
        ),
    ):
        row(sentence, code, lambda rest: node(rest=rest), rest)


def test_a_peer_has_one_uri():
    for sentence, value in (
        ("a host name", b"\x30\x03\x82\x01a"),
        ("two names", b"\x30\x06\x86\x01a\x86\x01b"),
        ("a URI beyond ASCII", b"\x30\x04\x86\x02\xc3\xa4"),
        ("an empty URI", b"\x30\x02\x86\x00"),
    ):
        rest = with_names(extension(b"\x55\x1d\x11", value))
        row(sentence, "malformed-der", lambda rest: node(rest=rest), rest)
    long = with_names(uri_names("a" * 257))
    row("a URI of 257 bytes", "malformed-der", lambda rest: node(rest=rest), long)
    assert node(uri="a" * 256).uri == "a" * 256
