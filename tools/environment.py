"""Make the virtual environment of a checkout: locked versions, checked hashes, nothing but pip.

    python3 tools/environment.py install FOLDER              makes or updates it
    FOLDER/bin/python tools/environment.py current FOLDER    exit status 0 if there is nothing to do
    FOLDER/bin/python tools/environment.py check             stops if no MicroPython can be found

The base interpreter installs, so the standard library must be enough. What is there and current is
kept; an installation that was interrupted starts afresh; of two at a time, the second waits.
"""

import contextlib
import fcntl
import hashlib
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Backends come first: what has no wheel is built with these, not with what is newest today.
LOCKS = (ROOT / "requirements-build.lock", ROOT / "requirements.lock")
PROJECT = ROOT / "pyproject.toml"
# Sections that an installation writes down; the others (lint, tests) are read where they stand.
INSTALLED_SECTIONS = ("build-system", "project")


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder` against a second `make` in the same checkout."""
    with folder.with_name(folder.name + ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def digest(*parts: bytes) -> str:
    """One name for this interpreter, this place and the given inputs."""
    state = hashlib.sha256(f"{sys.version} {sys.base_prefix} {ROOT}".encode())
    for part in parts:
        state.update(hashlib.sha256(part).digest())
    return state.hexdigest()


def packaging() -> bytes:
    """What of pyproject.toml ends up in the installation."""
    table = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    hatch = table.get("tool", {}).get("hatch")
    return repr([table.get(name) for name in INSTALLED_SECTIONS] + [hatch]).encode()


def pip(folder: Path, *arguments: str) -> None:
    """Install into the environment; pip itself says what went wrong.

    Raises:
        SystemExit: with one line, if pip failed.
    """
    python = str(folder / "bin" / "python")
    options = ["--quiet", "--disable-pip-version-check", "--no-build-isolation", "--no-compile"]
    command = [python, "-m", "pip", "install", *options, *arguments]
    finished = subprocess.run(command, cwd=ROOT, check=False)
    if finished.returncode:
        raise SystemExit(f"environment: pip failed on {arguments[-1]} (its reason is above)")


def install_locked(folder: Path) -> None:
    """Create the environment anew with everything that the lock files name."""
    print(f"environment: installing locked packages into {folder.name}/ (once)", flush=True)
    venv.create(folder, clear=True, with_pip=True)
    for lock in LOCKS:
        pip(folder, "--require-hashes", "-r", str(lock))


LAUNCHER = """#!/bin/sh
# Starts MicroPython without what Python's own start-up reads: tests start it thousands of times.
folder=$(dirname "$0")
exec "$folder/python" -I -S -c 'import sys
sys.path.insert(0, sys.argv.pop(1))
from micropython_unix import main
sys.exit(main())' "$folder/../lib/{version}/site-packages" "$@"
"""


def quicken_micropython(folder: Path) -> None:
    """Replace the script that starts the wheel's MicroPython by one that takes a third of the time.

    Args:
        folder: the environment; where no wheel with a MicroPython was installed, nothing changes.
    """
    script = folder / "bin" / "micropython"
    for module in folder.glob("lib/python*/site-packages/micropython_unix.py"):
        fresh = script.with_name(script.name + ".new")
        fresh.write_text(LAUNCHER.format(version=module.parent.parent.name), encoding="utf-8")
        fresh.chmod(0o755)
        fresh.replace(script)


def done(stamp: Path, expected: str) -> bool:
    """Whether the step that leaves `stamp` was finished with the same inputs."""
    return stamp.exists() and stamp.read_text(encoding="ascii") == expected


def steps(folder: Path) -> tuple[tuple[Path, str], tuple[Path, str]]:
    """The stamps that the two steps leave, each with what it has to hold."""
    versions = digest(*(lock.read_bytes() for lock in LOCKS))
    installed = digest(versions.encode(), packaging())
    return (folder / ".locked", versions), (folder / ".ready", installed)


def prepare(folder: Path) -> None:
    """Bring the environment in `folder` up to date with lock files and pyproject.toml."""
    locked, ready = steps(folder)
    # A dangling link stays behind when the base interpreter is removed.
    if not ((folder / "bin" / "python").exists() and done(*locked)):
        install_locked(folder)
        quicken_micropython(folder)
        locked[0].write_text(locked[1], encoding="ascii")
    if not done(*ready):
        pip(folder, "--no-deps", "--editable", ".")
        ready[0].write_text(ready[1], encoding="ascii")


def check_micropython() -> None:
    """Stop unless there is a MicroPython to run.

    Raises:
        SystemExit: with one line that says how to get one.
    """
    from boards import errors, micropython  # exists in the environment only

    try:
        micropython.find()
    except errors.NoMicroPython as missing:
        raise SystemExit(f"{missing}. {missing.advice}") from None


def main(arguments: list[str]) -> int:
    """Run as a command; see the module's text."""
    match arguments:
        case ["install", name]:
            folder = Path(name).absolute()
            with alone(folder):
                prepare(folder)
        case ["current", name]:
            return 0 if all(done(*step) for step in steps(Path(name).absolute())) else 1
        case ["check"]:
            check_micropython()
        case _:
            print("usage: environment.py install FOLDER | current FOLDER | check", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
