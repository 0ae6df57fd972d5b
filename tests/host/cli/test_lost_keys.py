"""The pages of OPERATIONS.md about lost and stolen keys, command by command, in this process."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.host.commands import Commands
from tests.lifecycle import walk
from triseal.cli.main import main

PAGE = (walk.ROOT / "host" / "OPERATIONS.md").read_text(encoding="utf-8")


def commands(title: str) -> Iterator[list[str]]:
    """The commands of a page, each in words."""
    page = PAGE.split(f"### {title}\n")[1].split("\n## ")[0].split("\n### ")[0]
    for block in re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            words = shlex.split(line)
            assert words[0] == "triseal", line
            yield words[1:]


TITLES = ("The lost laptop", "The stolen laptop", "The Store's lost key")


def test_these_are_all_commands_of_the_page() -> None:
    lines = [line for line in walk.script("host/OPERATIONS.md").splitlines() if line]
    played = [words for title in TITLES for words in commands(title)]
    assert [shlex.split(line)[1:] for line in lines] == played


class Page:
    """Plays a page in a folder; what a command prints as JSON is the answer of `until`."""

    def __init__(self, shell: Commands, title: str, **variables: str) -> None:
        self._shell = shell
        self._commands = commands(title)
        self.variables = variables

    def until(self, *begin: str) -> Any:
        """Play all commands up to the next one that begins with these words."""
        for words in self._commands:
            said = [self.variables.get(one.removeprefix("$"), one) for one in words]
            plain = words[:2] == ["dev", "request"]  # it only writes a file
            shown = self._shell.run(*said) if plain else self._shell.json(*said)
            if tuple(words[: len(begin)]) == begin:
                return shown
        raise AssertionError(f"the page has no {begin}")

    def end(self) -> None:
        """See that nothing is left."""
        assert not list(self._commands)


@pytest.fixture
def shop(settled: Commands, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Ada's service runs on a node of a site."""
    monkeypatch.setenv("TRISEAL_PASSPHRASE", "secret")
    settled.run("site", "add-service", settled.release("1.0.0"))
    settled.run("site", "grant", "thermo", "log")
    settled.run("site", "add-node", "kitchen")
    settled.run("site", "deploy", "kitchen", "thermo")
    return settled


def mark(shell: Commands, *home: str) -> str:
    return str(shell.json("dev", "show", *home)["fingerprint"])


def trusted(shell: Commands, kind: str) -> set[str]:
    rows = shell.json("site", "status")["trusted"]
    return {row["fingerprint"] for row in rows if row["kind"] == kind}


def test_the_lost_laptop(shop: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    old = mark(shop)
    page = Page(shop, TITLES[0], OLD=old)
    new = page.variables["NEW"] = page.until("dev", "show")["fingerprint"]
    waiting = page.until("store", "register-developer")
    assert (waiting["state"], waiting["would_replace"]) == ("pending", old)
    assert page.until("store", "approve-key")["replaces"] == old
    assert shop.fails("store", "submit", signed(shop, "1.1.0")) == "key-replaced"
    shown = page.until("site", "trust", "review")
    assert (len(shown["new_keys"]), len(shown["old_keys"])) == (1, 1)
    assert "compare the fingerprint" in shown["new_keys"][0]
    assert main(("site", "trust", "review", "shop.notices", "--apply")) == 1
    assert "fingerprint-wanted" in capsys.readouterr().err
    page.until("site", "trust", "review")
    assert trusted(shop, "developer") == {old, new}, "the service here needs the old key"
    page.until("site", "trust", "review")
    assert trusted(shop, "developer") == {new}
    assert shop.json("site", "status")["services"][0]["due"] == "1.0.0"
    page.end()


def signed(shell: Commands, version: str, *home: str) -> str:
    """A package of Ada's without a Store seal."""
    words = ("--name", "thermo", "--version", version, "--security-version", "1")
    shell.run("dev", "sign", "app.py", *words, "--metadata", "app.json", *home)
    return f"thermo-{version}.triseal"


def test_the_stolen_laptop(shop: Commands) -> None:
    thief = mark(shop)
    shop.run("site", "add-service", shop.release("1.1.0"))
    page = Page(shop, TITLES[1])
    assert page.until("store", "suspend")["state"] == "suspended"
    assert shop.fails("store", "submit", signed(shop, "1.2.0")) == "developer-suspended"
    shop.run("dev", "rotate", "--algorithm", "p256", "--out", "thief.pem")
    assert shop.fails("store", "register-developer", "thief.pem") == "developer-suspended"
    assert "thermo 1.1.0 on kitchen" in page.until("site", "trust", "review")["suspended"][0]
    (told,) = page.until("site", "status")["told_by_stores"]
    assert "her laptop was stolen" in told
    page.until("site", "trust", "review")
    assert trusted(shop, "developer") == set()
    page.until("dev", "request")
    new = page.variables["NEW"] = mark(shop, "--home", "third-laptop")
    assert page.until("store", "approve-key")["replaces"] == thief
    page.until("store", "resume")
    (shown,) = [page.until("site", "trust", "review")["withdrawn"]]
    assert shown == ["thermo 1.1.0 on kitchen"]
    page.until("site", "trust-developer")
    assert trusted(shop, "developer") == {new}
    page.end()
    home = ("--home", "third-laptop")
    shop.run("store", "submit", signed(shop, "1.2.0", *home), "--out", "new.triseal")
    shop.run("site", "add-service", "new.triseal")
    assert shop.json("site", "status")["told_by_stores"] == []


def test_the_stores_lost_key(shop: Commands) -> None:
    (old,) = trusted(shop, "store")
    Path("stick").mkdir()
    shutil.move("home/store/root.key", "stick/root.key")
    Path("home/store/store.key").unlink()
    page = Page(shop, TITLES[2])
    assert [one["state"] for one in page.until("store", "key", "status")] == ["in use"]
    rotated = page.until("store", "key", "rotate")
    new = rotated["fingerprint"]
    assert (rotated["state"], rotated["countersigned"]) == ("in use", ["thermo 1.0.0"])
    page.until("store", "get")
    assert shop.fails("site", "add-service", "thermo.triseal") == "bad-signature"
    page.until("site", "trust", "review")
    assert trusted(shop, "store") == {old, new}, "the service here needs the old key"
    page.until("site", "trust", "review")
    assert trusted(shop, "store") == {new}
    (left,) = page.until("store", "key", "status")
    assert (left["fingerprint"], left["state"]) == (new, "in use")
    page.end()
