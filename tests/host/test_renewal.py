"""The Store's certificate and seals are renewed before and after their end, with the same keys."""

import json
import os
import signal as os_signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from sealcore import errors, seal, sealwriter, upstream, x509
from tests.worlds import seals
from tests.worlds.site_world import World as SiteWorld
from tests.worlds.site_world import code_of, make_store
from triseal import certificate, database, evidence, files, package, pem, request, signer
from triseal.certificate import Validity
from triseal.cli.main import main
from triseal.developer import sign as signing
from triseal.developer import signed
from triseal.developer.home import Developer
from triseal.errors import (
    AlreadySigned,
    DamagedStore,
    NoContradiction,
    OtherSigner,
    ShorterValidity,
    StoreEnded,
)
from triseal.keysource import NewKey
from triseal.package import Package
from triseal.site.views import ends as ends_of
from triseal.store import authority
from triseal.store.store import Store, init

DAY = 86400
YEAR = 365 * DAY
KEY = signer.generate("p256")
ADA = seals.developer("Ada", KEY)
FIRST = Validity(seals.NOW - DAY, seals.NOW + YEAR)
FOREVER = Validity(seals.NOW - DAY, seals.NOW + 50 * YEAR)
LONGER = Validity(seals.NOW - DAY, seals.NOW + 9 * YEAR)


class World:
    """A Store whose certificate lives for a year, with an approved developer and a clock."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.now = seals.NOW
        init(home, "Shop", NewKey("p256"), FIRST)
        self.store = self.open()
        self.store.approve(self.store.register(request.make(ADA.signer, "Ada")).fingerprint)

    def open(self) -> Store:
        return Store(self.home, lambda: authority.unlock(self.home, bytes), clock=lambda: self.now)

    def trust(self) -> object:
        """What a site trusts: the Store's name and key, as they are in its certificate."""
        store = self.store.certificate

        class Trust:
            store_keys = ((bytes(store.subject), bytes(store.spki)),)
            developers = upstream.listed([ADA_ENTRY])

        return Trust


ADA_ENTRY = (sealwriter.name("Ada"), ADA.signer.spki)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "store")
    with closing(made.store):
        yield made


def ends(sealed: Package) -> tuple[int, int]:
    return (
        seal.parse(sealed.developer_seal, seal.DEVELOPER).not_after,
        seal.parse(sealed.store_seal, seal.STORE).not_after,
    )


# The Store.


@pytest.mark.parametrize("late", [0, 5 * YEAR], ids=["before its end", "after its end"])
def test_a_renewed_store_has_its_key_and_new_seals_for_all_releases(
    world: World, late: int
) -> None:
    trust = world.trust()
    old = world.store.certificate
    for version in ("1.0", "1.1"):
        world.store.submit(seals.package(ADA, version=version, validity=FOREVER))
    before = world.store.get("blink", "1.0")[1]
    world.now += late
    valid = Validity(world.now - DAY, world.now + 9 * YEAR)
    sealed, ended = world.store.renew(valid)
    assert ([one.version for one in sealed], ended) == (["1.0", "1.1"], [])
    fresh = authority.load_certificate(world.home)
    assert (fresh.spki, fresh.subject) == (old.spki, old.subject)
    assert fresh.not_after == valid.not_after == world.store.certificate.not_after
    x509.check_issued(fresh, fresh, world.now)
    for version in ("1.0", "1.1"):
        renewed = world.store.get("blink", version)[1]
        assert ends(renewed)[1] == valid.not_after
        upstream.verify_package(renewed.opened(), trust, world.now)  # without trusting it again
    assert renewed.executable == before.executable
    world.store.submit(seals.package(ADA, version="1.2", validity=FOREVER))
    with closing(world.open()) as again:
        assert again.certificate.der == fresh.der
        assert len(again.releases()) == 3


def test_after_its_end_the_store_names_the_command_and_changes_nothing(world: World) -> None:
    world.now = FIRST.not_after + 1
    with pytest.raises(StoreEnded, match="was valid to") as caught:
        world.store.submit(seals.package(ADA, validity=FOREVER))
    assert "triseal store renew" in caught.value.advice
    assert world.store.releases() == []


def test_a_release_whose_developer_seal_has_ended_is_named_and_left(world: World) -> None:
    short = Validity(seals.NOW - DAY, seals.NOW + DAY)
    world.store.submit(seals.package(ADA, version="1.0", validity=short))
    world.store.submit(seals.package(ADA, version="1.1", validity=FOREVER))
    old = world.store.get("blink", "1.0")[1]
    world.now += 2 * DAY
    sealed, ended = world.store.renew(LONGER)
    assert ([one.version for one in sealed], [one.version for one in ended]) == (["1.1"], ["1.0"])
    assert world.store.get("blink", "1.0")[1] == old


