"""Trust bundles: their form, and which may follow which."""

from checks import row
from sealcore import bundle, certificate, encode, limits, sealwriter
from sealcore.compat import sha256
from sealcore.encode import sequence
from specimens import (
    ADA,
    DEVELOPERS,
    HOME,
    NOW,
    ROOT,
    SHOP,
    SITE_KEYS,
    STORE_KEYS,
    Ec,
    Rsa,
    bundle_tbs,
    hashed,
    name,
    signature,
    signed,
)

TIME = b"\x17\x0d261122160000Z"
ENTRY = sequence(*STORE_KEYS[0])
ROOTS = sequence(encode.integer(1), sequence(ROOT.spki))
ADA_HASH = sha256(sequence(*DEVELOPERS[0]))
DEVELOPER = sequence(encode.octets(ADA_HASH), b"\x03\x02\x07\x80")
PARTS = ("label", "version", "site", "time", "roots", "sites", "stores", "developers", "rest")
FIRST = signed(bundle_tbs())


def body(**changed):
    """The signed part of a bundle, of whose parts some are changed."""
    due = {
        "label": encode.text(limits.BUNDLE_LABEL),
        "version": encode.integer(1),
        "site": encode.text("home"),
        "time": TIME,
        "roots": ROOTS,
        "sites": sequence(sequence(*SITE_KEYS[0])),
        "stores": sequence(ENTRY),
        "developers": sequence(DEVELOPER),
        "rest": b"",
    }
    due.update(changed)
    return sequence(*[due[part] for part in PARTS])


def made(**changed):
    """A signed bundle, of whose parts some are changed."""
    return signed(body(**changed))


def rooted(threshold, *keys):
    """A bundle with other roots."""
    return made(roots=sequence(encode.integer(threshold), sequence(*keys)))


def kinds(*octets):
    """A bundle whose developer has this BIT STRING."""
    bits = encode.element(limits.BIT_STRING, bytes(octets))
    return made(developers=sequence(sequence(encode.octets(ADA_HASH), bits)))


def hashes(*entries):
    """A bundle with developers of these hashes."""
    return made(
        developers=sequence(*[sequence(encode.octets(one), DEVELOPER[-4:]) for one in entries])
    )


def with_signatures(*signatures):
    """The bundle with these signatures, each DER."""
    return sequence(bundle_tbs(), sequence(*signatures))


def one_signature(signer=ROOT, **changed):
    due = {
        "hash": encode.octets(sha256(signer.spki)),
        "algorithm": signer.algorithm,
        "bits": encode.bits(signer.sign(bundle_tbs())),
        "rest": b"",
    }
    due.update(changed)
    return sequence(*[due[part] for part in ("hash", "algorithm", "bits", "rest")])


ED25519 = sequence(b"\x30\x05\x06\x03\x2b\x65\x70", encode.bits(bytes(32)))


