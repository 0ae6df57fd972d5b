"""What `make fresh` decides before it makes a machine, and how it reads what ran there."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import fresh

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
90 22 0:5 / /srv/build/fresh-1/machine/proc rw,nosuid - proc proc rw
91 22 254:0 /home /srv/build/fresh-1/my\\040machine rw - ext4 /dev/vda rw
92 22 0:5 / /srv/build/fresh-10/machine/proc rw,nosuid - proc proc rw
"""
# Sentence, variables and pip's configuration of this computer, what the machine gets.
VARIABLES: tuple[tuple[str, Mapping[str, str], str, Mapping[str, str]], ...] = (
    ("nothing is set", {"HOME": "/root", "PYTHONPATH": "x", "PIPX": "1"}, "", {}),
    (
        "a proxy, in both spellings",
        {"https_proxy": "http://p:3128", "HTTP_PROXY": "http://p:3128", "no_proxy": "localhost"},
        "",
        {"https_proxy": "http://p:3128", "HTTP_PROXY": "http://p:3128", "no_proxy": "localhost"},
    ),
    (
        "an authority of one's own, for all programs that have their own way to say so",
        {"SSL_CERT_FILE": "/ca.pem", "PIP_CERT": "/ca.pem", "REQUESTS_CA_BUNDLE": "/ca.pem"},
        "",
        {"SSL_CERT_FILE": "/ca.pem", "PIP_CERT": "/ca.pem", "REQUESTS_CA_BUNDLE": "/ca.pem"},
    ),
    (
        "folders and configuration files that the machine does not have",
        {"PIP_FIND_LINKS": "/usr", "PIP_CACHE_DIR": "/tmp", "PIP_CONFIG_FILE": "/etc/pip.conf"},
        "",
        {},
    ),
    ("a folder that every Debian has", {"SSL_CERT_DIR": "/etc"}, "", {"SSL_CERT_DIR": "/etc"}),
    (
        "a mirror that only pip's configuration names",
        {},
        "[global]\nindex-url = https://mirror/simple\ncert = /ca.pem\nconstraint = /c.txt\n",
        {"PIP_INDEX_URL": "https://mirror/simple", "PIP_CERT": "/ca.pem"},
    ),
    (
        "mirrors on the network and on this computer's disk",
        {},
        "[install]\nextra-index-url = file:///opt/pypi\n    https://mirror/simple\n",
        {"PIP_EXTRA_INDEX_URL": "https://mirror/simple"},
    ),
    (
        "a variable comes before the configuration, as with pip",
        {"PIP_INDEX_URL": "https://near/simple"},
        "[global]\nindex-url = https://mirror/simple\n",
        {"PIP_INDEX_URL": "https://near/simple"},
    ),
    ("a configuration that pip would refuse", {}, "index-url = https://mirror/simple\n", {}),
)
TESTS = """\
import pytest

def test_it_passes(): pass
def test_it_fails(): assert not "a"
@pytest.fixture
def broken(): raise OSError("no room")
def test_it_breaks(broken): pass
def test_it_is_skipped(): pytest.skip("no openssl: apt install openssl")
"""


def refusal() -> str:
    with pytest.raises(SystemExit) as caught:
        fresh.check_host()
    return str(caught.value)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, alone on PATH, with all the programs that root needs."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in fresh.PROGRAMS:
        (tmp_path / name).touch(0o755)
    return tmp_path


@pytest.mark.parametrize("name", fresh.PROGRAMS)
def test_a_program_that_is_missing_is_named_with_its_package(programs: Path, name: str) -> None:
    fresh.check_host()
    (programs / name).unlink()
    assert refusal() == f"fresh: no {name}: apt install {fresh.PROGRAMS[name]}"


def test_it_needs_root(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert refusal() == "fresh: needs root: sudo make fresh DISTRIBUTION=trixie"


def test_it_needs_linux(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "Linux" in refusal()


@pytest.mark.parametrize(("sentence", "variables", "configuration", "expected"), VARIABLES)
def test_the_way_to_the_index_comes_along(
    tmp_path: Path,
    sentence: str,
    variables: Mapping[str, str],
    configuration: str,
    expected: Mapping[str, str],
) -> None:
    file = tmp_path / "pip.conf"
    file.write_text(configuration)
    settings = fresh.pip_settings([tmp_path / "none", file])
    assert fresh.carried(variables, settings) == expected, sentence


def test_files_that_variables_name_come_along(tmp_path: Path) -> None:
    machine, file, other = tmp_path / "machine", tmp_path / "own ca.pem", tmp_path / "other"
    file.write_text("authority")
    other.write_text("of this computer")
    place = machine / file.relative_to("/")
    place.parent.mkdir(parents=True)
    place.symlink_to(other)
    fresh.copy_in(machine, {"PIP_CERT": str(file), "no_proxy": "*", "PIP_CLIENT_CERT": "/none"})
    assert place.read_text() == "authority"
    assert not place.is_symlink()
    assert other.read_text() == "of this computer", "a link led out of the machine"


def test_what_is_mounted_in_a_machine_is_seen() -> None:
    assert fresh.mounts_below(Path("/srv/build/fresh-1"), MOUNTS) == [
        "/srv/build/fresh-1/machine/proc",
        "/srv/build/fresh-1/my machine",
    ]
    assert fresh.mounts_below(Path("/srv/build/fresh-2"), MOUNTS) == []


def test_a_machine_with_something_mounted_is_not_removed(tmp_path: Path) -> None:
    machine = tmp_path / "machine"
    (machine / "proc").mkdir(parents=True)
    table = tmp_path / "mountinfo"
    table.write_text(f"90 22 0:5 / {machine.resolve()}/proc rw - proc proc rw\n")
    with pytest.raises(SystemExit, match=r"fresh: .*/machine/proc is mounted: umount it"):
        fresh.remove(machine, table)
    assert (machine / "proc").is_dir()
    table.write_text(MOUNTS)
    fresh.remove(machine, table)
    assert not machine.exists()


def test_what_pytest_says_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    without = ("-p", "no:cacheprovider", "-p", "no:schemathesis")  # this one takes long to load
    command = [sys.executable, "-m", "pytest", "-ra", *without, "-c", os.devnull]
    done = subprocess.run(
        [*command, "--rootdir=."], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert fresh.counts(done.stdout) == "1 failed, 1 passed, 1 skipped, 1 error"
    (tmp_path / "log").write_text(done.stdout)
    fresh.tell("make test", done.returncode, 61.4, tmp_path / "log")
    first, *lines, last = capsys.readouterr().out.splitlines()
    assert first == (
        "fresh: make test: failed with status 1 in 61 s  1 failed, 1 passed, 1 skipped, 1 error"
    )
    assert [line.split()[0] for line in lines] == ["SKIPPED", "ERROR", "FAILED"]
    assert "no openssl: apt install openssl" in lines[0]
    assert last.endswith(str(tmp_path / "log"))


def test_what_fails_before_pytest_is_told_by_its_last_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log").write_text("".join(f"line {number}\n" for number in range(40)))
    fresh.tell("make demo", 2, 1.0, tmp_path / "log")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "fresh: make demo: failed with status 2 in 1 s"
    assert said[1:-1] == [f"    line {number}" for number in range(20, 40)]
