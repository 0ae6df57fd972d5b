"""Every command in every document is run by a test, or is in one list of those that are not.

And each one exists: `triseal` has the command and its options, the Makefile the target.
"""

from __future__ import annotations

import ast
import functools
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from boards.code import mpy
from docs import build
from tests.lifecycle import walk
from triseal import metadata
from triseal.cli.main import app

ROOT = Path(__file__).resolve().parents[3]
LIST = Path(__file__).with_name("not_run.txt")
# Pages whose `sh` blocks a test runs, all of each page in one shell.
RUN = {
    "README.md": "tests/lifecycle/test_readme.py",
    "host/TUTORIAL.md": "tests/lifecycle/test_tutorial.py",
    "host/OPERATIONS.md": "tests/host/cli/test_lost_keys.py",
}
_PROGRAMS = ("triseal", "make", "sudo", "pytest", "python", "python3", "pip", "micropython")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SHELL = ("sh", "bash", "console")
_MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def pages() -> list[str]:
    """All Markdown files of the project, those for contributors too."""
    contributors = [path.relative_to(ROOT) for path in sorted((ROOT / ".github").rglob("*.md"))]
    return [path.as_posix() for path in (*build.pages(), *contributors)]


def lines(block: str) -> list[str]:
    """The commands of a block: continuation lines joined, prompts and remarks removed.

    A remark begins with `#`, or stands in a second column, apart by three blanks or more.
    """
    joined = re.sub(r" *\\\n *", " ", block)
    found = [line.strip().removeprefix("$ ") for line in joined.split("\n")]
    return [re.split(r" +# | {3,}", line)[0] for line in found if line]


def is_command(line: str) -> bool:
    """Whether a line of an indented block is a command."""
    words = [word for word in line.split() if not re.fullmatch(r"[A-Z]+=\S+", word)]
    return bool(words) and words[0] in _PROGRAMS


