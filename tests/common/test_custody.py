"""The ten steps of custody, each with its own refusal, and how the executable is read."""

from checks import raises, row
from sealcore import bundle, custody, kind, limits, seal, sealwriter, upstream
from sealcore.compat import sha256
from specimens import (
    ADA,
    BEGIN,
    DEVELOPERS,
    END,
    EXECUTABLE,
    GRANTS,
    HOME,
    METADATA,
    NODE,
    NOW,
    SHOP,
    Rsa,
    bundle_tbs,
    core,
    developer_seal,
    extension,
    listed,
    name,
    signed,
    site_seal,
    store_seal,
    validity,
)

DEVELOPER = developer_seal()
STORE = store_seal(DEVELOPER)
SITE = site_seal(STORE)
# The same in all that counts, but another seal.
OTHER = developer_seal(serial=b"\x02\x10\x02" + bytes(15))
TRUST = bundle.parse(signed(bundle_tbs()))


class Stream:
    """A stream that gives at most `step` bytes at a time, and counts what it gave."""

    def __init__(self, data, step):
        self.data = data
        self.step = step
        self.given = 0

    def readinto(self, buffer):
        part = self.data[self.given : self.given + min(self.step, len(buffer))]
        buffer[: len(part)] = part
        self.given += len(part)
        return len(part)


class Package:
    """A package, of which each part may be read once."""

    def __init__(self, developer=DEVELOPER, store=STORE, executable=EXECUTABLE, metadata=METADATA):
        self.parts = {
            "developer_seal": developer,
            "store_seal": store,
            "metadata": metadata,
            "executable": Stream(executable, 4096),
        }

    def __getattr__(self, part):
        return self.parts.pop(part)


def check(site=SITE, package=None, node="kitchen-1", service="thermo", **rest):
    due = {"node_key": NODE.spki, "now": NOW, "floor": 0}
    due.update(rest)
    return custody.verify(package or Package(), site, TRUST, node, service, **due)


def chain(content, **parts):
    """A package whose seals all say `content`, and its site seal."""
    developer = developer_seal(value=sealwriter.service_seal(content))
    store = store_seal(developer, value=sealwriter.service_seal(content, sha256(developer)))
    site = site_seal(store, value=sealwriter.service_seal(content, sha256(store), GRANTS))
    return site, Package(developer, store, **parts)


def granting(*granted):
    """The site seal with other grants."""
    return site_seal(STORE, value=sealwriter.service_seal(core(), sha256(STORE), granted))


def test_what_is_right_in_everything_is_accepted():
    found = check()
    assert (found.service, found.grants) == ("thermo", GRANTS)
    assert (found.digest, found.hash) == (seal.parse(SITE, seal.SITE).digest, None)


def test_each_step_has_its_refusal():
    rsa = Rsa()
    other = Package(developer=OTHER)
    stranger = site_seal(STORE, issuer=name("Shop"))
    for code, sentence, arguments in (
        ("too-large", "1: a site seal of 4097 bytes", {"site": SITE + bytes(4097 - len(SITE))}),
        ("malformed-der", "1: no site seal", {"site": b""}),
        ("malformed-der", "1: the Store seal for the site seal", {"site": STORE[:-1]}),
        ("bad-grant", "1: a grant with # in the middle", {"site": granting("bus.publish:#/b")}),
        ("bad-grant", "1: a grant without what", {"site": granting("log", "pin")}),
        ("bad-grant", "1: no such capability", {"site": granting("root", "log")}),
        (
            "untrusted-signer",
            "2: of another authority",
            {"site": stranger},
        ),
        ("bad-signature", "2: by the Store", {"site": site_seal(STORE, SHOP)}),
        ("bad-signature", "2: by an RSA key of its own", {"site": site_seal(STORE, rsa)}),
        ("not-yet-valid", "2: a second too early", {"now": BEGIN - 1}),
        ("expired", "2: a second too late", {"now": END + 1}),
        ("wrong-node", "3: another node", {"node": "kitchen-2"}),
        ("wrong-node", "3: a node whose name this one begins with", {"node": "kitchen"}),
        ("wrong-service", "3: another service", {"service": "thermos"}),
        ("wrong-key", "3: another key", {"node_key": ADA.spki}),
        (
            "predecessor-mismatch",
            "4: another Store seal",
            {"package": Package(store=store_seal(OTHER))},
        ),
        (
            "predecessor-mismatch",
            "6: another developer seal",
            {"package": other},
        ),
        ("rollback", "9: an older security version", {"floor": 4}),
        ("metadata-mismatch", "10: other metadata", {"package": Package(metadata=b"{}")}),
        ("hash-mismatch", "10: another executable", {"package": Package(executable=b"")}),
    ):
        row(sentence, code, lambda arguments: check(**arguments), arguments)


