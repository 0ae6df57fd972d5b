"""The command line's frame: one exit status per outcome, one line per failure, no traceback."""

import functools
import json
import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
import typer
from sqlalchemy.exc import IntegrityError

import boards.errors
import triseal.errors
from boards.errors import BoardError
from sealcore import errors
from tests.host.commands import KEY, Commands
from triseal.advice import REFUSALS
from triseal.cli import output, roles
from triseal.cli.main import app, main
from triseal.developer import home
from triseal.errors import DatabaseUnusable, Failure

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)}
Capture = pytest.CaptureFixture[str]


def codes() -> list[str]:
    """Every leaf that the docstring of `sealcore.errors` lists."""
    lines = str(errors.__doc__).splitlines()
    names = [line.split()[0] for line in lines if re.match(r"[A-Z][A-Za-z]+  +[a-z]", line)]
    assert len(names) > 20
    return [getattr(errors, name).code for name in names]


@pytest.mark.parametrize("code", codes())
def test_every_refusal_has_a_sentence_and_an_advice(code: str) -> None:
    sentence, advice = REFUSALS[code]
    assert len(sentence) > 10
    assert len(advice) > 10
    assert "\n" not in sentence + advice


def test_no_refusal_is_explained_that_there_is_not() -> None:
    assert set(REFUSALS) == set(codes())


def leaves(root: type[Exception]) -> Iterator[type[Exception]]:
    for kind in root.__subclasses__():
        yield kind
        yield from leaves(kind)


for name in roles.HELP:
    roles.commands(name)  # which loads all that can fail
OWN = [*leaves(Failure), *leaves(BoardError)]


@pytest.mark.parametrize("kind", OWN)
def test_every_failure_says_what_to_do_in_one_line(kind: type[Exception]) -> None:
    line = output.failure(kind("what was seen"))
    assert line.startswith(f"triseal: {kind.code}: what was seen; ")  # type: ignore[attr-defined]
    assert not line.endswith(".")
    assert "\n" not in line


def test_one_code_has_one_meaning() -> None:
    own = [kind for kind in OWN if kind.__module__ == "triseal.errors"]
    own_codes = [kind.code for kind in own]  # type: ignore[attr-defined]
    assert triseal.errors.NotAFile in own
    assert boards.errors.NoPort in OWN
    assert len(own_codes) == len(set(own_codes))
    assert not set(own_codes) & set(REFUSALS)


def noted(error: Exception, note: str) -> Exception:
    error.add_note(note)
    return error


LINES: tuple[tuple[str, BaseException, str], ...] = (
    ("a refusal", errors.HashMismatch(), "hash-mismatch: the executable differs from"),
    ("a refusal with a detail", errors.Rollback("1, had 2"), "accepted before (1, had 2); raise"),
    ("a refusal that nobody foresaw", errors.OutOfTune("x"), "out-of-tune: x; "),
    ("a file that is not there", FileNotFoundError(2, "No such file", "x"), "file-not-found: x: "),
    ("no permission", PermissionError(13, "Permission denied", "x"), "permission-denied: x: "),
    ("a full disk", OSError(28, "No space left on device", "x"), "disk-full: x: No space left"),
    ("an error with a note", noted(OSError(28, "Full", "x"), "kept"), "x: Full (kept); "),
    ("an error without a number", OSError("odd"), "system-failed: odd; solve"),
    ("a database", DatabaseUnusable("locked"), "database-unusable: locked; check"),
    ("a constraint", IntegrityError("INSERT", {}, Exception("twice")), "database-failed: "),
    ("a board", boards.errors.NoPort("COM7"), "no-port: COM7; plug the board in"),
    ("a defect", KeyError("x"), "defect: KeyError: 'x'; report it"),
    ("letters that steer a terminal", Failure("\x1b[2J\u202e\nx"), r"failed: \x1b[2J\u202e\nx; "),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "error", "text"), LINES)
def test_the_line(sentence: str, error: BaseException, text: str) -> None:
    line = output.failure(error)
    assert text in line, sentence
    assert line.startswith("triseal: ")
    assert len(line.splitlines()) == 1