def test_a_renewal_that_would_be_shorter_changes_nothing(world: World) -> None:
    world.store.submit(seals.package(ADA, validity=FOREVER))
    before = (world.home / authority.CERTIFICATE).read_bytes(), world.store.get("blink")
    for end in (FIRST.not_after, FIRST.not_after - 1):
        with pytest.raises(ShorterValidity, match="already"):
            world.store.renew(Validity(seals.NOW, end))
    assert ((world.home / authority.CERTIFICATE).read_bytes(), world.store.get("blink")) == before


def test_a_renewal_that_can_not_be_written_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.store.submit(seals.package(ADA, validity=FOREVER))
    before = world.store.get("blink")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(files, "write", full)
        with pytest.raises(OSError, match="No space"):
            world.store.renew(LONGER)
    assert world.store.get("blink") == before
    assert world.store.certificate.not_after == FIRST.not_after
    world.store.renew(LONGER)  # and the same again works
    assert ends(world.store.get("blink")[1])[1] == LONGER.not_after


def test_a_damaged_certificate_is_not_renewed(world: World) -> None:
    (world.home / authority.CERTIFICATE).write_bytes(pem.encode(pem.CERTIFICATE, b"\x30\x00"))
    with pytest.raises(DamagedStore):
        world.open()


# The developer.


def renewed(made: Package, validity: Validity, who: Developer = ADA) -> Package:
    return signing.renew(who, made, validity)


def test_a_renewed_developer_seal_says_the_same_for_longer(world: World) -> None:
    made = seals.package(ADA, validity=FIRST)
    again = renewed(made, LONGER)
    old, new = (seal.parse(one.developer_seal, seal.DEVELOPER) for one in (made, again))
    assert (new.core, new.issuer, new.spki) == (old.core, old.issuer, old.spki)
    assert new.not_after == LONGER.not_after
    assert again.executable == made.executable
    with pytest.raises(NoContradiction):  # it is no second content of one version
        evidence.contradiction(old, new)


def test_the_store_takes_it_in_place_of_the_newest_version(world: World) -> None:
    trust = world.trust()
    old = seals.package(ADA, version="1.0", validity=FIRST)
    made = seals.package(ADA, version="1.1", validity=FIRST)
    world.store.submit(old)
    first = world.store.submit(made)[1]
    release, taken = world.store.submit(renewed(made, LONGER))
    assert release.version == "1.1"
    assert ends(taken)[0] == LONGER.not_after
    assert world.store.get("blink", "1.1")[1] == taken != first
    assert [one.version for one in world.store.releases()] == ["1.0", "1.1"]
    upstream.verify_package(taken.opened(), trust, world.now)
    for refused in (
        made,  # it ends before the one that the Store has
        renewed(made, LONGER),  # it ends at the same time
        renewed(old, LONGER),  # it is no longer the newest version
    ):
        with pytest.raises(errors.Rollback):
            world.store.submit(refused)
    assert world.store.get("blink", "1.1")[1] == taken


def test_the_same_version_with_other_content_is_still_refused(world: World) -> None:
    world.store.submit(seals.package(ADA, validity=FIRST))
    other = seals.package(ADA, executable=seals.SOURCE + b"\n", validity=LONGER)
    with pytest.raises(errors.Rollback):
        world.store.submit(other)


def test_only_its_own_developer_renews_a_package_and_only_as_it_was() -> None:
    made = seals.package(ADA, validity=FIRST)
    for who in (seals.developer("Eve", KEY), seals.developer("Ada")):
        with pytest.raises(OtherSigner, match="Ada has sealed"):
            renewed(made, LONGER, who)
    with pytest.raises(errors.HashMismatch):
        renewed(Package(**{**vars(made), "executable": made.executable[:-1] + b" "}), LONGER)
    with pytest.raises(errors.MetadataMismatch):
        renewed(Package(**{**vars(made), "metadata": b"{}"}), LONGER)
    with pytest.raises(ShorterValidity):
        renewed(made, FIRST)


