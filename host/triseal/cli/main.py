"""The command `triseal`: one group of commands for each role.

Exit status: 0 done; 1 refused or failed, with one line on standard error; 2 wrong usage; 128 and
the number of the signal that ended it, such as 130 after Ctrl-C.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from boards import interrupts
from triseal.cli import inspect, options, output, roles
from triseal.errors import OutputLost

# Shells leave `~` alone in --option=~/x; without this there would be a folder named "~".
_HOME = re.compile(r"^(--[a-z-]+=)(~[^/]*/.*)$", re.DOTALL)

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

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
    """Handle the options that come before the role."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the arguments without the program's name; None for those of this process.

    Returns: the exit status.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    as_json = "--json" in words
    words = [_HOME.sub(_expanded, word) for word in words]
    if not _is_text(words):
        return _wrong_usage("an argument is not UTF-8", "correct it", as_json=as_json)
    try:
        # With `standalone_mode` Typer itself prints usage errors, as text.
        with interrupts.raised():
            status = _command()(args=words, prog_name="triseal", standalone_mode=not as_json)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        return _failed(error, as_json=as_json)
    return status if as_json and isinstance(status, int) else 0


@functools.cache
def _command() -> Any:
    """Build the command, once for all calls of `main` in a process."""
    return roles.with_plain_help(typer.main.get_command(app))


def _failed(error: Exception, *, as_json: bool) -> int:
    """Print why a command failed. Returns the exit status."""
    # Typer's own error classes are in a private module; all of them have this method.
    describe = getattr(error, "format_message", None)
    if describe:
        return _wrong_usage(describe(), "see --help", as_json=as_json)
    if isinstance(error, typer.Abort):  # Ctrl-C or Ctrl-D at a question
        return 130
    # Nobody must get a traceback, even for a defect.
    if os.environ.get("TRISEAL_DEBUG"):
        raise error
    if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
        error = OutputLost(f"standard output: {error.strerror}")  # other files have their name
    typer.echo(output.failure(error, as_json=as_json), err=True)
    return 1


def _wrong_usage(message: str, advice: str, *, as_json: bool) -> int:
    if as_json:
        typer.echo(output.json_failure("wrong-usage", message, advice), err=True)
    else:
        typer.echo(f"triseal: wrong-usage: {message}; {advice}", err=True)
    return 2


def _expanded(found: re.Match[str]) -> str:
    """Return an option and its value with the home folder for the `~`."""
    return found[1] + os.path.expanduser(found[2])  # noqa: PTH111 - an unknown user stays as it is


def _is_text(words: Sequence[str]) -> bool:
    """Tell whether all arguments are UTF-8. Other bytes arrive as lone surrogates."""
    try:
        "".join(words).encode()
    except UnicodeEncodeError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
