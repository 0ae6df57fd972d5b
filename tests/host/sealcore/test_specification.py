"""What `common/PROFILE.md` specifies is what Triseal reads and writes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from typing import Any

import pytest

from sealcore import encode, messages, onetime, proof, seal, sealwriter, settings, signedtime
from sealcore.compat import sha256
from tests.host.sealcore import schema
from tests.worlds.site_world import NOW, World, signed_package
from triseal import certificate, evidence, notices, replacement, request, signer, storekeys
from triseal.certificate import Validity
from triseal.log import entry
from triseal.log.entry import Entry
from triseal.notices import Change
from triseal.signer import KeySigner

NONCE = os.urandom(16)


@pytest.fixture(scope="module", params=["p256", "rsa2048"])
def world(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[World]:
    """A site with one service on one node, with keys of each kind."""
    with World(tmp_path_factory.mktemp("site") / "site", request.param) as made:
        made.add_node("kitchen")
        made.manager.add_service(made.package())
        made.manager.grant("thermo", ["log", "pin:4"])
        made.manager.assign("kitchen", "thermo")
        yield made


def extension(found: dict[str, Any]) -> dict[str, Any]:
    """The ServiceSeal of a certificate as the specification's ASN.1 reads it."""
    (der,) = [
        one["extnValue"]
        for one in found["tbsCertificate"]["extensions"]
        if one["extnID"] == "2.25.328739721842243933527932212422477103568.1"
    ]
    read: dict[str, Any] = schema.read("ServiceSeal", der)
    return read


def test_the_three_seals(world: World) -> None:
    deployed = world.manager.deployment("kitchen", "thermo")
    package = deployed.package
    rows = [
        ("developer", package.developer_seal, seal.DEVELOPER),
        ("store", package.store_seal, seal.STORE),
        ("site", deployed.seal.der, seal.SITE),
    ]
    for name, der, role in rows:
        ours = seal.parse(der, role)
        found = schema.read("Certificate", der)
        fields = extension(found)
        assert found["tbsCertificate"]["serialNumber"] == ours.serial, name
        begin = found["tbsCertificate"]["validity"]["notBefore"][1]
        assert begin.replace(tzinfo=UTC).timestamp() == ours.not_before, name
        assert fields["executableHash"] == bytes(ours.executable_hash) == sha256(package.executable)
        assert fields["securityVersion"] == ours.security_version
        assert ("predecessor" in fields) == (role != seal.DEVELOPER), name
        assert ("grants" in fields) == (role == seal.SITE), name
    assert fields["grants"] == ["log", "pin:4"]


def test_the_trust_bundle_the_package_and_evidence(world: World) -> None:
    package = world.store.countersign(signed_package(world.developer))
    found = schema.read("Package", package.der())
    assert found["executable"] == package.executable
    assert found["metadata"] == package.metadata
    assert "storeSeal" in found
    assert "storeSeal" not in schema.read("Package", signed_package(world.developer).der())
    assert schema.read("Package", replace(package, proof="said").der())["proof"] == "said"
    tbs = schema.read("TrustBundle", world.manager.bundle().der)["tbs"]
    assert tbs["label"] == "triseal bundle v2"
    assert len(tbs["siteKeys"]) == len(tbs["storeKeys"]) == len(tbs["developers"]) == 1
    other = signed_package(world.developer, executable=b"async def main(ctx):\n    return\n")
    pair = evidence.make(package.developer_seal, other.developer_seal)
    found = schema.read("Evidence", pair)
    assert (found["label"], found["earlier"]["role"]) == ("triseal evidence v1", 0)


@pytest.mark.parametrize(
    "one",
    [
        Entry(entry.DEVELOPER, NOW, detail="Ada"),
        Entry(entry.RELEASE, NOW, "blink", "1.0", b"d" * 32, b"s" * 32, b"p" * 32, "more"),
    ],
)
def test_the_entries_of_a_log(one: Entry) -> None:
    found = schema.read("LogEntry", one.der())
    assert (found["label"], found["kind"], found["time"]) == (entry.LABEL, one.kind, NOW)
    assert found.get("package", b"") == one.package


