"""`make release` in a repository of its own: what is not complete is not tagged."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

import release
from release import NotReady

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "thing"
version = "0.2.0"
[tool.hatch.build]
include = ["thing.py"]
"""
CHANGELOG = """\
# Changelog

## [0.2.0] - 2026-12-01

- It is faster.

## [0.1.0] - 2026-01-01

- It is there.
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout that is ready."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "CHANGELOG.md").write_text(CHANGELOG)
    (folder / "thing.py").write_text("")
    (folder / ".gitignore").write_text("build/\n")
    release.git(folder, "init", "--quiet")
    for key, value in (("name", "Ada"), ("email", "ada@example.org")):
        release.git(folder, "config", f"user.{key}", value)
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    release.git(folder, "add", "--all")
    release.git(folder, "commit", "--quiet", "--allow-empty", "--message", "thing: change")


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        path = folder / name
        path.write_text(path.read_text().replace(old, new))
        commit(folder)

    return act


def test_a_release_is_built_from_what_is_committed_and_tagged(root: Path) -> None:
    folder = release.release(root, "0.2.0")
    names = sorted(file.name for file in folder.iterdir())
    assert names == [
        "NOTES.md",
        "SHA256SUMS",
        "thing-0.2.0-py2.py3-none-any.whl",
        "thing-0.2.0.tar.gz",
    ]
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert (folder / "NOTES.md").read_text() == "- It is faster.\n"
    assert release.git(root, "tag", "--list", "--format=%(contents:subject)") == "- It is faster."
    with pytest.raises(NotReady, match="tagged already"):
        release.release(root, "0.2.0")


REFUSED: tuple[tuple[str, str, Callable[[Path], object], str], ...] = (
    ("no version", "0.2", lambda _: None, "no version"),
    ("a version of another language", "0.2.٠", lambda _: None, "no version"),
    ("another version is stated", "0.3.0", lambda _: None, "says 0.2.0"),
    ("a file is new", "0.2.0", lambda root: (root / "new.py").touch(), "not committed"),
    (
        "a file is changed",
        "0.2.0",
        lambda root: (root / "thing.py").write_text("1"),
        "not committed",
    ),
    ("nothing is said of it", "0.2.0", edit("CHANGELOG.md", "[0.2.0]", "[0.2.1]"), "no section"),
    ("it has no date", "0.2.0", edit("CHANGELOG.md", " - 2026-12-01", ""), "no section"),
    ("its section is empty", "0.2.0", edit("CHANGELOG.md", "- It is faster.\n", ""), "no section"),
    ("it can't be built", "0.2.0", edit("pyproject.toml", '"thing.py"', "7"), "build failed"),
    (
        "it was built before",
        "0.2.0",
        lambda root: (root / "build/release/0.2.0").mkdir(parents=True),
        "there already",
    ),
)


@pytest.mark.parametrize(
    ("version", "act", "said"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_is_not_complete_is_not_tagged(
    root: Path, version: str, act: Callable[[Path], object], said: str
) -> None:
    act(root)
    with pytest.raises(NotReady, match=said):
        release.release(root, version)
    assert release.git(root, "tag", "--list") == ""


def test_as_a_command_it_says_what_to_do_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["1"]) == 1
    assert capsys.readouterr().err == "release: '1' is no version like 0.2.0\n"
