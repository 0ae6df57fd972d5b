"""`triseal inspect`: the contents of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from triseal.cli import options, output

EPILOG = options.examples("inspect blink-1.0.0.triseal", "inspect site.der --json")


def inspect(
    file: Annotated[
        Path,
        typer.Argument(
            help="Seal, certificate, package, trust bundle, request, message or evidence.",
            metavar="FILE",
            readable=False,
        ),
    ],
    as_json: options.Json = False,
) -> None:
    """Print the kind and the contents of a file. This does not say whether to trust it."""
    from triseal import inspect as inspecting

    output.facts(inspecting.read(file), as_json=as_json)