def test_each_seal_says_the_same():
    """Whichever of the three differs, and in which of the two ways: the service or its content."""
    odd = core(version="2.0.0")
    for sentence, of_developer, of_store, of_site in (
        ("the developer's", odd, core(), core()),
        ("the Store's", core(), odd, core()),
        ("the site's", core(), core(), odd),
    ):
        developer = developer_seal(value=sealwriter.service_seal(of_developer))
        store = store_seal(developer, value=sealwriter.service_seal(of_store, sha256(developer)))
        value = sealwriter.service_seal(of_site, sha256(store), GRANTS)
        package = Package(developer, store)
        row(sentence, "seal-mismatch", check, site_seal(store, value=value), package)
    other = name("other")
    store = store_seal(DEVELOPER, subject=other)
    row("the Store's service", "seal-mismatch", check, site_seal(store), Package(store=store))
    developer = developer_seal(subject=other)
    store = store_seal(developer)
    package = Package(developer, store)
    row("the developer's service", "seal-mismatch", check, site_seal(store), package)


def test_the_place_is_this_one():
    for code, uri in (
        ("wrong-site", "spiffe://house/node/kitchen-1/service/thermo"),
        ("wrong-site", "https://home/node/kitchen-1/service/thermo"),
        ("wrong-site", "spiffe:/home/node/kitchen-1/service/thermo"),
        ("wrong-site", "home"),
        ("wrong-node", "spiffe://home"),
        ("wrong-node", "spiffe://home/slsm"),
        ("wrong-node", "spiffe://home/node/cellar/service/thermo"),
        ("wrong-node", "spiffe://home/nodes/kitchen-1/service/thermo"),
        ("wrong-kind", "spiffe://home/node/kitchen-1"),
        ("wrong-service", "spiffe://home/node/kitchen-1/service/other"),
        ("wrong-service", "spiffe://home/node/kitchen-1/service/thermo/"),
        ("wrong-service", "spiffe://home/node/kitchen-1/service/thermo/x"),
        ("wrong-kind", "spiffe://home/node/kitchen-1/services/thermo"),
    ):
        row(uri, code, check, site_seal(STORE, uri=uri))
    row("another subject", "wrong-service", check, site_seal(STORE, subject=name("other")))


def test_seals_count_when_the_site_seal_began():
    """The earlier seals may have ended since: short-lived is the site seal alone."""
    for code, sentence, begin, end in (
        ("", "valid at the first second of the site seal only", BEGIN, BEGIN),
        ("expired", "ended the second before", BEGIN - 9, BEGIN - 1),
        ("not-yet-valid", "begins the second after", BEGIN + 1, END),
    ):
        when = validity(begin, end)
        early = developer_seal(validity=when)
        for developer, store in (
            (early, store_seal(early)),
            (DEVELOPER, store_seal(DEVELOPER, validity=when)),
        ):
            arguments = site_seal(store), Package(developer, store)
            if code:
                row(sentence, code, check, *arguments)
            else:
                check(*arguments)


def test_both_ends_count():
    check(now=BEGIN)
    check(now=END)


def test_a_floor_is_the_lowest_that_passes():
    check(floor=3)
    row("one more", "rollback", lambda: check(floor=4))


