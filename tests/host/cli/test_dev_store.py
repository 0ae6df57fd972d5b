"""`triseal dev` and `triseal store`: from a key to a countersigned package, and ways to fail."""

import contextlib
import json
import os
import pty
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from triseal import package, request
from triseal.cli.main import main
from triseal.developer import home
from triseal.store import authority

SIGN = ["dev", "sign", "blink.py", "--name", "blink", "--security-version", "1"]


class Shell:
    """A person in a folder of their own, with a developer and a Store in TRISEAL_HOME."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._capsys = capsys
        self.folder = folder
        self.home = folder / "home"
        Path("blink.py").write_text("async def main(ctx):\n    pass\n", encoding="utf-8")

    def run(self, *words: str) -> str:
        """Standard output of a command that must succeed and say nothing else."""
        status = main(words)
        seen = self._capsys.readouterr()
        assert (status, seen.err) == (0, "")
        return seen.out

    def json(self, *words: str) -> dict[str, object]:
        found = json.loads(self.run(*words, "--json"))
        assert isinstance(found, dict)
        return found

    def fails(self, *words: str) -> tuple[str, str]:
        """Code and the rest of the one line of a command that must fail."""
        before = self.files()
        status = main(words)
        seen = self._capsys.readouterr()
        assert (status, seen.out) == (1, "")
        start, code, rest = seen.err.split(": ", 2)
        assert (start, seen.err.count("\n"), ";" in rest) == ("triseal", 1, True)
        assert self.files() == before, "a failure leaves everything as it was"
        return code, rest

    def files(self) -> dict[str, bytes]:
        """All files but the database, whose journal moves when it is read, and the notes of what
        was signed, which stay where it could not be written."""
        return {
            str(path): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and ".sqlite" not in path.name and path.parent.name != "signed"
        }


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRISEAL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TRISEAL_PASSPHRASE", raising=False)
    monkeypatch.delenv("TRISEAL_STORE_DATABASE", raising=False)
    return Shell(capsys, tmp_path)


_prepared: list[Path] = []


@pytest.fixture
def settled(shell: Shell, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """With an approved developer and a Store, and a package of version 1.0."""
    if _prepared:
        shutil.copytree(_prepared[0], shell.folder, dirs_exist_ok=True)
        return shell
    key = ("--algorithm", "p256", "--no-passphrase")
    shell.run("dev", "init", "--name", "Ada", *key)
    shell.run("store", "init", "--name", "Shop", *key)
    shell.run("dev", "request", "--out", "ada.pem")
    shell.run("store", "register-developer", "ada.pem")
    shell.run("store", "approve", str(shell.json("dev", "show")["fingerprint"]))
    shell.run(*SIGN, "--version", "1.0", "--out", "blink.triseal")
    kept = tmp_path_factory.mktemp("prepared")
    shutil.copytree(shell.folder, kept, dirs_exist_ok=True)
    _prepared.append(kept)
    return shell


def test_from_a_key_to_a_countersigned_package(settled: Shell) -> None:
    release = settled.json("store", "submit", "blink.triseal", "--out", "sealed.triseal")
    assert (release["service"], release["developer"]) == ("blink", "Ada")
    settled.run("store", "get", "blink")
    sealed = package.read(Path("sealed.triseal"))
    assert package.read(Path("blink-1.0.triseal")) == sealed
    assert sealed.store_seal
    assert "blink\t1.0\t1\tAda\t" in settled.run("store", "list")
    assert "Ada\tapproved\t" in settled.run("store", "list", "--developers")
    assert json.loads(settled.run("store", "list", "other", "--json")) == []
    settled.run("store", "show", "--cert-out", "store.pem")
    assert "CA certificate" in settled.run("inspect", "store.pem")


def test_the_package_is_named_by_service_and_version(settled: Shell) -> None:
    Path("more.json").write_text('{"capabilities":["log"],"heap":9000}', encoding="utf-8")
    facts = settled.json(*SIGN, "--version", "1.1", "--metadata", "more.json", "--years", "2")
    assert facts["package"] == "blink-1.1.triseal"
    assert facts["capabilities"] == ["log"]
    assert package.read(Path("blink-1.1.triseal")).metadata.startswith(b'{"capabilities":["log"]')


def test_keys_are_for_their_owner_alone(settled: Shell) -> None:
    for path in (settled.home / "dev" / home.KEY, settled.home / "store" / authority.KEY):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_request_goes_to_standard_output(settled: Shell) -> None:
    assert request.parse(settled.run("dev", "request").encode()).name == "Ada"


def test_a_request_in_a_file_is_named_with_what_to_do_next(settled: Shell) -> None:
    said = settled.json("dev", "request", "--out", "again.pem")
    assert said["request"] == "again.pem"
    assert said["fingerprint"] == settled.json("dev", "show")["fingerprint"]
    assert "store register-developer" in str(said["next"])
    shown = str(settled.json("dev", "request")["pem"])
    assert request.parse(shown.encode()).name == "Ada"
    assert Path("again.pem").read_text(encoding="utf-8") == shown


def test_a_replacement_that_can_not_be_written_replaces_nothing(settled: Shell) -> None:
    """The Store would not follow a second one without the first one."""
    Path("folder").mkdir()
    rotate = ("dev", "rotate", "--algorithm", "p256", "--no-passphrase", "--out")
    before = settled.json("dev", "show")
    assert settled.fails(*rotate, "folder")[0] == "not-a-file"
    assert settled.json("dev", "show") == before
    settled.run(*rotate, "new.pem")
    settled.run("store", "register-developer", "new.pem")


def test_init_never_overwrites(settled: Shell) -> None:
    for role in ("dev", "store"):
        code, rest = settled.fails(role, "init", "--name", "Eve", "--no-passphrase")
        assert code == "already-exists"
        assert "--home" in rest


# Passphrases.


def test_the_passphrase_comes_from_a_file_or_the_environment(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("secret").write_text("correct horse\nsecond line\n", encoding="utf-8")
    shell.run("dev", "init", "--name", "A", "--algorithm", "p256", "--passphrase-file", "secret")
    assert b"ENCRYPTED" in (shell.home / "dev" / home.KEY).read_bytes()
    assert shell.fails(*SIGN, "--version", "1")[0] == "no-passphrase"
    monkeypatch.setenv("TRISEAL_PASSPHRASE", "correct horse")
    shell.run(*SIGN, "--version", "1")
    Path("secret").write_text("battery staple\n", encoding="utf-8")
    code, rest = shell.fails(*SIGN, "--version", "2", "--passphrase-file", "secret")
    assert code == "wrong-passphrase"
    assert "staple" not in rest


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, "file-not-found"), ("", "no-passphrase"), ("\nx", "no-passphrase"),
     ("x" * 2000, "file-too-large")],
)  # fmt: skip
def test_a_passphrase_file_that_is_none(shell: Shell, content: str | None, code: str) -> None:
    if content is not None:
        Path("secret").write_text(content, encoding="utf-8")
    words = ("init", "--name", "A", "--algorithm", "p256", "--passphrase-file", "secret")
    assert shell.fails("dev", *words)[0] == code
    assert shell.fails("store", *words)[0] == code


# A terminal of its own, so that Ctrl-C in it interrupts, even if whoever runs the tests ignores it.
IN_A_TERMINAL = """
import fcntl, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.default_int_handler)
from triseal.cli.main import main
sys.exit(main())
"""


PATIENCE_S = 120


class Typist:
    """Runs a command in a terminal and answers its prompts."""

    def __init__(self, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        path = os.pathsep.join(entry for entry in sys.path if entry)
        self._process = subprocess.Popen(
            [sys.executable, "-c", IN_A_TERMINAL, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        os.close(theirs)
        self.seen = b""

    def answer(self, prompt: bytes, typed: bytes) -> None:
        """Type once the prompt is there: what is typed before is thrown away, echo off or not."""
        while prompt not in self.seen:
            assert select.select([self._ours], [], [], PATIENCE_S)[0], self.seen
            self.seen += os.read(self._ours, 4096)
        os.write(self._ours, typed)

    def status(self, impatient: bytes = b"") -> int:
        """Read to the end; while nothing comes, type something again, as people do."""
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            for _ in range(PATIENCE_S):
                if not select.select([self._ours], [], [], 1.0)[0]:
                    os.write(self._ours, impatient)
                elif data := os.read(self._ours, 4096):
                    self.seen += data
                else:
                    break
        os.close(self._ours)
        return self._process.wait(PATIENCE_S)


@pytest.mark.parametrize(
    ("again", "status", "text"),
    [
        (b"horse\n", 0, b"fingerprint:"),
        (b"house\n", 1, b"triseal: wrong-passphrase: the two passphrases differ"),
        (b"\n", 1, b"triseal: no-passphrase: no passphrase was typed"),
        (b"\x04", 1, b"triseal: no-passphrase: no passphrase was typed"),
        (b"\x03", 130, b""),
    ],
)
@pytest.mark.usefixtures("shell")
def test_at_a_terminal_a_new_passphrase_is_asked_for_twice(
    again: bytes, status: int, text: bytes
) -> None:
    person = Typist("dev", "init", "--name", "Ada", "--algorithm", "p256", "--home", "ada")
    person.answer(b"New passphrase of the developer's key: ", b"horse\n")
    person.answer(b"The same again: ", again)
    # A signal that comes just before Python begins to read is not seen before the next key.
    interrupt = again if again == b"\x03" else b""
    assert person.status(interrupt) == status, person.seen
    assert text in person.seen
    assert b"horse" not in person.seen
    assert Path("ada", home.KEY).exists() == (status == 0)


# What people get wrong.


@pytest.mark.parametrize(
    ("sentence", "words", "code"),
    [
        ("a file that is not there", ["none.py"], "file-not-found"),
        ("an empty folder", ["folder.py"], "bad-folder"),
        ("an empty file", ["empty.py"], "bad-executable"),
        ("another kind of file", ["ada.pem"], "bad-executable"),
        ("a version in words", ["blink.py", "--version", "one"], "bad-version"),
        ("a service name with capitals", ["blink.py", "--name", "Blink"], "bad-label"),
        ("metadata that is not there", ["blink.py", "--metadata", "none"], "file-not-found"),
        ("metadata that is a folder", ["blink.py", "--metadata", "folder.py"], "not-a-file"),
        ("metadata that is source", ["blink.py", "--metadata", "blink.py"], "bad-metadata"),
        ("a target that is a folder", ["blink.py", "--out", "folder.py"], "not-a-file"),
        ("a target below a file", ["blink.py", "--out", "ada.pem/x"], "not-a-folder"),
        ("a home without a developer", ["blink.py", "--home", "folder.py"], "not-initialised"),
    ],
)
def test_signing_refused(settled: Shell, sentence: str, words: list[str], code: str) -> None:
    Path("folder.py").mkdir()
    Path("empty.py").touch()
    given = [
        "dev",
        "sign",
        "--name",
        "blink",
        "--version",
        "1.1",
        "--security-version",
        "1",
        *words,
    ]
    assert settled.fails(*given)[0] == code, sentence
    settled.run(*SIGN, "--version", "1.1")


@pytest.mark.parametrize(
    ("sentence", "words", "code"),
    [
        ("a package that is not there", ["submit", "none"], "file-not-found"),
        ("a folder", ["submit", "home"], "not-a-file"),
        ("source", ["submit", "blink.py"], "malformed-der"),
        ("a package cut off", ["submit", "cut.triseal"], "malformed-der"),
        ("a package with a flipped byte", ["submit", "flipped.triseal"], "hash-mismatch"),
        ("a service that is not there", ["get", "other"], "unknown-service"),
        ("a version that is not there", ["get", "blink", "--version", "7"], "unknown-service"),
        ("a request that is a package", ["register-developer", "blink.triseal"], "bad-request"),
        ("a request that is not there", ["register-developer", "none"], "file-not-found"),
        ("a fingerprint of nobody", ["approve", "00"], "unknown-developer"),
        ("a home without a Store", ["list", "--home", "blink.py"], "not-a-folder"),
        ("a database that is a text", ["list", "--database", "blink.py"], "database-unusable"),
        ("a database of a kind that there is not", ["list", "--database", "x://y"],
         "database-unusable"),
    ],
)  # fmt: skip
def test_the_store_refuses(settled: Shell, sentence: str, words: list[str], code: str) -> None:
    whole = Path("blink.triseal").read_bytes()
    Path("cut.triseal").write_bytes(whole[:-9])
    Path("flipped.triseal").write_bytes(whole[:-1] + bytes((whole[-1] ^ 1,)))
    assert settled.fails("store", *words)[0] == code, sentence
    settled.run("store", "submit", "blink.triseal")


def test_the_same_package_is_answered_the_same_and_its_version_is_taken(settled: Shell) -> None:
    settled.run("store", "submit", "blink.triseal", "--out", "first")
    settled.run("store", "submit", "blink.triseal", "--out", "again")  # the answer was lost, say
    assert Path("again").read_bytes() == Path("first").read_bytes()
    Path("blink.py").write_text("async def main(ctx):\n    return\n")
    settled.run(*SIGN, "--version", "1.0", "--again", "--out", "other.triseal")
    code, rest = settled.fails("store", "submit", "other.triseal", "--out", "x")
    assert code == "rollback"
    assert "raise the version" in rest


def test_a_store_without_its_key_seals_nothing(settled: Shell) -> None:
    (settled.home / "store" / authority.KEY).chmod(0o644)
    assert settled.fails("store", "submit", "blink.triseal")[0] == "open-permissions"
    (settled.home / "store" / authority.KEY).unlink()
    assert settled.fails("store", "submit", "blink.triseal")[0] == "file-not-found"
    assert json.loads(settled.run("store", "list", "--json")) == []


KILLED = """
import os, signal, sys
from triseal import files
from triseal.cli.main import main
files.write = lambda *a: os.kill(os.getpid(), signal.SIGKILL)
main(sys.argv[1:])
"""


@pytest.mark.parametrize("words", [("dev", "--name", "A"), ("store", "--name", "A")])
def test_a_kill_in_the_middle_leaves_nothing_in_the_way(shell: Shell, words: list[str]) -> None:
    role, *rest = words
    command = [role, "init", *rest, "--algorithm", "p256", "--no-passphrase"]
    killed = subprocess.run([sys.executable, "-c", KILLED, *command], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert shell.fails(role, "show")[0] == "not-initialised"
    shell.run(*command)
    assert "fingerprint" in shell.run(role, "show")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_folder_that_can_not_be_written(shell: Shell) -> None:
    shell.folder.chmod(0o500)
    try:
        code, _ = shell.fails("dev", "init", "--name", "A", "--no-passphrase")
    finally:
        shell.folder.chmod(0o700)
    assert code == "permission-denied"


# Evidence and inspect.


def test_evidence_needs_two_seals_that_contradict(settled: Shell) -> None:
    assert settled.fails("evidence", "make", "blink.triseal", "--out", "e")[0] == "no-contradiction"
    settled.run("store", "submit", "blink.triseal", "--out", "sealed")
    assert settled.fails("evidence", "make", "sealed", "--out", "e")[0] == "no-contradiction"
    assert settled.fails("evidence", "check", "sealed")[0] == "malformed-der"
    assert main(["evidence", "make", "a", "b", "c", "--out", "e"]) == 1


def test_nobody_seals_a_version_twice_by_mistake(settled: Shell) -> None:
    settled.run(*SIGN, "--version", "1.0.0")  # the same once more says nothing new
    Path("blink.py").write_text("x = 1\nasync def main(ctx):\n    pass\n", encoding="utf-8")
    for spelling in ("1.0", "1", "1.0.0"):
        code, rest = settled.fails(*SIGN, "--version", spelling, "--out", "again.triseal")
        assert code == "already-signed"
        assert "raise the version" in rest
    settled.run(*SIGN, "--version", "1.0.1")
    settled.run(*SIGN, "--version", "1.0", "--again")
    settled.run(*SIGN, "--version", "1.0")  # what was signed last is what counts now


def test_a_developer_who_seals_a_version_twice_is_proven_to(settled: Shell) -> None:
    first = package.read(Path("blink.triseal"))
    Path("blink.py").write_text("x = 1\nasync def main(ctx):\n    pass\n", encoding="utf-8")
    settled.run(*SIGN, "--version", "1.0", "--again", "--out", "again.triseal")
    for name, made in (("a", first), ("b", package.read(Path("again.triseal")))):
        Path(name).write_bytes(made.developer_seal)
    settled.run("evidence", "make", "a", "b", "--out", "case")
    facts = settled.json("evidence", "check", "case", "--developer", "ada.pem")
    assert (facts["proven"], facts["kind"], facts["signer"]) == (True, "two-faced", "Ada")
    assert settled.fails("evidence", "check", "case")[0] == "untrusted-signer"
    settled.run("store", "show", "--cert-out", "store.pem")
    words = ("evidence", "check", "case", "--store-cert", "store.pem")
    assert settled.fails(*words)[0] == "untrusted-signer"
    assert settled.fails("evidence", "check", "case", "--developer", "case")[0] == "malformed-der"
    assert settled.json("inspect", "case")["claim"] == "two-faced: developer seal of Ada"


def test_inspect_prints_for_people_and_for_programs(settled: Shell) -> None:
    text = settled.run("inspect", "blink.triseal")
    assert text.startswith("kind:")
    assert re.search(r"\ndeveloper seal:\n  kind: +developer seal\n", text)
    facts = settled.json("inspect", "blink.triseal")
    assert facts["kind"] == "package"
    assert facts["store_seal"] is None
    for path, code in (
        (str(settled.home / "dev" / home.KEY), "not-recognised"),
        ("blink.py", "not-recognised"),
        (".", "not-a-file"),
        ("none", "file-not-found"),
    ):
        assert settled.fails("inspect", path)[0] == code
