"""What `make` says when pip can't install what is locked: one line, from a real pip."""

import io
import re
import sys
import tarfile
from pathlib import Path

import pytest

import environment
from tests import full

PYTHON = Path(sys.executable)
BACKEND = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
# What a source archive without a wheel does when pip wants one.
ARCHIVES: tuple[tuple[str, str, str], ...] = (
    (
        "its backend is not locked, as with what gives up its wheels",
        '[build-system]\nrequires = ["nosuch"]\nbuild-backend = "nosuch"\n',
        "",
    ),
    (
        "it stops before its metadata",
        BACKEND,
        "raise SystemExit('no compiler')",
    ),
    (
        "it stops when it is built",
        BACKEND,
        "def build_wheel(folder, settings=None, metadata=None): raise OSError('no compiler')\n"
        "def prepare_metadata_for_build_wheel(folder, settings=None):\n"
        "    import pathlib\n"
        "    info = pathlib.Path(folder, 'thing-1.0.dist-info')\n"
        "    info.mkdir()\n"
        "    info.joinpath('METADATA').write_text(\n"
        "        'Metadata-Version: 2.1\\nName: thing\\nVersion: 1.0\\n')\n"
        "    return info.name\n",
    ),
)


def archive(folder: Path, files: dict[str, str]) -> None:
    with tarfile.open(folder / "thing-1.0.tar.gz", "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"thing-1.0/{name}")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))


def refusal(folder: Path, *arguments: str) -> str:
    """The one line with which an installation ends."""
    options = [f"--target={folder / 'target'}", "--isolated", "--retries=0", "--no-cache-dir"]
    with pytest.raises(SystemExit) as caught:
        environment.pip(PYTHON, folder / "pip.log", *options, *arguments)
    line = str(caught.value)
    assert "\n" not in line
    assert line.endswith(f"(pip's whole output: {folder / 'pip.log'})")
    return line


@pytest.mark.parametrize(("sentence", "project", "backend"), full.rows(ARCHIVES, 0))
def test_what_has_no_wheel_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], sentence: str, project: str, backend: str
) -> None:
    files = {"pyproject.toml": project, "backend.py": backend, "PKG-INFO": ""}
    archive(tmp_path, files)
    line = refusal(tmp_path, "--no-index", f"--find-links={tmp_path}", "thing==1.0")
    assert re.match(r"environment: no wheel of thing\S* fits Python 3", line), sentence
    assert capfd.readouterr() == ("", ""), "all else is in the log"


def test_an_index_that_is_not_there_is_pips_own_reason(tmp_path: Path) -> None:
    line = refusal(tmp_path, "--index-url=http://127.0.0.1:9/simple", "thing==1.0")
    assert "pip failed: No matching distribution found for thing==1.0" in line


def test_another_file_than_the_locked_one(tmp_path: Path) -> None:
    archive(tmp_path, {"pyproject.toml": "", "PKG-INFO": ""})
    lock = tmp_path / "lock"
    lock.write_text(f"thing==1.0 --hash=sha256:{'0' * 64}\n")
    line = refusal(
        tmp_path, "--no-index", f"--find-links={tmp_path}", "--require-hashes", "-r", str(lock)
    )
    assert "DO NOT MATCH THE HASHES" in line


def test_a_pip_that_says_nothing() -> None:
    assert environment.reason("") == "pip failed: it says nothing"


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match=r"environment: .*file/venv can not be made: "):
        environment.install_locked(tmp_path / "file" / "venv")
