"""Another signing key of a Store: each step, what is in its way, and power cuts in between."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sealcore import keys, seal, x509
from tests.host.store.test_standing import code
from tests.host.store.test_store import ADA_KEY, World, versioned
from tests.worlds import seals
from triseal import advice, keyplaces, notices, request, signer, storekeys
from triseal.errors import Failure, NotAKey
from triseal.keysource import NewKey
from triseal.log import proof
from triseal.signer import KeySigner, Signer
from triseal.store import authority, ledger, rotation
from triseal.store.changes import Why
from triseal.store.records import Release
from triseal.store.rotation import KeyState
from triseal.store.store import Store

WHY = Why("a reason", "tester")


def rooted(made: Store) -> None:
    rotation.make_root(made, NewKey("p256"))
    made.submit(versioned("1.0.0"))


class Rooted(World):
    """A Store with a root."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, begin=rooted)

    def root(self) -> Signer:
        return authority.unlock_root(self.home, "", lambda: b"")

    def prepare(self) -> KeyState:
        return rotation.prepare(self.store, self.root(), NewKey("p256"), seals.LONG, WHY)

    def activate(self) -> tuple[KeyState, list[Release]]:
        return rotation.activate(self.store, lambda: b"", WHY)

    def revoke(self) -> list[KeyState]:
        return rotation.revoke(self.store, self.root(), WHY)

    def states(self) -> list[str]:
        return [one.state for one in rotation.states(self.home)]

    def kinds(self) -> list[str]:
        """What was recorded about the Store's own keys."""
        return [one.kind for one in self.store.changes() if one.kind.startswith("store-key")]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Rooted]:
    with Rooted(tmp_path / "store") as made:
        yield made


def sealed_by(release: Release, spki: bytes) -> bool:
    made = seal.parse(release.store_seal, seal.STORE)
    try:
        keys.verify(keys.parse(spki), made.algorithm, made.digest, made.signature)
    except Exception:
        return False
    return True


def test_the_steps_of_a_rotation(world: Rooted) -> None:
    old = bytes(world.store.certificate.spki)
    new = world.prepare()
    assert world.states() == ["in use", "prepared"]
    world.store.submit(versioned("1.1"))
    assert sealed_by(world.store.get("blink")[0], old), "until it is activated"
    _, sealed = world.activate()
    assert [(one.version, sealed_by(one, new.spki)) for one in sealed] == [
        ("1.0.0", True), ("1.1", True),
    ]  # fmt: skip
    assert world.states() == ["former", "in use"]
    assert bytes(world.store.certificate.spki) == new.spki
    assert [one.spki for one in world.revoke()] == [old]
    assert world.states() == ["in use"]
    assert not (world.home / authority.KEY).exists()
    assert world.kinds() == [notices.KEY_PREPARED, notices.KEY_ACTIVATED, notices.KEY_REVOKED]
    assert sealed_by(world.store.submit(versioned("1.2"))[0], new.spki)
    with closing(world.open()) as again:
        assert again.certificate.spki == new.spki
        x509.check_issued(again.certificate, again.certificate, seals.NOW)
        assert sealed_by(again.submit(versioned("1.3"))[0], new.spki)


def test_the_log_of_a_store_outlives_its_key(world: Rooted) -> None:
    before = world.store.log_key
    world.prepare()
    world.activate()
    world.revoke()
    with closing(world.open()) as store:
        assert store.log_key == before
        _, package = store.submit(versioned("1.1"))
    proof.parse(package.proof).check_path()


def test_the_entries_of_the_log_say_whose_keys_they_are(world: Rooted) -> None:
    world.prepare()
    world.activate()
    world.revoke()
    details = [json.loads(ledger.of_change(one).detail) for one in world.store.changes()]
    whose = [(one.get("developer"), one.get("store")) for one in details]
    assert whose == [("Ada", None), *[(None, "Shop")] * 3]


def test_the_notices_name_all_keys(world: Rooted) -> None:
    old = bytes(world.store.certificate.spki)
    new = world.prepare().spki
    made = world.store.notices()
    assert made.keys is not None
    assert made.keys.keys == (old, new)
    assert {bytes(one.spki) for one in made.certificates} == {old, new}
    made.check_signed([old])
    world.activate()
    world.revoke()
    made = world.store.notices(since=made.last)
    made.check_signed([new])
    assert made.keys is not None
    assert made.keys.keys == (new,)
    assert [one.kind for one in made.changes] == [notices.KEY_ACTIVATED, notices.KEY_REVOKED]


