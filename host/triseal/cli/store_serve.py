"""`triseal store serve`: the server process of a Store."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from boards import addresses
from boards.errors import BadAddress
from triseal.cli import options, output
from triseal.cli.node_settings import wrong_address
from triseal.cli.site_options import pages_at
from triseal.cli.store_options import Database, open_store

app = typer.Typer()

DEFAULT_PORT = 7490

Listen = Annotated[
    str,
    typer.Option("--listen", help="Where clients connect; port 0: any.", metavar="HOST:PORT"),
]
Names = Annotated[
    list[str] | None,
    typer.Option(
        "--name",
        help="Name or address by which clients know this server; may be repeated.",
        metavar="NAME",
    ),
]
Certificate = Annotated[
    Path | None,
    typer.Option(
        "--tls-certificate",
        help="Certificate chain of a public authority, PEM, instead of the Store's own.",
        metavar="FILE",
        readable=False,
    ),
]
Key = Annotated[
    Path | None,
    typer.Option("--tls-key", help="Key of that certificate.", metavar="FILE", readable=False),
]
AdminSocket = Annotated[
    Path | None,
    typer.Option(
        "--admin-socket",
        help="Unix socket with the API for whoever runs the Store; only you can open it.",
        metavar="PATH",
        readable=False,
    ),
]
Pages = Annotated[
    str,
    typer.Option(
        "--pages",
        help="Loopback port of /health and /metrics, or unix:PATH for a socket that only you can"
        " open. Default: none; --admin-socket has them too.",
        metavar="PORT",
    ),
]
BehindProxy = Annotated[
    bool, typer.Option("--behind-proxy", help="Serve HTTP: a proxy on this computer has TLS.")
]


@app.command(
    epilog=options.examples("store serve", "store serve --listen [::]:443 --name store.example")
)
def serve(
    listen: Listen = f"127.0.0.1:{DEFAULT_PORT}",
    name: Names = None,
    certificate: Certificate = None,
    key: Key = None,
    behind_proxy: BehindProxy = False,
    admin_socket: AdminSocket = None,
    pages: Pages = "",
    log_level: options.LogLevel = "info",
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    database: Database = None,
    as_json: options.Json = False,
) -> None:
    """Offer the Store over HTTPS. Prints the URL that developers and sites need.

    The URL ends with the fingerprint of the Store's key, so that clients need no public authority.
    """
    host, port = _place(listen)
    if (certificate is None) != (key is None) or (certificate and behind_proxy):
        raise typer.BadParameter("give --tls-certificate and --tls-key", param_hint="--tls-key")
    place = pages_at(pages, least=0) if pages else None
    from triseal import request
    from triseal.serving import jsonlog
    from triseal.store import store as stores
    from triseal.store.server import process

    folder = home_dir or stores.default()
    names = [*(name or []), host]
    with open_store(folder, database, passphrase_file) as store:
        tls = (certificate, key) if certificate and key else None
        if own := tls is None and not behind_proxy:
            tls = (made := store.server_certificate(names)), made
        listener = process.listen(host, port)
        url = _url("https" if tls else "http", names[0], listener.getsockname()[1])
        if own:
            url += "#" + request.fingerprint(store.certificate.spki)
        jsonlog.set_up(log_level)
        chosen = process.Options(tls, admin_socket, place)
        process.serve(store, folder, listener, chosen, partial(_ready, as_json, url))


def _place(listen: str) -> tuple[str, int]:
    try:
        return addresses.parse_listening(listen)
    except BadAddress as error:
        raise wrong_address(error, "--listen") from None


def _url(scheme: str, name: str, port: int) -> str:
    return f"{scheme}://[{name}]:{port}" if ":" in name else f"{scheme}://{name}:{port}"


def _ready(as_json: bool, url: str, pages: int | Path | None) -> None:
    facts: dict[str, object] = {"url": url}
    if pages is not None:
        facts["pages"] = f"unix:{pages}" if isinstance(pages, Path) else pages
    if as_json:
        typer.echo(json.dumps(facts))  # one line, which a program can wait for
    else:
        output.facts(facts, as_json=False)
    sys.stdout.flush()
