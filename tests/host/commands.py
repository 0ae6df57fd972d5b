"""Commands as a person types them, each with the exit status and the lines that it must have."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from triseal import request
from triseal.cli.main import main
from triseal.developer import home

KEY = ("--algorithm", "p256", "--no-passphrase")
SERVICE = """\
import asyncio


async def main(ctx):
    while True:
        ctx.log("here")
        await asyncio.sleep_ms(100)
"""
METADATA = '{"capabilities": ["log", "bus.publish:home/#"]}'


class Commands:
    """Runs commands in a folder with a TRISEAL_HOME of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self._failure = ""

    def __repr__(self) -> str:
        """What pytest shows of it where a test fails."""
        return f"<Commands in {self.folder}, last failure {self._failure!r}>"

    def run(self, *words: str) -> str:
        """Standard output of a command that must succeed and say nothing else."""
        status = main(words)
        seen = self._capsys.readouterr()
        assert (status, seen.err) == (0, ""), seen.err
        return seen.out

    def json(self, *words: str) -> Any:
        """The facts of a command that must succeed."""
        return json.loads(self.run(*words, "--json"))

    def fails(self, *words: str, shows: str = "") -> str:
        """The code in the one line of a command that must fail; its output begins with `shows`."""
        status = main(words)
        seen = self._capsys.readouterr()
        assert (status, seen.out[: len(shows) or None]) == (1, shows), (status, seen)
        self._failure = seen.err
        start, code, rest = seen.err.split(": ", 2)
        assert (start, seen.err.count("\n"), ";" in rest) == ("triseal", 1, True), seen.err
        return code

    def misused(self, *words: str) -> str:
        """What a command says that must be used wrongly."""
        status = main(words)
        seen = self._capsys.readouterr()
        assert (status, seen.out) == (2, ""), (status, seen)
        return seen.err

    def release(self, version: str, security_version: int = 1) -> str:
        """A package of the service `thermo` with two seals; its file's name."""
        Path("app.py").write_text(SERVICE, encoding="utf-8")
        Path("app.json").write_text(METADATA, encoding="utf-8")
        words = ("--version", version, "--security-version", str(security_version))
        more = ("--metadata", "app.json", "--out", "signed.triseal")
        self.run("dev", "sign", "app.py", "--name", "thermo", *words, *more)
        self.run("store", "submit", "signed.triseal", "--out", f"thermo-{version}.triseal")
        return f"thermo-{version}.triseal"


@pytest.fixture
def empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    """A folder and a home with nothing in them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRISEAL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TRISEAL_PASSPHRASE", raising=False)
    return Commands(tmp_path, capsys)


@pytest.fixture
def settled(empty: Commands, _prepared: Path) -> Commands:
    """A developer, a Store that approved her, and a site that trusts both."""
    shutil.copytree(_prepared, empty.folder, dirs_exist_ok=True)
    return empty


@pytest.fixture(scope="session")
def _prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("TRISEAL_HOME", str(folder / "home"))
        _succeed("dev", "init", "--name", "Ada", *KEY)
        _succeed("store", "init", "--name", "Shop", *KEY)
        _succeed("store", "show", "--cert-out", "store.pem")
        _succeed("dev", "request", "--out", "ada.pem")
        _succeed("store", "register-developer", "ada.pem")
        _succeed("store", "approve", request.fingerprint(home.show(home.default()).spki))
        _succeed("site", "init", "house", *KEY)
        _succeed("site", "trust-store", "store.pem")
        _succeed("site", "trust-developer", "ada.pem")
    return folder


def _succeed(*words: str) -> None:
    assert main(words) == 0, words