def test_a_developer_learns_which_newest_versions_end_soon(tmp_path: Path) -> None:
    for version, validity in (("1.9", FIRST), ("1.10", LONGER), ("2", FIRST)):
        service = "blink" if version < "2" else "a-b"
        made = seals.package(ADA, service=service, version=version, validity=validity)
        signed.remember(tmp_path, made)
    (tmp_path / signed.FOLDER / "3.0-old").write_bytes(b"ab" * 32)  # of an older release
    (tmp_path / signed.FOLDER / "3.x-notes").write_bytes(b"mine")
    assert signed.ending(tmp_path, FIRST.not_after) == []
    soon = signed.ending(tmp_path, FIRST.not_after + 1)
    assert soon == [signed.Ending("a-b", "2", FIRST.not_after)]
    signed.remember(tmp_path, signing.renew(ADA, made, LONGER))
    signed.remember(tmp_path, made)  # the longer one counts
    assert signed.ending(tmp_path, FIRST.not_after + 1) == []
    assert signed.ending(tmp_path / "none", FOREVER.not_after) == []


@pytest.mark.parametrize("again", [True, False])
def test_what_was_not_written_was_not_signed(tmp_path: Path, again: bool) -> None:
    """A full disk, say: another content may then have this version, and what was stays."""

    def fail(package: Package) -> None:
        with ExitStack() as told, signed.remembered(tmp_path, package, told, again=again):
            assert signed.has(tmp_path, package)
            raise OSError(28, "No space left on device")

    first, other = (seals.package(ADA, executable=code) for code in (b"first", b"other"))
    with pytest.raises(OSError, match="No space"):
        fail(first)
    assert not signed.has(tmp_path, first)
    with ExitStack() as told, signed.remembered(tmp_path, other, told):
        pass
    with pytest.raises(OSError if again else AlreadySigned):
        fail(first)
    assert signed.has(tmp_path, other)
    assert [one.name for one in (tmp_path / signed.FOLDER).iterdir()] == ["1-blink"]


def ctrl_c() -> None:
    os.kill(os.getpid(), os_signal.SIGINT)
    time.sleep(0)  # Python calls the handler here at the latest


def test_ctrl_c_comes_before_a_package_is_recorded_or_too_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = seals.package(ADA)
    create = files.create
    come = []

    def interrupted(path: Path, data: bytes, mode: int) -> None:
        create(path, data, mode)
        ctrl_c()  # it is recorded, and nobody has got it
        come.append(path)

    monkeypatch.setattr(files, "create", interrupted)
    with ExitStack() as told:
        with signed.remembered(tmp_path, made, told):
            ctrl_c()
            package.write(tmp_path / "a.triseal", made)
            ctrl_c()
        ctrl_c()
        come.append(tmp_path)
    assert len(come) == 2
    assert signed.has(tmp_path, made)
    with pytest.raises(KeyboardInterrupt):
        ctrl_c()


def test_ctrl_c_ends_what_waits_for_the_reader_of_a_pipe(tmp_path: Path) -> None:
    made = seals.package(ADA)
    with pytest.raises(KeyboardInterrupt), ExitStack() as told:  # noqa: SIM117
        with signed.remembered(tmp_path, made, told, kept=True):
            ctrl_c()
    assert signed.has(tmp_path, made)


def test_who_presses_ctrl_c_after_the_package_was_written_is_told_that_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    home = ["--home", str(tmp_path / "ada")]
    (tmp_path / "a.py").write_text("async def main(ctx):\n    pass\n")
    write = package.write

    def interrupted(path: Path, data: Package) -> None:
        write(path, data)
        ctrl_c()

    monkeypatch.setattr(package, "write", interrupted)
    assert main(["dev", "init", "--name", "Ada", "--no-passphrase", *home]) == 0
    words = ["--name", "a", "--version", "1", "--security-version", "1", *home]
    assert main(["dev", "sign", "a.py", *words]) == 0
    assert "a-1.triseal" in capsys.readouterr().out
    assert main(["dev", "renew", "a-1.triseal", "--years", "12", *home]) == 0
    assert "a-1.triseal" in capsys.readouterr().out
    assert signed.has(tmp_path / "ada", package.read(tmp_path / "a-1.triseal"))


def test_of_two_who_sign_at_once_the_second_waits_for_the_first(tmp_path: Path) -> None:
    """The first one fails to write its package: what the second has signed stays recorded."""
    made = seals.package(ADA)

    def second() -> None:
        with ExitStack() as told, signed.remembered(tmp_path, made, told):
            pass

    thread = threading.Thread(target=second)

    def first() -> None:
        with ExitStack() as told, signed.remembered(tmp_path, made, told):
            thread.start()
            thread.join(0.2)
            assert thread.is_alive()
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        first()
    thread.join()
    assert signed.has(tmp_path, made)


# A site.


