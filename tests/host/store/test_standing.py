"""Keys, states and owners at the Store: each command in each state, and what follows from it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from sealcore import errors
from tests.host.store.test_store import ADA, ADA_KEY, BOB, BOB_KEY, World, versioned
from tests.worlds import seals
from triseal import database, notices, pem, replacement, request, signer
from triseal.certificate import Validity
from triseal.developer.home import Developer
from triseal.developer.sign import renew
from triseal.errors import Failure, ServiceTaken, StoreBehind
from triseal.package import Package
from triseal.signer import KeySigner
from triseal.store.changes import Why
from triseal.store.store import DATABASE, Store
from triseal.store.tables import SCHEMA

NEW_KEY = signer.generate("p256")
THIRD_KEY = signer.generate("p256")
NEW = Developer("Ada", KeySigner(NEW_KEY))
WHY = Why("a reason", "tester")


def mark(key: signer.PrivateKey) -> str:
    return request.fingerprint(KeySigner(key).spki)


def asked(
    key: signer.PrivateKey = NEW_KEY, old: signer.PrivateKey = ADA_KEY, name: str = "Ada"
) -> bytes:
    """A replacement."""
    return replacement.make(KeySigner(old), request.make(KeySigner(key), name))


def code(call: Callable[[], object]) -> str:
    """The code of a refusal; "" if there is none."""
    try:
        call()
    except (Failure, errors.SealError) as error:
        return error.code
    return ""


def one_release(made: Store) -> None:
    made.submit(versioned("1.0.0"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "store", begin=one_release) as made:
        yield made


def longer(who: Developer) -> Package:
    end = Validity(seals.LONG.not_before, seals.LONG.not_after + seals.YEAR)
    return seals.package(who, validity=end)


def hand_to_ada(world: World) -> object:
    world.store.approve(mark(BOB_KEY))
    world.store.submit(seals.package(BOB, service="siren"))
    return world.store.hand_over("siren", "Ada", WHY)


# The state of Ada's key when the command comes.
STATES: dict[str, Callable[[World], object]] = {
    "approved": lambda world: None,
    "suspended": lambda world: world.store.suspend("Ada", WHY),
    "replaced": lambda world: world.store.register(asked(THIRD_KEY)),
    "replaced by a person": lambda world: (
        world.store.register(request.make(KeySigner(THIRD_KEY), "Ada")),
        world.store.approve_key("Ada", mark(THIRD_KEY), WHY),
    ),
    "suspended and replaced": lambda world: (
        world.store.suspend("Ada", WHY),
        world.store.register(request.make(KeySigner(THIRD_KEY), "Ada")),
        world.store.approve_key("Ada", mark(THIRD_KEY), WHY),
    ),
}
COMMANDS: dict[str, Callable[[World], object]] = {
    "a new version": lambda world: world.store.submit(versioned("1.1")),
    "the same for longer": lambda world: world.store.submit(longer(ADA)),
    "a new service": lambda world: world.store.submit(seals.package(ADA, service="lamp")),
    "a new key signed by the old one": lambda world: world.store.register(asked()),
    "the old request again": lambda world: world.store.register(
        request.make(KeySigner(ADA_KEY), "Ada")
    ),
    "approve": lambda world: world.store.approve(mark(ADA_KEY)),
    "suspend": lambda world: world.store.suspend("Ada", WHY),
    "resume": lambda world: world.store.resume("Ada", WHY),
    "hand over to Ada": hand_to_ada,
}
# The codes in the order of STATES; "" is a success.
TABLE = {
    "a new version": ("", "developer-suspended", *["key-replaced"] * 3),
    "the same for longer": ("", "developer-suspended", *["key-replaced"] * 3),
    "a new service": ("", "developer-suspended", *["key-replaced"] * 3),
    "a new key signed by the old one": ("", "developer-suspended", *["key-replaced"] * 3),
    "the old request again": ("", "", "", "", ""),
    "approve": ("", "", *["key-replaced"] * 3),
    "suspend": ("", "wrong-state", "", "", "wrong-state"),
    "resume": ("wrong-state", "", "wrong-state", "wrong-state", ""),
    "hand over to Ada": ("", "developer-suspended", "", "", "developer-suspended"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("state", STATES)
def test_each_command_in_each_state(world: World, state: str, command: str) -> None:
    STATES[state](world)
    before = world.store.developers(), world.store.changes(), world.store.releases()
    wanted = TABLE[command][list(STATES).index(state)]
    assert code(lambda: COMMANDS[command](world)) == wanted
    after = world.store.developers(), world.store.changes(), world.store.releases()
    if wanted and "hand" not in command:
        assert after == before


def test_a_service_belongs_to_the_developer_and_not_to_the_key(world: World) -> None:
    assert world.store.register(asked()).state == "approved"
    world.store.submit(versioned("1.1", who=NEW))
    assert world.store.get("blink")[0].version == "1.1"
    states = {one.fingerprint: one.state for one in world.store.developers()}
    assert states[mark(ADA_KEY)] == "replaced"
    assert states[mark(NEW_KEY)] == "approved"
    (made,) = [one for one in world.store.changes() if one.kind == notices.REPLACED]
    assert (made.former, made.key) == (ADA.signer.spki, NEW.signer.spki)
    assert replacement.parse(made.proof).new == NEW.signer.spki  # everybody can verify it


def test_the_same_replacement_twice_is_one(world: World) -> None:
    first = world.store.register(asked())
    before = world.store.changes()
    assert world.store.register(asked()) == first
    assert world.store.changes() == before


def test_the_new_key_seals_what_the_old_one_has_sealed(world: World) -> None:
    world.store.register(asked())
    sealed = world.store.get("blink")[1]
    end = Validity(seals.NOW - 9, seals.LONG.not_after + 1)
    again = renew(NEW, sealed, end, [ADA.signer.spki])
    release, _ = world.store.submit(again)
    assert (release.version, len(world.store.releases())) == ("1.0.0", 1)
    with pytest.raises(Failure, match="another key"):
        renew(NEW, sealed, end)


def other_signature() -> bytes:
    """A replacement whose old key is Ada's, and whose signature is of another key."""
    der, other = pem.decode(asked())[1], pem.decode(asked(old=THIRD_KEY))[1]
    return der.replace(ADA.signer.spki, KeySigner(THIRD_KEY).spki) if der != other else b""


