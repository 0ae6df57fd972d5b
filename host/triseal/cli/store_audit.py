"""`triseal store audit`: all of a Store's log is computed again, by anybody."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triseal import files, pem
from triseal.cli import options, output

if TYPE_CHECKING:
    from triseal.log.audit import Audit
    from triseal.log.note import Key

app = typer.Typer()


@app.command(
    epilog=options.examples(
        "store audit https://shop.example:7490#6f1c...",
        "store audit mirror/log --store-cert store.pem",
    )
)
def audit(
    where: Annotated[
        str,
        typer.Argument(help="URL of the Store, or the folder of its log.", metavar="URL|FOLDER"),
    ],
    store_cert: Annotated[
        Path | None,
        typer.Option(
            "--store-cert",
            help="For a folder: the file that `store show --cert-out` wrote.",
            metavar="FILE",
            readable=False,
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Compute a Store's log again from all its entries.

    The command fails unless all entries, hashes and the signed checkpoint fit. It prints how many
    entries there are of each kind, and which have a time before that of an earlier one.
    """
    if where.startswith("https:"):
        found = _of_server(where)
    elif store_cert is None:
        raise typer.BadParameter("a folder needs --store-cert", param_hint="--store-cert")
    else:
        found = _of_folder(Path(where), store_cert)
    facts = {"log": found.origin, "entries": found.size, **dict(sorted(found.kinds.items()))}
    output.facts(facts | {"backdated": found.backdated}, as_json=as_json)


def _of_server(url: str) -> Audit:
    from triseal.certificate import key_of
    from triseal.log import audit as auditing  # slow to load, and --help needs none of it
    from triseal.log import endorsement, tiles
    from triseal.log.policy import Policy
    from triseal.storelink import Link

    with Link(url) as link:
        about = link.about()
        spki = key_of(str(about.get("certificate")))
        key = endorsement.check(str(about.get("log_endorsement")), spki)
        head = link.read(f"log/{tiles.CHECKPOINT}")
        return auditing.audit(
            head, lambda path: link.read(f"log/{path}", tiles.MAX_BUNDLE), Policy(logs=[key])
        )


def _log_key(data: bytes) -> Key:
    """Return the key of the log that the file of a Store names."""
    from triseal.log import endorsement
    from triseal.site import inputs

    return endorsement.check(endorsement.of_file(data), inputs.key_of(inputs.certificate(data)))


def _of_folder(top: Path, store_cert: Path) -> Audit:
    from triseal.log import audit as auditing
    from triseal.log.errors import LogDamaged
    from triseal.log.policy import Policy
    from triseal.log.writer import Folder

    key = files.parsed(store_cert, pem.MAX_SIZE, _log_key)
    folder = Folder(top)
    head = folder.head()
    if head is None:
        raise LogDamaged(f"there is no checkpoint in {top}")
    return auditing.audit(head, folder.read, Policy(logs=[key]))