def of_key(spki):
    """A bundle with this key of a Store."""
    return made(stores=sequence(sequence(name("Ada"), spki)))


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
    ("a site of 64 bytes", made(site=encode.text("a" * 64))),
    ("no time", made(time=b"")),
    ("a GeneralizedTime before 2050", made(time=b"\x18\x0f20491122160000Z")),
    ("a time that is an INTEGER", made(time=b"\x02\x0120501122160000Z")),
    ("a time that is none", made(time=b"\x17\x0d261322160000Z")),
    ("no roots", made(roots=b"")),
    ("roots without a threshold", made(roots=sequence(sequence(ROOT.spki)))),
    ("roots with something behind", made(roots=sequence(ROOTS[2:], b"\x05\x00"))),
    ("threshold 0", rooted(0, ROOT.spki)),
    ("a threshold above the number of roots", rooted(2, ROOT.spki)),
    ("a threshold of 9", rooted(9, *[Ec(n).spki for n in range(1, 9)])),
    ("no root", rooted(1)),
    ("a root that is no key", rooted(1, sequence())),
    ("a root twice", rooted(1, ROOT.spki, HOME.spki, ROOT.spki)),
    ("one list", made(stores=b"", developers=b"")),
    ("two lists", made(developers=b"")),
    ("four lists", made(rest=sequence(DEVELOPER))),
    ("something behind", made(rest=b"\x05\x00")),
    ("no site key", made(sites=sequence())),
    ("a list that is a SET", made(stores=b"\x31\x00")),
    ("developers that are a SET", made(developers=b"\x31\x00")),
    ("an entry that is a SET", made(stores=sequence(b"\x31" + ENTRY[1:]))),
    ("an entry without key", made(stores=sequence(sequence(name("Ada"))))),
    ("an empty entry", made(stores=sequence(sequence()))),
    ("an entry with something behind", made(stores=sequence(sequence(ENTRY[2:], b"\x05\x00")))),
    ("a developer with a key", made(developers=sequence(ENTRY))),
    ("a hash of 31 bytes", hashes(bytes(range(31)))),
    ("a hash of 33 bytes", hashes(bytes(range(33)))),
    ("a developer twice", hashes(ADA_HASH, ADA_HASH)),
    ("developers that are not sorted", hashes(b"\x02" * 32, b"\x01" * 32)),
    ("a developer without kinds", made(developers=sequence(DEVELOPER[:-4]))),
    (
        "a developer with something behind",
        made(developers=sequence(sequence(DEVELOPER[2:], b"\x05\x00"))),
    ),
    ("no kind", kinds(0)),
    ("no kind in eight bits", kinds(0, 0)),
    ("kinds without a byte for the unused bits", kinds()),
    ("a zero at the end of the kinds", kinds(6, 0x80)),
    ("a bit that is unused and set", kinds(7, 0xC0)),
    ("eight unused bits", kinds(8, 0x80)),
    ("a fourth kind", kinds(4, 0x90)),
    ("kinds of two bytes", kinds(7, 0x80, 0x80)),
    (
        "kinds in bytes",
        made(developers=sequence(sequence(encode.octets(ADA_HASH), b"\x04\x02\x07\x80"))),
    ),
    ("signatures that are a SET", sequence(bundle_tbs(), b"\x31\x00")),
    ("one signature twice", with_signatures(one_signature(), one_signature())),
    ("a signer of 31 bytes", with_signatures(one_signature(hash=encode.octets(bytes(31))))),
    ("a signature without algorithm", with_signatures(one_signature(algorithm=b""))),
    ("a signature with unused bits", with_signatures(one_signature(bits=b"\x03\x02\x01\xaa"))),
    ("something behind a signature", with_signatures(one_signature(rest=b"\x05\x00"))),
    ("a signature as in version 1", sequence(bundle_tbs(), ROOT.algorithm, encode.bits(b"a"))),
    ("three parts", sequence(bundle_tbs(), sequence(one_signature()), sequence())),
    ("a key that is no SEQUENCE", made(stores=sequence(sequence(name("Ada"), b"\x04\x00")))),
    ("an empty key", of_key(sequence())),
    ("a key without algorithm", of_key(sequence(sequence(), encode.bits(b"")))),
    ("a key without bits", of_key(sequence(ED25519[2:9]))),
    ("a key in bytes", of_key(sequence(ED25519[2:9], encode.octets(bytes(33))))),
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
        ("a name of two parts", made(stores=sequence(sequence(two, ADA.spki)))),
        ("an empty name", made(stores=sequence(sequence(sequence(), ADA.spki)))),
    ):
        row(sentence, "profile-violation", bundle.parse, der)


