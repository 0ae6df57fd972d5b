"""Trust bundles: their form, and which may follow which."""

from checks import row
from sealcore import bundle, certificate, encode, limits, sealwriter
from sealcore.encode import sequence
from specimens import (
    ADA,
    DEVELOPERS,
    HOME,
    NOW,
    SHOP,
    SITE_KEYS,
    STORE_KEYS,
    Rsa,
    bundle_tbs,
    name,
    signed,
)

TIME = b"\x17\x0d261122160000Z"
ENTRY = sequence(*DEVELOPERS[0])
LISTS = (sequence(sequence(*SITE_KEYS[0])), sequence(sequence(*STORE_KEYS[0])), sequence(ENTRY))
FIRST = signed(bundle_tbs())


def made(**changed):
    """A signed bundle, of whose parts some are changed."""
    due = {
        "label": encode.text(limits.BUNDLE_LABEL),
        "version": encode.integer(1),
        "site": encode.text("home"),
        "time": TIME,
        "lists": b"".join(LISTS),
        "rest": b"",
    }
    due.update(changed)
    return signed(
        sequence(*[due[part] for part in ["label", "version", "site", "time", "lists", "rest"]])
    )


def lists(developers):
    return b"".join(LISTS[:2]) + developers


ED25519 = sequence(b"\x30\x05\x06\x03\x2b\x65\x70", encode.bits(bytes(32)))


def of_key(spki):
    """A bundle with this key of a developer."""
    return made(lists=lists(sequence(sequence(name("Ada"), spki))))


MALFORMED = (
    ("another label", made(label=encode.text("triseal time v1"))),
    ("no label", made(label=b"")),
    ("an empty label", made(label=encode.text(""))),
    ("a label of another type", made(label=encode.text(limits.BUNDLE_LABEL, 0x13))),
    ("version 0", made(version=encode.integer(0))),
    ("a negative version", made(version=b"\x02\x01\xff")),
    ("a version of 32 bits", made(version=encode.integer(1 << 31))),
    ("a version with a leading zero", made(version=b"\x02\x02\x00\x01")),
    ("an empty site", made(site=encode.text(""))),
    ("a site of 64 octets", made(site=encode.text("a" * 64))),
    ("no time", made(time=b"")),
    ("a GeneralizedTime before 2050", made(time=b"\x18\x0f20491122160000Z")),
    ("a time that is an INTEGER", made(time=b"\x02\x0120501122160000Z")),
    ("a time that is none", made(time=b"\x17\x0d261322160000Z")),
    ("two lists", made(lists=b"".join(LISTS[:2]))),
    ("four lists", made(lists=b"".join(LISTS) + LISTS[2])),
    ("something behind", made(rest=b"\x05\x00")),
    ("no site key", made(lists=sequence() + LISTS[1] + LISTS[2])),
    ("a list that is a SET", made(lists=lists(b"\x31\x00"))),
    ("an entry that is a SET", made(lists=lists(sequence(b"\x31" + ENTRY[1:])))),
    ("an entry without key", made(lists=lists(sequence(sequence(name("Ada")))))),
    ("an empty entry", made(lists=lists(sequence(sequence())))),
    (
        "an entry with something behind",
        made(lists=lists(sequence(sequence(ENTRY[2:], b"\x05\x00")))),
    ),
    ("a key that is no SEQUENCE", made(lists=lists(sequence(sequence(name("Ada"), b"\x04\x00"))))),
    ("an empty key", of_key(sequence())),
    ("a key without algorithm", of_key(sequence(sequence(), encode.bits(b"")))),
    ("a key without bits", of_key(sequence(ED25519[2:9]))),
    ("a key in octets", of_key(sequence(ED25519[2:9], encode.octets(bytes(33))))),
    ("something behind a key", of_key(sequence(ED25519[2:], b"\x05\x00"))),
    ("something behind it", FIRST + b"\x00"),
    ("cut off", FIRST[:-1]),
    ("nothing", b""),
)


def test_what_is_no_bundle_is_refused():
    for sentence, der in MALFORMED:
        row(sentence, "malformed-der", bundle.parse, der)


def test_a_bundle_of_2050_is_one():
    for time, seconds in (
        (b"\x17\x0d491231235959Z", 2524607999),
        (b"\x18\x0f20500101000000Z", 2524608000),
    ):
        assert bundle.parse(made(time=time)).issued_at == seconds


def test_names_are_those_of_the_profile():
    two = sequence(name("a")[2:], name("b")[2:])
    for sentence, der in (
        ("a site that is no label", made(site=encode.text("Home"))),
        ("a site that is a path", made(site=encode.text("home/x"))),
        ("a name of two parts", made(lists=lists(sequence(sequence(two, ADA.spki))))),
        ("an empty name", made(lists=lists(sequence(sequence(sequence(), ADA.spki))))),
    ):
        row(sentence, "profile-violation", bundle.parse, der)


