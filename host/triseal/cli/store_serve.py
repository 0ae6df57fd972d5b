"""`triseal store serve`: the server process of a Store."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from boards import addresses
from boards.errors import BadAddress
from triseal.cli import options, output
from triseal.cli.node_settings import wrong_address
from triseal.cli.site_options import pages_at
from triseal.cli.store_options import Database, open_store

if TYPE_CHECKING:
    from triseal.serving.door import Door
    from triseal.store.server.certified import Certified
    from triseal.store.store import Store

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
        help="Unix socket with the API for administration; only you can open it.",
        metavar="PATH",
        readable=False,
    ),
]
AdminListen = Annotated[
    str,
    typer.Option(
        "--admin-listen",
        help="Port with the same API and mutual TLS, for --admin of the commands elsewhere.",
        metavar="HOST:PORT",
    ),
]
AdminClients = Annotated[
    Path | None,
    typer.Option(
        "--admin-clients",
        help="Certificates of the authority whose clients may use --admin-listen, PEM.",
        metavar="FILE",
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
    admin_listen: AdminListen = "",
    admin_clients: AdminClients = None,
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
    host, port = _place(listen, "--listen")
    admin = _place(admin_listen, "--admin-listen") if admin_listen else None
    if (admin is None) != (admin_clients is None):
        raise typer.BadParameter("give --admin-listen and --admin-clients")
    if (certificate is None) != (key is None) or (certificate and behind_proxy):
        raise typer.BadParameter("give --tls-certificate and --tls-key", param_hint="--tls-key")
    place = pages_at(pages, least=0) if pages else None
    from triseal.serving import jsonlog
    from triseal.store import store as stores
    from triseal.store.server import process

    folder = home_dir or stores.default()
    names = [*(name or []), host]
    with open_store(folder, database, passphrase_file) as store, ExitStack() as opened:
        tls, mark = (certificate, key) if certificate and key else None, ""
        if tls is None and (admin or not behind_proxy):
            tls, mark = _own(store, names if admin is None else [*names, admin[0]])
        listener = opened.enter_context(process.listen(host, port))
        urls = {"url": _url(names[0], listener, None if behind_proxy else mark)}
        certified = None
        if admin and admin_clients and tls:
            certified = _certified(opened, admin, tls, admin_clients)
            urls["admin"] = _url(name[0] if name else admin[0], certified.listener, mark)
        jsonlog.set_up(log_level)
        chosen = process.Options(None if behind_proxy else tls, admin_socket, certified, place)
        process.serve(store, folder, listener, chosen, partial(_ready, as_json, urls))


def _own(store: Store, names: list[str]) -> tuple[tuple[Path, Path], str]:
    """Return the files of a certificate of the Store's own, and the end of the URLs for it."""
    from triseal import request

    made = store.server_certificate(list(dict.fromkeys(names)))
    return (made, made), "#" + request.fingerprint(store.certificate.spki)


def _certified(
    opened: ExitStack, place: tuple[str, int], tls: tuple[Path, Path], clients: Path
) -> Certified:
    from triseal.store.server import certified, process

    context = certified.context_of(tls, clients)
    return certified.Certified(opened.enter_context(process.listen(*place)), context)


def _place(listen: str, option: str) -> tuple[str, int]:
    try:
        return addresses.parse_listening(listen)
    except BadAddress as error:
        raise wrong_address(error, option) from None


def _url(name: str, listener: Door, mark: str | None) -> str:
    """Return the URL of a listener; it has TLS unless `mark`, the end of the URL, is None."""
    scheme = "http" if mark is None else "https"
    place = f"[{name}]" if ":" in name else name
    return f"{scheme}://{place}:{listener.getsockname()[1]}{mark or ''}"


def _ready(as_json: bool, urls: dict[str, str], pages: int | Path | None) -> None:
    facts: dict[str, object] = dict(urls)
    if pages is not None:
        facts["pages"] = f"unix:{pages}" if isinstance(pages, Path) else pages
    if as_json:
        typer.echo(json.dumps(facts))  # one line, which a program can wait for
    else:
        output.facts(facts, as_json=False)
    sys.stdout.flush()
