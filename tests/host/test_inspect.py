"""What a file is, for people: every kind is told apart, nothing is called trusted."""

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from sealcore import encode, errors, identity, messages, seal, sealwriter
from tests.worlds import seals
from tests.worlds.seals import Shop
from triseal import (
    bundles,
    certificate,
    evidence,
    notices,
    pem,
    replacement,
    request,
    signer,
    storekeys,
)
from triseal.errors import Failure, FileTooLarge, NotAFile, NotRecognised
from triseal.inspect import inspect, read
from triseal.log import checkpoint, entry, merkle, note, proof
from triseal.log.entry import Entry
from triseal.notices import Change
from triseal.package import Package
from triseal.signer import KeySigner, PrivateKey

ADA = seals.developer("Ada")
SHOP = Shop()
ONE = seals.package(ADA)
HONEST = SHOP.countersign(ONE)
SWAPPED = SHOP.swap(ONE, seals.package(ADA, executable=b"x"))
FULL = Package(ONE.name, ONE.executable, ONE.metadata, ONE.developer_seal, HONEST)


def site_seal() -> bytes:
    core = seal.parse(HONEST, seal.STORE).core
    return seals.site_seal(SHOP.signer, "home", HONEST, core, "blink")


def node_certificate() -> bytes:
    names = sealwriter.name("home"), sealwriter.name("n1")
    extensions = certificate.identity_extensions(SHOP.signer.spki, identity.node("home", "n1"))
    serial = certificate.new_serial()
    return bytes(
        certificate.issue(SHOP.signer, *names, ADA.signer.spki, seals.LONG, serial, extensions)
    )


def trust_bundle() -> bytes:
    keys = [SHOP.entry], [SHOP.entry], [SHOP.entry]
    return bundles.simple(SHOP.signer, 3, "home", seals.NOW, keys)


ROOT = KeySigner(signer.generate("p256"))
LIST = storekeys.make(ROOT, "Shop", 4, (SHOP.signer.spki,))
DECIDED = Change(notices.SUSPENDED, "Ada", key=ADA.signer.spki, number=1, reason="stolen")
TOLD = notices.make(
    SHOP.signer, "Shop", seals.NOW, 0, [bytes(SHOP.certificate.der)], LIST, [DECIDED]
)
REPLACED = replacement.make(ADA.signer, request.make(ROOT, "Ada"))
REQUEST = request.make(KeySigner(signer.generate("p256")), "Ada")
CA = bytes(SHOP.certificate.der)
KINDS: tuple[tuple[str, bytes, str, str], ...] = (
    ("developer seal", ONE.developer_seal, "issuer", "Ada"),
    ("Store seal", HONEST, "issuer", "Shop"),
    ("site seal", site_seal(), "uri", "spiffe://home/node/n1/service/blink"),
    ("CA certificate", CA, "subject", "Shop"),
    ("CA certificate", pem.encode(pem.CERTIFICATE, CA), "subject", "Shop"),
    ("identity of a node or site", node_certificate(), "uri", "spiffe://home/node/n1"),
    ("package", FULL.der(), "executable", "app.py"),
    ("request", REQUEST, "name", "Ada"),
    ("request", pem.decode(REQUEST)[1], "name", "Ada"),
    ("trust bundle", trust_bundle(), "site", "home"),
    ("replacement of a key", REPLACED, "name", "Ada"),
    ("list of Store keys", LIST.der, "store", "Shop"),
    ("notices", notices.to_pem(TOLD), "store", "Shop"),
    ("notices", TOLD.der, "root", request.fingerprint(ROOT.spki)),
    (
        "evidence",
        evidence.make(ONE.developer_seal, SWAPPED),
        "claim",
        "altered: Store seal of Shop",
    ),
    ("message: ask", messages.write(messages.ASK, b"n" * 16), "nonce", "6e" * 16),
)
# The keys, and so some of the values, differ in each process, and names of tests must not.
NAMES = [f"{kind}-{field}" for kind, _, field, _ in KINDS]


@pytest.mark.parametrize(("kind", "data", "field", "value"), KINDS, ids=NAMES)
def test_each_kind_is_told(kind: str, data: bytes, field: str, value: str) -> None:
    facts = inspect(data)
    assert (facts["kind"], facts[field]) == (kind, value)


def test_the_proof_of_a_package_is_described_and_not_trusted() -> None:
    log = note.Signer("shop/log", note.LOG, Ed25519PrivateKey.generate())
    for digest, ours in ((FULL.digest(), True), (bytes(32), False)):
        leaf = Entry(entry.RELEASE, seals.NOW, "blink", "1.0.0", package=digest).der()
        made = checkpoint.sign(log, 1, merkle.leaf(leaf))
        proved = replace(FULL, proof=proof.Proof(leaf, 0, (), made).text())
        found = inspect(proved.der())["proof"]
        assert isinstance(found, dict)
        assert (found["log"], found["entry"], found["signers"]) == (
            "shop/log",
            "0 of 1",
            ["shop/log"],
        )
        assert found["of_this_package"] is ours
    damaged = inspect(replace(FULL, proof="nothing").der())["proof"]
    assert damaged == {"kind": "not readable: bad-log-data"}
    assert inspect(FULL.der())["proof"] is None


