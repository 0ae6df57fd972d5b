"""Audits compute all of a log again; forks become evidence that public keys alone prove."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.worlds.site_world import code_of
from triseal.log import audit, checkpoint, forks, merkle, note, tiles
from triseal.log.checkpoint import Checkpoint
from triseal.log.entry import Entry
from triseal.log.policy import Policy
from triseal.log.writer import Folder, Writer

LOG = note.Signer("example.com/log", note.LOG, Ed25519PrivateKey.generate())
OTHER = note.Signer("example.com/log", note.LOG, Ed25519PrivateKey.generate())
POLICY = Policy(logs=[LOG.key])


@cache
def leaf(number: int) -> bytes:
    return Entry("release" if number % 3 else "reseal", 1_795_000_000 + number).der()


def written(top: Path, count: int) -> Folder:
    made = Folder(top)
    top.mkdir(exist_ok=True)
    Writer(made, LOG).extend(lambda size: [leaf(at) for at in range(size, count)])
    return made


def run(log: Folder) -> audit.Audit:
    return audit.audit(log.head() or b"", log.read, POLICY)


@pytest.mark.parametrize("size", [0, 1, 3, 255, 256, 257, 512, 700])
def test_a_whole_log(tmp_path: Path, size: int) -> None:
    found = run(written(tmp_path, size))
    assert (found.size, found.kinds.total(), found.backdated) == (size, size, [])
    assert found.kinds["reseal"] == -(-size // 3)


def test_a_log_of_three_levels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)  # it need not last
    Writer(Folder(tmp_path), LOG).extend(lambda size: ([leaf(1)] * 65_793)[size:])
    assert run(Folder(tmp_path)).size == 65_793


def test_each_file_that_is_another_is_found(tmp_path: Path) -> None:
    log = written(tmp_path, 520)
    paths = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(paths) == 8  # three tiles and three bundles, one tile above, the checkpoint
    for path in paths:
        data = path.read_bytes()
        for wrong in (data[:-1], data[:40] + bytes([data[40] ^ 1]) + data[41:], data + data):
            path.write_bytes(wrong)
            assert code_of(partial(run, log)) in ("log-damaged", "bad-log-data", "unknown-log")
        path.unlink()
        if path.name != "checkpoint":
            assert code_of(partial(run, log)) == "log-damaged"
        path.write_bytes(data)
    assert run(log).size == 520


def test_an_entry_with_an_old_time_is_named(tmp_path: Path) -> None:
    leaves = [leaf(0), leaf(1), replace_time(leaf(2), 1_700_000_000), leaf(3)]
    Writer(Folder(tmp_path), LOG).extend(lambda size: leaves[size:])
    assert run(Folder(tmp_path)).backdated == [2]


def replace_time(data: bytes, time: int) -> bytes:
    from triseal.log import entry

    return replace(entry.parse(data), time=time).der()


def test_an_entry_that_is_none_is_found(tmp_path: Path) -> None:
    Writer(Folder(tmp_path), LOG).extend(lambda size: [b"noise"][size:])
    assert code_of(partial(run, Folder(tmp_path))) == "bad-log-data"


# Evidence.


def tree(tmp_path: Path, name: str, count: int, changed: int = -1) -> tuple[Checkpoint, tiles.Tree]:
    """A tree that the log has signed, in which one entry may be another."""
    leaves = [b"other" if at == changed else leaf(at) for at in range(count)]
    (tmp_path / name).mkdir(exist_ok=True)
    folder = Folder(tmp_path / name)
    made = Writer(folder, LOG).extend(lambda size: leaves[size:])
    return made, folder.tree(made.size)


@pytest.mark.parametrize(("old", "new"), [(5, 5), (5, 6), (4, 9), (300, 600)])
def test_two_histories_are_evidence(tmp_path: Path, old: int, new: int) -> None:
    first, _ = tree(tmp_path, "a", old)
    second, hashes = tree(tmp_path, "b", new, changed=2)
    made = forks.make(LOG.key, second, first, hashes.complete)
    again = forks.parse(made.der())
    assert again == made
    again.check([OTHER.key, LOG.key])
    assert code_of(lambda: again.check([OTHER.key])) == "unknown-log"
    assert code_of(lambda: again.check([])) == "unknown-log"
    if old != new:
        assert code_of(lambda: forks.make(LOG.key, first, second, None)) == "bad-log-data"


def test_what_an_honest_log_signs_is_never_evidence(tmp_path: Path) -> None:
    sizes = (0, 1, 5, 8, 300)
    made = [tree(tmp_path, "a", size) for size in sizes]
    for first, _ in made:
        for second, hashes in made:
            larger = hashes if second.size >= first.size else None
            code = code_of(
                partial(forks.make, LOG.key, first, second, larger.complete if larger else None)
            )
            assert code in ("no-contradiction", "bad-log-data")


def test_no_innocent_log_is_accused(tmp_path: Path) -> None:
    honest, hashes = tree(tmp_path, "a", 9)
    earlier = checkpoint.sign(LOG, 5, merkle.root(5, hashes.complete))
    proof = tuple(merkle.consistency(5, 9, hashes.complete))
    begin = earlier.root
    claims = (
        ("the truth", forks.Fork(LOG.key, earlier, honest, begin, proof)),
        ("another begin", forks.Fork(LOG.key, earlier, honest, bytes(32), proof)),
        ("a proof too short", forks.Fork(LOG.key, earlier, honest, begin, proof[1:])),
        ("one checkpoint twice", forks.Fork(LOG.key, honest, honest, bytes(32), ())),
        ("the wrong order", forks.Fork(LOG.key, honest, earlier, begin, proof)),
    )
    for sentence, claim in claims:
        assert code_of(partial(claim.check, [LOG.key])) == "no-contradiction", sentence
    false = checkpoint.sign(OTHER, 9, b"f" * 32)
    accused = forks.Fork(LOG.key, honest, false, b"f" * 32, ())
    assert code_of(partial(accused.check, [LOG.key])) == "unknown-log"
    named = note.Signer("example.com/other", note.LOG, Ed25519PrivateKey.generate())
    elsewhere = checkpoint.sign(named, 9, b"f" * 32)
    assert code_of(partial(replace(accused, newer=elsewhere).check, [LOG.key])) == "unknown-log"


def test_what_is_no_evidence(tmp_path: Path) -> None:
    first, _ = tree(tmp_path, "a", 5)
    second, hashes = tree(tmp_path, "b", 9, changed=2)
    data = forks.make(LOG.key, first, second, hashes.complete).der()
    for at in range(0, len(data), 7):
        assert code_of(partial(forks.parse, data[:at])) in ("malformed-der", "bad-log-data")
    assert code_of(partial(forks.parse, data + b"\0")) == "malformed-der"
    assert code_of(partial(forks.parse, bytes(forks.MAX_SIZE + 1))) == "too-large"
