"""Make a release: check that it is complete, build it, tag it.

    make release VERSION=0.2.0

The version stands in pyproject.toml, and its changes under `## [0.2.0] - 2026-12-01` in
CHANGELOG.md, both committed. What is built comes from the tag, so files that are not committed are
never in it. Nothing is pushed or uploaded.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", re.ASCII)


class NotReady(Exception):
    """The checkout can't be released; the text says what to do."""


def git(root: Path, *arguments: str) -> str:
    """Run git in the checkout `root` with these arguments, and return what it prints.

    Raises:
        NotReady: it failed, or there is no git.
    """
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise NotReady("there is no git: install it") from None
    if done.returncode:
        raise NotReady(f"git {arguments[0]}: {done.stderr.strip() or done.returncode}")
    return done.stdout.strip()


def notes(changelog: str, version: str) -> str:
    """Return the section of a version in the changelog, without its heading.

    Args:
        changelog: text of CHANGELOG.md.
        version: for example `0.2.0`.

    Raises:
        NotReady: there is no such section with a date, or nothing in it.
    """
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d{{2}}-\d{{2}}$"
    found = re.search(heading + r"\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    text = found[1].strip() if found else ""
    if not text:
        raise NotReady(
            f"CHANGELOG.md has no section `## [{version}] - DATE` with changes: write it"
        )
    return text


def check(root: Path, version: str) -> str:
    """Check that a checkout is complete for a release, and return its notes.

    Args:
        root: folder of the checkout.
        version: of the release.

    Raises:
        NotReady: the version is wrong or tagged already, files are not committed, or the notes are
            missing.
    """
    if not _VERSION.fullmatch(version):
        raise NotReady(f"{version!r} is no version like 0.2.0")
    if git(root, "status", "--porcelain"):
        raise NotReady("there are files that are not committed: commit or remove them")
    stated = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    if stated != version:
        raise NotReady(f"pyproject.toml says {stated}, not {version}: change and commit it")
    if git(root, "tag", "--list", f"v{version}"):
        raise NotReady(f"v{version} is tagged already: choose the next version")
    return notes((root / "CHANGELOG.md").read_text(), version)


def build(root: Path, version: str, folder: Path) -> list[Path]:
    """Build wheel and source distribution from what is committed.

    Args:
        root: folder of the checkout.
        version: of the release.
        folder: where the files go; must not exist.

    Returns: the files.

    Raises:
        NotReady: the build failed, or made files of another version.
    """
    with tempfile.TemporaryDirectory(prefix="triseal-release-") as clone:
        git(root, "clone", "--quiet", "--no-hardlinks", str(root), clone)
        command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
        done = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotReady(f"the build failed: {done.stderr.strip().splitlines()[-1:]}")
    made = sorted(folder.iterdir())
    if len(made) != 2 or any(f"-{version}" not in file.name for file in made):
        raise NotReady(f"the build made {', '.join(file.name for file in made)}")
    return made


def release(root: Path, version: str) -> Path:
    """Check, build and tag a release.

    Args:
        root: folder of the checkout.
        version: of the release.

    Returns: the folder of its files: wheel, source distribution, SHA256SUMS, NOTES.md.

    Raises:
        NotReady: see `check` and `build`; nothing is tagged then.
    """
    text = check(root, version)
    folder = root / "build" / "release" / version
    if folder.exists():
        raise NotReady(f"{folder} is there already: remove it")
    made = build(root, version, folder)
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in made]
    (folder / "SHA256SUMS").write_text("".join(sums))
    (folder / "NOTES.md").write_text(text + "\n")
    git(root, "tag", "--annotate", f"v{version}", "--file", str(folder / "NOTES.md"))
    return folder


def main(arguments: list[str]) -> int:
    """Run as a command; see the module's text. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Check, build and tag a release.")
    parser.add_argument("version", help="for example 0.2.0")
    version = parser.parse_args(arguments).version
    try:
        folder = release(ROOT, version)
    except NotReady as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    print(
        f"tagged v{version}; its files are in {folder}\npublish the tag: git push origin v{version}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