def test_sizes_are_bounded():
    row("one byte more", "too-large", bundle.parse, bytes(limits.MAX_BUNDLE + 1))
    row("as many", "malformed-der", bundle.parse, bytes(limits.MAX_BUNDLE))
    short = sequence(name("a"), ED25519)
    count = limits.MAX_BUNDLE_KEYS
    assert len(bundle.parse(made(stores=sequence(*[short] * count))).store_keys) == count
    row("65 keys", "too-large", bundle.parse, made(stores=sequence(*[short] * (count + 1))))
    roots = [Ec(number).spki for number in range(1, limits.MAX_ROOTS + 2)]
    assert len(bundle.parse(rooted(8, *roots[:8])).roots[1]) == limits.MAX_ROOTS
    row("nine roots", "too-large", bundle.parse, rooted(1, *roots))
    signers = [one_signature(hash=encode.octets(bytes((n,)) * 32)) for n in range(17)]
    assert len(bundle.parse(with_signatures(*signers[:16])).signature) == limits.MAX_SIGNATURES
    row("17 signatures", "too-large", bundle.parse, with_signatures(*signers))


def test_a_key_that_this_node_can_t_use_is_for_others():
    assert bundle.parse(of_key(ED25519)).store_keys == [(name("Ada"), ED25519)]


def test_what_is_read_is_what_was_written():
    found = bundle.parse(made())
    assert (found.version, found.site, found.issued_at) == (1, "home", NOW)
    assert found.roots == (1, [ROOT.spki])
    assert found.site_keys == SITE_KEYS
    assert found.store_keys == STORE_KEYS
    assert found.developers == ADA_HASH + b"\x80"
    assert [one[0] for one in found.signature] == [sha256(ROOT.spki)]
    assert body() == bundle_tbs()
    found.check_signed()
    nothing = sealwriter.bundle_tbs(2147483647, "a", NOW, (1, [ROOT.spki]), SITE_KEYS, [], [])
    nothing = bundle.parse(signed(nothing))
    assert (nothing.version, nothing.store_keys, nothing.developers) == (2147483647, [], b"")


def test_each_set_of_kinds_has_one_form():
    for which in range(0x20, 0x100, 0x20):
        tbs = sealwriter.bundle_tbs(
            1, "home", NOW, (1, [ROOT.spki]), SITE_KEYS, [], hashed(DEVELOPERS, which)
        )
        assert bundle.parse(signed(tbs)).developers == ADA_HASH + bytes((which,))


def test_many_developers_are_sorted():
    entries = [(name("D%d" % number), ADA.spki) for number in range(40)]
    found = bundle.parse(signed(bundle_tbs(1, "home", entries))).developers
    each = [bytes(found[at : at + 33]) for at in range(0, len(found), 33)]
    assert each == sorted(each) and len(each) == 40
    for entry in entries:
        assert sealwriter.entry_hash(*entry) + b"\x80" in each


def test_the_hash_of_an_entry_is_that_of_its_der():
    for size in (60, 80, 127 - 24, 200, 300, 600):
        entry = name("Ada"), encode.octets(bytes(size))
        assert sealwriter.entry_hash(*entry) == sha256(sequence(*entry)), size
        assert sealwriter.entry_hash(memoryview(entry[0]), entry[1]) == sha256(sequence(*entry)), (
            size
        )


def test_a_bundle_is_accepted_if_the_roots_signed_it():
    old = bundle.parse(FIRST)
    rsa = Rsa()
    tbs = bundle_tbs(2)
    forged = (1, [SHOP.spki])
    for code, sentence, der in (
        ("", "the next one", signed(tbs)),
        ("", "a much later one", signed(bundle_tbs(1000))),
        ("rollback", "the same again", FIRST),
        ("rollback", "the same version, other keys", signed(bundle_tbs(1, "home", []))),
        ("wrong-site", "of another site", signed(bundle_tbs(2, "house"))),
        ("untrusted-signer", "by the site's key", signed(tbs, HOME)),
        ("untrusted-signer", "by an RSA key", signed(tbs, rsa)),
        ("untrusted-signer", "by nobody", sealwriter.signed_bundle(tbs, [])),
        ("untrusted-signer", "by a root and somebody else", signed(tbs, ROOT, SHOP)),
        (
            "untrusted-signer",
            "by a root that it brings itself",
            signed(bundle_tbs(2, "home", DEVELOPERS, forged), SHOP),
        ),
        (
            "bad-signature",
            "said to be RSA",
            sealwriter.signed_bundle(tbs, [(sha256(ROOT.spki), rsa.algorithm, ROOT.sign(tbs))]),
        ),
        (
            "bad-signature",
            "by another in a root's name",
            sealwriter.signed_bundle(tbs, [(sha256(ROOT.spki), SHOP.algorithm, SHOP.sign(tbs))]),
        ),
        (
            "bad-signature",
            "another's signature",
            sealwriter.signed_bundle(bundle_tbs(3), [signature(tbs, ROOT)]),
        ),
    ):
        new = bundle.parse(der)
        if code:
            row(sentence, code, new.check_update, old)
        else:
            new.check_update(old)
    row("an older one", "rollback", old.check_update, bundle.parse(signed(tbs)))


