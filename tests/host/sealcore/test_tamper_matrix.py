"""The tamper matrix: every field of every seal, changed by whom, refused by whom, with which code.

Each row is carried out in three ways:

- **in transit**: nobody signs again, the old signature stays on the changed seal;
- **alone**: who holds the seal's key signs the changed seal; the seals after it stay as they are;
- **followed**: as before, and the signers after it sign on top of it without looking.

The columns say who refuses: the Store (before it countersigns), the site (before it issues), the
node (before it runs).
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from sealcore import encode, sealwriter, timetext
from tests.host.sealcore import tampering
from tests.host.sealcore.tampering import (
    ACCEPTED,
    BEGIN,
    CONTENT,
    DEVELOPER,
    END,
    EXTENSIONS,
    FLOOR,
    FRAME,
    NOW,
    SITE_SEAL,
    STORE,
    Change,
    Deployment,
    Fields,
    Verdicts,
    World,
    take_apart,
)
from triseal import certificate
from triseal.signer import KeySigner, generate

MIXES = (
    ("p256", "p256", "p256"),
    ("rsa2048", "rsa2048", "rsa2048"),
    ("rsa2048", "p256", "rsa3072"),
    ("p256", "rsa2048", "p256"),
)
NAMES = ("developer seal", "Store seal", "site seal")

OK = ACCEPTED
MALFORMED = "malformed-der"
PROFILE = "profile-violation"
SIGNATURE = "bad-signature"
UNTRUSTED = "untrusted-signer"
PREDECESSOR = "predecessor-mismatch"
SEALS = "seal-mismatch"
NO_SEAL = (MALFORMED, PROFILE)


@pytest.fixture(scope="module", params=MIXES, ids="-".join)
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


class Row(NamedTuple):
    """One change of one field.

    Attributes:
        role: of the seal.
        field: by its name in `tampering`.
        what: is done to it.
        change: does it.
        transit: what the first one to see the changed seal says where nobody signed it again.
        signed: what Store, site and node say where its holder did, and the others followed.
    """

    role: int
    field: str
    what: str
    change: Change
    transit: str
    signed: tuple[str, ...]

    def __str__(self) -> str:
        return f"{NAMES[self.role]}-{self.field}-{self.what}"


def put(name: str, value: bytes) -> Change:
    """Another value in a field, at its place."""
    return lambda fields: {**fields, name: value}


def drop(name: str) -> Change:
    return lambda fields: {key: value for key, value in fields.items() if key != name}


KEY_ID = "authorityKeyIdentifier"


def validity(begin: int, end: int) -> bytes:
    return bytes(encode.sequence(timetext.der(begin), timetext.der(end)))


def octets(length: int) -> bytes:
    return bytes(encode.octets(bytes(length)))


EVE = sealwriter.name("Eve")
EVES_KEY = KeySigner(generate("p256")).spki
CRITICAL = bytes.fromhex("0101ff")
SOME = certificate.extension(bytes.fromhex("2a0304"), bytes.fromhex("0500"))
A_CA = certificate.extension(bytes.fromhex("551d13"), bytes.fromhex("30030101ff"), critical=True)
SIGNS = certificate.extension(bytes.fromhex("551d0f"), bytes.fromhex("03020204"), critical=True)
ANY_USE = certificate.extension(bytes.fromhex("551d25"), bytes.fromhex("300606042b0601ff"))
OTHER_ID = bytes(encode.sequence(encode.octets(bytes(20), 0x80)))
OTHER_KEY_ID = certificate.extension(bytes.fromhex("551d23"), OTHER_ID)
NO_REV = certificate.extension(bytes.fromhex("551d38"), bytes.fromhex("0500"))
RSA_PSS = bytes.fromhex("300b06092a864886f70d01010a")


def san(uri: str) -> bytes:
    return certificate.extension(bytes.fromhex("551d11"), sealwriter.uri_name(uri))


def everywhere(code: str, role: int) -> tuple[str, ...]:
    """All who see a seal of this role say the same: Store, site and node, or the last of these."""
    return (code,) * (3 - role)


def refused(role: int, field: str, what: str, change: Change, code: str) -> Row:
    """A change that each party refuses with the same code, whoever signed it."""
    return Row(role, field, what, change, code, everywhere(code, role))


MINUS_ONE = b"\x02\x01\xff"
LATER = put("validity", validity(NOW + 1, NOW + 9000))
EARLIER = put("validity", validity(NOW - 9000, NOW - 1))
TWO_PARTS = bytes(encode.sequence(EVE[2:], EVE[2:]))


def of_every_seal(role: int) -> list[Row]:
    """What is refused in all roles alike."""
    rows = [
        refused(role, "version", "is left out", put("version", b""), PROFILE),
        refused(role, "version", "to 2", put("version", bytes.fromhex("a003020101")), PROFILE),
        refused(role, "version", "to 4", put("version", bytes.fromhex("a003020103")), MALFORMED),
        refused(role, "serial", "to 15 bytes", put("serial", encode.integer(1 << 119)), PROFILE),
        refused(role, "serial", "to 17 bytes", put("serial", encode.integer(1 << 127)), PROFILE),
        refused(role, "serial", "to below 0", put("serial", b"\x02\x10\x80" + bytes(15)), PROFILE),
        refused(role, "inner", "to another algorithm", put("inner", RSA_PSS), MALFORMED),
        refused(role, "outer", "to another algorithm", put("outer", RSA_PSS), MALFORMED),
        refused(role, "issuer", "to one of two parts", put("issuer", TWO_PARTS), PROFILE),
        refused(role, "subject", "to no label", put("subject", sealwriter.name("../x")), PROFILE),
        refused(role, "keyUsage", "to certificates", put("keyUsage", SIGNS), PROFILE),
        refused(role, "keyUsage", "is left out", drop("keyUsage"), PROFILE),
        refused(role, "extKeyUsage", "to something else", put("extKeyUsage", ANY_USE), PROFILE),
        refused(role, "extKeyUsage", "is left out", drop("extKeyUsage"), PROFILE),
        refused(role, "basicConstraints", "to a CA", put("basicConstraints", A_CA), PROFILE),
        refused(role, "basicConstraints", "is left out", drop("basicConstraints"), PROFILE),
        refused(role, "another extension", "is put in", put("another extension", SOME), PROFILE),
        refused(role, "seal version", "to 2", put("seal version", encode.integer(2)), MALFORMED),
        refused(role, "executableHash", "to 31", put("executableHash", octets(31)), MALFORMED),
        refused(role, "executableSize", "to 0", put("executableSize", b"\x02\x01\x00"), MALFORMED),
        refused(role, "metadataHash", "to 33 bytes", put("metadataHash", octets(33)), MALFORMED),
        refused(role, "serviceVersion", "to ''", put("serviceVersion", b"\x0c\x00"), MALFORMED),
        refused(role, "securityVersion", "to -1", put("securityVersion", MINUS_ONE), MALFORMED),
        refused(role, "issuer", "to Eve", put("issuer", EVE), UNTRUSTED),
    ]
    # The node asks whether the earlier seals were valid when the site seal began.
    at_node = "expired" if role == SITE_SEAL else OK
    ended = (*everywhere("expired", role)[:-1], at_node)
    for name, what, change, verdicts in (
        ("serial", "to another", put("serial", encode.integer(1 << 121)), everywhere(OK, role)),
        ("authorityKeyIdentifier", "to another", put(KEY_ID, OTHER_KEY_ID), everywhere(OK, role)),
        ("authorityKeyIdentifier", "is left out", drop(KEY_ID), everywhere(OK, role)),
        ("validity", "not yet", LATER, everywhere("not-yet-valid", role)),
        ("validity", "no more", EARLIER, ended),
    ):
        rows.append(Row(role, name, what, change, SIGNATURE, verdicts))
    return rows


def of_content(role: int) -> list[Row]:
    """What all three seals must say alike: at the node there is always another seal that does not.

    A developer alone may say what it wants, as long as it is true.
    """
    rows = []
    for name, what, value, at_store in (
        ("executableHash", "to another", octets(32), "hash-mismatch"),
        ("executableSize", "to one less", encode.integer(599), "hash-mismatch"),
        ("executableSize", "to one more", encode.integer(601), "hash-mismatch"),
        ("metadataHash", "to another", octets(32), "metadata-mismatch"),
        ("serviceVersion", "to a later one", encode.text("9.0.0"), OK),
        ("serviceVersion", "to an earlier one", encode.text("0.1.0"), OK),
        ("securityVersion", "up", encode.integer(FLOOR + 1), OK),
        ("securityVersion", "down", encode.integer(FLOOR - 1), "rollback"),
        ("subject", "to another service", sealwriter.name("other"), OK),
    ):
        signed = (at_store, SEALS, SEALS) if role == DEVELOPER else everywhere(SEALS, role)
        if role == SITE_SEAL and name == "subject":
            signed = ("wrong-service",)
        rows.append(Row(role, name, what, put(name, value), SIGNATURE, signed))
    return rows


HASH = put("predecessor", encode.octets(bytes(32), 0x80))
NO_GRANTS = put("grants", b"\xa1\x00")
A_PLACE = put("subjectAltName", san("a"))
NO_WORD = put("noRevAvail", NO_REV)

OF_DEVELOPER = [
    Row(DEVELOPER, "spki", "to Eve's", put("spki", EVES_KEY), UNTRUSTED, (UNTRUSTED, SEALS, SEALS)),
    refused(DEVELOPER, "predecessor", "is put in", HASH, MALFORMED),
    refused(DEVELOPER, "grants", "are put in", NO_GRANTS, MALFORMED),
    refused(DEVELOPER, "subjectAltName", "is put in", A_PLACE, PROFILE),
    refused(DEVELOPER, "noRevAvail", "is put in", NO_WORD, PROFILE),
]

OF_STORE = [
    Row(STORE, "spki", "to Eve's", put("spki", EVES_KEY), SIGNATURE, (SEALS, SEALS)),
    Row(STORE, "predecessor", "to another", HASH, SIGNATURE, (PREDECESSOR, PREDECESSOR)),
    refused(STORE, "predecessor", "is left out", drop("predecessor"), MALFORMED),
    refused(STORE, "grants", "are put in", NO_GRANTS, MALFORMED),
    refused(STORE, "subjectAltName", "is put in", A_PLACE, PROFILE),
    refused(STORE, "noRevAvail", "is put in", NO_WORD, PROFILE),
]

OTHER_GRANTS = bytes(encode.element(0xA1, encode.text("pin:4")))
URI = "spiffe://{}/node/{}/service/{}".format

OF_SITE = [
    refused(SITE_SEAL, "predecessor", "is left out", drop("predecessor"), MALFORMED),
    refused(SITE_SEAL, "grants", "are left out", drop("grants"), MALFORMED),
    refused(SITE_SEAL, "noRevAvail", "is left out", drop("noRevAvail"), PROFILE),
    refused(SITE_SEAL, "subjectAltName", "is left out", drop("subjectAltName"), PROFILE),
]
for name, what, value, code in (
    ("spki", "to Eve's", EVES_KEY, "wrong-key"),
    ("predecessor", "to another", encode.octets(bytes(32), 0x80), PREDECESSOR),
    ("grants", "to others, as the site likes", OTHER_GRANTS, OK),
    ("grants", "to none", b"\xa1\x00", OK),
    ("subjectAltName", "to another site", san(URI("house", "kitchen-1", "thermo")), "wrong-site"),
    ("subjectAltName", "to another node", san(URI("home", "kitchen-2", "thermo")), "wrong-node"),
    ("subjectAltName", "to another service", san(URI("home", "kitchen-1", "x")), "wrong-service"),
):
    OF_SITE.append(Row(SITE_SEAL, name, what, put(name, value), SIGNATURE, (code,)))

ROWS = [
    *(row for role in (DEVELOPER, STORE, SITE_SEAL) for row in of_every_seal(role)),
    *(row for role in (DEVELOPER, STORE, SITE_SEAL) for row in of_content(role)),
    *OF_DEVELOPER,
    *OF_STORE,
    *OF_SITE,
]


def columns(verdicts: Verdicts, role: int) -> tuple[str, ...]:
    """The verdicts of those who see a seal of this role."""
    return (verdicts.store, verdicts.site, verdicts.node)[role:]


def test_the_honest_are_accepted_by_all(world: World) -> None:
    assert world.verdicts(world.honest) == Verdicts(OK, OK, OK)
    assert world.verdicts(world.follow(world.honest, DEVELOPER)) == Verdicts(OK, OK, OK)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_in_transit(world: World, row: Row) -> None:
    """Whoever comes first refuses; later ones have a hash of what was there before."""
    found = columns(world.verdicts(world.change(row.role, row.change)), row.role)
    assert found == (row.transit, *later(row.transit, found))


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_signed_alone(world: World, row: Row) -> None:
    changed = world.change(row.role, row.change, world.signers[row.role])
    found = columns(world.verdicts(changed), row.role)
    assert found == (row.signed[0], *later(row.signed[0], found))


def later(code: str, found: tuple[str, ...]) -> list[str]:
    """What those say who have the next seal, and so the hash of this one as it was: the same where
    it is no seal (step 1), or else that it is another."""
    return [code if code in NO_SEAL else PREDECESSOR] * (len(found) - 1)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_signed_and_followed(world: World, row: Row) -> None:
    changed = world.change(row.role, row.change, world.signers[row.role])
    found = columns(world.verdicts(world.follow(changed, row.role)), row.role)
    assert found == row.signed


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_signed_by_a_stranger(world: World, row: Row) -> None:
    """With a key of her own Eve gets no further than with none, whatever she changes."""
    changed = world.change(row.role, row.change, world.eve)
    assert OK not in columns(world.verdicts(changed), row.role)


def test_every_field_of_every_seal_has_a_row(world: World) -> None:
    for role, made in enumerate(world.honest.seals):
        assert set(take_apart(made)) <= {row.field for row in ROWS if row.role == role}
    everything = {row.field for row in ROWS}
    assert everything == {*FRAME, *CONTENT, *EXTENSIONS.values(), "outer", "another extension"}


def test_any_bit_of_a_signature_counts(world: World) -> None:
    for role in (DEVELOPER, STORE, SITE_SEAL):
        made = world.honest.seals[role]
        for i in (1, 2, 20, 40, 60):
            changed = bytearray(made)
            changed[-i] ^= 1
            verdicts = columns(world.verdicts(world.honest.with_seal(role, bytes(changed))), role)
            assert verdicts[0] == SIGNATURE
            assert set(verdicts[1:]) <= {PREDECESSOR}


def test_signatures_of_two_seals_are_not_exchanged(world: World) -> None:
    for role in (DEVELOPER, STORE, SITE_SEAL):
        other = world.deployment().seals[role]
        swapped = tampering.with_signature_of(other, world.honest.seals[role])
        verdicts = columns(world.verdicts(world.honest.with_seal(role, swapped)), role)
        assert verdicts[0] == SIGNATURE


# --- The package's other parts, in transit -------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "change", "code"),
    [
        ("executable", lambda data: b"#" + data[1:], "hash-mismatch"),
        ("executable", lambda data: data[:-1], "hash-mismatch"),
        ("executable", lambda data: data + b"\n", "hash-mismatch"),
        ("executable", lambda data: b"", "hash-mismatch"),
        ("metadata", lambda data: data + b" ", "metadata-mismatch"),
        ("metadata", lambda data: b"", "metadata-mismatch"),
        ("metadata", lambda data: bytes(8193), "too-large"),
    ],
)
def test_what_the_seals_speak_of(world: World, part: str, change: object, code: str) -> None:
    parts = {"executable": world.honest.executable, "metadata": world.honest.metadata}
    parts[part] = change(parts[part])  # type: ignore[operator]
    changed = Deployment(world.honest.seals, **parts)
    assert world.verdicts(changed) == Verdicts(code, code, code)


# --- Stories: who does what with the keys it holds -----------------------------------------------


def swap_content(world: World, fields: Fields) -> Fields:
    """The fields of a seal, speaking of another executable."""
    other = world.deployment(executable=b"evil" * 100)
    return fields | {
        name: value
        for name, value in take_apart(other.seals[DEVELOPER]).items()
        if name in ("executableHash", "executableSize")
    }


def evil(world: World, *roles: int) -> Deployment:
    """Another executable, in the seals of these roles; the later signers follow."""
    made = world.honest
    for role in roles:
        fields = swap_content(world, take_apart(made.seals[role]))
        made = made.with_seal(role, tampering.put_together(fields, world.signers[role]))
        made = world.follow(made, role)
    return Deployment(made.seals, b"evil" * 100, made.metadata)


def test_a_store_that_swaps_the_executable(world: World) -> None:
    assert world.verdicts(evil(world, STORE)) == Verdicts("hash-mismatch", SEALS, SEALS)


def test_a_store_and_a_site_that_swap_it_together(world: World) -> None:
    """Two of three keys are not enough: the developer's word is missing."""
    assert world.verdicts(evil(world, STORE, SITE_SEAL)) == Verdicts("hash-mismatch", SEALS, SEALS)


