"""Sites cosign that a Store's log only grows; the Store publishes it, and policies want it."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.host.store.test_mirror import other_history
from tests.host.store.test_server import Service, release, service
from tests.host.store.test_sticks import Yard, yard
from tests.host.store.test_store import ADA
from tests.worlds import seals
from tests.worlds.site_world import code_of
from triseal import certificate, pem, signer
from triseal.certificate import Validity
from triseal.cli.main import main
from triseal.copies import storefiles
from triseal.copies.storeview import View
from triseal.log import audit, checkpoint, endorsement, forks, note
from triseal.log.errors import BadLogData
from triseal.log.policy import Policy
from triseal.log.writer import Folder, Writer
from triseal.signer import KeySigner
from triseal.site import following, obtaining
from triseal.site.following import Follow
from triseal.site.witness import Witness
from triseal.store.witnesses import MOST, Witnesses

__all__ = ["service", "yard"]


def view(yard: Yard) -> View:
    return View(storefiles.Folder(yard.store.home))


def witness(folder: Path) -> Witness:
    folder.mkdir(exist_ok=True)
    return Witness(folder, lambda: seals.NOW)


def test_a_policy_wants_two_witnesses(yard: Yard, tmp_path: Path) -> None:
    some = [witness(tmp_path / name) for name in "abc"]
    lines = [f"witness {n} {one.signer.key}" for n, one in zip("abc", some, strict=True)]
    key = yard.store.store.log_key
    wanted = "\n".join((f"log {key}", *lines, "group g 2 a b c", "quorum g", ""))
    yard.site.logs.replace_policy(yard.spki, wanted.encode())
    known = Witnesses(yard.store.home)
    for one in some:
        known.add(str(one.signer.key))
    own = yard.sealed("1.0")
    trusted = yard.site.bundle().store_keys
    home = storefiles.Folder(yard.store.home)

    def take() -> str:
        return code_of(
            lambda: yard.site.take_in(obtaining.take(yard.site.logs, home, "blink", trusted))
        )

    assert take() == "not-in-store"  # no witness has seen anything
    yard.store.store.cosign(some[0].cosign(view(yard)))
    assert take() == "unknown-log"
    yard.store.store.cosign(some[1].cosign(view(yard)))
    assert take() == ""
    yard.sealed("1.1")  # which the witnesses have not seen: the site still has what they saw
    assert code_of(lambda: obtaining.take(yard.site.logs, home, "blink@1.1", trusted)) == (
        "log-stale"
    )
    assert obtaining.take(yard.site.logs, home, "blink@1.0", trusted).digest() == own.digest()
    follow = Follow("blink", str(yard.store.home))
    assert code_of(partial(following.check, yard.site, follow)) == "log-stale"
    for one in some[1:]:
        yard.store.store.cosign(one.cosign(view(yard)))
    assert take() == ""
    yard.now = yard.store.now = seals.NOW + 30 * 86400
    yard.store.store.refresh()  # the Store's own word does not count where witnesses do
    assert take() == "log-stale"


def test_a_witness_cosigns_no_second_history(yard: Yard, tmp_path: Path) -> None:
    yard.sealed("1.0")
    mine = witness(tmp_path / "w")
    other = other_history(yard, tmp_path / "other", "1.2", "1.3")
    old = tmp_path / "old"
    shutil.copytree(yard.store.home, old)
    yard.sealed("1.1")
    data = mine.cosign(view(yard))
    assert checkpoint.parse(data).note.check([mine.signer.key]) == {mine.signer.key: seals.NOW}
    assert code_of(lambda: mine.cosign(View(storefiles.Folder(other)))) == "log-forked"
    (proof,) = (tmp_path / "w").glob("logs/*.evidence")
    forks.parse(proof.read_bytes()).check([yard.store.store.log_key])
    assert code_of(lambda: mine.cosign(View(storefiles.Folder(old)))) == "log-stale"
    assert mine.cosign(view(yard))  # the honest Store goes on


class Shown:
    """The files of a Store that names what log it likes."""

    def __init__(self, top: Path, store: KeySigner, log: note.Key) -> None:
        self._files = storefiles.Folder(top)
        made = certificate.self_signed_ca(store, "X", Validity(seals.NOW, seals.NOW + 9999))
        page = {"certificate": pem.encode("CERTIFICATE", made).decode()}
        self._page = json.dumps(page | {"log_endorsement": endorsement.make(store, log)}).encode()

    def read(self, path: str, limit: int) -> bytes:
        return self._page if path == storefiles.STORE else self._files.read(path, limit)

    def cosign(self, data: bytes) -> list[str]:
        return [one.name for one in checkpoint.parse(data).note.signatures]


def log_of(folder: Path, key: note.Signer) -> Path:
    """Files of a Store with another log."""
    (folder / "public/log").mkdir(parents=True)
    Writer(Folder(folder / "public/log"), key, lambda: seals.NOW).extend(lambda at: [b"z"][at:])
    return folder


def test_no_detour_lets_a_witness_sign_a_second_history(yard: Yard, tmp_path: Path) -> None:
    yard.sealed("1.0")
    other = other_history(yard, tmp_path / "other", "1.2", "1.3")
    yard.sealed("1.1")
    mine, key = witness(tmp_path / "w"), yard.store.store.log_key
    private = Ed25519PrivateKey.generate()
    stranger, renamed = (note.Signer(f"triseal-store/{n}", note.LOG, private) for n in "bc")
    another = log_of(tmp_path / "b", stranger)
    first, second = (KeySigner(signer.generate("p256")) for _ in range(2))

    def cosign(top: Path, store: KeySigner, log: note.Key) -> str:
        return code_of(lambda: mine.cosign(View(Shown(top, store, log))))

    assert cosign(yard.store.home, first, key) == ""
    assert cosign(other, second, key) == "log-forked"  # the same log, at another Store
    assert cosign(another, first, stranger.key) == ""  # another log, and then the first one
    assert cosign(other, first, key) == "log-forked"
    assert cosign(log_of(tmp_path / "c", renamed), first, renamed.key) == "unknown-log"
    assert cosign(yard.store.home, second, key) == ""  # the honest history goes on


@pytest.mark.parametrize("way", [obtaining.send, obtaining._cosigned])
def test_a_site_cosigns_only_the_logs_that_it_trusts(yard: Yard, tmp_path: Path, way: Any) -> None:
    yard.sealed("1.0")
    mine, logs = witness(tmp_path / "w"), yard.site.logs
    stranger = note.Signer("triseal-store/b", note.LOG, Ed25519PrivateKey.generate())
    store, other = (KeySigner(signer.generate("p256")) for _ in range(2))

    def code(top: Path, by: KeySigner, log: note.Key) -> str:
        shown = Shown(top, by, log)
        return code_of(lambda: way(logs, shown, [(b"", store.spki)], mine))

    own = yard.store.store.log_key
    assert code(yard.store.home, other, own) == "untrusted-signer"
    assert code(yard.store.home, store, own) == "unknown-log"  # trusted without its log
    logs.pin(store.spki, own)
    assert code(log_of(tmp_path / "b", stranger), store, stranger.key) == "unknown-log"
    assert not list((tmp_path / "w").glob("logs/*.cosigned"))
    assert code(yard.store.home, store, own) == ""


def test_no_other_certificate_lets_a_package_pass_without_its_log(yard: Yard) -> None:
    yard.sealed("1.0")
    logs, own = yard.site.logs, yard.store.store.log_key
    other = KeySigner(signer.generate("p256"))
    unlogged = (b"", other.spki)
    trusted = [*yard.site.bundle().store_keys, unlogged]
    shown = Shown(yard.store.home, other, own)

    def take(source: Any, known: Any) -> str:
        return code_of(lambda: obtaining.take(logs, source, "blink", known))

    assert take(storefiles.Folder(yard.store.home), trusted) == ""
    assert take(shown, trusted) == "unknown-log"
    assert take(shown, [unlogged]) == ""  # a Store that is not trusted: the site refuses it later
    first, second = (shown.read(storefiles.STORE, 1 << 20) for _ in range(2))
    assert first == second

    class Changing:
        """Another certificate each time."""

        def __init__(self) -> None:
            honest = storefiles.Folder(yard.store.home)
            self._pages = [honest.read(storefiles.STORE, 1 << 20), first]

        def read(self, path: str, limit: int) -> bytes:
            return self._pages.pop(0) if path == storefiles.STORE else shown.read(path, limit)

    assert take(Changing(), trusted) == "untrusted-signer"


def test_a_log_that_claims_too_many_entries_is_not_read(tmp_path: Path) -> None:
    signed = note.Signer("triseal-store/b", note.LOG, Ed25519PrivateKey.generate())
    store = KeySigner(signer.generate("p256"))
    top = log_of(tmp_path / "b", signed) / "public/log"

    def unread(path: str) -> bytes:
        raise AssertionError(path)

    for size in (checkpoint.MOST_ENTRIES + 1, 1 << 40):
        head = checkpoint.sign(signed, size, bytes(32)).note.data()
        (top / "checkpoint").write_bytes(head)
        shutil.rmtree(top / "tile", ignore_errors=True)
        shown = Shown(tmp_path / "b", store, signed.key)
        for read in (
            lambda: View(shown),  # noqa: B023
            lambda: audit.audit(head, unread, Policy(logs=[signed.key])),  # noqa: B023
        ):
            with pytest.raises(BadLogData, match="at most 16777216"):
                read()


def sign(by: note.Signer, made: checkpoint.Checkpoint, time: int = seals.NOW) -> bytes:
    mine = by.sign(made.note.text, time)
    return checkpoint.with_signatures(made, [mine]).note.data()


def test_what_the_store_does_not_publish(yard: Yard, tmp_path: Path) -> None:
    yard.sealed("1.0")
    mine, stranger = witness(tmp_path / "w").signer, witness(tmp_path / "s").signer
    Witnesses(yard.store.home).add(str(mine.key))
    old = view(yard).head
    yard.sealed("1.1")
    now = view(yard).head
    bare = replace(now, note=replace(now.note, signatures=(mine.sign(now.note.text, seals.NOW),)))
    false = mine.sign(old.note.text, seals.NOW)
    cases: tuple[tuple[str, bytes, str], ...] = (
        ("noise", b"noise", "bad-log-data"),
        ("none", now.note.data(), "unknown-witness"),
        ("a stranger", sign(stranger, now), "unknown-witness"),
        ("an older tree", sign(mine, old), "log-stale"),
        ("no log", bare.note.data(), "unknown-log"),
        ("a false signature", checkpoint.with_signatures(now, [false]).note.data(),
         "unknown-log"),
        ("an hour ahead", sign(mine, now, seals.NOW + 3600), "unknown-log"),
        ("an hour ago", sign(mine, now, seals.NOW - 3600), "unknown-log"),
    )  # fmt: skip
    before = (yard.store.home / "public/log/checkpoint").read_bytes()
    for sentence, data, code in cases:
        assert code_of(partial(yard.store.store.cosign, data)) == code, sentence
    assert (yard.store.home / "public/log/checkpoint").read_bytes() == before
    good = sign(mine, now)
    stranger_too = sign(stranger, checkpoint.parse(good))
    assert yard.store.store.cosign(stranger_too) == [mine.key.name]
    kept = view(yard).head.note
    assert kept.check([mine.key, stranger.key]) == {mine.key: seals.NOW}  # strangers are left out
    yard.store.now += 86400
    yard.store.store.refresh()  # the time is said anew, and the cosignatures stay
    assert view(yard).head.note.check([mine.key]) == {mine.key: seals.NOW}
    assert view(yard).time == yard.store.now


def test_there_is_room_for_some(yard: Yard, tmp_path: Path) -> None:
    known = Witnesses(yard.store.home)
    key = witness(tmp_path / "w").signer.key
    known.add(str(key))
    assert code_of(lambda: known.add(str(key))) == "already-exists"
    assert code_of(lambda: known.add(str(yard.store.store.log_key))) == "bad-log-data"
    for number in range(1, MOST):
        known.add(str(replace(key, name=f"w{number}")))
    assert code_of(lambda: known.add(str(replace(key, name="more")))) == "already-exists"
    known.remove(key.name)
    assert code_of(partial(known.remove, key.name)) == "unknown-witness"
    assert len(known.keys()) == MOST - 1


def test_by_command_over_https(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> Any:
        assert main([*words, "--json"]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    store, home = ["--home", str(service.world.home)], ["--home", str(tmp_path / "site")]
    run("site", "init", "house", "--algorithm", "p256", "--no-passphrase", *home)
    service.world.now = int(time.time())
    service.world.store.submit(release("1.0", "seen"))
    run("site", "trust-store", service.url, *home)
    mine = run("site", "witness", *home)
    assert main(["site", "witness", service.url, *home]) == 1
    assert "unknown-witness" in capsys.readouterr().err
    run("store", "add-witness", mine["key"], *store)
    assert run("site", "witness", service.url, *home)["witnesses"] == [mine["name"]]
    assert run("store", "witnesses", *store) == [mine]
    key = note.parse_key(mine["key"], note.WITNESS)
    for path in ("log/checkpoint", "log/witnessed"):
        found = checkpoint.parse(service.client.get(f"{service.base}/{path}").content)
        assert found.note.check([key])
    run("site", "trust-developer", _ada(tmp_path), *home)
    followed = run("site", "follow", service.url, "seen", *home)
    assert (followed["version"], followed["witness"]) == ("1.0", "cosigned")
    run("store", "remove-witness", mine["name"], *store)
    run("site", "follow", "--check", *home)
    (row,) = run("site", "follow", *home)
    assert (row["witness"], row["trouble"]) == ("unknown-witness", None)


def _ada(folder: Path) -> str:
    from triseal import request

    path = folder / "ada.pem"
    path.write_bytes(request.make(ADA.signer, "Ada"))
    return str(path)