R1, R2, R3, R4 = [Ec(number) for number in range(3000001, 3000005)]


def of_roots(version, threshold, keys, *signers):
    roots = threshold, [key.spki for key in keys]
    return bundle.parse(signed(bundle_tbs(version, "home", DEVELOPERS, roots), *signers))


def test_a_threshold_counts_each_key_once_and_no_signature_that_fails():
    old = of_roots(1, 2, (R1, R2, R3), R1, R2)
    old.check_signed()
    tbs = bundle_tbs(2, "home", DEVELOPERS, (2, [R1.spki, R2.spki, R3.spki]))
    good = [signature(tbs, key) for key in (R1, R2, R3)]
    bad = [(one[0], one[1], signature(bundle_tbs(9), R1)[2]) for one in good]
    for code, sentence, signatures in (
        ("", "the first two", good[:2]),
        ("", "the last two", good[1:]),
        ("", "all three", good),
        ("", "a false one before two right ones", [bad[0], good[1], good[2]]),
        ("", "a false one between", [good[0], bad[1], good[2]]),
        ("untrusted-signer", "one of two", good[:1]),
        ("bad-signature", "one and a false one", [good[0], bad[1]]),
        (
            "bad-signature",
            "one, and its signature in the name of the second",
            [good[0], (good[1][0], good[0][1], good[0][2])],
        ),
        ("bad-signature", "three false ones", bad),
        ("untrusted-signer", "none", []),
    ):
        new = bundle.parse(sealwriter.signed_bundle(tbs, signatures))
        if code:
            row(sentence, code, new.check_update, old)
            row(sentence, code, new.check_signed)
        else:
            new.check_update(old)
            new.check_signed()


def test_new_roots_need_the_threshold_of_both_and_the_next_version():
    old = of_roots(5, 2, (R1, R2, R3), R1, R2)
    replaced = R1, R2, R4
    for code, sentence, new in (
        ("", "one root replaced, signed by the two that stay", of_roots(6, 2, replaced, R1, R2)),
        ("", "and by the new one", of_roots(6, 2, replaced, R1, R2, R4)),
        ("", "a lower threshold", of_roots(6, 1, (R1,), R1, R3)),
        ("untrusted-signer", "too few of the old", of_roots(6, 2, replaced, R1, R4)),
        ("untrusted-signer", "too few of the new", of_roots(6, 3, (R1, R2, R4), R1, R2)),
        ("untrusted-signer", "only the new", of_roots(6, 1, (R4,), R4)),
        ("untrusted-signer", "none of the new", of_roots(6, 1, (R4,), R1, R2)),
        ("rollback", "a version later", of_roots(7, 2, replaced, R1, R2)),
        ("rollback", "the same version", of_roots(5, 2, replaced, R1, R2)),
        ("rollback", "a threshold alone, two versions later", of_roots(7, 1, (R1, R2, R3), R1, R2)),
    ):
        if code:
            row(sentence, code, new.check_update, old)
        else:
            new.check_update(old)