def test_a_site_that_swaps_it(world: World) -> None:
    assert world.of_node(evil(world, SITE_SEAL)) == SEALS


def test_a_network_that_swaps_it(world: World) -> None:
    assert world.verdicts(evil(world)) == Verdicts(*["hash-mismatch"] * 3)


def test_a_store_that_makes_a_developer_of_its_own(world: World) -> None:
    """Under the developer's name, with a key that nobody else knows: the site and the node do."""
    fields = swap_content(world, take_apart(world.honest.seals[DEVELOPER]))
    fields["spki"] = world.eve.spki
    fields["inner"] = fields["outer"] = world.eve.algorithm
    made = world.honest.with_seal(DEVELOPER, tampering.put_together(fields, world.eve))
    fields = swap_content(world, take_apart(made.seals[STORE])) | {"spki": world.eve.spki}
    made = made.with_seal(STORE, tampering.put_together(fields, world.signers[STORE]))
    fields = swap_content(world, take_apart(made.seals[SITE_SEAL]))
    made = made.with_seal(SITE_SEAL, tampering.put_together(fields, world.signers[SITE_SEAL]))
    made = world.follow(made, DEVELOPER)
    made = Deployment(made.seals, b"evil" * 100, made.metadata)
    assert world.verdicts(made) == Verdicts(*[UNTRUSTED] * 3)