@pytest.mark.parametrize(
    ("sentence", "make", "wanted"),
    [
        ("by an unknown key", lambda: asked(old=THIRD_KEY), "unknown-developer"),
        ("by a key that waits", lambda: asked(old=BOB_KEY, name="Bob"), "unknown-developer"),
        ("under another name", lambda: asked(name="Eve"), "bad-replacement"),
        ("under a name that looks the same", lambda: asked(name="ada"), "bad-replacement"),
        ("by itself", lambda: asked(ADA_KEY), "bad-replacement"),
        ("to the key of somebody else", lambda: asked(BOB_KEY), "wrong-state"),
        ("with another signature", other_signature, "bad-replacement"),
        ("a byte more", lambda: pem.decode(asked())[1] + b"\0", "bad-replacement"),
        ("of 100 kB", lambda: asked() + b" " * 99_999, "bad-replacement"),
    ],
)
def test_a_replacement_that_is_none(
    world: World, sentence: str, make: Callable[[], bytes], wanted: str
) -> None:
    before = world.store.developers(), world.store.changes()
    assert code(lambda: world.store.register(make())) == wanted, sentence
    assert (world.store.developers(), world.store.changes()) == before


def test_every_byte_of_a_replacement_counts() -> None:
    der = pem.decode(asked())[1]
    assert replacement.parse(der).name == "Ada"
    for at in range(0, len(der), 3):
        changed = bytearray(der)
        changed[at] ^= 0x10
        with pytest.raises((Failure, errors.SealError)):
            replacement.parse(bytes(changed))


# After the loss of a key.


def test_a_request_of_the_same_name_waits_for_a_person(world: World) -> None:
    waiting = world.store.register(request.make(KeySigner(NEW_KEY), "Ada"))
    assert waiting.state == "pending"
    assert code(lambda: world.store.submit(versioned("1.1", who=NEW))) == "untrusted-signer"
    assert code(lambda: world.store.approve(mark(NEW_KEY))) == "name-taken"
    new, old = world.store.approve_key("Ada", mark(NEW_KEY).upper(), WHY)
    assert (new.fingerprint, old.fingerprint) == (mark(NEW_KEY), mark(ADA_KEY))
    world.store.submit(versioned("1.1", who=NEW))


@pytest.mark.parametrize(
    ("name", "key", "wanted"),
    [
        ("Eve", NEW_KEY, "unknown-developer"),
        ("ada", NEW_KEY, "unknown-developer"),
        ("Ada", THIRD_KEY, "unknown-developer"),
        ("Ada", BOB_KEY, "wrong-state"),
        ("Ada", ADA_KEY, "wrong-state"),
    ],
)
def test_nobody_but_a_waiting_key_of_this_name_is_put_in_its_place(
    world: World, name: str, key: signer.PrivateKey, wanted: str
) -> None:
    world.store.register(request.make(KeySigner(NEW_KEY), "Ada"))
    assert code(lambda: world.store.approve_key(name, mark(key), WHY)) == wanted


def test_a_thief_who_was_faster_is_replaced(world: World) -> None:
    """The thief has the old key, and replaces it by one of his own."""
    world.store.register(asked(THIRD_KEY))
    world.store.register(request.make(KeySigner(NEW_KEY), "Ada"))
    _, old = world.store.approve_key("Ada", mark(NEW_KEY), WHY)
    assert old.fingerprint == mark(THIRD_KEY)
    thief = Developer("Ada", KeySigner(THIRD_KEY))
    assert code(lambda: world.store.submit(versioned("1.1", who=thief))) == "key-replaced"
    assert code(lambda: world.store.register(asked(BOB_KEY, THIRD_KEY))) == "key-replaced"