def test_a_thief_of_the_sites_key_can_name_no_successor():
    held = bundle.parse(FIRST)
    own = 1, [HOME.spki]
    for sentence, new in (
        ("the same roots", signed(bundle_tbs(2), HOME)),
        ("its own key as root", signed(bundle_tbs(2, "home", [], own), HOME)),
        ("a bundle of version 1", first_form(2)),
    ):
        row(
            sentence,
            "untrusted-signer" if "1" not in sentence else "bad-signature",
            bundle.parse(new).check_update,
            held,
        )


def first_form(version, developers=DEVELOPERS, signer=HOME, keys=SITE_KEYS):
    """A bundle of version 1, as older programs made it."""
    tbs = sequence(
        encode.text(limits.OLD_BUNDLE_LABEL),
        encode.integer(version),
        encode.text("home"),
        TIME,
        *[
            sequence(*[sequence(*entry) for entry in each])
            for each in (keys, STORE_KEYS, developers)
        ],
    )
    return sealwriter.signed(tbs, signer.algorithm, signer.sign(tbs))


def test_a_bundle_of_version_1_is_read_and_its_own_key_names_the_roots():
    held = bundle.parse(first_form(3))
    held.check_signed()
    assert held.roots == (1, [HOME.spki])
    assert held.developers == ADA_HASH + b"\x80"
    row("another signer", "bad-signature", bundle.parse(first_form(3, signer=SHOP)).check_signed)
    bundle.parse(first_form(9)).check_update(held)
    tbs = bundle_tbs(4)
    after = bundle.parse(signed(tbs, ROOT, HOME))
    after.check_update(held)
    row("without the site's key", "untrusted-signer", bundle.parse(signed(tbs)).check_update, held)
    row("without the root", "untrusted-signer", bundle.parse(signed(tbs, HOME)).check_update, held)
    later = bundle.parse(signed(bundle_tbs(5), ROOT, HOME))
    row("a version later", "rollback", later.check_update, held)
    row("back again", "bad-signature", bundle.parse(first_form(5)).check_update, after)


def test_what_is_no_bundle_of_version_1_is_refused():
    whole = first_form(1)
    for sentence, der in (
        (
            "signatures as in version 2",
            sequence(certificate.split(whole)[0], sequence(one_signature())),
        ),
        ("something behind it", whole + b"\x00"),
        ("no site key", first_form(1, keys=[])),
        (
            "a developer as in version 2",
            first_form(1, [(encode.octets(ADA_HASH), b"\x03\x02\x07\x80")]),
        ),
        (
            "the form of version 2 under the label of version 1",
            made(label=encode.text(limits.OLD_BUNDLE_LABEL)),
        ),
    ):
        row(sentence, "malformed-der", bundle.parse, der)


def test_a_signed_thing_has_three_parts_and_no_more():
    body, algorithm, signature = certificate.split(b"\x30\x08\x30\x00\x30\x00\x03\x02\x00\xaa")
    assert (bytes(body), bytes(algorithm), bytes(signature)) == (b"\x30\x00", b"\x30\x00", b"\xaa")
    for sentence, data in (
        ("something behind it", b"\x30\x08\x30\x00\x30\x00\x03\x02\x00\xaa\x00"),
        ("something behind the signature", b"\x30\x0a\x30\x00\x30\x00\x03\x02\x00\xaa\x05\x00"),
        ("no signature", b"\x30\x04\x30\x00\x30\x00"),
        ("a signature with unused bits", b"\x30\x08\x30\x00\x30\x00\x03\x02\x01\xaa"),
        ("a signature in bytes", b"\x30\x07\x30\x00\x30\x00\x04\x01\xaa"),
        ("a signed part that is no SEQUENCE", b"\x30\x08\x31\x00\x30\x00\x03\x02\x00\xaa"),
        ("an algorithm that is no SEQUENCE", b"\x30\x08\x30\x00\x31\x00\x03\x02\x00\xaa"),
    ):
        row(sentence, "malformed-der", certificate.split, data)