def test_a_developer_who_poses_as_another(world: World) -> None:
    """Bob is trusted, but not as Ada; nor does his key pass under her name."""
    fields = take_apart(world.honest.seals[DEVELOPER])
    fields["spki"] = world.bob.spki
    fields["inner"] = fields["outer"] = world.bob.algorithm
    made = world.honest.with_seal(DEVELOPER, tampering.put_together(fields, world.bob))
    assert world.verdicts(world.follow(made, DEVELOPER)) == Verdicts(UNTRUSTED, SEALS, SEALS)


def test_a_developer_whom_the_site_does_not_know(world: World) -> None:
    known = world.trust.developers
    ada = sealwriter.entry_hash(*world.entries[DEVELOPER][0])
    world.trust.developers = bytes(known).replace(ada, bytes(32))
    try:
        assert world.verdicts(world.honest) == Verdicts(OK, UNTRUSTED, UNTRUSTED)
    finally:
        world.trust.developers = known


def test_a_thief_who_carries_a_deployment_to_another_node(world: World) -> None:
    assert world.of_node(world.deployment(node="kitchen-2")) == "wrong-node"


def test_a_thief_who_renames_a_service(world: World) -> None:
    assert world.of_node(world.deployment(service="other")) == "wrong-service"


def test_a_thief_who_sets_a_stolen_board_on_its_shelf(world: World) -> None:
    assert world.of_node(world.honest, END) == OK
    assert world.of_node(world.honest, END + 1) == "expired"
    assert world.of_node(world.honest, BEGIN - 1) == "not-yet-valid"