def test_what_a_store_tells() -> None:
    root, old, new = (KeySigner(signer.generate("p256")) for _ in range(3))
    proven = replacement.parse(replacement.make(old, request.make(new, "Ada")))
    found = schema.read("Replacement", proven.der)
    assert (found["tbs"]["label"], found["tbs"]["request"]) == (
        replacement.LABEL, proven.request,
    )  # fmt: skip
    listed = storekeys.make(root, "Shop", 7, (old.spki, new.spki))
    found = schema.read("StoreKeys", listed.der)["tbs"]
    assert (found["label"], found["version"], len(found["keys"])) == (storekeys.LABEL, 7, 2)
    valid = Validity(NOW, NOW + 1)
    own = certificate.self_signed_ca(old, "Shop", valid, listed.root_mark)
    (mark,) = [
        one["extnValue"]
        for one in schema.read("Certificate", own)["tbsCertificate"]["extensions"]
        if one["extnID"] == "2.25.328739721842243933527932212422477103568.2"
    ]
    assert mark == encode.octets(sha256(root.spki))
    made = Change(notices.REPLACED, "Ada", "", new.spki, old.spki, proven.der, 1, NOW, "lost", "me")
    file = notices.make(old, "Shop", NOW, 0, [own], listed, [made])
    found = schema.read("Notices", file.der)["tbs"]
    assert (found["label"], found["issuedAt"]) == (notices.LABEL, NOW)
    (change,) = found["changes"]
    assert (change["kind"], change["proof"]) == (made.kind, proven.der)
    assert notices.parse_change(made.der()) == made


def test_the_table_of_changes_is_that_of_the_code() -> None:
    text = schema.SPECIFICATION.read_text("utf-8")
    rows = re.findall(r"^\| (`[a-z-]+`.*?) \| .*?\|(.*?)\|(.*?)\|(.*?)\|$", text, re.MULTILINE)
    fields = ("version", "key", "former")
    listed = {
        kind: " ".join(field for field, cell in zip(fields, cells, strict=True) if cell.strip())
        for kinds, *cells in rows
        for kind in re.findall(r"`([a-z-]+)`", kinds)
    }
    assert {kind: listed.get(kind) for kind in notices.KINDS} == notices.KINDS


def test_signed_time_and_proof() -> None:
    key = KeySigner(signer.generate("p256"))
    tbs = settings.tbs("house", "hall", 7, NOW, b"{}")
    found = schema.read("Settings", sealwriter.signed(tbs, key.algorithm, key.sign(tbs)))
    assert found["tbs"] == {
        "label": settings.LABEL, "version": 7, "site": "house", "node": "hall",
        "issuedAt": NOW, "values": b"{}",
    }  # fmt: skip
    tbs = signedtime.tbs("house", NONCE, NOW)
    found = schema.read("SignedTime", sealwriter.signed(tbs, key.algorithm, key.sign(tbs)))
    assert found["tbs"] == {
        "label": signedtime.LABEL, "site": "house", "nonce": NONCE, "time": NOW,
    }  # fmt: skip
    found = schema.read("Proof", proof.tbs("kitchen", NONCE))
    assert found == {"label": proof.LABEL, "node": "kitchen", "nonce": NONCE}


def test_the_one_time_token_is_derived_as_the_specification_says() -> None:
    token = bytes(range(16))
    scalar = int.from_bytes(sha256(b"triseal token v1" + token), "big")
    text = schema.SPECIFICATION.read_text("utf-8")
    assert "`triseal token v1`" in text
    assert "`triseal enrol v1`" in text
    made = onetime.prove(token, b"request")
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    public = ec.derive_private_key(scalar, ec.SECP256R1()).public_key()
    public.verify(made, b"triseal enrol v1request", ec.ECDSA(hashes.SHA256()))