def test_sizes_are_bounded():
    row("one octet more", "too-large", bundle.parse, bytes(limits.MAX_BUNDLE + 1))
    row("as many", "malformed-der", bundle.parse, bytes(limits.MAX_BUNDLE))
    short = sequence(name("a"), ED25519)
    count = limits.MAX_BUNDLE_KEYS
    assert len(bundle.parse(made(lists=lists(sequence(*[short] * count)))).developers) == count
    many = made(lists=lists(sequence(*[short] * (count + 1))))
    row("65 keys", "too-large", bundle.parse, many)


def test_a_key_that_this_node_can_t_use_is_for_others():
    assert bundle.parse(of_key(ED25519)).developers == [(name("Ada"), ED25519)]


def test_what_is_read_is_what_was_written():
    found = bundle.parse(made())
    assert (found.version, found.site, found.issued_at) == (1, "home", NOW)
    assert found.site_keys == SITE_KEYS
    assert found.store_keys == STORE_KEYS
    assert found.developers == DEVELOPERS
    assert made() == FIRST == found.der
    found.check_signed(SITE_KEYS)
    nothing = bundle.parse(signed(sealwriter.bundle_tbs(2147483647, "a", NOW, SITE_KEYS, [], [])))
    assert (nothing.version, nothing.store_keys, nothing.developers) == (2147483647, [], [])


def test_a_bundle_is_believed_if_a_believed_key_signed_it():
    old = bundle.parse(FIRST)
    rsa = Rsa()
    for code, sentence, der in (
        ("", "the next one", signed(bundle_tbs(2))),
        ("", "a much later one", signed(bundle_tbs(1000))),
        ("rollback", "the same again", FIRST),
        ("rollback", "the same version, other keys", signed(bundle_tbs(1, "home", []))),
        ("wrong-site", "of another site", signed(bundle_tbs(2, "house"))),
        ("bad-signature", "by the Store", signed(bundle_tbs(2), SHOP)),
        ("bad-signature", "by an RSA key", signed(bundle_tbs(2), rsa)),
        (
            "bad-signature",
            "by a key that it brings itself",
            signed(
                sealwriter.bundle_tbs(2, "home", NOW, [(name("home CA"), SHOP.spki)], [], []), SHOP
            ),
        ),
        (
            "bad-signature",
            "said to be RSA",
            sealwriter.signed(bundle_tbs(2), rsa.algorithm, HOME.sign(bundle_tbs(2))),
        ),
        (
            "bad-signature",
            "another's signature",
            sealwriter.signed(bundle_tbs(3), HOME.algorithm, HOME.sign(bundle_tbs(2))),
        ),
    ):
        new = bundle.parse(der)
        if code:
            row(sentence, code, new.check_update, old)
        else:
            new.check_update(old)
    row("an older one", "rollback", old.check_update, bundle.parse(signed(bundle_tbs(2))))


def test_either_key_counts_while_a_site_changes_its_own():
    both = SITE_KEYS + [(name("home CA"), ADA.spki)]
    old = bundle.parse(signed(sealwriter.bundle_tbs(2, "home", NOW, both, [], [])))
    only_new = sealwriter.bundle_tbs(3, "home", NOW, both[1:], [], [])
    for signer in (HOME, ADA):
        bundle.parse(signed(only_new, signer)).check_update(old)


def test_a_signed_thing_has_three_parts_and_no_more():
    body, algorithm, signature = certificate.split(b"\x30\x08\x30\x00\x30\x00\x03\x02\x00\xaa")
    assert (bytes(body), bytes(algorithm), bytes(signature)) == (b"\x30\x00", b"\x30\x00", b"\xaa")
    for sentence, data in (
        ("something behind it", b"\x30\x08\x30\x00\x30\x00\x03\x02\x00\xaa\x00"),
        ("something behind the signature", b"\x30\x0a\x30\x00\x30\x00\x03\x02\x00\xaa\x05\x00"),
        ("no signature", b"\x30\x04\x30\x00\x30\x00"),
        ("a signature with unused bits", b"\x30\x08\x30\x00\x30\x00\x03\x02\x01\xaa"),
        ("a signature in octets", b"\x30\x07\x30\x00\x30\x00\x04\x01\xaa"),
        ("a signed part that is no SEQUENCE", b"\x30\x08\x31\x00\x30\x00\x03\x02\x00\xaa"),
        ("an algorithm that is no SEQUENCE", b"\x30\x08\x30\x00\x31\x00\x03\x02\x00\xaa"),
    ):
        row(sentence, "malformed-der", certificate.split, data)
