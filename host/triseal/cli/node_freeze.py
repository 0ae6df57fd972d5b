"""`triseal node freeze`: the agent as source for people who build MicroPython themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from boards.code import frozen
from triseal import files, folder
from triseal.cli import options, output

EPILOG = options.examples(
    "node freeze agent",
    "node freeze agent --base '$(PORT_DIR)/boards/ESP8266_GENERIC/manifest_2MiB.py'",
)


def freeze(
    place: Annotated[
        Path,
        typer.Argument(
            help="Folder to create; it must be empty.", metavar="FOLDER", readable=False
        ),
    ],
    base: Annotated[
        str,
        typer.Option("--base", help="Manifest of the rest of your firmware.", metavar="FILE"),
    ] = frozen.BASE,
    as_json: options.Json = False,
) -> None:
    """Write the agent for freezing. Give FOLDER/manifest.py to the build of MicroPython.

    A board with that firmware gets no code when it is provisioned, and the code takes no heap.
    """
    tree = frozen.tree(base)
    with folder.fresh(place) as made:
        for path, data in tree.items():
            files.write(made / path, data)
        made.chmod(0o755)  # nothing in it is secret, and another user may run the build
        folder.settle(made, place)
    facts = {
        "manifest": str(place.absolute() / frozen.MANIFEST),
        "modules": len(tree) - 1,
        "agent": frozen.name(),
    }
    output.facts(facts, as_json=as_json)
