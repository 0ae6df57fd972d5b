"""`triseal site init`."""

from __future__ import annotations

from typing import Annotated

import typer

from triseal.choices import MAX_LIFETIME, MIN_LIFETIME
from triseal.cli import options, output
from triseal.cli.site_options import ROOT, WHO, open_site

app = typer.Typer()

_Lifetime = Annotated[
    int,
    typer.Option(
        "--lifetime",
        min=MIN_LIFETIME,
        max=MAX_LIFETIME,
        help="Lifetime of a site seal: the longest time until a change reaches every node.",
        metavar="SECONDS",
    ),
]
_Database = Annotated[
    str,
    typer.Option(
        "--database",
        help="URL (postgresql: or sqlite:) of a database to use instead of a file.",
        metavar="URL",
    ),
]
_RootKey = Annotated[
    str,
    typer.Option(
        "--root-key",
        help="Keep the root's key on a token: pkcs11:token=LABEL;object=LABEL (RFC 7512).",
        metavar="URI",
    ),
]


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
    lifetime: _Lifetime = 5000,
    database_url: _Database = "",
    root_key: _RootKey = "",
    no_passphrase: options.NoPassphraseFlag = False,
    passphrase_file: options.PassphraseFile = None,
    root_passphrase_file: options.RootPassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Create a site. It gets a key, a CA certificate, a root and a first trust bundle.

    The root is a second key with a passphrase of its own. It signs trust bundles and nothing else:
    a thief of the server can't appoint others. Move its file to a safe place if you like, and
    give it with --key when the trust changes.
    """
    from triseal import request  # slow to load, and --help needs none of it
    from triseal.certificate import now
    from triseal.site import home

    folder = home_dir or home.default()
    new = options.new_key(algorithm, key, passphrase_file, WHO, none=no_passphrase)
    root = options.new_key(
        algorithm, root_key, root_passphrase_file, ROOT, none=no_passphrase, root=True
    )
    founding = home.Founding(name, algorithm, lifetime, database_url, key, root)
    home.init(folder, founding, new.passphrase, now())
    with open_site(folder, passphrase_file) as site:
        facts = {
            "site": site.name,
            "fingerprint": request.fingerprint(site.issuer.spki),
            "root": request.fingerprint(site.issuer.roots[1][0]),
            "certificate": str(folder / home.CERTIFICATE),
            "lifetime": site.lifetime,
        }
    output.facts(facts, as_json=as_json)
