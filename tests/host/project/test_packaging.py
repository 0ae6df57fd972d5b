"""What an installation consists of: device sources in the wheel, hashes for all that is locked."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = {
    "sealcore": "common/sealcore",
    "triseal": "host/triseal",
    "nlsm": "device/nlsm",
    "boards": "tools/boards",
}
LOCKS = ("requirements.lock", "requirements-build.lock")
PINNED = re.compile(r"^([a-z0-9-]+)==\S+( ; .+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")
COMMENT = re.compile(r"^ *#")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.iterdir()
    return zipfile.ZipFile(built)


def locked(name: str) -> set[str]:
    """Names that a lock file pins."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {found[1] for line in lines if (found := PINNED.match(line))}


def test_the_wheel_holds_every_module_of_the_four_packages(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for package, folder in PACKAGES.items():
        start = ROOT / folder
        for path in start.rglob("*.py"):
            assert f"{package}/{path.relative_to(start).as_posix()}" in names
    assert {name.partition("/")[0] for name in names if name.endswith(".py")} == set(PACKAGES)


def test_the_wheel_holds_what_starts_the_agent(wheel: zipfile.ZipFile) -> None:
    assert wheel.read("nlsm/main.py") == (ROOT / "device" / "main.py").read_bytes()


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_holds_hashed_versions_and_nothing_else(name: str) -> None:
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        assert COMMENT.match(line) or PINNED.match(line) or HASH.match(line), line


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    for requirement in [*project["dependencies"], *(line for extra in extras for line in extra)]:
        found = re.match(r"[A-Za-z0-9-]+", requirement)
        assert found is not None
        assert found[0].lower() in locked("requirements.lock"), "run `make lock`"


def test_what_builds_this_distribution_is_locked() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(table["build-system"]["requires"]) <= set(table["dependency-groups"]["build"])
    assert {"hatchling", "setuptools"} <= locked("requirements-build.lock")


def test_the_agent_says_the_version_of_the_project() -> None:
    text = (ROOT / "device/nlsm/board.py").read_text(encoding="utf-8")
    (said,) = re.findall(r'_VERSION = const\(b"(.*)"\)', text)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert said == project["version"]