def test_the_old_key_is_not_needed(world: Rooted) -> None:
    (world.home / authority.KEY).unlink()
    with closing(world.open()) as store:
        new = rotation.prepare(store, world.root(), NewKey("p256"), seals.LONG, WHY)
        rotation.activate(store, lambda: b"", WHY)
        rotation.revoke(store, world.root(), WHY)
        assert sealed_by(store.get("blink")[0], new.spki)


# Each step in each state.

STATES: dict[str, Callable[[Rooted], object]] = {
    "one key": lambda world: None,
    "prepared": lambda world: world.prepare(),
    "activated": lambda world: (world.prepare(), world.activate()),
    "prepared and cancelled": lambda world: (world.prepare(), world.revoke()),
}
TABLE = {
    "prepare": ("", "wrong-state", "", ""),
    "activate": ("wrong-state", "", "wrong-state", "wrong-state"),
    "revoke": ("wrong-state", "", "", "wrong-state"),
}


@pytest.mark.parametrize("step", TABLE)
@pytest.mark.parametrize("state", STATES)
def test_each_step_in_each_state(world: Rooted, state: str, step: str) -> None:
    STATES[state](world)
    before = world.states(), world.kinds()
    wanted = TABLE[step][list(STATES).index(state)]
    assert code(getattr(world, step)) == wanted
    if wanted:
        assert (world.states(), world.kinds()) == before
    world.store.submit(versioned("1.1"))


def test_a_store_without_a_root(tmp_path: Path) -> None:
    with World(tmp_path / "store") as world:
        own = world.store.certificate
        assert storekeys.root_of(own) == b""
        assert code(lambda: authority.unlock_root(world.home, "", lambda: b"")) == "no-root"
        assert world.store.notices().keys is None
        root = rotation.make_root(world.store, NewKey("p256"))
        made = world.store.certificate
        assert storekeys.root_of(made) == request_mark(root)
        assert (made.spki, made.not_after) == (own.spki, own.not_after)
        again = lambda: rotation.make_root(world.store, NewKey("p256"))  # noqa: E731
        assert code(again) == "already-exists"
        world.store.renew(seals_longer())
        assert storekeys.root_of(world.store.certificate) == request_mark(root)


def request_mark(root: Signer) -> bytes:
    return bytes.fromhex(request.fingerprint(root.spki))


def seals_longer() -> Any:
    return type(seals.LONG)(seals.LONG.not_before, seals.LONG.not_after + 1)


def test_another_key_is_not_the_root(world: Rooted, tmp_path: Path) -> None:
    other = tmp_path / "other.key"
    NewKey("p256").create(other)
    with pytest.raises(NotAKey):
        authority.unlock_root(world.home, str(other), lambda: b"")


def nothing(_: Path) -> None:
    """It is gone."""


def another_key(path: Path) -> None:
    NewKey("p256").create(path)


def an_empty_file(path: Path) -> None:
    path.touch(0o600)