def blocks(page: str) -> dict[str, list[str]]:
    """Commands of a page by the kind of their block; "" for indented ones."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found: dict[str, list[str]] = {kind: [] for kind in ("", *_SHELL)}
    for kind, body in _FENCE.findall(text):
        if kind in _SHELL:
            found[kind] += lines(body)
    indented = re.findall(r"(?:^    .*\S.*\n)+", _FENCE.sub("", text), re.MULTILINE)
    found[""] += [line for block in indented for line in lines(block) if is_command(line)]
    return found


def not_run() -> dict[str, str]:
    """The list: each command with its reason."""
    found, reason = {}, ""
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line.endswith(":") and not line.startswith("#"):
            reason = line.removesuffix(":")
        elif line and not line.startswith("#"):
            assert reason, line
            assert line not in found, f"{line} is in the list twice"
            found[line] = reason
    return found


def documented() -> set[str]:
    """Commands of all documents that no test runs by running their block."""
    found = set()
    for page in pages():
        for kind, commands in blocks(page).items():
            if kind == "sh" and commands:
                assert page in RUN, f"no test runs the sh blocks of {page}"
            else:
                found.update(commands)
    return found


def test_every_command_is_run_or_in_the_list() -> None:
    assert documented() - set(not_run()) == set(), f"neither run nor in {LIST.name}"


def test_the_list_has_no_command_that_no_document_has() -> None:
    assert set(not_run()) - documented() == set()


@pytest.mark.parametrize("reason", sorted(set(not_run().values())))
def test_the_tests_that_the_list_names_are_there(reason: str) -> None:
    named = re.fullmatch(r"run by (\S+)", reason)
    assert named is None or (ROOT / named[1]).is_file()
    assert named or len(reason.split()) > 5, "a reason is a sentence"


@pytest.mark.parametrize(("page", "test"), RUN.items())
def test_the_pages_that_are_run_have_a_test_that_runs_them(page: str, test: str) -> None:
    assert f'walk.script("{page}")' in (ROOT / test).read_text(encoding="utf-8")
    assert walk.script(page)


def test_a_command_that_nobody_runs_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.host.project.test_commands.blocks", lambda _: {"": ["make tea"]})
    assert documented() == {"make tea"}


def mentioned(program: str) -> list[tuple[str, str]]:
    """(page, words behind the program's name) of all places that name a command."""
    found = []
    for page in pages():
        text = (ROOT / page).read_text(encoding="utf-8")
        plain = _FENCE.sub("", text)
        spans = re.findall(r"`([^`]+)`", plain)
        commands = [line for several in blocks(page).values() for line in several]
        for line in [re.sub(r"\s+", " ", span) for span in spans] + commands:
            for part in re.split(r" && |; |\$\(|\| ", line):
                words = part.strip().removeprefix("sudo ")
                if words.startswith(program + " "):
                    found.append((page, words.partition(" # ")[0].removeprefix(program + " ")))
    return sorted(set(found))


@functools.cache
def tree() -> Any:
    """The commands as Typer makes them: once, because building them takes long."""
    return typer.main.get_command(app)


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command or group that words lead to, and the words behind its name."""
    command = tree()
    while hasattr(command, "get_command") and words and not words[0].startswith("-"):
        below = command.get_command(typer.Context(command), words[0])
        assert below is not None, f"there is no command {words[0]!r}"
        command, words = below, words[1:]
    return command, words


def options_of(command: Any) -> set[str]:
    """All options of a command, `--help` with them."""
    parameters = command.get_params(typer.Context(command))
    return {name for one in parameters for name in (*one.opts, *one.secondary_opts)}


_LABELS = ("triseal enrol v1", "triseal token v1", "triseal bundle v1", "triseal time v1")
_TYPED = [
    (page, words)
    for page, words in mentioned("triseal")
    if not any(label.endswith(" " + words) for label in _LABELS)
    and not words.startswith("proof v1")
]


@pytest.mark.parametrize(("page", "words"), _TYPED, ids=[f"{p}:{w}" for p, w in _TYPED])
def test_triseal_has_the_command_and_its_options(page: str, words: str) -> None:
    lexer = shlex.shlex(words.rstrip(")"), posix=True, punctuation_chars="&|<>")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        split = list(lexer)
    except ValueError:  # a piece of a longer line, cut within its quotes
        split = words.split()
    command, rest = command_of([word for word in split if word != "..."])
    used = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
    assert used - options_of(command) == set()


_MADE = [(page, words) for page, words in mentioned("make") if not words.startswith("-C ")]


@pytest.mark.parametrize(("page", "words"), _MADE, ids=[f"{p}:{w}" for p, w in _MADE])
def test_make_has_the_target_and_its_variables(page: str, words: str) -> None:
    assert re.search(rf"^{re.escape(words.split(maxsplit=1)[0])}:.* ## ", _MAKEFILE, re.MULTILINE)
    for variable in re.findall(r"\b([A-Z]+)=", words):
        assert f"$({variable})" in _MAKEFILE, variable


def code(kind: str) -> list[tuple[str, str]]:
    """(page, text) of all blocks of a language."""
    found = [(page, _FENCE.findall((ROOT / page).read_text(encoding="utf-8"))) for page in pages()]
    return [(page, text) for page, several in found for name, text in several if name == kind]


@pytest.mark.parametrize(("page", "text"), code("python"))
def test_code_in_documents_is_code(page: str, text: str) -> None:
    """What a board runs is compiled for a board."""
    if "async def main(ctx)" in text:
        mpy.check_source(text.encode(), page)
    else:
        ast.parse(text, page)


@pytest.mark.parametrize(("page", "text"), code("json"))
def test_metadata_in_documents_is_metadata(page: str, text: str) -> None:
    found = metadata.load(text.encode())
    assert metadata.parse(metadata.complete(text.encode(), str(found["name"]), "app.py"))


def test_the_examples_are_all_named_where_they_are_listed() -> None:
    folder = ROOT / "host" / "examples"
    files = [path for kind in ("*.py", "*.json") for path in folder.rglob(kind)]
    there = {path.relative_to(folder).as_posix() for path in files}
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`([a-z_/]+\.\w+)`", text)) == there