# Withdrawn releases, and services that are handed over.


def test_a_withdrawn_release_is_offered_by_its_name_only(world: World) -> None:
    world.store.submit(versioned("1.1"))
    assert world.store.withdraw("blink", "1.1", WHY).state == "withdrawn"
    assert world.store.get("blink")[0].version == "1.0.0"
    assert world.store.get("blink", "1.1")[0].version == "1.1"
    assert code(lambda: world.store.withdraw("blink", "1.1", WHY)) == "wrong-state"
    assert code(lambda: world.store.withdraw("blink", "7", WHY)) == "unknown-service"
    assert code(lambda: world.store.withdraw("lamp", "1", WHY)) == "unknown-service"
    world.store.withdraw("blink", "1.0.0", WHY)
    assert code(lambda: world.store.get("blink")) == "withdrawn"
    world.store.submit(versioned("1.2"))
    assert world.store.get("blink")[0].version == "1.2"


def test_the_version_of_a_withdrawn_release_is_not_free(world: World) -> None:
    world.store.submit(versioned("1.1", 5))
    world.store.withdraw("blink", "1.1", WHY)
    again = seals.package(ADA, version="1.1", security_version=5, validity=longer_validity())
    assert code(lambda: world.store.submit(again)) == "withdrawn"
    other = seals.package(ADA, version="1.1", security_version=5, executable=b"x = 1\n")
    assert code(lambda: world.store.submit(other)) == "rollback"
    assert code(lambda: world.store.submit(versioned("1.2", 4))) == "rollback"


def longer_validity() -> Validity:
    return Validity(seals.NOW - 9, seals.LONG.not_after + 1)


def test_a_service_that_was_handed_over(world: World) -> None:
    world.store.approve(mark(BOB_KEY))
    world.store.submit(versioned("1.1", 5))
    assert world.store.hand_over("blink", "Bob", WHY) == "Ada"
    with pytest.raises(ServiceTaken):
        world.store.submit(versioned("1.2", 5))
    # The order of versions goes on, and nobody seals the other's version again.
    assert code(lambda: world.store.submit(versioned("1.1", 5, BOB))) == "rollback"
    assert code(lambda: world.store.submit(versioned("1.2", 4, BOB))) == "rollback"
    same = seals.package(BOB, version="1.1", security_version=5, validity=longer_validity())
    assert code(lambda: world.store.submit(same)) == "rollback"
    world.store.submit(versioned("1.2", 5, BOB))
    assert code(lambda: world.store.hand_over("blink", "Bob", WHY)) == "wrong-state"
    assert code(lambda: world.store.hand_over("blink", "Eve", WHY)) == "unknown-developer"
    assert code(lambda: world.store.hand_over("lamp", "Ada", WHY)) == "unknown-service"


# What is recorded.


def test_each_change_is_recorded_with_reason_time_and_who(world: World) -> None:
    world.now += 60
    world.store.suspend("Ada", WHY)
    world.store.resume("Ada", Why("found it", "carol"))
    found = world.store.changes()
    assert [one.number for one in found] == [1, 2, 3]
    assert [(one.kind, one.reason, one.who) for one in found[1:]] == [
        (notices.SUSPENDED, "a reason", "tester"),
        (notices.RESUMED, "found it", "carol"),
    ]
    assert found[1].time == seals.NOW + 60
    assert world.store.changes(2) == found[2:]


@pytest.mark.parametrize("reason", [" ", "a\nb", "\x1b[2J", "x" * 201, "\u202e"])
def test_a_reason_is_one_line_that_people_can_read(world: World, reason: str) -> None:
    before = world.store.developers(), world.store.changes()
    assert code(lambda: world.store.suspend("Ada", Why(reason))) == "bad-reason"
    assert (world.store.developers(), world.store.changes()) == before


@pytest.mark.parametrize("statement", ["UPDATE changes SET who = 'x'", "DELETE FROM changes"])
def test_the_database_keeps_each_change_as_it_is(world: World, statement: str) -> None:
    engine = database.open_database(world.home / DATABASE, SCHEMA)
    try:
        with pytest.raises(IntegrityError, match="stays"), database.writing(engine) as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()


def test_a_database_without_the_newest_change_is_noticed(world: World) -> None:
    (world.home / "copy").write_bytes(backup(world))
    world.store.suspend("Ada", WHY)
    world.store.close()
    for left in world.home.glob(DATABASE + "-*"):
        left.unlink()
    (world.home / "copy").replace(world.home / DATABASE)
    with closing(world.open()) as store:
        with pytest.raises(StoreBehind, match="1 change,"):
            store.submit(versioned("1.1"))
        assert store.accept_restored().recovered == 1
        store.resume("Ada", WHY)  # she is suspended, as the log says


def backup(world: World) -> bytes:
    copy = world.home / "backup"
    source, target = sqlite3.connect(world.home / DATABASE), sqlite3.connect(copy)
    with closing(source), closing(target):
        source.backup(target)
    return copy.read_bytes()
