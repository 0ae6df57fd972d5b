"""`triseal site init`."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from triseal.choices import MAX_LIFETIME, MIN_LIFETIME
from triseal.cli import options, output
from triseal.cli.site_options import WHO, open_site

app = typer.Typer()


@app.command(
    epilog=options.examples(
        "site init house",
        "site init lab --algorithm p256 --lifetime 600 --no-passphrase",
        "site init plant --database postgresql://triseal@db/plant",
        'site init plant --key "pkcs11:token=plant;object=slca"',
    )
)
def init(
    name: Annotated[str, typer.Argument(help="Name of the site: a-z 0-9 . - _", metavar="NAME")],
    algorithm: options.Algorithm = "rsa2048",
    key: options.KeyURI = "",
    lifetime: Annotated[
        int,
        typer.Option(
            "--lifetime",
            min=MIN_LIFETIME,
            max=MAX_LIFETIME,
            help="Lifetime of a site seal: the longest time until a change reaches every node.",
            metavar="SECONDS",
        ),
    ] = 5000,
    database_url: Annotated[
        str,
        typer.Option(
            "--database",
            help="URL (postgresql: or sqlite:) of a database to use instead of a file.",
            metavar="URL",
        ),
    ] = "",
    no_passphrase: options.NoPassphraseFlag = False,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Create a site. It gets a key, a CA certificate and a first trust bundle."""
    from triseal import request  # slow to load, and --help needs none of it
    from triseal.site import home

    folder = home_dir or home.default()
    new = options.new_key(algorithm, key, passphrase_file, WHO, none=no_passphrase)
    founding = home.Founding(name, algorithm, lifetime, database_url, key)
    home.init(folder, founding, new.passphrase, int(time.time()))
    with open_site(folder, passphrase_file) as site:
        facts = {
            "site": site.name,
            "fingerprint": request.fingerprint(site.issuer.spki),
            "certificate": str(folder / home.CERTIFICATE),
            "lifetime": site.lifetime,
        }
    output.facts(facts, as_json=as_json)
