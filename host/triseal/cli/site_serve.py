"""`triseal site serve`: the server process of a site."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Annotated

import typer

from boards import addresses
from boards.errors import BadAddress
from triseal.choices import KEEP_DAYS, LEAST_DAYS, TLS_SECONDS
from triseal.cli import options
from triseal.cli.node_settings import wrong_address
from triseal.cli.site_options import DEFAULT_PAGES_PORT, WHO, pages_at
from triseal.site.server.limits import Limits

app = typer.Typer()

DEFAULT_PORT = 7443

_GARBAGE = 700  # Python's default; see `triseal.__main__`

Listen = Annotated[
    list[str] | None,
    typer.Option(
        "--listen",
        help="Where nodes connect; may be repeated. 0.0.0.0: all of IPv4; [::]: all of IPv6 and "
        f"IPv4; port 0: any. Default: 127.0.0.1:{DEFAULT_PORT}.",
        metavar="HOST:PORT",
    ),
]
Pages = Annotated[
    str,
    typer.Option(
        "--pages",
        help="Loopback port of /health and /metrics, or unix:PATH for a socket that only you can"
        " open.",
        metavar="PORT",
    ),
]
Connections = Annotated[
    int | None,
    typer.Option(
        "--connections",
        min=1,
        help=f"Most nodes connected at once; {Limits.connections}, or as many as the system"
        " allows.",
        metavar="N",
    ),
]
KeepDays = Annotated[
    int,
    typer.Option("--keep-days", min=LEAST_DAYS, help="See `triseal site prune`.", metavar="DAYS"),
]
CertificateSeconds = Annotated[
    int,
    typer.Option(
        "--certificate-seconds", min=60, help="Validity of the TLS certificate.", metavar="SECONDS"
    ),
]


@app.command(
    epilog=options.examples(
        "site serve",
        "site serve --listen [::]:7443",
        "site serve --listen 192.0.2.7:7443 --listen [2001:db8::7]:7443",
        "site serve --serial /dev/ttyACM0",
    )
)
def serve(
    listen: Listen = None,
    pages: Pages = str(DEFAULT_PAGES_PORT),
    connections: Connections = None,
    serial: Annotated[
        list[str] | None,
        typer.Option(
            "--serial", help="Port of a node without a network; may be repeated.", metavar="PORT"
        ),
    ] = None,
    keep_days: KeepDays = KEEP_DAYS,
    certificate_seconds: CertificateSeconds = TLS_SECONDS,
    log_level: options.LogLevel = "info",
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
) -> None:
    """Serve the site's nodes until SIGTERM. They get renewals, changes, files and the time.

    Prints one line of JSON with its ports once nodes can connect, and logs to standard error.
    """
    import asyncio  # all of these are slow to load, and --help needs none of them

    from triseal.serving import jsonlog
    from triseal.site import home
    from triseal.site.manager import Manager
    from triseal.site.server import descriptors, process

    places = _places(listen or [f"127.0.0.1:{DEFAULT_PORT}"])
    where = pages_at(pages, least=0)
    folder = home_dir or home.default()
    lines = tuple(serial or ())
    limits = Limits(connections=descriptors.most_connections(connections, len(lines)))
    gc.set_threshold(_GARBAGE)
    jsonlog.set_up(log_level)
    chosen = process.Options(places, where, folder, lines, keep_days, certificate_seconds, limits)
    ask = options.passphrase(passphrase_file, WHO)
    with Manager(folder, ask) as site:
        asyncio.run(process.serve(site, chosen, _ready))
    process.leave()


def _places(listen: list[str]) -> tuple[tuple[str, int], ...]:
    try:
        return tuple(addresses.parse_listening(text) for text in listen)
    except BadAddress as error:
        raise wrong_address(error, "--listen") from None


def _ready(places: list[str], pages: int | Path) -> None:
    _, port = addresses.parse_listening(places[0])
    shown = f"unix:{pages}" if isinstance(pages, Path) else pages
    typer.echo(json.dumps({"port": port, "pages": shown, "listen": places}))
