"""The log as tlog-scales reads it, which implements the same specifications and is not ours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from triseal.log import checkpoint, merkle, note
from triseal.log.writer import Folder, Writer

_MISSING = "no tlog-scales: make environment"
scales: Any = pytest.importorskip("tlog_scales.tlog", reason=_MISSING)
backend: Any = pytest.importorskip("tlog_scales.backend", reason=_MISSING)
readers: Any = pytest.importorskip("tlog_scales.reader", reason=_MISSING)
signing: Any = pytest.importorskip("tlog_scales.signing", reason=_MISSING)

LEAVES = [b"entry %d" % n for n in range(65536 + 300)]  # the tree has tiles of three levels
SIZES = (1, 2, 255, 256, 257, 511, 65535, 65536, 65537, len(LEAVES))
LOG = note.Signer("example.com/log", note.LOG, Ed25519PrivateKey.generate())
WITNESS = note.Signer("example.com/witness", note.WITNESS, Ed25519PrivateKey.generate())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    made = Folder(tmp_path_factory.mktemp("log"))
    Writer(made, LOG).extend(lambda size: LEAVES[size:])
    return made


@pytest.fixture(scope="module")
def reader(folder: Folder) -> Any:
    return readers.TilesReader(backend.LocalBackend(folder.files.local("")))


def test_it_reads_the_checkpoint_the_tree_and_the_entries(folder: Folder, reader: Any) -> None:
    found = reader.get_checkpoint()
    found.verify(signing.Vkey.from_string(str(LOG.key)))
    assert (found.origin, found.size) == (LOG.key.name, len(LEAVES))
    assert reader.calculate_root_hash() == found.root_hash
    for index in (0, 255, 256, 65535, 65536, len(LEAVES) - 1):
        assert reader.get_entry(index) == LEAVES[index]
    with pytest.raises(InvalidSignature):
        replace(found, size=found.size - 1).verify(signing.Vkey.from_string(str(LOG.key)))


def test_both_make_the_same_proofs_and_each_takes_those_of_the_other(
    folder: Folder, reader: Any
) -> None:
    reader.set_size(len(LEAVES))
    tree = folder.tree(len(LEAVES))
    for size in SIZES:
        root = merkle.root(size, tree.complete)
        assert reader.mth(0, size) == root
        for index in {0, size // 3, size - 1}:
            ours = merkle.inclusion(index, size, tree.complete)
            theirs = reader.get_inclusion_proof(index, size)
            assert theirs.node_hashes == ours
            theirs.check(merkle.leaf(LEAVES[index]), root)
            merkle.check_inclusion(merkle.leaf(LEAVES[index]), index, size, ours, root)
        for old in SIZES:
            if old <= size:
                begun = merkle.root(old, tree.complete)
                ours = merkle.consistency(old, size, tree.complete)
                grown = reader.get_consistency_proof(old, size)
                assert grown.node_hashes == ours
                grown.check(begun, root)
                merkle.check_consistency(old, size, ours, begun, root)


def test_it_verifies_the_signature_of_a_witness() -> None:
    made = checkpoint.sign(LOG, 7, bytes(32))
    line = WITNESS.sign(made.note.text, 1_795_000_000)
    cosigned = replace(made.note, signatures=(*made.note.signatures, line))
    found = scales.Checkpoint.from_text(cosigned.data().decode())
    found.verify(signing.Vkey.from_string(str(WITNESS.key)))
    with pytest.raises(InvalidSignature):
        replace(found, root_hash=b"1" * 32).verify(signing.Vkey.from_string(str(WITNESS.key)))


def test_what_it_signs_is_read_here() -> None:
    signer = signing.PlainEd25519Signer("example.com/log", Ed25519PrivateKey.generate())
    made = scales.Checkpoint.make_signed("example.com/log", 9, b"r" * 32, [signer])
    read = checkpoint.parse(made.serialize().encode())
    key = note.parse_key(signer.vkey.serialize(), note.LOG)
    assert read.note.check([key]) == {key: 0}
    assert (read.size, read.root) == (9, b"r" * 32)
