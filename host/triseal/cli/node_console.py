"""`triseal node console`: a connected node's log, as it comes."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from triseal import label
from triseal.cli import completion, options, output
from triseal.cli.site_options import DEFAULT_PAGES_PORT
from triseal.errors import Failure

EPILOG = options.examples("node console kitchen", "node console kitchen --json")

_CONNECT_SECONDS = 10.0


class NotConnected(Failure):
    """The node has no connection to this server process."""

    code = "node-not-connected"
    advice = "see /nodes of the server's pages, or name another server process with --pages"


class NoServer(Failure):
    """No server process answers at this port."""

    code = "no-server"
    advice = "start one with `triseal site serve`, and give its pages' port with --pages"


def console_(
    node: Annotated[
        str,
        typer.Argument(help="The node's name.", metavar="NODE", autocompletion=completion.nodes),
    ],
    pages: Annotated[
        int,
        typer.Option(
            "--pages", min=1, max=65535, help="Port of the server's pages.", metavar="PORT"
        ),
    ] = DEFAULT_PAGES_PORT,
    as_json: options.Json = False,
) -> None:
    """Follow the log of a connected node, until Ctrl-C. The server runs on this computer."""
    import httpx

    url = f"http://127.0.0.1:{pages}/nodes/{label.check(node, 'node')}/log"
    limits = httpx.Timeout(_CONNECT_SECONDS, read=None)  # a node may have nothing to say for long
    try:
        # The pages are on this computer: no proxy of the environment is asked.
        with (
            httpx.Client(timeout=limits, trust_env=False) as client,
            client.stream("GET", url) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                raise NotConnected(node)
            for line in answer.iter_lines():
                _show(line, as_json=as_json)
    except httpx.TransportError as error:
        raise NoServer(f"port {pages}: {error}") from None
    raise NotConnected(f"{node} no longer")


def _show(line: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(line)
        return
    found = json.loads(line)
    said = output.printable(f"{found['service']}: {found['text']}")  # both are the node's words
    typer.echo(f"{output.time(found['time'])} {said}")
