"""A developer sees what a Store seals in her name, and proves what she has not signed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealcore.compat import sha256
from tests.host.store.test_mirror import other_history
from tests.host.store.test_sticks import Yard, yard
from tests.host.store.test_store import ADA, BOB, World
from tests.worlds import seals
from tests.worlds.site_world import code_of
from triseal import inspect, request, signer
from triseal.cli.main import main
from triseal.copies import storefiles, watch
from triseal.copies.storeview import View
from triseal.copies.watch import Me, Seen, Watch
from triseal.database import writing
from triseal.developer import home, signed
from triseal.keysource import NewKey
from triseal.log import endorsement, merkle, note, proof, unsigned
from triseal.log.entry import RELEASE, Entry
from triseal.log.errors import UnknownLog
from triseal.log.writer import Folder, Writer
from triseal.package import Package
from triseal.store.changes import Why

__all__ = ["yard"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "store") as made:
        yield made


def enter(world: World, made: Package, **changed: Any) -> Entry:
    """Let a Store that cheats enter a release with its own keys, and offer it."""
    about = Entry(
        RELEASE,
        world.now,
        "blink",
        "6.6",
        bytes(sha256(made.developer_seal)),
        bytes(sha256(made.store_seal)),
        made.digest(),
    )
    said = replace(about, **changed)
    ledger = world.store._ledger
    with writing(world.store._engine) as connection:
        ledger.journal.record(connection, [(said, 0)])
    ledger.publish(world.store.certificate)
    ledger.pages.keep(made)
    return said


def forged(world: World) -> Package:
    """A release that has Ada's name and key, and no signature of hers."""
    good = world.store.submit(seals.package(ADA, version="1.0"))[1]
    seal = good.developer_seal
    return replace(good, developer_seal=seal[:-1] + bytes([seal[-1] ^ 1]), proof="")


def look(world: World, folder: Path, *mine: Package) -> list[Seen]:
    digests = [one.developer_seal for one in mine]
    me = Me("Ada", [ADA.signer.spki], ["blink"], lambda one: one.developer_seal in digests)
    watching = Watch(folder, me, str(world.home))
    view, seen = watching.look(storefiles.Folder(world.home))
    watching.done(view)
    return seen


def whats(seen: list[Seen]) -> list[str]:
    return [one.what for one in seen]


def test_what_she_signed_is_named_once(world: World, tmp_path: Path) -> None:
    first, second = (seals.package(ADA, version=one) for one in ("1.0", "1.1"))
    world.store.submit(first)
    assert whats(look(world, tmp_path / "w", first)) == [watch.FINE]
    assert look(world, tmp_path / "w", first) == []
    world.store.submit(second)
    (seen,) = look(world, tmp_path / "w", first)
    assert (seen.what, seen.version, seen.alarming) == (watch.ELSEWHERE, "1.1", True)


