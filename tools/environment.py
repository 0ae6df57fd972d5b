"""Make the virtual environment of a checkout: locked versions, checked hashes, only with pip.

    python3 tools/environment.py install FOLDER              makes or updates it
    FOLDER/bin/python tools/environment.py current FOLDER    exit status 0 if there is nothing to do
    FOLDER/bin/python tools/environment.py check             stops if no MicroPython can be found

The base interpreter installs, so this needs only the standard library. An environment that is
current is kept, an installation that was interrupted starts again, and of two at a time the second
waits.
"""

import contextlib
import fcntl
import hashlib
import platform
import re
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Backends come first: packages without a wheel are built with these, not with the newest ones.
LOCKS = (ROOT / "requirements-build.lock", ROOT / "requirements.lock")
PROJECT = ROOT / "pyproject.toml"
# Sections that an installation copies; others (lint, tests) are read from the file.
INSTALLED_SECTIONS = ("build-system", "project")
LOG = "pip.log"


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder` against a second `make` in the same checkout."""
    with folder.with_name(folder.name + ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def digest(*parts: bytes) -> str:
    """Return one name for this interpreter, this place and the given inputs.

    Args:
        parts: the inputs.
    """
    state = hashlib.sha256(f"{sys.version} {sys.base_prefix} {ROOT}".encode())
    for part in parts:
        state.update(hashlib.sha256(part).digest())
    return state.hexdigest()


def packaging() -> bytes:
    """Return the part of pyproject.toml that ends up in the installation."""
    table = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    hatch = table.get("tool", {}).get("hatch")
    return repr([table.get(name) for name in INSTALLED_SECTIONS] + [hatch]).encode()


def python_of(folder: Path) -> Path:
    """Return the interpreter of the environment in `folder`."""
    return folder / "bin" / "python"


def reason(output: str) -> str:
    """Return in part of a line why pip failed.

    Args:
        output: everything that it printed.
    """
    failed = re.findall(r"Failed (?:building wheel for|to build) '?([\w.-]+)", output)
    # If pip can't get metadata, it names no package: then the last one that it tried has failed.
    parts = re.split(r"^(?:Collecting|Processing) (\S+)", output, flags=re.MULTILINE)
    if not failed and re.search("Preparing metadata|Getting requirements to build", parts[-1]):
        failed = [Path(parts[-2]).name]
    if failed:
        python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
        return (
            f"no wheel of {failed[0]} fits {python} on {platform.machine()}, and it can not be "
            "built here: take another Python, as in make PYTHON=/path/to/python"
        )
    errors = re.findall(r"^\s*ERROR: (.+)", output, re.MULTILINE)
    return f"pip failed: {errors[-1] if errors else 'it says nothing'}"


def pip(python: Path, log: Path, *arguments: str) -> None:
    """Install with pip.

    Args:
        python: interpreter whose pip installs.
        log: file for its output; its warnings also go to the person.
        arguments: of `pip install`.

    Raises:
        SystemExit: with one line, if pip failed.
    """
    options = ["--disable-pip-version-check", "--no-input", "--no-build-isolation", "--no-compile"]
    with (
        log.open("w", encoding="utf-8") as kept,
        subprocess.Popen(
            [str(python), "-m", "pip", "install", *options, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as running,
    ):
        for line in running.stdout or ():
            kept.write(line)
            # pip asks a slow or missing index several times, which takes a while.
            if line.startswith("WARNING: Retrying"):
                print(f"environment: {line}", end="", file=sys.stderr, flush=True)
    if running.returncode:
        why = reason(log.read_text(encoding="utf-8"))
        raise SystemExit(f"environment: {why} (pip's whole output: {log})")


def install_locked(folder: Path) -> None:
    """Create the environment in `folder` anew with everything that the lock files name."""
    print(f"environment: installing locked packages into {folder.name}/ (once)", flush=True)
    try:
        venv.create(folder, clear=True, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"environment: {folder} can not be made: {error}") from None
    for lock in LOCKS:
        pip(python_of(folder), folder / LOG, "--require-hashes", "-r", str(lock))


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
        folder: the environment; without a wheel with a MicroPython, nothing changes.
    """
    script = folder / "bin" / "micropython"
    for module in folder.glob("lib/python*/site-packages/micropython_unix.py"):
        fresh = script.with_name(script.name + ".new")
        fresh.write_text(LAUNCHER.format(version=module.parent.parent.name), encoding="utf-8")
        fresh.chmod(0o755)
        fresh.replace(script)


def done(stamp: Path, expected: str) -> bool:
    """Return whether the step of a stamp was finished with the same inputs.

    Args:
        stamp: file that the step leaves.
        expected: its content.
    """
    return stamp.exists() and stamp.read_text(encoding="ascii") == expected


def steps(folder: Path) -> tuple[tuple[Path, str], tuple[Path, str]]:
    """Return the stamps of the two steps, each with its expected content.

    Args:
        folder: the environment.
    """
    versions = digest(*(lock.read_bytes() for lock in LOCKS))
    installed = digest(versions.encode(), packaging())
    return (folder / ".locked", versions), (folder / ".ready", installed)


def prepare(folder: Path) -> None:
    """Bring the environment in `folder` up to date with lock files and pyproject.toml."""
    locked, ready = steps(folder)
    # A dangling link stays behind when the base interpreter is removed.
    if not (python_of(folder).exists() and done(*locked)):
        install_locked(folder)
        quicken_micropython(folder)
        locked[0].write_text(locked[1], encoding="ascii")
    if not done(*ready):
        pip(python_of(folder), folder / LOG, "--no-deps", "--editable", ".")
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
    """Run as a command; the docstring of the module explains the `arguments`."""
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
