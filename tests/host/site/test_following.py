"""A site takes new releases by itself: only those that the Store's log and page agree about."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.host.store.test_mirror import other_history, served
from tests.host.store.test_sticks import Yard, yard
from tests.host.store.test_store import ADA
from tests.worlds import seals
from tests.worlds.site_world import code_of, make_request
from tests.worlds.waiting import looks
from triseal import pem, signer
from triseal.choices import SOAK
from triseal.cli.main import main
from triseal.copies import history, storefiles
from triseal.copies.histories import Histories
from triseal.copies.history import History
from triseal.copies.mirror import Mirror
from triseal.copies.storeview import Found
from triseal.errors import Failure
from triseal.log.entry import Entry
from triseal.site import following
from triseal.site.following import Follow, Follows
from triseal.site.logs import MAX_AGE
from triseal.site.records import ledger, services
from triseal.site.server import follower
from triseal.site.server.duties import Duty
from triseal.store.changes import Why

__all__ = ["yard"]
NODES = ("attic", "hall", "kitchen", "loft")


def version(yard: Yard) -> str:
    with yard.site.reading() as connection:
        return str(services.get(connection, "blink").service_version)


def follow(yard: Yard, auto: str = "hold", store: Path | None = None) -> Follows:
    follows = Follows(yard.folder)
    following.begin(yard.site, follows, Follow("blink", str(store or yard.store.home), auto))
    return follows


def step(yard: Yard, follows: Follows) -> Follow:
    """What the server does when a Store is due."""
    yard.now += follower.EVERY
    yard.store.now = yard.now
    (known,) = follower.step(yard.site, follows)
    return known


def nodes(yard: Yard) -> None:
    for name in NODES:
        yard.site.add_node(name)
        yard.site.enrol(name, make_request(signer.generate("p256"), name))
        yard.site.assign(name, "blink")


def told(yard: Yard, state: str = "running", *some: str) -> dict[str, str]:
    """Let nodes take what they get and say how it is; the versions."""
    found = {}
    for name in some or NODES:
        made = yard.site.deployment(name, "blink")
        serial = ledger.serial_bytes(made.seal.serial)
        yard.site.heard(name, {"blink": (serial, state)}, 1)
        found[name] = str(made.package.opened() and _version(made))
    return found


def _version(made: Any) -> str:
    from sealcore import seal

    return str(seal.parse(made.package.store_seal, seal.STORE).service_version)


def test_new_releases_are_taken_and_held(yard: Yard) -> None:
    yard.sealed("1.0")
    follows = follow(yard)
    assert version(yard) == "1.0"
    nodes(yard)
    told(yard)
    yard.sealed("1.1")
    yard.sealed("1.2")
    assert step(yard, follows).state == "1.2 taken"
    assert version(yard) == "1.2"
    assert set(told(yard).values()) == {"1.0"}
    assert step(yard, follows).trouble == ""
    assert follows.get("blink").history.size == 4  # each entry is read once
    follows.drop("blink")
    assert code_of(partial(follows.drop, "blink")) == "unknown-service"
    assert follower.step(yard.site, follows) == []


def test_an_older_or_withdrawn_release_is_not_new(yard: Yard) -> None:
    yard.sealed("1.0")
    follows = follow(yard)
    yard.sealed("1.1")
    yard.store.store.withdraw("blink", "1.1", Why("a bug"))
    assert step(yard, follows).version == "1.0"
    nodes(yard)
    assert following.concerns(yard.site, follows) == []
    yard.sealed("1.2")
    step(yard, follows)
    yard.site.rollout("blink")
    yard.store.store.withdraw("blink", "1.2", Why("it floods"))
    step(yard, follows)
    (line,) = following.concerns(yard.site, follows)
    assert line.startswith("blink 1.2 on attic, hall, kitchen, loft: withdrawn at ")
    assert line.endswith(": it floods")


def rows(change: Callable[[list[dict[str, Any]]], object]) -> Callable[[Path], None]:
    """A page with other rows."""

    def again(top: Path) -> None:
        path = top / "v1/services/blink.json"
        page = json.loads(path.read_bytes())
        change(page["releases"])
        path.write_text(json.dumps(page))

    return again


def no_entries(top: Path) -> None:
    for path in (top / "log/tile/entries").rglob("*.p/*"):
        path.write_bytes(b"")


CHEATS: tuple[tuple[str, Callable[[Path], object], str], ...] = (
    ("it hides the newest release", rows(list.pop), "page-differs"),
    ("it un-yanks a release", rows(lambda r: r[0].update(state="listed")), "page-differs"),
    ("it yanks one without an entry", rows(lambda r: r[1].update(state="withdrawn")),
     "page-differs"),
    ("it lists one that the log lacks", rows(lambda r: r.append({"version": "9"})), "page-differs"),
    ("it shows one package for another", rows(lambda r: r[1].update(package=r[0]["package"])),
     "page-differs"),
    ("it lists a withdrawn one as well", rows(lambda r: r.insert(0, r[0] | {"state": "listed"})),
     "page-differs"),
    ("it says much", rows(lambda r: r[0].update(state="x" * 100_000)), "page-differs"),
    ("it lists much", rows(lambda r: r.append({"version": "9" * 100_000})), "page-differs"),
    ("it drops its entries", no_entries, "bad-log-data"),
    ("it has no page", lambda top: (top / "v1/services/blink.json").unlink(), "not-in-store"),
    ("a page of noise", lambda top: (top / "v1/services/blink.json").write_text("["), "bad-answer"),
)  # fmt: skip


def test_a_store_whose_page_is_not_its_log_is_not_followed(yard: Yard, tmp_path: Path) -> None:
    yard.sealed("1.0")
    yard.store.store.withdraw("blink", "1.0", Why("a bug"))
    yard.sealed("1.1")
    public = yard.store.home / "public"
    for sentence, cheat, code in CHEATS:
        top = tmp_path / "cheat"
        shutil.copytree(public, top)
        cheat(top)
        with pytest.raises(Failure) as refused:
            follow(yard, store=top)
        assert (refused.value.code, len(str(refused.value)) < 1000) == (code, True), sentence
        assert Follows(yard.folder).names() == [], sentence
        shutil.rmtree(top)
    assert code_of(lambda: version(yard)) == "unknown-service"


def test_trouble_is_named_and_goes_by_itself(yard: Yard, tmp_path: Path) -> None:
    yard.sealed("1.0")
    top = tmp_path / "mirror"
    source = storefiles.Folder(yard.store.home)
    Mirror(top, source, lambda *_: None).update()
    follows = follow(yard, store=top)
    yard.now += MAX_AGE
    assert step(yard, follows).trouble.startswith("log-stale: ")
    assert step(yard, follows).trouble.startswith("log-stale: ")
    yard.sealed("1.1")
    Mirror(top, source, lambda *_: None).update()
    known = step(yard, follows)
    assert (known.trouble, known.version) == ("", "1.1")
    other = other_history(yard, tmp_path / "other", "1.2", "1.3")
    yard.sealed("1.4")
    step(yard, follows)
    Mirror(top, source, lambda *_: None).update()
    step(yard, follows)
    shutil.rmtree(top)
    shutil.copytree(other / "public", top)
    assert step(yard, follows).trouble.startswith("log-forked: ")
    assert list(yard.folder.glob("logs/*.evidence"))


def test_no_answer_of_a_store_ends_the_server(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    yard.sealed("1.0")
    follows = follow(yard)
    public = yard.store.home / "public"
    page = json.loads((public / storefiles.STORE).read_bytes())
    p256 = bytes.fromhex("06082a8648ce3d030107")
    der = pem.expect(page["certificate"].encode(), pem.CERTIFICATE)
    strange = pem.encode(pem.CERTIFICATE, der.replace(p256, p256[:-1] + b"\x7f")).decode()
    answers: tuple[Any, ...] = (strange, None, 5, [], "\ud800")
    for said in answers:
        (public / storefiles.STORE).write_text(json.dumps(page | {"certificate": said}))
        assert step(yard, follows).trouble.startswith("bad-answer: "), said
    (public / storefiles.STORE).write_text(json.dumps(page))
    assert step(yard, follows).trouble == ""

    def broken(error: Exception) -> None:
        def check(*_: object) -> None:
            raise error

        monkeypatch.setattr(following, "check", check)

    broken(ZeroDivisionError("by\nzero"))  # a defect that no test has found yet
    caplog.clear()
    for _ in range(3):
        assert step(yard, follows).trouble == r"defect: ZeroDivisionError: by\nzero"
    (line,) = caplog.records
    assert line.exc_info is not None
    assert line.exc_info[0] is ZeroDivisionError
    broken(KeyError("x" * 10_000_000))  # what is kept stays small
    assert len(step(yard, follows).trouble) == 1000
    assert follows.get("blink").trouble.startswith("defect: KeyError: 'xxx")
    broken(MemoryError())  # no fault of the Store
    with pytest.raises(MemoryError):
        step(yard, follows)


def test_a_slow_store_keeps_others_waiting_for_a_bounded_time(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.sealed("1.0")
    follows = Follows(yard.folder)
    with served(yard.store.home / "public") as url:
        begin = partial(following.begin, yard.site, follows, Follow("blink", url))
        monkeypatch.setattr(following, "LONGEST", 0.0)
        assert code_of(begin) == "store-unreachable"
        monkeypatch.undo()
        assert begin().version == "1.0"


def test_slow_stores_are_asked_in_turn(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    yard.sealed("1.0")
    yard.store.store.submit(seals.package(ADA, "other"))
    follows = follow(yard)
    following.begin(yard.site, follows, Follow("other", str(yard.store.home)))
    monkeypatch.setattr(following, "LONGEST", -1.0)  # each of them takes longer
    asked: list[str] = []
    monkeypatch.setattr(following, "check", lambda site, one, stop: asked.append(one.service))
    for service in ("blink", "other", "blink"):
        yard.now += follower.EVERY
        known = follows.get(service)
        follower.step(yard.site, follows)
        assert asked == [service]
        asked.clear()
        known.checked = yard.now  # as `check` does it
        follows.put(known)
    assert [one.service for one in follower.step(yard.site, follows, at_once=True)] == [
        "blink", "other",
    ]  # fmt: skip
    assert sorted(asked) == ["blink", "other"]


def test_a_release_is_rolled_out_in_waves(yard: Yard) -> None:
    yard.sealed("1.0")
    follows = follow(yard, "rollout")
    nodes(yard)
    told(yard)
    yard.sealed("1.1")
    seen = []
    for _ in range(12):
        step(yard, follows)
        seen.append(sum(one == "1.1" for one in told(yard).values()))
        yard.now += int(SOAK)
    assert sorted(seen) == seen
    assert set(seen) == {1, 2, 4}
    assert follows.get("blink").state == "1.1 on all nodes"
    assert follows.get("blink").wave is None


@pytest.mark.parametrize("state", ["failed", "refused", "quarantined"])
def test_a_release_that_fails_goes_back(yard: Yard, state: str) -> None:
    yard.sealed("1.0")
    follows = follow(yard, "rollout")
    nodes(yard)
    told(yard)
    yard.sealed("1.1")
    step(yard, follows)
    assert told(yard)["attic"] == "1.1"
    told(yard, state, "attic")
    known = step(yard, follows)
    assert known.state.startswith(f"1.1 taken back: attic: {state}")
    assert set(told(yard).values()) == {"1.0"}
    step(yard, follows)
    assert set(told(yard).values()) == {"1.0"}  # it is not tried again
    yard.sealed("1.2")
    step(yard, follows)
    assert told(yard)["attic"] == "1.2"


def test_a_release_that_is_withdrawn_meanwhile_goes_back(yard: Yard) -> None:
    yard.sealed("1.0")
    follows = follow(yard, "rollout")
    nodes(yard)
    told(yard)
    yard.sealed("1.1")
    step(yard, follows)
    assert told(yard)["attic"] == "1.1"
    yard.store.store.withdraw("blink", "1.1", Why("a bug"))
    assert step(yard, follows).state == "1.1 taken back: withdrawn by the Store: a bug"
    assert set(told(yard).values()) == {"1.0"}


def test_without_nodes_it_is_the_version_of_later_ones(yard: Yard) -> None:
    yard.sealed("1.0")
    follows = follow(yard, "rollout")
    yard.sealed("1.1")
    assert step(yard, follows).state == "1.1 on all nodes"
    nodes(yard)
    assert set(told(yard).values()) == {"1.1"}


def test_a_server_follows_until_it_ends(yard: Yard) -> None:
    yard.sealed("1.0")
    follows = follow(yard)
    yard.sealed("1.1")
    yard.now += follower.EVERY

    def until_taken() -> None:
        for _ in looks(60):
            if follows.get("blink").version == "1.1":
                return

    async def serve() -> None:
        task = asyncio.create_task(follower.keep(yard.site, Duty("following"), 0.01))
        await asyncio.to_thread(until_taken)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(serve())
    assert version(yard) == "1.1"


def test_a_server_that_ends_waits_for_no_store(yard: Yard) -> None:
    yard.sealed("1.0")
    follows = follow(yard)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        known = follows.get("blink")
        known.store = f"https://127.0.0.1:{silent.getsockname()[1]}"
        follows.put(known)
        yard.now += follower.EVERY

        def asked() -> socket.socket:
            connection = silent.accept()[0]
            assert connection.recv(1)
            return connection

        async def serve() -> None:
            task = asyncio.create_task(follower.keep(yard.site, Duty("following"), 0.01))
            with await asyncio.to_thread(asked):
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                # Threads are waited for at the end of the loop.
                await asyncio.get_running_loop().shutdown_default_executor()

        asyncio.run(asyncio.wait_for(serve(), 60))
    assert follows.get("blink") == known  # it is asked again at the next start


def test_what_a_log_says_of_one_service() -> None:
    told = [
        Entry("release", 1, "blink", "1.0", package=b"a" * 32),
        Entry("release", 1, "other", "1.0", package=b"b" * 32),
        Entry("release-quarantined", 2, "blink", "1.0", detail='{"reason": "x"}'),
        Entry("service-quarantined", 2, "blink", detail="noise"),
        Entry("release-cleared", 3, "blink", "1.0"),
        Entry("release-withdrawn", 3, "blink", "1.0", detail='{"reason": "y"}'),
        Entry("service-cleared", 4, "blink"),
    ]
    made = History()
    states = []
    for at, one in enumerate(told):
        made.add([Found(at, one, one.der())], "blink")
        states.append((made.state("1.0"), made.why("1.0")))
    held, gone = history.QUARANTINED, history.WITHDRAWN
    listed = [("listed", "")] * 2
    assert states == [*listed, (held, "x"), (held, ""), (held, ""), (held, ""), (gone, "y")]
    assert (made.size, list(made.packages)) == (7, ["1.0"])


def test_what_is_kept_of_a_service_is_bounded(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.sealed("1.0")
    follows = follow(yard)
    monkeypatch.setattr(history, "MOST_KEPT", 2)
    for number in (1, 2):
        yard.sealed(f"1.{number}")
    assert step(yard, follows).trouble.startswith("bad-log-data: ")
    assert len(follows.get("blink").history.packages) == 2
    view = Mirror(tmp_path, storefiles.Folder(yard.store.home), lambda *_: None).update().view
    with Histories() as told:
        for found in view.entries():
            told.add(found)
        assert [len(one.packages) for _, one in told.services()] == [3]  # a mirror has all
    before = follows.get("blink")
    large = follows.get("blink")
    large.state = "x" * (1 << 22)
    assert code_of(partial(follows.put, large)) == "bad-follow"
    assert follows.get("blink") == before


def test_a_file_that_cannot_be_read_keeps_no_other_service_from_being_followed(yard: Yard) -> None:
    yard.sealed("1.0")
    follows = follow(yard)
    damaged = yard.folder / following.FOLDER / "a.json"
    damaged.write_text("{")
    yard.sealed("1.1")
    yard.now += follower.EVERY
    yard.store.now = yard.now
    assert code_of(partial(follower.step, yard.site, follows)) == "bad-follow"
    assert follows.get("blink").version == "1.1"
    assert version(yard) == "1.1"


def test_by_command(yard: Yard, capsys: pytest.CaptureFixture[str]) -> None:
    import time

    yard.store.now = int(time.time())
    yard.store.store.submit(seals.package(ADA, version="1.0"))

    def run(*words: str) -> Any:
        assert main([*words, "--home", str(yard.folder), "--json"]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    assert run("site", "follow") == []
    assert run("site", "follow", str(yard.store.home), "blink")["version"] == "1.0"
    yard.store.store.submit(seals.package(ADA, version="1.1"))
    (row,) = run("site", "follow", "--check")
    assert (row["version"], row["state"], row["trouble"]) == ("1.1", "1.1 taken", None)
    assert run("site", "status")["seen_at_stores"] == []
    (yard.folder / "follows" / "blink.json").write_text("{}")
    assert run("site", "follow") == []
    assert run("site", "unfollow", "blink") == {"service": "blink", "followed": False}
    for words in (["unfollow", "blink"], ["follow", str(yard.store.home), "none"]):
        assert main(["site", *words, "--home", str(yard.folder)]) == 1
    for words in (["follow", "x"], ["follow", "x", "y", "--check"], ["follow", "--auto", "z"]):
        assert main(["site", *words, "--home", str(yard.folder)]) == 2