def a_damaged_file(path: Path) -> None:
    path.touch(0o600)
    path.write_bytes(b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n")


def a_token_that_is_away(path: Path) -> None:
    path.touch(0o600)
    path.write_bytes(b"pkcs11:token=none;object=root?module-path=/nowhere/module.so\n")


def a_file_for_all(path: Path) -> None:
    NewKey("p256").create(path)
    path.chmod(0o644)


def a_link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


REPLACED: tuple[tuple[Callable[[Path], object], str], ...] = (
    (nothing, "file-not-found"),
    (another_key, "not-a-key"),
    (an_empty_file, "not-a-key"),
    (a_damaged_file, "not-a-key"),
    (a_token_that_is_away, "token-missing"),
    (a_file_for_all, "open-permissions"),
    (Path.mkdir, "not-a-file"),
    (os.mkfifo, "not-a-file"),
    (a_link_to_nothing, "file-not-found"),
)


@pytest.mark.parametrize("where", ["the home", "a stick"])
@pytest.mark.parametrize(("replacement", "wanted"), REPLACED)
def test_what_was_put_in_the_place_of_the_root_names_no_key(
    world: Rooted,
    tmp_path: Path,
    where: str,
    replacement: Callable[[Path], object],
    wanted: str,
) -> None:
    """Nothing changes, and with the right file the same steps are taken."""
    path = world.home / authority.ROOT_KEY
    aside = path.rename(tmp_path / "aside")
    given = "" if where == "the home" else str(tmp_path / "stick.key")
    place = path if where == "the home" else Path(given)
    replacement(place)
    before = world.states(), world.kinds(), (world.home / authority.KEYS).read_bytes()

    def root() -> Signer:
        return authority.unlock_root(world.home, given, lambda: b"")

    steps: tuple[Callable[[], object], ...] = (
        lambda: rotation.prepare(world.store, root(), NewKey("p256"), seals.LONG, WHY),
        lambda: rotation.revoke(world.store, root(), WHY),
    )
    for step in steps:
        with pytest.raises((Failure, OSError)) as caught:
            step()
        assert advice.explain(caught.value)[0] == wanted
        after = world.states(), world.kinds(), (world.home / authority.KEYS).read_bytes()
        assert after == before
    world.store.submit(versioned("1.1"))  # seals need no root
    if place.is_dir() and not place.is_symlink():
        place.rmdir()
    else:
        place.unlink(missing_ok=True)
    aside.rename(place)
    steps[0]()
    rotation.activate(world.store, lambda: b"", WHY)
    steps[1]()
    assert world.states() == ["in use"]


# Power cuts, and two commands at once.


class Cut(Exception):
    """The power fails here."""


CUTS = {
    "the folder of the new key": ("prepare", "triseal.folder.settle"),
    "after that folder": ("prepare", "triseal.store.changes.record"),
    "the list of the root": ("prepare", "triseal.store.authority.replace_list"),
    "before the key is used": ("activate", "triseal.keyplaces.use"),
    "the record of its use": ("activate", "triseal.store.changes.record"),
    "the list without the old key": ("revoke", "triseal.store.authority.replace_list"),
    "the record of the revocation": ("revoke", "triseal.store.changes.record"),
    "the old key itself": ("revoke", "triseal.keyplaces.remove"),
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("cut", CUTS)
def test_a_step_that_was_cut_off_is_completed_by_the_same_call(
    world: Rooted, cut: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, where = CUTS[cut]
    steps = ["prepare", "activate", "revoke"]
    for one in steps[: steps.index(step)]:
        getattr(world, one)()
    with monkeypatch.context() as patch:
        whole = _target(where)

        def cut_off(*args: Any, **named: Any) -> None:
            if after:
                whole(*args, **named)
            raise Cut

        patch.setattr(where, cut_off)
        with pytest.raises(Cut):
            getattr(world, step)()
    world.store.close()
    world.store = world.open()
    world.store.submit(versioned("1.1"))  # the Store works meanwhile
    for one in steps[steps.index(step) :]:
        done = code(getattr(world, one))
        assert done in ("", "wrong-state"), one
    assert world.states() == ["in use"]
    assert list(dict.fromkeys(world.kinds())) == [
        notices.KEY_PREPARED, notices.KEY_ACTIVATED, notices.KEY_REVOKED,
    ]  # fmt: skip
    own = bytes(world.store.certificate.spki)
    assert own != authority.first_key(world.home)
    listed = authority.load_list(world.home)
    assert listed is not None
    assert listed.keys == (own,)
    assert all(sealed_by(one, own) for one in world.store.releases())
    assert not list(world.home.glob("**/store.key-*"))
    assert [p.name for p in keyplaces.every(world.home)[1:]] == [
        keyplaces.of(world.home, request.fingerprint(own)).name
    ]


def _target(where: str) -> Callable[..., object]:
    import importlib

    module, _, name = where.rpartition(".")
    found: Callable[..., object] = getattr(importlib.import_module(module), name)
    return found


def test_a_submission_during_an_activation_gets_the_new_key(world: Rooted) -> None:
    """The other process has opened the old key, and its transaction begins after the change."""
    new = world.prepare()
    store = Store(world.home, world.unlock, clock=lambda: world.now)
    with closing(store):
        store.signer()  # the old key
        world.activate()
        release, _ = store.submit(versioned("1.1"))
    assert sealed_by(release, new.spki)


def test_two_activations_at_once_are_one(world: Rooted) -> None:
    world.prepare()
    with closing(world.open()) as other:
        world.activate()
        assert code(lambda: rotation.activate(other, lambda: b"", WHY)) == "wrong-state"
    assert world.kinds() == [notices.KEY_PREPARED, notices.KEY_ACTIVATED]


def test_every_byte_of_a_list_counts() -> None:
    root = KeySigner(signer.generate("p256"))
    made = storekeys.make(root, "Shop", 1, (KeySigner(ADA_KEY).spki,))
    assert storekeys.parse(made.der) == made
    for at in range(0, len(made.der), 2):
        changed = bytearray(made.der)
        changed[at] ^= 0x20
        assert code(lambda data=bytes(changed): storekeys.parse(data)) == "bad-store-keys"  # type: ignore[misc]
