"""The command `triseal`: one group per role, one exit status per outcome.

Exit status: 0 done; 1 refused or failed, with one line on standard error; 2 wrong usage; 130
interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from triseal.cli import inspect, options, output, roles

app = typer.Typer(
    name="triseal",
    help="Three seals from developer, Store and site decide what a microcontroller runs.",
    epilog=options.examples(
        "dev init --name Ada", "store init --name Shop", "inspect blink.triseal"
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
roles.add(app)
app.command("inspect", epilog=inspect.EPILOG)(inspect.inspect)


@app.command(epilog=options.examples("version"))
def version() -> None:
    """Print the version of Triseal."""
    import importlib.metadata

    try:
        typer.echo(importlib.metadata.version("triseal"))
    except importlib.metadata.PackageNotFoundError:
        typer.echo("not installed: run from its sources")


def _version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def _frame(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version of Triseal."
        ),
    ] = False,
) -> None:
    """What may stand before the role."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: without the program's name; None takes them from the command line.

    Returns: the exit status.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    if not _is_text(words):
        typer.echo("triseal: wrong-usage: an argument is no UTF-8; correct it", err=True)
        return 2
    try:
        app(args=words, prog_name="triseal")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        # The last stop: nothing may reach a person as a traceback, a defect neither.
        if os.environ.get("TRISEAL_DEBUG"):
            raise
        typer.echo(output.failure(error), err=True)
        return 1
    return 0


def _is_text(words: Sequence[str]) -> bool:
    """Whether all is UTF-8: what is not comes as lone surrogates, which nothing can encode."""
    try:
        "".join(words).encode()
    except UnicodeEncodeError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
