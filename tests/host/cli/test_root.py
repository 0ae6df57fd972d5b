"""`triseal site root`: 2 of 3 roots, of which one is on a computer without a site."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from sealcore import bundle, sealwriter
from sealcore.bundle import TrustBundle
from sealcore.compat import sha256
from tests.host.commands import Commands
from tests.worlds.site_world import NOW, code_of, make_developer, make_store
from triseal import bundlerequest, bundles, pem, request
from triseal.bundlerequest import BundleRequest
from triseal.signer import KeySigner, generate
from triseal.site import home
from triseal.site.manager import Manager

P256 = ("--algorithm", "p256", "--no-passphrase")


@pytest.fixture
def three(empty: Commands) -> Commands:
    """A site of which two of three roots must sign: its own, Bob's and Carol's."""
    empty.run("site", "init", "house", *P256)
    for name in ("bob", "carol"):
        made = empty.json("site", "root", "create", f"{name}.key", "--public", f"{name}.pem", *P256)
        empty.run("site", "root", "add", f"{name}.pem", "--fingerprint", made["fingerprint"])
    shown = empty.json("site", "root", "threshold", "2", "--key", "bob.key")
    assert (shown["threshold"], len(shown["roots"])) == (2, 3)
    Path("ada.pem").write_bytes(request.make(KeySigner(generate("p256")), "Ada"))
    return empty


def wanted(commands: Commands, *words: str) -> bool:
    """Whether a change of trust, which is shown first, waits for the signatures of other roots."""
    code = commands.fails(*words, shows="the next trust bundle")
    return code == "signatures-wanted"


def version(commands: Commands) -> int:
    return int(commands.json("site", "root", "status")["bundle_version"])


def trusted(commands: Commands) -> list[str]:
    return [one["name"] for one in commands.json("site", "status")["trusted"]]


def test_one_of_two_is_too_few_and_a_request_waits_for_the_other(three: Commands) -> None:
    before = version(three)
    assert wanted(three, "site", "trust-developer", "ada.pem")
    assert (version(three), trusted(three)) == (before, [])
    file = f"bundle-{before + 1}.request"
    shown = three.run("inspect", file)
    assert "signatures missing" in shown
    assert three.fails("site", "root", "collect", file) == "signatures-wanted"
    # Somewhere else, where there is no site.
    elsewhere = ("--home", "nowhere")
    assert three.fails("site", "root", "status", *elsewhere) == "not-initialised"
    said = three.run(
        "site", "root", "sign", file, "--key", "bob.key", "--out", "b.request", "--yes"
    )
    assert "adds the developer Ada" in said
    assert three.json("site", "root", "collect", file, "b.request")["bundle_version"] == before + 1
    assert trusted(three) == ["Ada"]
    # It is done: the same files are for a bundle that is no longer the next one.
    assert three.fails("site", "root", "collect", "b.request") == "changed-meanwhile"


def test_the_key_of_the_site_is_changed_with_a_root_elsewhere(three: Commands) -> None:
    """Each request that the other root has signed takes the step that wanted it."""

    def signed_elsewhere(step: str, shows: str = "") -> None:
        assert three.fails("site", "key", step, shows=shows) == "signatures-wanted"
        (file,) = Path().glob("*.request")
        three.run("site", "root", "sign", str(file), "--key", "bob.key", "--yes")
        three.run("site", "root", "collect", str(file))
        file.unlink()

    def states() -> list[str]:
        return [one["state"] for one in three.json("site", "key", "status")["keys"]]

    assert three.fails("site", "key", "prepare") == "signatures-wanted"
    signed_elsewhere("prepare")  # asked for again, it wants the same
    assert states() == ["active", "prepared"]
    signed_elsewhere("cancel")
    assert states() == ["active", "revoked"]
    signed_elsewhere("rotate")
    assert states() == ["active", "revoked", "prepared"]
    signed_elsewhere("rotate", "the new key signs")
    assert states() == ["revoked", "revoked", "active"]
    assert three.json("site", "key", "status")["next"] == "prepare"
    with Manager(home.default(), lambda: b"") as site:
        (key,) = site.bundle().site_keys
        assert key[1] == site.issuer.spki
    assert len(list(home.default().glob("site*.key"))) == 3


def test_a_lost_root_is_replaced_by_the_others(three: Commands) -> None:
    old = home.default() / home.ROOT
    lost = three.json("site", "root", "status")["roots"][0]
    old.unlink()
    both = ("--key", "bob.key", "--key", "carol.key")
    assert wanted(three, "site", "root", "remove", lost, "--key", "bob.key")
    three.run("site", "root", "remove", lost, *both)
    three.run("site", "root", "create", "dora.key", "--public", "dora.pem", *P256)
    three.run("site", "root", "add", "dora.pem", *both)
    three.run("site", "trust-developer", "ada.pem", "--key", "dora.key", "--key", "carol.key")
    shown = three.json("site", "root", "status")
    assert (len(shown["roots"]), shown["threshold"], shown["key_here"]) == (3, 2, "")
    assert lost not in shown["roots"]
    assert three.fails("site", "root", "remove", lost, *both) == "unknown-key"


REFUSED = (
    (
        "a fingerprint of another key",
        ("add", "bob.pem", "--fingerprint", "00" * 32),
        "other-fingerprint",
    ),
    ("no public key", ("add", "ada.pem"), "bad-request"),
    ("more signatures than roots", ("threshold", "4", "--key", "bob.key"), "too-few-roots"),
    ("no request", ("sign", "ada.pem", "--key", "bob.key", "--yes"), "not-a-bundle-request"),
    ("no root of that fingerprint", ("remove", "00" * 32), "unknown-key"),
    ("a root, if the site has one", ("init", *P256), "already-exists"),
    ("a key file that exists", ("create", "bob.key", "--public", "x.pem", *P256), "already-exists"),
)


def test_what_is_refused(three: Commands) -> None:
    before = version(three)
    for sentence, arguments, code in REFUSED:
        assert three.fails("site", "root", *arguments) == code, sentence
    assert version(three) == before


def test_a_root_whose_public_key_can_not_be_written_is_made_by_the_same_command(
    three: Commands,
) -> None:
    words = ("site", "root", "create", "dora.key", "--public", "dora.pem", *P256)
    Path("dora.pem").mkdir()
    assert three.fails(*words) == "not-a-file"
    assert not Path("dora.key").exists()
    Path("dora.pem").rmdir()
    three.run(*words)


def test_a_stranger_cannot_sign_and_false_signatures_are_dropped(three: Commands) -> None:
    assert wanted(three, "site", "trust-developer", "ada.pem")
    (file,) = Path().glob("*.request")
    three.run("site", "root", "create", "eve.key", "--public", "eve.pem", *P256)
    sign = ("site", "root", "sign", str(file), "--yes", "--key")
    assert three.fails(*sign, "eve.key", shows="site house") == "not-a-root"
    asked = bundlerequest.parse(file.read_bytes())
    bob = pem.expect(Path("bob.pem").read_bytes(), pem.PUBLIC_KEY)
    eve = KeySigner(generate("p256"))
    false = sha256(bob), eve.algorithm, eve.sign(b"anything")
    spoiled = asked._with([false])
    assert spoiled.missing == asked.missing == 1
    three.run(*sign, "bob.key")
    three.run("site", "root", "collect", str(file))
    assert trusted(three) == ["Ada"]


def forged(old: TrustBundle, version: int, thief: KeySigner) -> TrustBundle:
    """A bundle like another one, with a root of the thief, who has signed it alone."""
    roots = 1, (*bundles.roots_of(old)[1], thief.spki)
    site = [(bytes(name), bytes(key)) for name, key in old.site_keys]
    made = (version, old.site, old.issued_at, roots, site, (), bundles.developers_of(old))
    return bundle.parse(bundles.signed(bytes(sealwriter.bundle_tbs(*made)), thief))


def test_a_thief_of_the_server_hides_no_key_from_the_one_who_signs(three: Commands) -> None:
    """The thief invents the present bundle, or takes an old one that trusted his key already."""
    Path("eve.pem").write_bytes(request.make(KeySigner(generate("p256")), "Eve"))
    three.run("site", "trust-developer", "eve.pem", "--key", "bob.key")
    with Manager(home.default(), lambda: b"") as site:
        old = site.bundle()
    three.run("site", "distrust", "developer", "Eve", "--wait", "0", "--key", "bob.key")
    assert wanted(three, "site", "trust-developer", "eve.pem", "--request", "e.request")
    asked = bundlerequest.parse(Path("e.request").read_bytes())
    thief = KeySigner(generate("p256"))
    for held in (old, forged(old, asked.asked.version - 1, thief)):
        Path("thief.request").write_bytes(replace(asked, held=held).der())
        said = three.run("site", "root", "sign", "thief.request", "--key", "bob.key", "--yes")
        assert "has the developer Eve" in said
        assert "adds the developer Eve" not in said


def test_a_restored_database_with_a_root_elsewhere(three: Commands) -> None:
    trust = ("site", "trust-developer", "ada.pem", "--key", "bob.key")
    kept = Path("home/site/site.sqlite").read_bytes()
    three.run(*trust)
    newest = version(three)
    Path("home/site/site.sqlite").write_bytes(kept)
    assert three.fails("site", "restored", "--request", "r.request") == "signatures-wanted"
    assert three.fails(*trust) == "database-behind"  # nothing is accepted yet
    assert three.fails("site", "restored", "--signed", "r.request") == "signatures-wanted"
    said = three.run("site", "root", "sign", "r.request", "--key", "bob.key", "--yes")
    assert f"trust bundle {newest + 1} in place of {newest - 1}" in said
    # `collect` would make the change without the acceptance of the restored database.
    assert three.fails("site", "root", "collect", "r.request") == "database-behind"
    done = three.json("site", "restored", "--signed", "r.request")
    assert (done["bundle_version"], done["developers"]) == (newest + 1, [])
    assert three.fails("site", "restored", "--signed", "r.request") == "changed-meanwhile"
    three.run(*trust)
    assert trusted(three) == ["Ada"]


def test_a_signed_change_of_trust_is_no_acceptance_of_a_restored_database(three: Commands) -> None:
    """A request for another change does not become the bundle of `restored`."""
    trust = ("site", "trust-developer", "ada.pem")
    assert wanted(three, *trust, "--request", "ada.request")
    three.run("site", "root", "sign", "ada.request", "--key", "bob.key", "--yes")
    assert three.fails("site", "restored", "--signed", "ada.request") == "changed-meanwhile"
    assert trusted(three) == []


def test_requests_for_different_bundles_are_not_put_together(three: Commands) -> None:
    Path("eve.pem").write_bytes(request.make(KeySigner(generate("p256")), "Eve"))
    for name in ("ada", "eve"):
        file = ("--request", f"{name}.request")
        assert wanted(three, "site", "trust-developer", f"{name}.pem", *file)
    both = ("ada.request", "eve.request")
    assert three.fails("site", "root", "collect", *both) == "not-a-bundle-request"


def test_a_request_file_is_strict(tmp_path: Path) -> None:
    home.init(tmp_path / "s", home.Founding("house", "p256"), None, NOW)
    with Manager(tmp_path / "s", lambda: b"", lambda: NOW) as site:
        held = site.bundle()
        site.trust_store(make_store().certificate)
        ada = make_developer()
        newer = site.trust_developer("Ada", ada.signer.spki)
        good = BundleRequest(held, newer, site.known_developers())
    assert bundlerequest.parse(good.der()).der() == good.der()
    for sentence, data in (
        ("something behind it", good.der() + b"\0"),
        ("cut off", good.der()[:-1]),
        ("another label", good.der().replace(b"request v1", b"request v2")),
        ("an older bundle", BundleRequest(newer, held, {}).der()),
        ("too large", bytes(bundlerequest.MAX_SIZE + 1)),
        ("nothing", b""),
    ):
        assert code_of(partial(bundlerequest.parse, data)) == "not-a-bundle-request", sentence
    assert bundles.missing(newer, held) == 0
