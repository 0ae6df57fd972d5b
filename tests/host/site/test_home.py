"""A site's folder: made whole or not at all, opened only with its own key, refused when damaged."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from sealcore import seal, x509
from tests.worlds.site_world import NOW, PASSPHRASE, World, code_of
from triseal import keyfile, signer
from triseal.site import home
from triseal.site.home import Founding
from triseal.site.manager import Manager

P256 = Founding("house", "p256")


def opened(folder: Path, passphrase: bytes = PASSPHRASE) -> Manager:
    return Manager(folder, lambda: passphrase, lambda: NOW)


def test_a_site_has_a_key_for_its_owner_alone(tmp_path: Path) -> None:
    home.init(tmp_path / "site", P256, PASSPHRASE, NOW)
    assert stat.S_IMODE((tmp_path / "site").stat().st_mode) == 0o700
    for name in ("site.key", "site.sqlite", "site.json"):
        assert stat.S_IMODE((tmp_path / "site" / name).stat().st_mode) == 0o600
    assert b"ENCRYPTED" in (tmp_path / "site" / "site.key").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site"]


def test_its_certificate_is_a_ca_of_its_own_key(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(World(tmp_path / "site"))
    parsed = x509.parse(world.manager.issuer.certificate)
    x509.check_issued(parsed, parsed, NOW)
    assert parsed.spki == world.manager.issuer.spki


def test_a_wrong_passphrase_signs_nothing_and_the_right_one_then_does(tmp_path: Path) -> None:
    home.init(tmp_path / "site", P256, PASSPHRASE, NOW)
    spki = signer.KeySigner(signer.generate("p256")).spki
    with opened(tmp_path / "site", b"guess") as site:
        assert code_of(lambda: site.trust_developer("Ada", spki)) == "wrong-passphrase"
        assert site.bundle().version == 1
    with opened(tmp_path / "site") as site:
        assert site.trust_developer("Ada", spki).version == 2


def test_a_site_is_never_made_over_another(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    home.init(folder, P256, None, NOW)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert code_of(lambda: home.init(folder, P256, None, NOW)) == "already-exists"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_two_sites_never_share_a_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shared.sqlite'}"
    first, second = (Founding(name, "p256", database=url) for name in ("one", "two"))
    home.init(tmp_path / "a", first, None, NOW)
    assert code_of(lambda: home.init(tmp_path / "b", second, None, NOW)) == "already-exists"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["a"]
    with opened(tmp_path / "a") as site:
        assert site.name == "one"


def failing(*_: object) -> bytes:
    raise OSError(28, "No space left on device")


def test_a_site_that_could_not_be_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(keyfile, "create", failing)
        with pytest.raises(OSError, match="No space"):
            home.init(tmp_path / "site", P256, None, NOW)
    assert list(tmp_path.iterdir()) == []
    home.init(tmp_path / "site", P256, None, NOW)


def remove(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def write(name: str, data: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(data)


def other_key(folder: Path) -> None:
    (folder / "site.key").unlink()
    keyfile.create(folder / "site.key", signer.generate("p256"), None)


def empty_database(folder: Path) -> None:
    for path in folder.glob("site.sqlite*"):
        path.unlink()
    (folder / "site.sqlite").touch()


DAMAGE: tuple[tuple[str, Callable[[Path], object], str], ...] = (
    ("no folder", shutil.rmtree, "not-initialised"),
    ("no settings", remove("site.json"), "not-initialised"),
    ("no database", remove("site.sqlite"), "site-incomplete"),
    ("an empty database", empty_database, "site-incomplete"),
    ("a database that is none", write("site.sqlite", b"none" * 999), "database-unusable"),
    ("settings that are no JSON", write("site.json", b"{"), "site-incomplete"),
    ("settings without the database", write("site.json", b"[]"), "site-incomplete"),
    ("a key of another site", other_key, "not-a-key"),
    ("a key that is none", write("site.key", b"key"), "not-a-key"),
    (
        "a key that others may read",
        lambda folder: (folder / "site.key").chmod(0o644),
        "open-permissions",
    ),
)


@pytest.mark.parametrize(("sentence", "damage", "code"), DAMAGE, ids=[row[0] for row in DAMAGE])
def test_damage(tmp_path: Path, sentence: str, damage: Callable[[Path], object], code: str) -> None:
    folder = tmp_path / "site"
    home.init(folder, P256, None, NOW)
    damage(folder)

    def use() -> None:
        with opened(folder) as site:
            site.unlock()

    assert code_of(use) == code


NAMES = ("House", "my house", "", "-x", "a/b", "x" * 64, "häuschen")


@pytest.mark.parametrize("name", NAMES)
def test_names_that_no_site_can_have(tmp_path: Path, name: str) -> None:
    call: Callable[[], object] = lambda: home.init(tmp_path / "s", Founding(name), None, NOW)  # noqa: E731
    assert code_of(call) == "bad-label"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("year", [2**31, 2**32, 2524608000 - 100, 2524608000, 7258118400])
def test_a_site_works_in_later_years(tmp_path: Path, year: int) -> None:
    """From 2050 on, times have another form in DER (RFC 5280 section 4.1.2.5)."""
    with World(tmp_path / "site", now=year) as world:
        world.manager.add_service(world.package())
        world.add_node("kitchen")
        world.manager.assign("kitchen", "thermo")
        for now in (year, year + 4000):
            world.now = now
            made = seal.parse(world.manager.deployment("kitchen", "thermo").seal.der, seal.SITE)
            assert made.not_before <= now < made.not_after
        assert world.manager.bundle().issued_at <= year
