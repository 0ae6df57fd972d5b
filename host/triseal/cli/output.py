"""The output of commands: facts on standard output, one line for a failure on standard error."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Mapping, Sequence
from time import gmtime, strftime

import typer

from triseal import advice
from triseal.advice import printable

__all__ = ["facts", "failure", "json_failure", "printable", "table", "time", "warn"]

Facts = Mapping[str, object]


def facts(values: Facts, *, as_json: bool) -> None:
    """Print facts about one thing.

    Args:
        values: values by name, of types that JSON has.
        as_json: whether to print one JSON object, for programs.
    """
    if as_json:
        _json(values)
        return
    _indented(values, "")


def table(rows: Sequence[Facts], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """Print facts about several things of one kind.

    Args:
        rows: one mapping for each thing.
        columns: the names to print for people; JSON has all of them.
        as_json: whether to print one JSON array, for programs.
        empty: the text for people if there are no rows.
    """
    if as_json:
        _json(rows)
    elif not rows:
        typer.echo(empty)
    elif sys.stdout.isatty():
        _rich(rows, columns)
    else:
        lines = ["\t".join(_shown(row[name]) for name in columns) for row in rows]
        typer.echo("\n".join(["\t".join(columns), *lines]))


def warn(warnings: Sequence[str]) -> None:
    """Print warnings to standard error, one line each.

    Args:
        warnings: sentences without a dot at their ends.
    """
    for warning in warnings:
        typer.echo(f"triseal: warning: {printable(warning)}", err=True)


@functools.lru_cache(maxsize=10_000)  # long lists have few different times
def time(seconds: int | None) -> str | None:
    """Format a time for people and programs: ISO 8601 in UTC.

    Args:
        seconds: Unix seconds, or None.
    """
    return None if seconds is None else strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(seconds))


def failure(error: BaseException, *, as_json: bool = False) -> str:
    """Format a failure for standard error: code, what happened, and what to do.

    Args:
        error: as for `advice.line`.
        as_json: whether to make one line of JSON, `{"error": {"code", "message", "advice"}}`.
    """
    if not as_json:
        return f"triseal: {advice.line(error)}"
    return json_failure(*advice.explain(error))


def json_failure(code: str, message: str, advice: str) -> str:
    """Format a failure as one line of JSON.

    Args:
        code: its stable code.
        message: what happened.
        advice: what to do about it.
    """
    parts = {"code": code, "message": message, "advice": advice}
    return json.dumps({"error": parts}, ensure_ascii=True)


def _json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=True))


def _indented(values: Facts, margin: str) -> None:
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        label = f"{margin}{printable(name).replace('_', ' ')}:"
        if isinstance(value, Mapping) and value:
            typer.echo(label)
            _indented(value, margin + "  ")
        elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
            for item in value:
                typer.echo(label)
                _indented(item, margin + "  ")
        else:
            typer.echo(f"{label:<{len(margin) + width + 1}} {_shown(value)}")


def _shown(value: object) -> str:
    if isinstance(value, str):
        return printable(value)
    if value is None or value == {}:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_shown(item) for item in value) or "-"
    return printable(value)


def _rich(rows: Sequence[Facts], columns: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False)
    for name in columns:
        shown.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        shown.add_row(*[Text(_shown(row[name])) for name in columns])
    Console().print(shown)
