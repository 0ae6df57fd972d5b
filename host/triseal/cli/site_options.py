"""What several commands of `triseal site` and `triseal node` take, and how they open the site."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triseal.cli import completion, options

if TYPE_CHECKING:
    from triseal.site.manager import Manager

WHO = "the site's key"
DEFAULT_PAGES_PORT = 7480

NodeName = Annotated[
    str, typer.Argument(help="The node's name.", metavar="NODE", autocompletion=completion.nodes)
]
ServiceName = Annotated[
    str,
    typer.Argument(
        help="The service's name.", metavar="SERVICE", autocompletion=completion.services
    ),
]


def open_site(folder: Path | None, passphrase_file: Path | None = None) -> Manager:
    """The site in a folder, or in the usual one; its key is opened when it is needed."""
    from triseal.site import home  # a database: too slow to load for what works without it
    from triseal.site.manager import Manager

    return Manager(folder or home.default(), options.passphrase(passphrase_file, WHO))
