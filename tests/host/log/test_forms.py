"""The texts and bytes of a log: what is read is written the same, and nothing else is read."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealcore import encode
from tests.worlds.site_world import code_of
from triseal.log import checkpoint, entry, merkle, note, policy, proof, tiles
from triseal.log.entry import Entry

BAD = "bad-log-data"
LOG = note.Signer("example.com/log", note.LOG, Ed25519PrivateKey.from_private_bytes(b"1" * 32))
WITNESSES = [
    note.Signer(
        f"w{n}.example", note.WITNESS, Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)
    )
    for n in range(3)
]
# The example of golang.org/x/mod/sumdb/note, the first implementation of signed notes.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqd"
    "ngotpRZb6KE6RyyBwJnAM=\n"
)
# The example of c2sp.org/tlog-checkpoint, with the cosignature of c2sp.org/tlog-cosignature.
C2SP = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5"
    "/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "\u2014 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrD"
    "JsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)


# Paths of tiles.


PATHS = (
    ("tile/0/000", 0, 0, 256),
    ("tile/0/000.p/1", 0, 0, 1),
    ("tile/63/x001/x234/067", 63, 1234067, 256),
    ("tile/1/x001/000.p/255", 1, 1000, 255),
    ("tile/entries/999", tiles.ENTRIES, 999, 256),
    ("tile/entries/x273/112.p/112", tiles.ENTRIES, 273112, 112),
)
NO_PATHS = (
    "",
    "tile/0/0",
    "tile/0/1000",
    "tile/0/x000/001",
    "tile/0/001/001",
    "tile/00/001",
    "tile/64/001",
    "tile/-1/001",
    "tile/0/001.p/0",
    "tile/0/001.p/01",
    "tile/0/001.p/256",
    "tile/0/001.p/999",
    "tile/0/../001",
    "tile/0/001/",
    "/tile/0/001",
    "tile/0/001\n",
    "tile/0/00\u0661",
    "tile/entry/001",
    "tile/0/" + "x001/" * 9 + "001",
)


@pytest.mark.parametrize(("text", "level", "index", "width"), PATHS)
def test_paths(text: str, level: int | str, index: int, width: int) -> None:
    assert tiles.path(level, index, width) == text
    assert tiles.parse_path(text) == (level, index, width)


@pytest.mark.parametrize("text", NO_PATHS)
def test_what_is_no_path(text: str) -> None:
    assert code_of(lambda: tiles.parse_path(text)) == BAD


def test_the_tiles_of_a_tree_of_70000() -> None:
    """The example of c2sp.org/tlog-tiles."""
    rows = [[tiles.width(level, index, 70_000) for index in range(275)] for level in range(4)]
    assert [sum(one == tiles.WIDTH for one in row) for row in rows] == [273, 1, 0, 0]
    assert [[one for one in row if 0 < one < tiles.WIDTH] for row in rows] == [[112], [17], [1], []]
    assert [tiles.width(level, 0, 256) for level in range(3)] == [256, 1, 0]


def test_a_tree_grows_tile_by_tile() -> None:
    assert list(tiles.touched(0, 0)) == list(tiles.touched(5, 5)) == []
    assert list(tiles.touched(0, 1)) == [(0, 0)]
    assert list(tiles.touched(255, 257)) == [(0, 0), (0, 1), (1, 0)]
    assert list(tiles.touched(256, 511)) == [(0, 1)]
    assert list(tiles.touched(65535, 65536)) == [(0, 255), (1, 0), (2, 0)]


def test_bundles() -> None:
    entries = [b"", b"one", b"x" * tiles.MAX_ENTRY]
    data = tiles.bundle(entries)
    assert tiles.unbundle(data, 3) == entries
    for wrong, count in ((data, 2), (data, 4), (data[:-1], 3), (data + b"\0", 3), (b"\0", 1)):
        assert code_of(partial(tiles.unbundle, wrong, count)) == BAD
    assert code_of(lambda: tiles.split(bytes(33), 1)) == BAD


# Notes, keys and checkpoints.


def test_the_example_of_go() -> None:
    key = note.parse_key(GO_KEY, note.LOG)
    assert str(key) == GO_KEY
    parsed = note.parse(GO_NOTE.encode())
    assert parsed.data().decode() == GO_NOTE
    assert parsed.check([key]) == {key: 0}
    changed = note.parse(GO_NOTE.replace("answer", "Answer").encode())
    assert code_of(lambda: changed.check([key])) == "unknown-log"
    assert changed.check([LOG.key]) == {}  # a signature of an unknown key means nothing


def test_the_example_of_c2sp() -> None:
    parsed = checkpoint.parse(C2SP.encode())
    assert (parsed.origin, parsed.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.text(parsed.origin, parsed.size, parsed.root) == parsed.note.text
    assert parsed.note.data().decode() == C2SP
    assert int.from_bytes(parsed.note.signatures[1].blob[:8], "big") == 1679315147


def test_a_log_signs_and_witnesses_cosign() -> None:
    made = checkpoint.sign(LOG, 7, bytes(32))
    cosigned = cosign(made, 5, *WITNESSES)
    again = checkpoint.parse(cosigned.note.data())
    assert again == cosigned
    keys = [LOG.key, *[one.key for one in WITNESSES]]
    assert again.note.check(keys) == {LOG.key: 0} | {one.key: 5 for one in WITNESSES}
    for at in range(4):  # one wrong bit in any of the signatures
        signatures = list(cosigned.note.signatures)
        blob = signatures[at].blob
        signatures[at] = replace(signatures[at], blob=blob[:-1] + bytes([blob[-1] ^ 1]))
        wrong = replace(cosigned.note, signatures=tuple(signatures))
        assert code_of(partial(wrong.check, keys)) == "unknown-log"
    # A cosignature is for its time, and for nothing else.
    late = replace(cosigned.note.signatures[1], blob=b"\0" + cosigned.note.signatures[1].blob[1:])
    assert note.Note(made.note.text, (late,)).check(keys) == {WITNESSES[0].key: 5}
    moved = late.blob[:7] + b"\6" + late.blob[8:]
    other = note.Note(made.note.text, (replace(late, blob=moved),))
    assert code_of(lambda: other.check(keys)) == "unknown-log"


def test_one_key_as_log_and_witness_has_two_ids() -> None:
    private = Ed25519PrivateKey.from_private_bytes(b"1" * 32)
    same = note.Signer(LOG.key.name, note.WITNESS, private)
    assert same.key.id != LOG.key.id
    assert code_of(lambda: note.parse_key(str(same.key), note.LOG)) == BAD


NO_NOTES = (
    "",
    "text\n",
    "text\n\n",
    "\n\n\u2014 a AAAAAAE=\n",
    "text\n\n\u2014 a AAAAAAE=",
    "text\n\n- a AAAAAAE=\n",
    "text\n\n\u2014 a b AAAAAAE=\n",
    "text\n\n\u2014 a+b AAAAAAE=\n",
    "text\n\n\u2014 a\u00a0b AAAAAAE=\n",
    "text\n\n\u2014  AAAAAAE=\n",
    "text\n\n\u2014 a AAAAAA==\n",  # no bytes after the id
    "text\n\n\u2014 a AAAAAAF=\n",  # bits that mean nothing
    "text\n\n\u2014 a AAAA AAE=\n",
    "te\txt\n\n\u2014 a AAAAAAE=\n",
    "text\r\n\n\u2014 a AAAAAAE=\n",
    "text\n\n" + "\u2014 a AAAAAAE=\n" * 65,
    "text" * 20_000 + "\n\n\u2014 a AAAAAAE=\n",
)


@pytest.mark.parametrize("text", NO_NOTES)
def test_what_is_no_note(text: str) -> None:
    assert code_of(lambda: note.parse(text.encode())) == BAD


def test_a_note_is_utf8() -> None:
    assert code_of(lambda: note.parse(b"\xff\n\n\xe2\x80\x94 a AAAAAAE=\n")) == BAD


ROOT = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
NO_CHECKPOINTS = (
    "log\n1\n",
    f"log\n01\n{ROOT}\n",
    f"log\n-1\n{ROOT}\n",
    f"log\n+1\n{ROOT}\n",
    f"log\n1 \n{ROOT}\n",
    f"log\n\u0661\n{ROOT}\n",
    f"log\n\n{ROOT}\n",
    f"\n1\n{ROOT}\n",
    f"log\n{1 << 63}\n{ROOT}\n",
    f"log\n{'9' * 5000}\n{ROOT}\n",
    "log\n1\nAAAA\n",
    f"log\n1\n{ROOT[:-2]}B=\n",
    f"log\n1\n{ROOT}\n\nmore\n",
)


@pytest.mark.parametrize("text", NO_CHECKPOINTS)
def test_what_is_no_checkpoint(text: str) -> None:
    data = (text + "\n\u2014 a AAAAAAE=\n").encode()
    assert code_of(lambda: checkpoint.parse(data)) == BAD


NO_KEYS = (
    "",
    "log",
    str(LOG.key).replace("+", "-"),
    str(LOG.key).replace("example", "example "),
    str(LOG.key)[:-4],
    str(LOG.key) + "A",
    str(LOG.key).replace(LOG.key.id.hex(), "00000000"),
    str(LOG.key).replace(LOG.key.id.hex(), LOG.key.id.hex().upper()),
    str(WITNESSES[0].key),
)


@pytest.mark.parametrize("text", NO_KEYS)
def test_what_is_no_key(text: str) -> None:
    assert str(note.parse_key(str(LOG.key), note.LOG)) == str(LOG.key)
    assert code_of(lambda: note.parse_key(text, note.LOG)) == BAD


# Entries.


ENTRIES = (
    Entry(entry.DEVELOPER, 0, detail="Ada"),
    Entry(entry.RELEASE, 1_795_000_000, "blink", "1.0", b"d" * 32, b"s" * 32, b"p" * 32),
    Entry("later-kind", (1 << 40), "x" * 63, "9" * 32, store_seal=b"s" * 32, detail="\u00fc" * 512),
)


@pytest.mark.parametrize("one", ENTRIES)
def test_entries_come_back(one: Entry) -> None:
    data = one.der()
    assert entry.parse(data) == one
    assert len(data) <= tiles.MAX_ENTRY
    for at in range(len(data)):  # no prefix of an entry is one, and nothing may follow
        assert code_of(partial(entry.parse, data[:at])) == BAD
    assert code_of(lambda: entry.parse(data + b"\0")) == BAD


NO_ENTRIES: tuple[Entry, ...] = (
    Entry("", 0),
    Entry("Kind", 0),
    Entry("k" * 33, 0),
    Entry("kind", (1 << 40) + 1),
    Entry("kind", 0, "x" * 64),
    Entry("kind", 0, "", "x" * 33),
    Entry("kind", 0, package=b"short"),
    Entry("kind", 0, detail="x" * 1025),
)


@pytest.mark.parametrize("one", NO_ENTRIES)
def test_what_is_no_entry(one: Entry) -> None:
    assert code_of(lambda: entry.parse(one.der())) == BAD
    assert code_of(lambda: entry.parse(encode.sequence(encode.text("triseal log entry v2")))) == BAD


# Proofs and policies.


@pytest.fixture
def proved() -> proof.Proof:
    leaves = [replace(ENTRIES[0], time=n).der() for n in range(6)]
    hashes = [merkle.leaf(one) for one in leaves]
    tree = tiles.Tree(6, lambda _: b"".join(hashes))
    return proof.make(leaves[4], 4, checkpoint.sign(LOG, 6, tree.root()), tree.complete)


def test_a_proof_comes_back_and_proves_its_entry(proved: proof.Proof) -> None:
    again = proof.parse(proved.text())
    assert again == proved
    again.check_path()
    other = replace(again, leaf=ENTRIES[1].der())
    assert code_of(other.check_path) == "not-in-log"
    assert code_of(replace(again, index=5).check_path) == "not-in-log"


def test_what_is_no_proof(proved: proof.Proof) -> None:
    text = proved.text()
    lines = text.split("\n")
    cases = (
        text.replace("@v1", "@v2"),
        text.replace("extra ", "extra  "),
        text.replace("index 4", "index 04"),
        text.replace("index 4", "index -4"),
        "\n".join([lines[0], *lines[2:]]),
        "\n".join([*lines[:3], *["A" * 43 + "="] * 65, *lines[3:]]),
        "\n".join([*lines[:3], "AAAA", *lines[3:]]),
        text.replace("\n\n", "\n", 1),
        text + "\n",
        text + " " * proof.MAX_SIZE,
    )
    for wrong in cases:
        assert code_of(partial(proof.parse, wrong)) == BAD


def test_a_policy_wants_its_log_and_its_quorum() -> None:
    lines = [f"log {LOG.key} https://example.com/log", "# the witnesses", "\t"]
    lines += [f"witness w{n} {one.key}" for n, one in enumerate(WITNESSES)]
    lines += ["group two 2 w0 w1", "group all all two w2 ", "quorum all"]
    parsed = policy.parse("\n".join(lines).encode())
    made = checkpoint.sign(LOG, 7, bytes(32))
    assert parsed.check(cosign(made, 9, *WITNESSES)) == 9
    for some in (WITNESSES[:2], WITNESSES[1:], []):
        short = cosign(made, 9, *some)
        assert code_of(partial(parsed.check, short)) == "unknown-log"
    either = policy.parse("\n".join([*lines[:-2], "group any any two w2", "quorum any"]).encode())
    assert either.check(cosign(made, 3, WITNESSES[2])) == 3
    bare = policy.parse(f"log {LOG.key}\nquorum none".encode())
    assert bare.check(made) == 0
    stranger = note.Signer("example.com/log", note.LOG, Ed25519PrivateKey.generate())
    assert code_of(lambda: bare.check(checkpoint.sign(stranger, 7, bytes(32)))) == "unknown-log"
    # A trusted log can't sign in the name of another one.
    said = checkpoint.text("example.com/other", 7, bytes(32))
    signed = checkpoint.parse(note.Note(said, (LOG.sign(said),)).data())
    assert code_of(lambda: bare.check(signed)) == "unknown-log"


NO_POLICIES = (
    "",
    f"log {LOG.key}",
    "quorum none\nquorum none",
    "quorum w",
    "quorum none none",
    "quorum",
    f"log {LOG.key}\nlog {LOG.key}\nquorum none",
    f"log {WITNESSES[0].key}\nquorum none",
    f"witness none {WITNESSES[0].key}\nquorum none",
    f"witness a {WITNESSES[0].key}\nwitness b {WITNESSES[0].key}\nquorum a",
    f"quorum a\nwitness a {WITNESSES[0].key}",
    f"witness a {WITNESSES[0].key}\ngroup g 2 a\nquorum g",
    f"witness a {WITNESSES[0].key}\ngroup g 0 a\nquorum g",
    f"witness a {WITNESSES[0].key}\ngroup g any a a\nquorum g",
    f"witness a {WITNESSES[0].key}\ngroup g any a\ngroup h any a\nquorum g",
    f"witness a {WITNESSES[0].key}\ngroup g any g\nquorum g",
    "group g any\nquorum none",
    "trust me\nquorum none",
    "quorum none\r\n",
    "quorum none\n" + "\n" * 600,
)


@pytest.mark.parametrize("text", NO_POLICIES)
def test_what_is_no_policy(text: str) -> None:
    assert code_of(lambda: policy.parse(text.encode())) == BAD


def test_a_policy_is_utf8() -> None:
    assert code_of(lambda: policy.parse(b"# \xff\nquorum none")) == BAD


def cosign(made: checkpoint.Checkpoint, time: int, *signers: note.Signer) -> checkpoint.Checkpoint:
    lines = tuple(one.sign(made.note.text, time) for one in signers)
    signed = replace(made.note, signatures=made.note.signatures + lines)
    return replace(made, note=signed)