def test_what_no_developer_signed_is_proved(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = forged(world)
    enter(world, bad)
    *_, seen = look(world, tmp_path / "w")
    assert (seen.what, seen.service, seen.version) == (watch.UNSIGNED, "blink", "6.6")
    assert seen.evidence
    made = unsigned.parse(seen.evidence.read_bytes())
    made.check([world.store.log_key])
    assert code_of(lambda: made.check([])) == "unknown-log"
    assert inspect.read(seen.evidence)["kind"] == "evidence against a Store"
    certificate = str(tmp_path / "store.pem")
    assert main(["store", "show", "--home", str(world.home), "--cert-out", certificate]) == 0
    words = ["evidence", "check", str(seen.evidence)]
    capsys.readouterr()
    assert main([*words, "--store-cert", certificate, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "unsigned"
    assert main(words) == 1


def test_no_honest_store_is_accused(world: World, tmp_path: Path) -> None:
    good = world.store.submit(seals.package(ADA, version="1.0"))[1]
    bad = replace(good, developer_seal=good.developer_seal[:-1] + b"x")
    own = proof.parse(good.proof)
    key = world.store.log_key
    view = View(storefiles.Folder(world.home))
    approval = next(view.entries())
    hashes = tuple(merkle.inclusion(0, view.head.size, view.tree.complete))
    other = proof.Proof(approval.leaf, 0, hashes, view.head)
    claims = (
        ("what she signed", unsigned.Unsigned(key, own, good.developer_seal), "no-contradiction"),
        ("another seal", unsigned.Unsigned(key, own, bad.developer_seal), "no-contradiction"),
        ("an approval", unsigned.Unsigned(key, other, bad.developer_seal), "no-contradiction"),
        ("another place", unsigned.Unsigned(key, replace(own, index=0), bad.developer_seal),
         "not-in-log"),
    )  # fmt: skip
    for sentence, claim, code in claims:
        again = unsigned.parse(claim.der())
        assert again == claim
        assert code_of(partial(again.check, [key])) == code, sentence
    data = claims[0][1].der()
    for at in range(0, len(data), 9):
        assert code_of(partial(unsigned.parse, data[:at])) in ("malformed-der", "bad-log-data")


def test_another_key_with_her_name(world: World, tmp_path: Path) -> None:
    thief = seals.developer("Ada", signer.generate("p256"))
    good = world.store.submit(seals.package(ADA, version="1.0"))[1]
    enter(world, replace(seals.package(thief, version="6.6"), store_seal=good.store_seal))
    assert whats(look(world, tmp_path / "w"))[1:] == [watch.STRANGER]
    # A Store that approves one with its name for another key says so itself.
    spki = request.fingerprint(thief.signer.spki)
    detail = json.dumps({"developer": "Ada", "key": spki})
    with writing(world.store._engine) as connection:
        said = Entry("developer-approved", world.now, detail=detail)
        world.store._ledger.journal.record(connection, [(said, 0)])
    world.store.publish()
    assert whats(look(world, tmp_path / "w")) == [watch.APPROVED]


def test_what_is_of_others_or_held_back_is_no_alarm(world: World, tmp_path: Path) -> None:
    world.store.approve(world.bob.fingerprint)
    world.store.submit(seals.package(BOB, "pump"))
    own = world.store.submit(seals.package(ADA, version="1.0"))[1]
    assert whats(look(world, tmp_path / "w", own)) == [watch.FINE]
    held = world.store.submit(seals.package(ADA, version="1.1"))[1]
    world.store.quarantine("blink", "1.1", Why("we look"))
    assert look(world, tmp_path / "w") == []
    world.store.clear("blink", "1.1", Why("fine"))
    gone = world.store.submit(seals.package(ADA, version="1.2"))[1]
    (world.home / "public" / storefiles.package_path(gone.digest())).unlink()
    assert whats(look(world, tmp_path / "w", held)) == [watch.HIDDEN]


def test_another_history_is_proved_and_an_older_one_accuses_nobody(
    yard: Yard, tmp_path: Path
) -> None:
    yard.sealed("1.0")
    other = other_history(yard, tmp_path / "other", "1.2", "1.3")
    yard.sealed("1.1")
    me = Me("Ada", [ADA.signer.spki], ["blink"], lambda _: True)
    watching = Watch(tmp_path / "w", me, "here")
    view, _ = watching.look(storefiles.Folder(yard.store.home))
    watching.done(view)
    assert code_of(lambda: watching.look(storefiles.Folder(other))) == "log-forked"
    assert len(list((tmp_path / "w").glob("*.evidence"))) == 1


def test_another_log_is_not_looked_at_in_silence(yard: Yard, tmp_path: Path) -> None:
    me = Me("Ada", [ADA.signer.spki], ["blink"], lambda _: True)
    first, second = tmp_path / "first", tmp_path / "second"
    for place in (first, second):
        shutil.copytree(yard.store.home / "public", place / "public")
    watching = Watch(tmp_path / "w", me, str(first))
    watching.done(watching.look(storefiles.Folder(first))[0])
    # The Store's key names a new log, here and in a mirror.
    stranger = note.Signer("triseal-store/b", note.LOG, Ed25519PrivateKey.generate())
    about = json.loads((first / "public" / storefiles.STORE).read_bytes())
    about["log_endorsement"] = endorsement.make(yard.store.store.signer(), stranger.key)
    log = Folder(tmp_path / "log")
    (tmp_path / "log").mkdir()
    Writer(log, stranger, lambda: seals.NOW).extend(lambda at: [b"z"][at:])
    for place in (first, second):
        (place / "public" / storefiles.STORE).write_text(json.dumps(about))
        shutil.rmtree(place / "public/log")
        shutil.copytree(tmp_path / "log", place / "public/log")
        again = Watch(tmp_path / "w", me, str(place))
        with pytest.raises(UnknownLog, match=r"delete .*/w/[0-9a-f]{64}\.log if"):
            again.look(storefiles.Folder(place))
    with World(tmp_path / "other") as other:  # another Store at the same place
        other.store.publish()
        source = storefiles.Folder(other.home)
        assert code_of(lambda: watching.look(source)) == "unknown-log"
        at_its_own = Watch(tmp_path / "w", me, str(other.home))
        at_its_own.done(at_its_own.look(source)[0])


def test_by_command(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dev = tmp_path / "dev"
    home.init(dev, "Dora", NewKey("p256"))
    key = home.unlock(dev, bytes)
    known = world.store.register(home.request_pem(dev))
    world.store.approve(known.fingerprint)
    made = seals.package(key, "pump")
    signed.remember(dev, made)
    world.store.submit(made)

    def run(status: int) -> Any:
        words = ["dev", "watch", str(world.home), "--once", "--home", str(dev), "--json"]
        assert main(words) == status, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    (row,) = run(0)
    assert (row["service"], row["what"], row["alarm"]) == ("pump", watch.FINE, False)
    assert run(0) == []
    world.store.submit(seals.package(key, "pump", version="2.0"))
    (row,) = run(1)
    assert (row["version"], row["alarm"]) == ("2.0", True)
    world.store.submit(seals.package(key, "pump", version="3.0"))
    assert main(["dev", "watch", str(world.home), "--home", str(dev)]) == 1
    assert watch.ELSEWHERE in capsys.readouterr().out