def test_a_site_takes_both_renewals_without_trusting_anybody_again(tmp_path: Path) -> None:
    with SiteWorld(tmp_path / "site") as world:
        made = world.package()
        world.manager.add_service(made)
        trusted = world.manager.bundle().version
        again = signing.renew(world.developer, made, renewal_of(made))
        taken = world.store.countersign(again)
        assert taken.developer_seal != made.developer_seal
        world.manager.add_service(taken)
        assert code_of(lambda: world.manager.add_service(taken)) == ""
        assert world.manager.bundle().version == trusted


def renewal_of(made: Package) -> Validity:
    old = seal.parse(made.developer_seal, seal.DEVELOPER)
    return Validity(old.not_before, old.not_after + YEAR)


# The commands.


@pytest.fixture
def shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    """A Store for a year with a service, in the present folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRISEAL_HOME", str(tmp_path / "home"))
    Path("blink.py").write_bytes(seals.SOURCE)
    quiet = ["--algorithm", "p256", "--no-passphrase"]
    assert main(["dev", "init", "--name", "Ada", *quiet]) == 0
    assert main(["dev", "request", "--out", "ada.pem"]) == 0
    assert main(["store", "init", "--name", "Shop", "--years", "1", *quiet]) == 0
    assert main(["store", "register-developer", "ada.pem", "--json"]) == 0
    shown = capsys.readouterr().out
    mark = json.loads(shown[shown.rindex("{") :])["fingerprint"]
    words = ["--name", "blink", "--version", "1", "--security-version", "1", "--years", "1"]
    assert main(["store", "approve", mark]) == 0
    assert main(["dev", "sign", "blink.py", *words]) == 0
    assert main(["store", "submit", "blink-1.triseal"]) == 0
    seen = capsys.readouterr()
    assert seen.err == ""
    return tmp_path


def test_what_a_pipe_may_have_got_stays_signed(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The seal comes before the executable: a reader that ends early may have it."""
    reader, writer = os.pipe()
    os.close(reader)
    words = ["--name", "blink", "--version", "2", "--security-version", "1"]
    try:
        assert main(["dev", "sign", "blink.py", *words, "--out", f"/dev/fd/{writer}"]) != 0
    finally:
        os.close(writer)
    (shop / "blink.py").write_bytes(seals.SOURCE + b"# other\n")
    capsys.readouterr()
    assert main(["dev", "sign", "blink.py", *words]) == 1
    assert "already-signed" in capsys.readouterr().err
    assert main(["dev", "sign", "blink.py", *words, "--out", str(shop)]) == 1
    assert "already-signed" not in capsys.readouterr().err


def test_the_commands_warn_ahead_and_renew(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    later = time.time() + YEAR - certificate.SOON + DAY
    monkeypatch.setattr(time, "time", lambda: later)
    assert main(["store", "list"]) == 0
    warned = capsys.readouterr().err
    assert "certificate ends" in warned
    assert "`triseal store renew`" in warned
    assert "seal of blink 1 ends" in warned
    assert main(["dev", "show"]) == 0
    warned = capsys.readouterr().err
    assert "your seal of blink 1 ends" in warned
    assert "`triseal dev renew PACKAGE`" in warned
    assert main(["store", "renew", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["countersigned"] == ["blink 1"]
    assert main(["store", "list"]) == 0
    warned = capsys.readouterr().err
    assert "`triseal dev renew`" in warned
    assert warned.count("\n") == 1
    assert main(["dev", "renew", "blink-1.triseal", "--out", "again.triseal"]) == 0
    assert main(["store", "submit", "again.triseal"]) == 0
    assert main(["store", "list"]) == 0
    assert main(["dev", "show"]) == 0
    assert capsys.readouterr().err == ""
    assert package.read(Path("again.triseal")).store_seal == b""


def test_a_site_keeps_the_certificate_of_a_renewed_store(tmp_path: Path, world: World) -> None:
    with SiteWorld(tmp_path / "site") as site:
        versions = set()
        for valid in (FIRST, LONGER):
            key = authority.unlock(world.home, bytes)
            der = certificate.self_signed_ca(key, "Shop", Validity(site.now - DAY, valid.not_after))
            name, bundle = site.manager.trust_store(der)
            with database.reading(site.manager.engine) as connection:
                every = ends_of.all_ends(connection, site.manager.issuer)
            kept = {end.name: end.not_after for end in every}
            assert kept[name] == valid.not_after
            versions.add(bundle.version)
        assert len(versions) == 1  # nothing changes for nodes


def test_a_site_refuses_an_ended_store_and_says_so(tmp_path: Path) -> None:
    with SiteWorld(tmp_path / "site") as world:
        old = make_store("Old").certificate
        world.now += 30 * YEAR
        assert code_of(lambda: world.manager.trust_store(old)) == "bad-authority"
