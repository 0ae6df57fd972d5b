"""The writer of a log: whatever cuts it off, it never forks, has no gap and keeps its promises."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.worlds import disk
from tests.worlds.site_world import code_of
from triseal.log import checkpoint, merkle, note, proof, tiles
from triseal.log.checkpoint import Checkpoint
from triseal.log.writer import Folder, Writer

STEPS = (0, 254, 1, 2, 1, 260)  # entries that are added each time: both ends of tiles are crossed
LEAVES = [b"entry %d" % n for n in range(sum(STEPS))]
HASHES = [merkle.leaf(one) for one in LEAVES]
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"2" * 32)


class Signer(note.Signer):
    """A log's key that remembers what it has signed."""

    def __init__(self) -> None:
        super().__init__("example.com/log", note.LOG, PRIVATE)
        self.signed: list[str] = []

    def sign(self, text: str, time: int = 0) -> note.Signature:
        self.signed.append(text)
        return super().sign(text, time)


def writer(top: Path) -> tuple[Writer, Signer]:
    signer = Signer()
    return Writer(Folder(top), signer), signer


def extend(one: Writer, have: int) -> Checkpoint:
    """Add what a database with so many entries has."""
    return one.extend(lambda size: LEAVES[size:have])


@cache
def root(size: int) -> bytes:
    return merkle.fold(HASHES[:size]) if size else merkle.EMPTY


def check_honest(texts: Sequence[str]) -> None:
    """Check that all checkpoints ever signed are about one and the same tree."""
    for text in texts:
        origin, size, _ = text.splitlines()
        assert text == checkpoint.text(origin, int(size), root(int(size)))


def check_whole(one: Writer) -> int:
    """Check that the folder has everything that its checkpoint is about; return its size."""
    head = one.head()
    if head is None:
        return 0
    assert head.root == root(head.size)
    found = []
    for index in range(-(-head.size // tiles.WIDTH)):
        found += one.folder.entries(index, head.size)
    assert found == LEAVES[: head.size]
    tree = one.folder.tree(head.size)
    for index in {0, head.size // 2, head.size - 1} if head.size else ():
        proof.make(found[index], index, head, tree.complete).check_path()
    return head.size


def test_a_log_grows(tmp_path: Path) -> None:
    one, signer = writer(tmp_path)
    have = 0
    for step in STEPS:
        have += step
        assert extend(one, have).size == check_whole(one) == have
    check_honest(signer.signed)
    assert len(signer.signed) == len(STEPS)
    assert extend(one, have).size == have  # nothing is signed twice
    assert len(signer.signed) == len(STEPS)
    # Older trees can still be read: partial tiles lie in the full ones that have replaced them.
    assert not (tmp_path / "tile/0/000.p").exists()
    for size in (1, 100, 255, 256, 258, 300):
        assert one.folder.tree(size).root() == root(size)
        assert one.folder.entries(0, size) == LEAVES[: min(size, 256)]


def test_many_entries_at_once_are_the_same_tree(tmp_path: Path) -> None:
    assert extend(writer(tmp_path)[0], len(LEAVES)).root == root(len(LEAVES))


def test_a_power_cut_after_any_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = tmp_path / "live"
    live.mkdir()
    one, signer = writer(live)
    watched = disk.Disk(live)
    promised: list[int] = []  # by state: what the callers had been told before
    have = kept = 0
    for step in STEPS:
        have += step
        with watched.watching():
            extend(one, have)
        promised += [kept] * (len(watched.states) - len(promised))
        kept = have
    check_honest(signer.signed)
    assert len(promised) > 60
    cases = [(contents, at) for at, states in enumerate(watched.states) for contents in states]
    seen = set()
    monkeypatch.setattr(os, "fsync", lambda _: None)  # what follows needs not last
    for number, (contents, at) in enumerate(cases):
        mark = promised[at], tuple(sorted((path, hash(data)) for path, data in contents.items()))
        if mark in seen:
            continue
        seen.add(mark)
        top = tmp_path / str(number)
        top.mkdir()
        disk.make(contents, top)
        again, signs = writer(top)
        assert check_whole(again) >= promised[at]
        assert extend(again, have).size == check_whole(again) == have
        check_honest(signs.signed)
    assert len(seen) > 60


def test_the_last_promise_lasts(tmp_path: Path) -> None:
    watched = disk.Disk(tmp_path)
    with watched.watching():
        extend(writer(tmp_path)[0], 3)
    least = watched.states[-1][0]
    assert checkpoint.parse(least["checkpoint"]).size == 3


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fails_at_any_write(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the error nothing was promised, and the same call again completes it."""
    failing = 0
    while True:
        top = tmp_path / str(failing)
        top.mkdir()
        one, signer = writer(top)
        extend(one, 255)
        with monkeypatch.context() as patched:
            count = _fail(patched, call, failing)
            ended = code_of(partial(extend, one, 258))
        if not ended:  # it has fewer writes
            break
        assert "No space" in ended
        assert check_whole(one) in (255, 258)
        assert len(count) == failing + 1
        assert extend(one, 258).size == check_whole(one) == 258
        check_honest(signer.signed)
        failing += 1
    assert failing > 5


def _fail(patched: pytest.MonkeyPatch, call: str, at: int) -> list[int]:
    """Let one call fail; the list gets an item with each call."""
    where: object = os if call == "fsync" else Path
    real = getattr(where, call)
    count: list[int] = []

    def counted(*arguments: object) -> object:
        count.append(1)
        if len(count) == at + 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return None if call == "fsync" else real(*arguments)  # it need not last here

    patched.setattr(where, call, counted)
    return count


DAMAGES = (
    ("a tile is gone", "tile/0/001.p/2", None),
    ("a tile is cut", "tile/0/001.p/2", b"short"),
    ("a tile is another", "tile/0/001.p/2", bytes(64)),
    ("a full tile is another", "tile/1/000.p/1", bytes(32)),
    ("a bundle is gone", "tile/entries/001.p/2", None),
    ("the checkpoint is cut", "checkpoint", b"example.com/log\n"),
    ("the checkpoint is empty", "checkpoint", b""),
    ("the checkpoint is huge", "checkpoint", bytes(1 << 17)),
)


@pytest.mark.parametrize(("sentence", "path", "data"), DAMAGES, ids=[row[0] for row in DAMAGES])
def test_a_damaged_log_is_never_signed(
    tmp_path: Path, sentence: str, path: str, data: bytes | None
) -> None:
    one, signer = writer(tmp_path)
    extend(one, 258)
    if data is None:
        (tmp_path / path).unlink()
    else:
        (tmp_path / path).write_bytes(data)
    signer.signed.clear()
    assert code_of(lambda: extend(one, 260)) == "log-damaged"
    assert not signer.signed


def test_a_checkpoint_of_another_key_or_name_is_never_extended(tmp_path: Path) -> None:
    one, signer = writer(tmp_path)
    extend(one, 3)
    signer.signed.clear()
    stranger = note.Signer("example.com/log", note.LOG, Ed25519PrivateKey.generate())
    other = note.Signer("example.com/other", note.LOG, PRIVATE)
    for key in (stranger, other):
        false = checkpoint.sign(key, 3, root(3))
        (tmp_path / "checkpoint").write_bytes(false.note.data())
        assert code_of(lambda: extend(one, 4)) == "log-damaged"
    assert not signer.signed