@pytest.mark.parametrize(("kind", "data", "field", "value"), KINDS, ids=NAMES)
def test_cut_off_it_is_refused(kind: str, data: bytes, field: str, value: str) -> None:
    for length in range(0, len(data) - 2, 13):
        with pytest.raises((errors.SealError, Failure)):
            inspect(data[:length])


@given(st.binary(max_size=200) | st.binary(max_size=200).map(encode.sequence))
def test_noise_is_refused(data: bytes) -> None:
    with pytest.raises((errors.SealError, Failure)):
        inspect(data)


EXAMPLES: dict[int, tuple[object, ...]] = {
    messages.HELLO: (2, "n1", b"n" * 16, 3, b"m" * 16, 0, "power-on", [("blink", b"s" * 16, 2)]),
    messages.WELCOME: (b"time", b""),
    messages.ASSIGN: ("blink", HONEST, [("app.py", 3, b"h" * 32)]),
    messages.REMOVE: (["blink"],),
    messages.RENEW: (
        5,
        [("blink", b"s" * 16)],
    ),
    messages.RENEWED: (1, 2, [("blink", b"s" * 16, b"sig")]),
    messages.REFUSED: ("blink", "expired"),
    messages.RENEWNOW: (["blink"],),
    messages.FETCH: (b"h" * 32, 0, 100),
    messages.CHUNK: (b"h" * 32, 0, b"code"),
    messages.REPORT: ("blink", b"", 5, "expired", "why", 0, [HONEST]),
    messages.ENROL: (b"request", b""),
    messages.ENROLLED: (b"certificate",),
    messages.FOLLOW: (1,),
    messages.LOG: ("blink", "hello"),
    messages.ASK: (b"n" * 16,),
    messages.STATUS: (b"n" * 16, "n1", 0, 3, 9, [("a", 2, "", "", "1", 5, 0, ["log"])]),
    messages.TIME: (b"time",),
    messages.PROVE: (b"n" * 16,),
    messages.PROOF: (b"signature",),
    messages.ASK_TIME: (b"n" * 16, 0),
    messages.REJECTED: ("rollback", "time 5, had 9"),
    messages.RESTART: (["blink"],),
    messages.FACTS: (3, 0, 9734, 20000, 1000000, 86400, ["ESP32C3 module", "1.28.0", "esp32"]),
    messages.SETTINGS: (b"settings",),
    messages.DIFFER: (b"h" * 32, 0, b"p" * 32),
    messages.PIECES: (b"h" * 32, 0, [(b"code", 5, 9)]),
}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_every_message_is_shown(kind: int) -> None:
    facts = inspect(messages.write(kind, *EXAMPLES[kind]))
    assert str(facts["kind"]).startswith("message: ")
    assert len(facts) == 1 + len(EXAMPLES[kind])


def test_no_message_is_forgotten() -> None:
    with pytest.raises(errors.BadMessage):
        messages.parse(bytes([0xA0 + len(EXAMPLES), 0]))


def test_a_state_is_shown_as_a_word() -> None:
    facts = inspect(messages.write(messages.HELLO, *EXAMPLES[messages.HELLO]))
    assert facts["held"] == [{"service": "blink", "serial": "73" * 16, "state": "running"}]


def test_a_package_with_parts_that_are_none_is_shown_all_the_same() -> None:
    odd = Package("app.py", b"code", b"[]", b"\x30\x00", encode.sequence(b"\x05\x00"))
    facts = inspect(odd.der())
    assert facts["developer_seal"] == {"kind": "not readable: malformed-der"}
    assert facts["metadata"] == "not valid: not a JSON object"


def test_a_private_key_is_never_shown() -> None:
    for label in ("PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"):
        with pytest.raises(NotRecognised, match="private key") as caught:
            inspect(pem.encode(label, b"\x30\x03key"))
        assert "key" not in str(caught.value).replace("private key", "")


@pytest.mark.parametrize(
    ("sentence", "data"),
    [
        ("text", b"hello"),
        ("base64 that is none", b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n"),
        ("an end of something else", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END X-----\n"),
        ("an object that nobody knows", encode.sequence(encode.text("hello"))),
        ("an empty object", encode.sequence()),
    ],
)
def test_what_is_nothing_of_ours_is_refused(sentence: str, data: bytes) -> None:
    with pytest.raises(NotRecognised):
        inspect(data)


def test_a_key_that_no_node_accepts_is_named_so() -> None:
    facts = inspect(ONE.developer_seal.replace(ADA.signer.spki[-64:], bytes(64)))
    key = facts["key"]
    assert isinstance(key, dict)
    assert key["kind"] == "not accepted: unsupported-key"


def test_both_kinds_of_keys_are_named(any_key: PrivateKey) -> None:
    facts = inspect(request.make(KeySigner(any_key), "Ada"))
    key = facts["key"]
    assert isinstance(key, dict)
    assert key["kind"] in ("RSA-2048", "P-256")


def test_from_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(HONEST)
    assert read(tmp_path / "a")["kind"] == "Store seal"
    with (tmp_path / "huge").open("wb") as stream:
        stream.truncate(1 << 40)
    for path, kind in ((tmp_path / "huge", FileTooLarge), (tmp_path, NotAFile)):
        with pytest.raises(kind):
            read(path)
