"""`triseal node console`: the log of a connected node, line by line."""

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
    """The node is not connected to this server process."""

    code = "node-not-connected"
    advice = "See /nodes of the server's pages, or name another server process with --pages."


class NoServer(Failure):
    """No server process answers at this port."""

    code = "no-server"
    advice = "Start one with `triseal site serve`, and give the port of its pages with --pages."


def console_(
    node: Annotated[
        str,
        typer.Argument(help="Name of the node.", metavar="NODE", autocompletion=completion.nodes),
    ],
    pages: Annotated[
        int,
        typer.Option(
            "--pages", min=1, max=65535, help="Port of the server's pages.", metavar="PORT"
        ),
    ] = DEFAULT_PAGES_PORT,
    as_json: options.Json = False,
) -> None:
    """Follow the log of a connected node until Ctrl-C. The server runs on this computer."""
    import httpx

    url = f"http://127.0.0.1:{pages}/nodes/{label.check(node, 'node')}/log"
    limits = httpx.Timeout(_CONNECT_SECONDS, read=None)  # a node may be silent for long
    try:
        # The pages are on this computer: a proxy from the environment is ignored.
        with (
            httpx.Client(timeout=limits, trust_env=False) as client,
            client.stream("GET", url) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                raise NotConnected(f"{node} is not connected")
            for line in answer.iter_lines():
                _show(line, as_json=as_json)
    except httpx.TransportError as error:
        raise NoServer(f"port {pages}: {error}") from None
    raise NotConnected(f"{node} has disconnected")


def _show(line: str, *, as_json: bool) -> None:
    fields = json.loads(line)
    if as_json:
        shown = fields | {"time": output.time(fields["time"])}
        typer.echo(json.dumps(shown, ensure_ascii=True))
        return
    said = output.printable(f"{fields['service']}: {fields['text']}")  # both come from the node
    typer.echo(f"{output.time(fields['time'])} {said}")
