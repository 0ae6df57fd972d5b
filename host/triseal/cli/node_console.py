"""`triseal node console`: the log of a connected node, line by line."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from triseal import label
from triseal.cli import completion, options, output
from triseal.cli.site_options import DEFAULT_PAGES_PORT, pages_at
from triseal.errors import Failure

EPILOG = options.examples("node console kitchen", "node console kitchen --json")

_CONNECT_SECONDS = 10.0


class NotConnected(Failure):
    """The node is not connected to this server process."""

    code = "node-not-connected"
    advice = "See /nodes of the server's pages, or name another server process with --pages."


class NoServer(Failure):
    """No server process of this user answers there."""

    code = "no-server"
    advice = (
        "Start one with `triseal site serve`, and name its site with --home and its pages with"
        " --pages."
    )


def console_(
    node: Annotated[
        str,
        typer.Argument(help="Name of the node.", metavar="NODE", autocompletion=completion.nodes),
    ],
    pages: Annotated[
        str,
        typer.Option(
            "--pages",
            help="The server's --pages: a port, or unix:PATH.",
            metavar="PORT",
        ),
    ] = str(DEFAULT_PAGES_PORT),
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Follow the log of a connected node until Ctrl-C.

    The server runs on this computer, as the same user: it shows logs only through a Unix socket in
    the site's folder, or through the one that its --pages names.
    """
    import httpx

    from triseal.serving import unix_socket
    from triseal.site import home

    where = pages_at(pages)
    url = f"http://localhost/nodes/{label.check(node, 'node')}/log"
    if isinstance(where, int):
        where = (home_dir or home.default()) / unix_socket.beside(where)
    limits = httpx.Timeout(_CONNECT_SECONDS, read=None)  # a node may be silent for long
    try:
        with (
            unix_socket.reachable(where) as path,
            httpx.HTTPTransport(uds=path) as transport,
            httpx.Client(timeout=limits, transport=transport, trust_env=False) as client,
            client.stream("GET", url) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                raise NotConnected(f"{node} is not connected")
            for line in answer.iter_lines():
                _show(line, as_json=as_json)
    except (httpx.TransportError, OSError) as error:
        raise NoServer(f"{where}: {error}") from None
    raise NotConnected(f"{node} has disconnected")


def _show(line: str, *, as_json: bool) -> None:
    fields = json.loads(line)
    if as_json:
        shown = fields | {"time": output.time(fields["time"])}
        typer.echo(json.dumps(shown, ensure_ascii=True))
        return
    said = output.printable(f"{fields['service']}: {fields['text']}")  # both come from the node
    typer.echo(f"{output.time(fields['time'])} {said}")
