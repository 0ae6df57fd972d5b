"""A site takes only packages that prove to be in the log of their Store, and needs no network."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealcore.compat import sha256
from tests.host.store.test_store import ADA, World
from tests.worlds import seals
from tests.worlds.site_world import code_of
from triseal import inspect
from triseal.cli.main import main
from triseal.log import checkpoint, endorsement, entry, forks, merkle, note, proof
from triseal.log.entry import Entry
from triseal.log.writer import Folder
from triseal.package import Package
from triseal.site import home
from triseal.site.home import Founding
from triseal.site.logs import FOLDER
from triseal.site.manager import Manager

STRANGER = note.Signer("triseal-store/other", note.LOG, Ed25519PrivateKey.generate())
WITNESS = note.Signer("witness", note.WITNESS, Ed25519PrivateKey.generate())


@dataclass
class Scene:
    """A Store, and a site that trusts it and its log."""

    store: World
    site: Manager
    folder: Path

    @property
    def spki(self) -> bytes:
        return bytes(self.store.store.certificate.spki)

    def sealed(self, version: str = "1.0") -> Package:
        return self.store.store.submit(seals.package(ADA, version=version))[1]

    def take(self, package: Package) -> str:
        """Let the site take a package; the code of the refusal, "" if it is taken."""
        return code_of(lambda: self.site.add_service(package))


_sites: dict[Path, Path] = {}


def copy_site(store: World, folder: Path) -> None:
    """Copy a site that trusts a Store and its log, or found one to be copied."""
    if store.begun not in _sites:
        first = store.begun.parent / "site"
        home.init(first, Founding("house", "p256"), None, seals.NOW)
        with Manager(first, bytes, lambda: seals.NOW) as site:
            site.trust_store(bytes(store.store.certificate.der))
            site.trust_developer("Ada", ADA.signer.spki)
            site.logs.pin(bytes(store.store.certificate.spki), store.store.log_key)
        _sites[store.begun] = first
    shutil.copytree(_sites[store.begun], folder)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    folder = tmp_path / "site"
    with World(tmp_path / "store") as store:
        copy_site(store, folder)
        with Manager(folder, bytes, lambda: seals.NOW) as site:
            yield Scene(store, site, folder)


def test_what_is_in_the_log_is_taken(scene: Scene) -> None:
    assert scene.take(scene.sealed("1.0")) == ""
    assert scene.take(scene.sealed("1.1")) == ""
    seen = scene.site.logs.seen(scene.spki)
    assert seen is not None
    assert seen.size == 3  # the approval and two releases
    assert scene.take(scene.store.store.get("blink")[1]) == ""  # the same again


def signed(scene: Scene, leaf: bytes, by: note.Signer | None = None) -> str:
    """A proof by a log of one entry."""
    key = by or note.Signer(scene.store.store.log_key.name, note.LOG, private(scene))
    made = checkpoint.sign(key, 1, merkle.leaf(leaf))
    return proof.Proof(leaf, 0, (), made).text()


def private(scene: Scene) -> Ed25519PrivateKey:
    from triseal.log import key

    return key.load(scene.store.home / "log.key")


def said(package: Package, **changed: object) -> bytes:
    """An entry about a package, with changes."""
    kept = sha256(package.developer_seal), sha256(package.store_seal), package.digest()
    made = Entry(entry.RELEASE, seals.NOW, "blink", "1.0", *kept)
    return replace(made, **changed).der()  # type: ignore[arg-type]


CHEATS: tuple[tuple[str, Callable[[Scene, Package], str], str], ...] = (
    ("no proof", lambda _, __: "", "not-in-log"),
    ("no proof but noise", lambda _, __: "noise", "bad-log-data"),
    (
        "the proof of another package",
        lambda scene, _: scene.sealed("1.1").proof,
        "not-in-log",
    ),
    (
        "another log's proof",
        lambda scene, own: signed(scene, said(own), STRANGER),
        "unknown-log",
    ),
    (
        "the proof of another developer seal",
        lambda scene, own: signed(scene, said(own, developer_seal=bytes(32))),
        "not-in-log",
    ),
    (
        "the proof of another Store seal",
        lambda scene, own: signed(scene, said(own, store_seal=bytes(32))),
        "not-in-log",
    ),
    (
        "the proof of another service",
        lambda scene, own: signed(scene, said(own, service="lamp")),
        "not-in-log",
    ),
    (
        "an entry that is no release",
        lambda scene, own: signed(scene, said(own, kind="release-withdrawn")),
        "not-in-log",
    ),
    (
        "a path to another tree",
        lambda _, own: replace(proof.parse(own.proof), index=0).text(),
        "not-in-log",
    ),
)


def test_what_is_not_is_refused(scene: Scene) -> None:
    own = scene.sealed()
    for sentence, cheat, code in CHEATS:
        assert scene.take(replace(own, proof=cheat(scene, own))) == code, sentence
    assert scene.site.logs.seen(scene.spki) is None
    assert scene.take(own) == ""


def test_a_site_that_trusted_a_store_without_a_log_goes_on(scene: Scene) -> None:
    for path in (scene.folder / FOLDER).iterdir():
        path.unlink()
    assert scene.take(replace(scene.sealed(), proof="")) == ""


def test_two_histories_are_found_and_both_kept(scene: Scene) -> None:
    first, second = scene.sealed("1.0"), scene.sealed("1.1")
    assert scene.take(first) == ""
    # The same Store, with its own keys, shows this site another tree of two entries.
    leaf = said(second, version="1.1")
    key = note.Signer(scene.store.store.log_key.name, note.LOG, private(scene))
    made = checkpoint.sign(key, 2, merkle.join(merkle.leaf(b"other"), merkle.leaf(leaf)))
    false = proof.Proof(leaf, 1, (merkle.leaf(b"other"),), made)
    assert scene.take(replace(second, proof=false.text())) == "log-forked"
    kept = sorted(path.name.split(".", 1)[1] for path in (scene.folder / FOLDER).iterdir())
    assert kept == ["checkpoint", "evidence", "other.checkpoint", "policy"]
    check_evidence(scene)
    assert scene.take(second) == ""


def check_evidence(scene: Scene) -> None:
    """Check as anybody can that the site has kept evidence against the log."""
    (path,) = (scene.folder / FOLDER).glob("*.evidence")
    forks.parse(path.read_bytes()).check([scene.store.store.log_key])
    certificate = scene.folder / "store.pem"
    main(["store", "show", "--home", str(scene.store.home), "--cert-out", str(certificate)])
    trust = ["--store-cert", str(certificate)]
    assert main(["evidence", "check", str(path), *trust]) == 0
    assert main(["evidence", "check", str(path)]) == 1
    pair = [str(one) for one in sorted((scene.folder / FOLDER).glob("*checkpoint"))]
    out = ["--out", str(scene.folder / "again")]
    made = main(["evidence", "make", *pair, *trust, *out])
    assert made == (0 if forks.parse(path.read_bytes()).proof == () else 1)
    assert inspect.read(path)["kind"] == "evidence against a log"


def test_a_log_is_followed_and_must_continue(scene: Scene) -> None:
    log = Folder(scene.store.home / "public/log")
    heads = []
    for version in ("1.0", "1.1", "1.2"):
        scene.sealed(version)
        heads.append(log.head() or b"")
    logs = scene.site.logs
    for at in (1, 1, 2):
        assert logs.follow(scene.spki, heads[at], log.read).size == at + 2
    assert code_of(lambda: logs.follow(scene.spki, heads[0], log.read)) == "log-stale"
    false = log.read("tile/0/000.p/4")[:96] + bytes(64)  # the third release is another one
    key = note.Signer(scene.store.store.log_key.name, note.LOG, private(scene))
    row = [false[at : at + 32] for at in range(0, len(false), 32)]
    other = checkpoint.sign(key, 5, merkle.fold(row)).note.data()
    assert code_of(lambda: logs.follow(scene.spki, other, lambda _: false)) == "log-forked"
    check_evidence(scene)
    assert code_of(lambda: logs.follow(scene.spki, other, lambda _: bytes(160))) == "bad-log-data"
    stranger = checkpoint.sign(STRANGER, 9, bytes(32)).note.data()
    assert code_of(lambda: logs.follow(scene.spki, stranger, log.read)) == "unknown-log"
    kept = logs.seen(scene.spki)
    assert kept is not None
    assert kept.note.data() == heads[2]


def test_no_log_replaces_what_was_seen_of_another(scene: Scene) -> None:
    log = Folder(scene.store.home / "public/log")
    scene.sealed("1.0")
    old = log.head() or b""
    scene.sealed("1.1")
    head = log.head() or b""
    logs, own = scene.site.logs, scene.store.store.log_key
    wanted = f"log {own}\nlog {STRANGER.key}\nquorum none\n".encode()
    logs.replace_policy(scene.spki, wanted)
    assert logs.follow(scene.spki, head, log.read).size == 3
    small, large = (
        checkpoint.sign(STRANGER, size, root, seals.NOW)
        for size, root in ((1, bytes(32)), (2, merkle.join(bytes(32), bytes(32))))
    )
    assert logs.follow(scene.spki, large.note.data(), lambda _: bytes(64)).size == 2
    for seen, older in ((head, old), (large.note.data(), small.note.data())):
        assert code_of(lambda: logs.follow(scene.spki, older, log.read)) == "log-stale"  # noqa: B023
        made = checkpoint.parse(seen)
        logs.remember(scene.spki, checkpoint.parse(older))  # of a package: it may be older
        known = logs.seen(scene.spki, made.origin)
        assert known is not None
        assert known.note.data() == seen
    former, other = b"a former key of the Store", b"another key of the Store"
    logs.remember(former, checkpoint.parse(old))
    logs.carry([former, scene.spki], other)
    for origin in (own.name, STRANGER.key.name):
        assert logs.seen(other, origin) == logs.seen(scene.spki, origin)


def test_a_policy_of_a_person_counts(scene: Scene) -> None:
    key = scene.store.store.log_key
    wanted = f"log {key}\nwitness w {WITNESS.key}\nquorum w\n".encode()
    scene.site.logs.replace_policy(scene.spki, wanted)
    own = scene.sealed()
    assert scene.take(own) == "unknown-log"
    found = proof.parse(own.proof)
    signatures = (
        *found.checkpoint.note.signatures,
        WITNESS.sign(found.checkpoint.note.text, seals.NOW),
    )
    cosigned = replace(found.checkpoint.note, signatures=signatures)
    full = replace(found, checkpoint=replace(found.checkpoint, note=cosigned))
    scene.site.logs.pin(scene.spki, key)  # trusting the Store again changes no policy
    assert scene.take(replace(own, proof=full.text())) == ""
    assert code_of(lambda: scene.site.logs.pin(scene.spki, STRANGER.key)) == "unknown-log"
    assert code_of(lambda: scene.site.logs.replace_policy(scene.spki, b"log")) == "bad-log-data"


def test_the_log_is_endorsed_by_the_key_of_its_store(scene: Scene) -> None:
    scene.sealed()  # the first use of the Store's key
    text = scene.store.store.log_endorsement
    assert endorsement.check(text, scene.spki) == scene.store.store.log_key
    file = f"Log-Key: {text}\n-----BEGIN CERTIFICATE-----\n".encode()
    assert endorsement.of_file(file) == text
    assert endorsement.of_file(b"-----BEGIN CERTIFICATE-----\n") == ""
    other = bytes(ADA.signer.spki)
    for wrong, spki in ((text, other), ("AAAA", scene.spki), ("", scene.spki), ("?", scene.spki)):
        assert not endorsement.holds(wrong, scene.store.store.log_key, spki)
