"""Another key of a developer: the old one signs it, and a power cut leaves one of them in use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.host.store.test_standing import code
from triseal import folder, keyplaces, replacement
from triseal.developer import home
from triseal.errors import AlreadyExists, NotInitialised
from triseal.keysource import NewKey

P256 = NewKey("p256")


def no_passphrase() -> bytes:
    raise AssertionError("nobody is asked")


@pytest.fixture
def ada(tmp_path: Path) -> Path:
    home.init(tmp_path / "ada", "Ada", P256)
    return tmp_path / "ada"


def spki(where: Path) -> bytes:
    return home.unlock(where, no_passphrase).signer.spki


def test_the_old_key_signs_the_new_one_which_is_in_use(ada: Path) -> None:
    first = spki(ada)
    assert home.replacement_pem(ada) is None
    assert home.former(ada) == []
    for _ in range(2):
        before = spki(ada)
        made = home.rotate(ada, no_passphrase, P256)
        assert made == home.show(ada)
        assert (made.name, made.spki) == ("Ada", spki(ada))
        found = replacement.parse(home.replacement_pem(ada) or b"")
        assert (found.name, found.old, found.new) == ("Ada", before, made.spki)
    assert first in home.former(ada)
    assert len({spki(ada), *home.former(ada)}) == 3


@pytest.mark.parametrize("where", ["triseal.folder.settle", "triseal.keyplaces.use"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_after_a_power_cut_one_key_is_in_use(
    ada: Path, where: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = spki(ada)
    module = {"settle": folder, "use": keyplaces}[where.rpartition(".")[2]]
    whole = getattr(module, where.rpartition(".")[2])

    def cut(*args: Any) -> None:
        if after:
            whole(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(where, cut)
        with pytest.raises(KeyboardInterrupt):
            home.rotate(ada, no_passphrase, P256)
    changed = where.endswith("use") and after
    assert (spki(ada) != old) == changed
    now = spki(ada)
    home.rotate(ada, no_passphrase, P256)
    assert replacement.parse(home.replacement_pem(ada) or b"").old == now


def test_of_two_at_once_the_second_sees_the_first(
    ada: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other command has opened the old key, and then waits for its turn."""
    whole, begun = home.unlock, list[bool]()

    def slow(where: Path, ask: Any) -> home.Developer:
        opened = whole(where, ask)
        if not begun:
            begun.append(True)
            home.rotate(ada, no_passphrase, P256)
        return opened

    monkeypatch.setattr(home, "unlock", slow)
    with pytest.raises(AlreadyExists, match="just replaced"):
        home.rotate(ada, no_passphrase, P256)
    assert len(home.former(ada)) == 1


@pytest.mark.parametrize("text", ["", "key-", "../ada", "key-0123456789abcdef", "\0", "key-" * 30])
def test_a_damaged_pointer_leads_to_no_other_key(ada: Path, text: str) -> None:
    home.rotate(ada, no_passphrase, P256)
    (ada / keyplaces.POINTER).write_text(text, encoding="utf-8")
    assert code(lambda: home.show(ada)) in (NotInitialised.code, "file-too-large")