def test_the_executable_is_read_in_any_steps():
    for length in (1, 511, 512, 513, 1024, 5000):
        data = (bytes(range(7)) * (length // 7 + 1))[:length]
        for step in (1, 100, 511, 512, 4096):
            site, package = chain(core(data))
            package.parts["executable"] = Stream(data, step)
            check(site, package)


def test_little_more_is_read_than_the_seals_say():
    for length in (1, 512, 1280):
        data = bytes(length)
        site, package = chain(core(data))
        stream = package.parts["executable"] = Stream(data + bytes(4000), 1024)
        row("more than is sealed", "hash-mismatch", check, site, package)
        assert length < stream.given <= length + 512, (length, stream.given)


def test_less_than_is_sealed_is_not_it():
    for data in (EXECUTABLE[:-1], EXECUTABLE[1:], b"", EXECUTABLE + b"\x00"):
        row("%d bytes" % len(data), "hash-mismatch", check, SITE, Package(executable=data))
    site, package = chain(core(size=len(EXECUTABLE) + 1))
    row("a size of one more", "hash-mismatch", check, site, package)
    site, package = chain(core(size=len(EXECUTABLE) - 1))
    row("a size of one less", "hash-mismatch", check, site, package)


def test_metadata_has_its_bound():
    for code, size in (("", 8192), ("too-large", 8193)):
        metadata = bytes(size)
        site, package = chain(core(metadata=metadata), metadata=metadata)
        if code:
            row("%d bytes" % size, code, check, site, package)
        else:
            check(site, package)


def test_a_developer_is_a_name_with_its_key():
    """One key under two names, or one name with two keys, is not the pair that the bundle has."""
    for code, sentence, developer in (
        ("untrusted-signer", "another name", developer_seal(issuer=name("Bob"))),
        ("seal-mismatch", "another key", developer_seal(SHOP)),
    ):
        store = store_seal(developer)
        row(sentence, code, check, site_seal(store), Package(developer, store))
    developer = developer_seal(SHOP)
    store = store_seal(developer, spki=SHOP.spki)
    row("both", "untrusted-signer", check, site_seal(store), Package(developer, store))


# --- Kinds -------------------------------------------------------------------------------------

KINDS = (
    ("service", limits.SERVICE, b"{}"),
    ("service", limits.SERVICE, b'{"kind":"service"}'),
    ("agent", limits.AGENT, b'{"kind":"agent"}'),
    ("firmware", limits.FIRMWARE, b'{"kind":"firmware","name":"thermo"}'),
)
EVERYTHING = limits.SERVICE | limits.AGENT | limits.FIRMWARE


def of_kind(wanted, sealed, metadata, may):
    """Check a package as `wanted` whose site seal is for `sealed`."""
    content = core(metadata=metadata)
    developer = developer_seal(value=sealwriter.service_seal(content))
    store = store_seal(developer, value=sealwriter.service_seal(content, sha256(developer)))
    value = sealwriter.service_seal(content, sha256(store), GRANTS)
    site = site_seal(store, value=value, uri="spiffe://home/node/kitchen-1/%s/thermo" % sealed)
    package = Package(developer, store, metadata=metadata)
    trust = bundle.parse(signed(bundle_tbs(kinds=may)))
    seals = seal.read(package, seal.brief(site, seal.SITE))
    place = "kitchen-1", "thermo", NODE.spki
    return custody.check(seals, package, trust, place, NOW, 0, wanted)


def test_the_node_the_seal_and_the_metadata_name_one_kind():
    for wanted, _, _ in KINDS[1:]:
        for sealed, _, _ in KINDS[1:]:
            for said, _, metadata in KINDS:
                one = wanted, sealed, metadata, EVERYTHING
                if wanted == sealed == said:
                    assert of_kind(*one).service == "thermo"
                else:
                    row(one, "wrong-kind", of_kind, *one)


def test_a_developer_signs_only_the_kinds_that_the_bundle_gives_her():
    for what, bit, metadata in KINDS:
        of_kind(what, what, metadata, bit)
        row(what, "untrusted-kind", of_kind, what, what, metadata, EVERYTHING - bit)


def test_the_kind_in_metadata_is_read_as_text():
    for number, metadata in (
        (0, b'{"description":"a \\"kind\\":\\"agent\\" word","name":"x"}'),
        (1, b'{"a":{"kind":"agent"},"kind":"service"}'),
        (2, b'{"kind":"firmware"'),
        (0, b"[]"),
    ):
        assert kind.of(metadata) == number, metadata
    for metadata in (b'{"kind":"agents"}', b'{"kind":"', b'{"kind":""}', b'{"kind":"ervice"}'):
        row(metadata, "wrong-kind", kind.of, metadata)


# --- Upstream ----------------------------------------------------------------------------------


def test_the_store_checks_a_submission():
    found = upstream.verify_submission(Package(), DEVELOPERS, NOW, 3)
    assert (found.role, found.service) == (seal.DEVELOPER, "thermo")
    for code, sentence, package, entries, now, floor in (
        ("malformed-der", "no seal", Package(developer=b""), DEVELOPERS, NOW, 0),
        ("untrusted-signer", "nobody known", Package(), [], NOW, 0),
        ("untrusted-signer", "another's key", Package(), [(name("Ada"), SHOP.spki)], NOW, 0),
        ("untrusted-signer", "another's name", Package(), [(name("Bob"), ADA.spki)], NOW, 0),
        (
            "bad-signature",
            "another's signature",
            Package(developer=developer_seal(SHOP, spki=ADA.spki)),
            DEVELOPERS,
            NOW,
            0,
        ),
        ("expired", "too late", Package(), DEVELOPERS, END + 1, 0),
        ("not-yet-valid", "too early", Package(), DEVELOPERS, BEGIN - 1, 0),
        ("rollback", "older than before", Package(), DEVELOPERS, NOW, 4),
        ("metadata-mismatch", "other metadata", Package(metadata=b""), DEVELOPERS, NOW, 0),
        ("hash-mismatch", "another executable", Package(executable=b"a"), DEVELOPERS, NOW, 0),
    ):
        row(sentence, code, upstream.verify_submission, package, entries, now, floor)


def test_the_site_checks_a_package():
    found = upstream.verify_package(Package(), TRUST, NOW, 3)
    assert (found.role, found.der) == (seal.STORE, STORE)
    stranger = store_seal(DEVELOPER, HOME)
    other = store_seal(DEVELOPER, subject=name("other"))
    for code, sentence, package, now, floor in (
        ("malformed-der", "no Store seal", Package(store=b""), NOW, 0),
        ("bad-signature", "another Store's", Package(store=stranger), NOW, 0),
        ("seal-mismatch", "another service", Package(store=other), NOW, 0),
        ("predecessor-mismatch", "another developer seal", Package(developer=OTHER), NOW, 0),
        ("malformed-der", "a Store seal for it", Package(developer=STORE), NOW, 0),
        ("expired", "too late", Package(), END + 1, 0),
        ("rollback", "older than before", Package(), NOW, 4),
        ("metadata-mismatch", "other metadata", Package(metadata=b""), NOW, 0),
        ("hash-mismatch", "another executable", Package(executable=b"a"), NOW, 0),
    ):
        row(sentence, code, upstream.verify_package, package, TRUST, now, floor)


def test_a_refusal_says_which_seal():
    package = Package(developer=OTHER)
    assert str(raises("predecessor-mismatch", check, SITE, package)) == "store_seal"
    package = Package(store=store_seal(DEVELOPER, serial=b"\x02\x10\x02" + bytes(15)))
    assert str(raises("predecessor-mismatch", check, SITE, package)) == "site_seal"
    for due, site, package in (
        ("site_seal", b"", Package()),
        ("store_seal", SITE, Package(store=STORE[:-1])),
        ("developer_seal", SITE, Package(developer=b"")),
    ):
        assert str(raises("malformed-der", check, site, package)) == due
    package = Package(developer=bytes(4097))
    assert str(raises("too-large", check, SITE, package)) == "developer_seal"
    more = listed(extension(b"\x2a\x03", b"\x05\x00"))
    package = Package(developer=developer_seal(rest=more))
    assert str(raises("profile-violation", check, SITE, package)) == "2a03"  # says more than a name


def test_a_developer_is_found_by_the_hash_of_name_and_key():
    short, long = name("A"), name("A" * 64)
    rsa = Rsa()
    for sentence, signer, who in (
        ("an entry of less than 128 bytes", ADA, short),
        ("an entry of less than 256 bytes", ADA, long),
        ("an entry of more than 255 bytes", rsa, short),
    ):
        one = seal.brief(developer_seal(signer, issuer=who), seal.DEVELOPER)
        others = [(name("Eve"), ADA.spki), (who, SHOP.spki)]
        known = upstream.listed(others + [(who, signer.spki)])
        custody.check_developer(one, known, NOW)
        row(sentence, "untrusted-signer", custody.check_developer, one, known[:-33], NOW)
        row(sentence, "untrusted-signer", custody.check_developer, one, known[1:] + b"0", NOW)
        for may in (0x20, 0x80, 0xE0):
            assert custody.check_developer(one, known[:-1] + bytes((may,)), NOW) == may
        row("too late", "expired", custody.check_developer, one, known, END + 1)
        forged = seal.brief(developer_seal(SHOP, issuer=who, spki=signer.spki), seal.DEVELOPER)
        row(sentence, "bad-signature", custody.check_developer, forged, known, NOW)