KINDS = [
    ("hello", messages.HELLO), ("welcome", messages.WELCOME), ("assign", messages.ASSIGN),
    ("remove", messages.REMOVE), ("renew", messages.RENEW), ("renewed", messages.RENEWED),
    ("refused", messages.REFUSED), ("renewNow", messages.RENEWNOW), ("fetch", messages.FETCH),
    ("chunk", messages.CHUNK), ("report", messages.REPORT), ("enrol", messages.ENROL),
    ("enrolled", messages.ENROLLED), ("follow", messages.FOLLOW), ("log", messages.LOG),
    ("ask", messages.ASK), ("status", messages.STATUS), ("time", messages.TIME),
    ("prove", messages.PROVE), ("proof", messages.PROOF), ("askTime", messages.ASK_TIME),
    ("rejected", messages.REJECTED), ("restart", messages.RESTART),
    ("facts", messages.FACTS),
    ("settings", messages.SETTINGS),
    ("differ", messages.DIFFER), ("pieces", messages.PIECES),
]  # fmt: skip
SAMPLES = {
    "n": "thermo", "t": "\u00e4" * 256, "c": "1.0", "i": 2**31 - 1, "w": 253402300799,
    "e": len(messages.STATES) - 1, "k": bytes(16), "s": bytes(range(16)), "h": bytes(32),
    "o": b"\x30\x00",
}  # fmt: skip


def sample(fields: str) -> list[Any]:
    """A value for each field of a message or of a record, at its bound where it has one."""
    values: list[Any] = []
    for at, letter in enumerate(fields):
        if letter == "[":
            inner = fields[at + 1 : -1]
            one = sample(inner)
            values.append([one[0] if len(inner) == 1 else tuple(one)] * 2)
            break
        values.append(SAMPLES[letter])
    return values


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_every_message_is_as_specified(name: str, kind: int) -> None:
    values = sample(messages._fields(kind))
    der = bytes(messages.write(kind, *values))
    found, fields = schema.read("Message", der)
    assert found == name
    read = [
        [tuple(one.values()) if isinstance(one, dict) else one for one in value]
        if isinstance(value, list) else value
        for value in fields.values()
    ]  # fmt: skip
    assert read == [
        [tuple(one) if isinstance(one, tuple) else one for one in value]
        if isinstance(value, list) else value
        for value in values
    ]  # fmt: skip
    assert messages.parse(der) == (kind, tuple(values))


def test_no_message_and_no_state_is_left_out() -> None:
    assert [kind for _, kind in KINDS] == list(range(len(messages._FIELDS.split())))
    text = schema.PROTOCOL.read_text("utf-8")
    assert re.findall(r"^\| (\d+) \| `([a-z-]+)` \|", text, re.MULTILINE) == [
        (str(number), state) for number, state in enumerate(messages.STATES)
    ]
    for number in (
        messages.PROTOCOL,
        messages.MAX_FRAME,
        messages.MAX_CHUNK,
        messages.MAX_COPY,
        messages.MAX_LIST,
    ):
        assert re.search(rf"\b{number}\b", text), number


OUT_OF_BOUNDS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("a nonce of 15 bytes", "Proof", {"label": "x", "node": "n", "nonce": bytes(15)}),
    (
        "a hash of 31 bytes",
        "ServiceSeal",
        {"version": 1, "executableHash": bytes(31), "executableSize": 1, "metadataHash": bytes(32),
         "serviceVersion": "1", "securityVersion": 0},
    ),
    (
        "an executable of 0 bytes",
        "ServiceSeal",
        {"version": 1, "executableHash": bytes(32), "executableSize": 0, "metadataHash": bytes(32),
         "serviceVersion": "1", "securityVersion": 0},
    ),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "kind", "value"), OUT_OF_BOUNDS)
def test_the_specification_has_bounds(sentence: str, kind: str, value: dict[str, Any]) -> None:
    import asn1tools  # as in `schema`

    der = bytes(schema.compiled().encode(kind, value))
    with pytest.raises(asn1tools.Error):
        schema.read(kind, der)


def test_it_says_which_error_codes_each_step_has() -> None:
    text = schema.SPECIFICATION.read_text("utf-8")
    steps = dict(part.split(" | ", 1) for part in text.split("\n| ")[1:] if part[0].isdigit())
    assert sorted(map(int, steps)) == list(range(1, 11))
