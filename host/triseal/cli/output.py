"""How the command line speaks: facts on standard output, one line per failure on the other."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError

from sealcore import timetext
from sealcore.errors import SealError
from triseal.advice import REFUSALS

Facts = Mapping[str, object]

_OS_ERRORS: dict[type[OSError], tuple[str, str]] = {
    FileNotFoundError: ("file-not-found", "Check the path"),
    IsADirectoryError: ("not-a-file", "Name one file, not a folder"),
    NotADirectoryError: ("not-a-folder", "Check the path"),
    PermissionError: ("permission-denied", "Check who owns it and who you are"),
    ConnectionError: ("no-connection", "Check that the other side runs"),
    TimeoutError: ("timed-out", "Repeat the command"),
}


def printable(value: object) -> str:
    """Text of a value that steers no terminal: what others wrote is shown, not obeyed."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "replace").decode()
        for letter in str(value)
    )


def facts(values: Facts, *, as_json: bool) -> None:
    """Print facts about one thing.

    Args:
        values: names to values as JSON knows them.
        as_json: as one JSON object, for programs.
    """
    if as_json:
        _json(values)
        return
    _indented(values, "")


def table(rows: Sequence[Facts], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """Print facts about many things of one kind.

    Args:
        rows: one mapping for each.
        columns: the names to show to people; JSON has all of them.
        as_json: as one JSON array.
        empty: what to tell people where there is nothing.
    """
    if as_json:
        _json(rows)
    elif not rows:
        typer.echo(empty)
    elif sys.stdout.isatty():
        _rich(rows, columns)
    else:
        typer.echo("\t".join(columns))
        for row in rows:
            typer.echo("\t".join(_shown(row[name]) for name in columns))


def time(seconds: int | None) -> str | None:
    """A Unix time for people and programs: ISO 8601, UTC."""
    return None if seconds is None else str(timetext.iso(seconds))


def failure(error: BaseException) -> str:
    """The line for a failure: code, what, and what to do.

    Args:
        error: a SealError, an OSError, a database's error, or anything with `code` and `advice`
            as all of Triseal's own errors have; else a defect of Triseal.
    """
    code, what, advice = _explained(error)
    if advice[:1].isupper() and advice[1:2].islower():
        advice = advice[0].lower() + advice[1:]
    return printable(f"triseal: {code}: {what}; {advice.rstrip('.')}")


def _explained(error: BaseException) -> tuple[str, str, str]:
    if isinstance(error, SealError):
        return _refusal(error.code, str(error))
    if hasattr(error, "code") and hasattr(error, "advice"):
        detail = str(error).removeprefix(f"{error.code}: ")
        return error.code, detail or "it failed", error.advice
    if isinstance(error, OSError):
        return _os_error(error)
    if isinstance(error, SQLAlchemyError):
        lines = str(error).splitlines()
        return "database-failed", lines[0] if lines else "database", "Check the database"
    kind = type(error).__name__
    return "defect", f"{kind}: {error}", "Report it, with TRISEAL_DEBUG=1 for the traceback"


def _refusal(code: str, detail: str) -> tuple[str, str, str]:
    if code not in REFUSALS:  # a newer release on the other side may have codes of its own
        return code, detail or "refused", "Update Triseal"
    sentence, advice = REFUSALS[code]
    return code, f"{sentence} ({detail})" if detail else sentence, advice


def _os_error(error: OSError) -> tuple[str, str, str]:
    code, advice = "system-failed", "Solve that and repeat the command"
    for kind, known in _OS_ERRORS.items():
        if isinstance(error, kind):
            code, advice = known
    where = f"{error.filename}: " if error.filename else ""
    return code, f"{where}{error.strerror or error}", advice


def _json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=True))


def _indented(values: Facts, margin: str) -> None:
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        label = f"{margin}{printable(name).replace('_', ' ')}:"
        if isinstance(value, Mapping):
            typer.echo(label)
            _indented(value, margin + "  ")
        elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
            for item in value:
                typer.echo(label)
                _indented(item, margin + "  ")
        else:
            typer.echo(f"{label:<{len(margin) + width + 1}} {_shown(value)}")


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_shown(item) for item in value) or "-"
    return printable(value)


def _rich(rows: Sequence[Facts], columns: Sequence[str]) -> None:
    shown = Table(box=None, pad_edge=False)
    for name in columns:
        shown.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        shown.add_row(*[Text(_shown(row[name])) for name in columns])
    Console().print(shown)