# Usage and help.


def functions() -> Iterator[tuple[list[str], Callable[..., object]]]:
    """Every command, as the words that call it, and its function."""
    for one in app.registered_commands:
        assert one.callback is not None
        yield [str(one.name or one.callback.__name__)], one.callback
    for role in roles.HELP:
        yield from of_role([role], roles.commands(role))


def of_role(
    role: list[str], group: typer.Typer
) -> Iterator[tuple[list[str], Callable[..., object]]]:
    for one in group.registered_commands:
        assert one.callback is not None
        yield [*role, one.name or one.callback.__name__.replace("_", "-")], one.callback
    for part in group.registered_groups:
        assert part.typer_instance is not None
        inner = [*role, part.name] if isinstance(part.name, str) else role
        yield from of_role(inner, part.typer_instance)


def commands() -> list[list[str]]:
    """Every command, as the words that call it."""
    return [words for words, _ in functions()]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_help_has_examples_that_name_the_command(words: list[str], capsys: Capture) -> None:
    assert main([*words, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Examples:" in text
    assert f"  triseal {' '.join(words)}" in text.split("Examples:")[1]


def examples() -> list[str]:
    """Every example of every command's help, without the program's name."""
    found = []
    for words in commands():
        command = leaf(words)[0]
        found += re.findall(r"^  triseal (.*)$", str(command.epilog), re.MULTILINE)
    return found


@functools.cache
def tree() -> Any:
    """The commands as Typer makes them: once, because building them takes long."""
    return typer.main.get_command(app)


def leaf(words: list[str]) -> tuple[Any, list[str]]:
    """The command that these words call, and the words that are left for it."""
    command = tree()
    while hasattr(command, "get_command"):
        frame = typer.Context(command, info_name=words[0])
        command = command.get_command(frame, words[0])
        words = words[1:]
    return command, words


@pytest.mark.parametrize("line", examples())
def test_every_example_has_all_that_its_command_wants(line: str) -> None:
    for part in line.split(" && triseal "):
        command, rest = leaf(shlex.split(part, comments=True))
        with command.make_context(command.name, rest) as context:
            assert set(context.params) >= {one.name for one in command.params if one.required}


@pytest.mark.parametrize(
    ("sentence", "words", "meant"),
    [("a role", ["stie"], "'site'"),
     ("a command of a role", ["site", "stauts"], "'status'"),
     ("a command of another role", ["node", "provison"], "'provision'"),
     ("an option", ["site", "status", "--jsn"], "--json")],
)  # fmt: skip
def test_a_misspelt_word_is_answered_with_what_may_be_meant(
    sentence: str, words: list[str], meant: str, capsys: Capture
) -> None:
    assert main(words) == 2
    assert meant in capsys.readouterr().err.splitlines()[-1], sentence


def test_help_names_no_type_of_python(capsys: Capture) -> None:
    for words in commands():
        assert main([*words, "--help"]) == 0
        arguments = re.search(r"^Arguments:\n(.*?)\n\n", capsys.readouterr().out, re.M | re.S)
        assert not arguments or "<" not in arguments[1], words


JSON_FAILURES: tuple[tuple[str, list[str], int, str], ...] = (
    ("nothing is there", ["site", "nodes", "--home", "/nonexistent"], 1, "not-initialised"),
    ("no such file", ["inspect", "/nonexistent"], 1, "file-not-found"),
    ("no such command", ["site", "stauts"], 2, "wrong-usage"),
    ("no such option", ["site", "nodes", "--bogus"], 2, "wrong-usage"),
    ("an argument is missing", ["inspect"], 2, "wrong-usage"),
    ("a value is refused", ["dev", "init", "--name", "A", "--algorithm", "x"], 2, "wrong-usage"),
    ("not text", ["inspect", "\udcff"], 2, "wrong-usage"),
)


@pytest.mark.parametrize(("sentence", "words", "status", "code"), JSON_FAILURES)
def test_for_programs_a_failure_is_one_line_of_json(
    sentence: str, words: list[str], status: int, code: str, capsys: Capture
) -> None:
    assert main([*words, "--json"]) == status, sentence
    seen = capsys.readouterr()
    assert seen.out == ""
    (line,) = seen.err.splitlines()
    error = json.loads(line)["error"]
    assert error.pop("code") == code
    assert error.pop("message")
    assert error.pop("advice")
    assert not error


@pytest.mark.parametrize(
    "words",
    [["none"], ["dev", "none"], ["dev", "sign"], ["inspect"], ["inspect", "a", "b"],
     ["dev", "init", "--name", "A", "--algorithm", "rsa512"], ["dev", "init", "--nam"],
     ["store", "init", "--name", "A", "--years", "0"],
     ["store", "init", "--name", "A", "--years", "x"],
     ["evidence", "make", "a"]],
)  # fmt: skip
def test_wrong_usage_is_status_2(words: list[str], capsys: Capture) -> None:
    assert main(words) == 2
    seen = capsys.readouterr()
    assert seen.out == ""
    assert "Usage: triseal" in seen.err


def test_a_file_that_may_not_be_read_is_no_wrong_usage() -> None:
    """It is the command that opens it, and says `permission-denied` like any file of its kind."""
    found = []
    for words, function in functions():
        for name, hint in get_type_hints(function, include_extras=True).items():
            kind, *more = get_args(hint) if get_origin(hint) is Annotated else (None,)
            if Path in (kind, *get_args(kind)):
                found.append(name)
                assert [one.readable for one in more] == [False], (words, name)
    assert len(found) > 50


def test_an_argument_that_is_no_text_is_wrong_usage(capsys: Capture) -> None:
    assert main(["store", "get", "a\udcff"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_passphrase_may_have_any_octets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    monkeypatch.setenv("TRISEAL_PASSPHRASE", "geh\udcffeim")
    words = ["dev", "init", "--name", "A", "--algorithm", "p256", "--home", str(tmp_path / "d")]
    assert main(words) == 0
    assert capsys.readouterr().err == ""
    home.unlock(tmp_path / "d", lambda: b"geh\xffeim")


@pytest.mark.parametrize("heap", ["99999999999g", "99999999999", "0k", "x"])
def test_a_heap_that_is_none_is_wrong_usage(heap: str, capsys: Capture) -> None:
    assert main(["node", "virtual", "x", "--heap", heap]) == 2
    assert "--heap" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [("--drift", "100001"), ("--epoch", "1999"), ("--brown-out", "0"), ("--wrap", "-1")]
)
def test_a_flaw_that_is_none_is_wrong_usage(words: tuple[str, str], capsys: Capture) -> None:
    assert main(["node", "virtual", "x", *words]) == 2
    assert "Usage" in capsys.readouterr().err


@pytest.mark.parametrize("driver", ["sqlite+pysqlcipher", "sqlite+none", "postgresql+none"])
def test_a_driver_that_is_not_used(driver: str, capsys: Capture, tmp_path: Path) -> None:
    words = ["site", "init", "x", "--no-passphrase", "--home", str(tmp_path / "s")]
    assert main([*words, "--database", f"{driver}://:geheim@/x"]) == 1
    seen = capsys.readouterr().err
    assert seen.startswith("triseal: database-unusable: ")
    assert "geheim" not in seen


def test_the_version_is_told(capsys: Capture) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out.strip()


def test_a_home_that_the_shell_leaves_alone_is_a_home(
    empty: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(empty.folder))
    empty.run("dev", "init", "--name", "~/Ada", *KEY, "--home=~/dev")
    assert empty.json("dev", "show", "--home", str(empty.folder / "dev"))["name"] == "~/Ada"
    assert not (empty.folder / "~").exists()


def test_an_interrupt_is_status_130(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("triseal.cli.output.facts", interrupt)
    assert main(["dev", "init", "--name", "A", "--algorithm", "p256", "--no-passphrase",
                 "--home", str(tmp_path)]) == 130  # fmt: skip


def test_a_defect_is_one_line_too(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("triseal.files.read", broken)
    assert main(["inspect", "x"]) == 1
    assert capsys.readouterr().err.startswith("triseal: defect: ZeroDivisionError")


SLOW = {
    "alembic",
    "asyncio",
    "cryptography",
    "fastapi",
    "httpx",
    "numpy",
    "pydantic",
    "rich",
    "sqlalchemy",
    "uvicorn",
}
_KEYS = {"cryptography"}
_SITE = {*_KEYS, "asyncio", "sqlalchemy"}  # asyncio is loaded by sqlalchemy
# A command, and what is loaded of these: each line is run in the process of those before it.
LOADS: tuple[tuple[str, set[str]], ...] = (
    ("--help", set()),
    ("dev --help", set()),
    ("dev sign --help", set()),
    ("store --help", set()),
    ("store submit --help", set()),
    ("site --help", set()),
    ("site status --help", set()),
    ("site serve --help", set()),
    ("sim --help", set()),
    ("node --help", set()),
    ("node status --help", set()),
    ("--version", set()),
    ("evidence --help", _KEYS),
    ("dev init --name Ada --algorithm p256 --no-passphrase", _KEYS),
    ("site init home --algorithm p256 --no-passphrase", _SITE),
    ("site add-node kitchen", _SITE),
    ("site status", _SITE),
    ("site nodes", _SITE),
)
HELPS = """
import contextlib, io, json, sys
from triseal.cli.main import main
loaded = []
for line in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(line.split()) == 0
    loaded.append(sorted(sys.modules))
print(json.dumps(loaded))
"""


def test_what_is_slow_to_load_is_loaded_by_what_needs_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HELPS, json.dumps([line for line, _ in LOADS])]
    home = {"TRISEAL_HOME": str(tmp_path), "TRISEAL_ROOT_PASSPHRASE": "a passphrase of the root"}
    environment = {**ENVIRONMENT, **home}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.stderr == ""
    loaded = [SLOW & set(modules) for modules in json.loads(done.stdout)]
    assert [(line, has) for (line, _), has in zip(LOADS, loaded, strict=True)] == list(LOADS)


def test_as_a_process_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "triseal", "inspect", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("triseal: file-not-found: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("buffered", [True, False])
def test_output_that_is_lost_is_told(buffered: bool, tmp_path: Path) -> None:
    """The command has done its work: nobody is told to repeat it for a full disk."""
    words = ["dev", "init", "--name", "Ada", "--algorithm", "p256", "--no-passphrase"]
    more = {} if buffered else {"PYTHONUNBUFFERED": "1"}
    home = ENVIRONMENT | more | {"TRISEAL_HOME": str(tmp_path)}
    if buffered:
        home.pop("PYTHONUNBUFFERED", None)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "triseal", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=home,
        )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith("triseal: output-lost: standard output: "), done.stderr
    assert (tmp_path / "dev").is_dir()


def test_without_standard_streams_it_does_its_work(tmp_path: Path) -> None:
    closed = f'exec "{sys.executable}" -m triseal dev init --name Ada --no-passphrase >&- 2>&- <&-'
    home = {**ENVIRONMENT, "TRISEAL_HOME": str(tmp_path)}
    done = subprocess.run(["sh", "-c", closed], check=False, env=home)
    assert done.returncode == 0
    assert (tmp_path / "dev").is_dir()


def test_a_reader_that_goes_away_sees_no_traceback() -> None:
    command = f'"{sys.executable}" -m triseal --help; echo "status $?" >&2'
    shell = ["sh", "-c", f"({command}) | true"]
    done = subprocess.run(shell, capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert re.fullmatch(r"status [01]\n", done.stderr), done.stderr


INTERRUPTED = """
import os, runpy, signal, sys

class Interrupt:
    def find_spec(name, path, target=None):
        if name == "typer.main":
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupt)
runpy.run_module("triseal", run_name="__main__", alter_sys=True)
"""


def test_ctrl_c_while_it_loads_is_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, "sim", "plan", "--nodes", "1"],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "")


def test_the_version(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert main(["version"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", first)


@pytest.mark.parametrize("group", ["", "dev", "store", "site", "node", "sim", "evidence"])
def test_no_line_of_a_list_of_commands_is_cut(
    group: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*group.split(), "--help"]) == 0
    listed = capsys.readouterr().out.partition("Commands:")[2]
    assert [line for line in listed.splitlines() if line.endswith("...")] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_what_is_typed(shell: str) -> None:
    command = [sys.executable, "-c", "import sys; from triseal.__main__ import main; main()"]
    asked = {
        "_TRISEAL_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "triseal site re",
        "COMP_CWORD": "2",
        "_TYPER_COMPLETE_ARGS": "triseal site re",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**ENVIRONMENT, **asked}
    )
    assert {"revoke", "retire"} <= set(re.findall(r"[a-z-]+", done.stdout)), done
    assert "grant" not in done.stdout.split()


def test_shells_complete_names_of_the_site(tmp_path: Path) -> None:
    home = tmp_path / "site"
    words = ["site", "init", "house", "--algorithm", "p256", "--no-passphrase"]
    assert main([*words, "--home", str(home)]) == 0
    for name in ("kitchen", "kiosk", "hall"):
        assert main(["site", "add-node", name, "--home", str(home)]) == 0
    asked = {
        "_TRISEAL_COMPLETE": "complete_bash",
        "COMP_WORDS": f"triseal site retire --home {home} ki",
        "COMP_CWORD": "5",
    }
    command = [sys.executable, "-c", "import sys; from triseal.__main__ import main; main()"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**ENVIRONMENT, **asked}
    )
    assert sorted(done.stdout.split()) == ["kiosk", "kitchen"], done
    asked["COMP_WORDS"] = "triseal site retire --home /nonexistent ki"
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**ENVIRONMENT, **asked}
    )
    assert (done.stdout.strip(), done.stderr) == ("", "")


# What is printed.


def test_facts_for_people(capsys: Capture) -> None:
    inner = {"a": 1, "long_name": None}
    output.facts({"x": True, "y": [], "z": inner, "list": [inner]}, as_json=False)
    assert capsys.readouterr().out == (
        "x:    yes\ny:    -\nz:\n  a:         1\n  long name: -\nlist:\n  a:         1\n"
        "  long name: -\n"
    )


def test_nothing_that_others_wrote_steers_the_terminal(capsys: Capture) -> None:
    evil = "\x1b[31m\r\n\u202e\u200b\x9b"
    output.facts({evil: evil, "list": [evil], "inner": {evil: evil}}, as_json=False)
    output.facts({evil: evil}, as_json=True)
    output.table([{"a": evil}], ("a",), as_json=False, empty="")
    assert all(letter == "\n" or letter.isprintable() for letter in capsys.readouterr().out)


def test_tables(capsys: Capture) -> None:
    rows: list[output.Facts] = [{"a": 1, "b": None}, {"a": "x", "b": ["y", "z"]}]
    output.table(rows, ("a", "b"), as_json=False, empty="none")
    assert capsys.readouterr().out == "a\tb\n1\t-\nx\ty, z\n"
    output.table([], ("a",), as_json=False, empty="none")
    assert capsys.readouterr().out == "none\n"
    output.table(rows, ("a",), as_json=True, empty="none")
    assert json.loads(capsys.readouterr().out) == rows
    output.table([], ("a",), as_json=True, empty="none")
    assert json.loads(capsys.readouterr().out) == []


def test_at_a_terminal_markup_in_a_table_is_shown_as_it_is() -> None:
    program = (
        "from triseal.cli import output\n"
        "output.table([{'a': '[red]x[/red]'}], ('a',), as_json=False, empty='')"
    )
    path = os.pathsep.join(entry for entry in sys.path if entry)
    ours, theirs = pty.openpty()
    try:
        environment = {**os.environ, "PYTHONPATH": path}
        subprocess.run([sys.executable, "-c", program], stdout=theirs, check=True, env=environment)
        assert b"[red]x[/red]" in os.read(ours, 4096)
    finally:
        os.close(ours)
        os.close(theirs)
