"""`triseal dev register` and `dev upload`: what a developer sends to a Store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from triseal import package
from triseal.cli import options, output

app = typer.Typer()

URL = Annotated[
    str,
    typer.Option(
        "--store", help="URL of the Store, as its `store serve` prints it.", metavar="URL"
    ),
]


@app.command(epilog=options.examples("dev register --store https://shop.example:7490#6f1c..."))
def register(store: URL, home_dir: options.Home = None, as_json: options.Json = False) -> None:
    """Send your request to a Store. A person there must approve it before it seals anything."""
    from triseal.developer import home  # slow to load, and --help needs none of it
    from triseal.storelink import Link

    data = home.request_pem(home_dir or home.default())
    with Link(store) as link:
        output.facts(link.register(data), as_json=as_json)


@app.command(
    epilog=options.examples(
        "dev upload blink-1.0.triseal --store https://shop.example:7490#6f1c..."
    )
)
def upload(
    file: Annotated[
        Path, typer.Argument(help="The package that you signed.", metavar="PACKAGE", readable=False)
    ],
    store: URL,
    out: options.Out = None,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Send a package to a Store, which seals it. With --out it is also written to a file.

    The command ends when the Store's log has the package; if it was cut off, run it again.
    """
    from sealcore import seal
    from triseal.copies.answer import sealed_by
    from triseal.developer import home
    from triseal.storelink import Link

    submitted = package.read(file)
    ask = options.passphrase(passphrase_file, "the developer's key")
    me = home.unlock(home_dir or home.default(), ask)
    with Link(store) as link:
        answer = link.submit(submitted.der(), me.signer)
        made = sealed_by(submitted, answer)
    mine = seal.parse(submitted.developer_seal, seal.DEVELOPER)
    if out is not None:
        package.write(out, made)
    facts = {
        "service": mine.service,
        "version": mine.service_version,
        "package": made.digest().hex(),
    }
    output.facts(facts | ({"written": str(out)} if out else {}), as_json=as_json)
