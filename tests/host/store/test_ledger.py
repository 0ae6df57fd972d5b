"""The Store's log: what the Store has promised is in it, whatever the Store was stopped by."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sealcore.compat import sha256
from tests.host.store.test_store import ADA, World
from tests.worlds import seals
from tests.worlds.site_world import code_of
from triseal import advice, files, package
from triseal.certificate import Validity
from triseal.log import checkpoint, endorsement, entry, merkle, proof, tiles
from triseal.log.checkpoint import Checkpoint
from triseal.log.entry import Entry
from triseal.log.policy import Policy
from triseal.log.writer import Folder
from triseal.package import Package
from triseal.store.changes import Why
from triseal.store.journal import FOLDER, KEY, Journal
from triseal.store.ledger import ENDORSEMENT
from triseal.store.store import DATABASE, Store


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "store") as made:
        yield made


def release(version: str, service: str = "blink") -> Package:
    return seals.package(ADA, service, version=version)


def audit(world: World) -> tuple[Checkpoint, list[Entry]]:
    """Recompute the whole log from its files, with the Store's public key alone."""
    folder = Folder(world.home / FOLDER)
    head = checkpoint.parse(folder.head() or b"")
    assert Policy(logs=[world.store.log_key]).check(head) > 0
    leaves = []
    for index in range(-(-head.size // tiles.WIDTH)):
        leaves += folder.entries(index, head.size)
    assert merkle.fold([merkle.leaf(one) for one in leaves]) == head.root
    return head, [entry.parse(one) for one in leaves]


def check_proved(world: World, sealed: Package) -> proof.Proof:
    """Check as a site does that the log has a package."""
    found = proof.parse(sealed.proof)
    Policy(logs=[world.store.log_key]).check(found.checkpoint)
    found.check_path()
    said = entry.parse(found.leaf)
    assert said.package == sealed.digest()
    assert said.developer_seal == sha256(sealed.developer_seal)
    assert said.store_seal == sha256(sealed.store_seal)
    return found


def test_each_approval_seal_and_change_is_an_entry(world: World) -> None:
    _, first = world.store.submit(release("1.0"))
    world.store.submit(release("1.1"))
    world.store.withdraw("blink", "1.0", Why("a bug", "Eve"))
    longer = Validity(seals.LONG.not_before, seals.LONG.not_after + 1)
    world.store.renew(longer)
    head, entries = audit(world)
    kinds = ["developer-approved", "release", "release", "release-withdrawn", "reseal"]
    assert [one.kind for one in entries] == kinds
    assert head.size == len(entries)
    assert json.loads(entries[0].detail)["developer"] == "Ada"
    assert (entries[3].service, entries[3].version) == ("blink", "1.0")
    assert json.loads(entries[3].detail) == {"reason": "a bug", "who": "Eve"}
    assert check_proved(world, first).index == 1
    _, renewed = world.store.get("blink", "1.1")
    assert check_proved(world, renewed).index == 4


@pytest.mark.parametrize("damage", [b"", b"\xff" * 9, b"nothing"])
def test_what_endorses_the_log_is_made_again(world: World, damage: bytes) -> None:
    (world.home / ENDORSEMENT).write_bytes(damage)
    world.store.submit(release("1.0"))
    about = json.loads((world.home / "public/v1/store.json").read_bytes())
    key = endorsement.check(about["log_endorsement"], bytes(world.store.certificate.spki))
    assert str(key) == str(world.store.log_key)


def test_a_package_of_the_store_never_changes(world: World) -> None:
    given = world.store.submit(release("1.0"))[1]
    world.store.submit(release("1.1"))
    assert world.store.get("blink", "1.0")[1] == given
    public = world.home / "public"
    path = public / f"v1/packages/{given.digest().hex()}.triseal"
    assert package.read(path) == given
    path.write_bytes(b"damaged")  # it is made again, with a proof of today
    again = world.store.get("blink", "1.0")[1]
    assert (again.digest(), check_proved(world, again).index) == (given.digest(), 1)


def test_the_pages_name_what_the_checkpoint_contains(world: World) -> None:
    sealed = [world.store.submit(release(one))[1] for one in ("1.0", "1.1")]
    world.store.submit(release("3", "lamp"))
    public = world.home / "public/v1"
    index = json.loads((public / "index.json").read_bytes())
    assert [(one["service"], one["version"]) for one in index["services"]] == [
        ("lamp", "3"),
        ("blink", "1.1"),
    ]
    assert checkpoint.parse(index["checkpoint"].encode()) == audit(world)[0]
    page = json.loads((public / "services/blink.json").read_bytes())
    assert [one["package"] for one in page["releases"]] == [one.digest().hex() for one in sealed]
    world.store.withdraw("blink", "1.1", Why("a bug", "Eve"))
    page = json.loads((public / "services/blink.json").read_bytes())
    assert [one["state"] for one in page["releases"]] == ["listed", "withdrawn"]
    about = json.loads((public / "store.json").read_bytes())
    key = endorsement.check(about["log_endorsement"], bytes(world.store.certificate.spki))
    assert str(key) == about["log"] == str(world.store.log_key)


def test_the_key_of_the_log_is_its_owners_alone(world: World) -> None:
    path = world.home / KEY
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with closing(world.open()) as store:
        assert code_of(lambda: store.approve(world.bob.fingerprint)) == "open-permissions"
    path.chmod(0o600)
    files.write(path, b"nothing", 0o600)
    with closing(world.open()) as store:
        assert code_of(lambda: store.approve(world.bob.fingerprint)) == "not-a-key"


def test_what_was_not_published_was_not_promised_and_comes_with_the_next_change(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "publish", lambda _: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(OSError, match="full") as caught:
            world.store.submit(release("1.0"))
        assert "(the change is recorded; the next change" in advice.line(caught.value)
    assert audit(world)[0].size == 1
    _, sealed = world.store.submit(release("1.1"))
    assert [one.version for one in audit(world)[1]] == ["", "1.0", "1.1"]
    check_proved(world, sealed)
    check_proved(world, world.store.get("blink", "1.0")[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes to kill")
def test_a_store_that_is_killed_at_any_write(world: World) -> None:
    """Each child is killed at its next fsync; the next Store does the rest."""
    world.store.submit(release("1.0"))
    world.store.close()
    seen = audit(world)[0]
    for at in range(1, 60, 4):
        version = f"1.{at}"
        given = release(version)
        told = _killed(world, given, at)
        world.store = world.open()
        head, entries = audit(world)
        hashes = merkle.consistency(seen.size, head.size, _tree(world, head).complete)
        merkle.check_consistency(seen.size, head.size, hashes, seen.root, head.root)
        if told:
            assert version in [one.version for one in entries]
            break
        sealed = world.store.submit(given)[1]  # the same again
        seen, entries = audit(world)
        assert [one.version for one in entries].count(version) == 1
        check_proved(world, sealed)
        world.store.close()
    else:
        raise AssertionError("it never came to its end")
    assert at > 12


def _tree(world: World, head: Checkpoint) -> tiles.Tree:
    return Folder(world.home / FOLDER).tree(head.size)


def _killed(world: World, given: Package, at: int) -> bool:
    """Submit in another process, which is killed at one of its fsyncs; tell whether it ended."""
    child = os.fork()
    if not child:
        left = [at]
        real = os.fsync

        def counted(descriptor: int) -> None:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            real(descriptor)

        os.fsync = counted  # type: ignore[assignment]
        try:
            with closing(Store(world.home, world.unlock, clock=lambda: world.now)) as store:
                store.submit(given)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_restored_database_does_not_fork_the_log(world: World) -> None:
    world.store.submit(release("1.0"))
    with closing(sqlite3.connect(world.home / DATABASE)) as live:
        live.execute("VACUUM INTO ?", (str(world.home / "backup"),))
    world.store.submit(release("1.1"))
    world.store.approve(world.bob.fingerprint)
    seen = audit(world)[0]
    world.store.close()
    for left in world.home.glob(DATABASE + "*"):
        left.unlink()
    (world.home / "backup").replace(world.home / DATABASE)
    world.store = world.open()
    assert code_of(lambda: world.store.approve(world.bob.fingerprint)) == "store-behind"
    mark = world.home / "store.mark"
    # Even if that is lost, or knows nothing, nothing else is signed.
    for change, code in (
        (mark.unlink, "store-behind"),
        (lambda: mark.write_text('{"release": 0}'), "log-behind"),
    ):
        world.store.close()
        change()
        world.store = world.open()
        assert code_of(lambda: world.store.approve(world.bob.fingerprint)) == code
    assert audit(world)[0] == seen


def test_an_accepted_restored_database_continues_the_log(world: World) -> None:
    world.store.submit(release("1.0"))
    with closing(sqlite3.connect(world.home / DATABASE)) as live:
        live.execute("VACUUM INTO ?", (str(world.home / "backup"),))
    given = release("1.1")
    world.store.submit(given)
    seen, before = audit(world)
    world.store.close()
    for left in world.home.glob(DATABASE + "*"):
        left.unlink()
    (world.home / "backup").replace(world.home / DATABASE)
    world.store = world.open()
    world.store.accept_restored()
    world.store.submit(given)
    world.store.submit(release("1.2"))
    head, entries = audit(world)
    assert entries[: len(before)] == before
    assert [one.version for one in entries[len(before) :]] == ["1.2"]
    hashes = merkle.consistency(seen.size, head.size, _tree(world, head).complete)
    merkle.check_consistency(seen.size, head.size, hashes, seen.root, head.root)


def test_a_lost_folder_of_the_log_is_written_again(world: World) -> None:
    given = world.store.submit(release("1.0"))[1]
    seen = audit(world)[0]
    shutil.rmtree(world.home / "public")
    world.store.approve(world.bob.fingerprint)
    head, entries = audit(world)
    assert [one.kind for one in entries] == ["developer-approved", "release", "developer-approved"]
    hashes = merkle.consistency(seen.size, head.size, _tree(world, head).complete)
    merkle.check_consistency(seen.size, head.size, hashes, seen.root, head.root)
    assert check_proved(world, world.store.get("blink")[1]).index == 1
    check_proved(world, given)


def test_a_store_from_before_there_were_logs_enters_its_history(world: World) -> None:
    world.store.submit(release("1.0"))
    world.store.close()
    with closing(sqlite3.connect(world.home / DATABASE)) as live, live:
        live.execute("DELETE FROM log")
    for left in ("public", "store.mark", "log.key", "log.endorsement"):
        path = world.home / left
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    world.store = world.open()
    world.store.submit(release("1.1"))
    entries = audit(world)[1]
    assert sorted(one.version for one in entries) == ["", "1.0", "1.1"]
    for version in ("1.0", "1.1"):
        check_proved(world, world.store.get("blink", version)[1])