def test_a_network_that_plays_back_an_older_version(world: World) -> None:
    older = world.deployment(world.core(security=FLOOR - 1))
    assert world.verdicts(older) == Verdicts("rollback", "rollback", "rollback")
    assert world.of_node(older, floor=FLOOR - 1) == OK


def test_a_network_that_mixes_two_versions(world: World) -> None:
    other = world.deployment(world.core(security=FLOOR + 1))
    for role, code in ((DEVELOPER, PREDECESSOR), (STORE, PREDECESSOR)):
        mixed = world.honest.with_seal(role, other.seals[role])
        assert world.of_node(mixed) == code
    mixed = world.honest.with_seal(SITE_SEAL, other.seals[SITE_SEAL])
    assert world.of_node(mixed) == PREDECESSOR


def test_a_seal_in_the_place_of_another(world: World) -> None:
    developer, store, site = world.honest.seals
    for seals, verdicts in (
        ((store, store, site), Verdicts(MALFORMED, MALFORMED, MALFORMED)),
        ((developer, developer, site), Verdicts(OK, MALFORMED, MALFORMED)),
        ((developer, store, store), Verdicts(OK, OK, PROFILE)),
        ((site, store, site), Verdicts(PROFILE, PROFILE, PROFILE)),
        ((developer, site, site), Verdicts(OK, PROFILE, PROFILE)),
    ):
        assert (
            world.verdicts(Deployment(seals, world.honest.executable, world.honest.metadata))
            == verdicts
        )


def test_a_site_that_dates_its_seal_back(world: World) -> None:
    """A site can always say that it began earlier: what the developer's seal then was, counts. What
    bounds this is that the site's own seal must be valid now."""
    ended = put("validity", validity(NOW - 9000, NOW - 5000))
    made = world.follow(world.change(DEVELOPER, ended, world.signers[DEVELOPER]), DEVELOPER)
    assert world.of_node(made) == "expired"
    fields = take_apart(made.seals[SITE_SEAL]) | {"validity": validity(NOW - 6000, END)}
    back = made.with_seal(SITE_SEAL, tampering.put_together(fields, world.signers[SITE_SEAL]))
    assert world.of_node(back) == OK
