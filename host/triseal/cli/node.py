"""`triseal node`: commands for boards at a cable, real or virtual."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from boards.board import Board
from boards.port import Port
from boards.provision import Provisioned, Report
from sealcore import renewal
from triseal import ports
from triseal.cli import (
    node_console,
    node_flash,
    node_freeze,
    node_image,
    node_settings,
    node_virtual,
    options,
    output,
    progress,
)
from triseal.cli.site_options import NodeName, ServiceName, node_option, open_site
from triseal.site.cable import agent, enrolment, installation
from triseal.site.cable.agent import NodeStatus
from triseal.site.rules import watchdog as watchdogs

if TYPE_CHECKING:
    from triseal.site.manager import Manager

app = typer.Typer()

app.command("flash", epilog=node_flash.EPILOG)(node_flash.flash)
app.command("console", epilog=node_console.EPILOG)(node_console.console_)
app.command("freeze", epilog=node_freeze.EPILOG)(node_freeze.freeze)
app.command("image", epilog=node_image.EPILOG)(node_image.image_)
app.command("virtual", epilog=node_virtual.EPILOG)(node_virtual.virtual_)

PortName = Annotated[
    str,
    typer.Option(
        "--port", help="/dev/ttyACM0, virtual:NAME, socket://HOST:PORT, ...", metavar="PORT"
    ),
]


@contextlib.contextmanager
def _connected(
    port: str, home_dir: Path | None, passphrase_file: Path | None, node: str = ""
) -> Iterator[tuple[Manager, Board]]:
    """Open the site and its key, check the node, and connect to the board."""
    with open_site(home_dir, passphrase_file) as site:
        site.unlock()
        if node:
            site.check_node(node)
        with Board(port) as board:
            yield site, board


@contextlib.contextmanager
def _at_cable(
    port: str, home_dir: Path | None, passphrase_file: Path | None
) -> Iterator[tuple[Manager, Board, Report]]:
    """Open the site and its key, and connect to the board and a progress report."""
    with (
        _connected(port, home_dir, passphrase_file) as (site, board),
        progress.shown() as report,
    ):
        yield site, board, report


@app.command(
    epilog=options.examples(
        "node provision --port /dev/ttyACM0 --node kitchen",
        "node provision --port virtual:kitchen --node kitchen --server 127.0.0.1:7443",
    )
)
def provision(
    port: PortName,
    node: Annotated[
        str,
        node_option("Name of the node that the board becomes; see `triseal site add-node`."),
    ],
    server: node_settings.Server = None,
    wifi: node_settings.Wifi = None,
    grace: node_settings.Grace = 0,
    watchdog: node_settings.Watchdog = None,
    no_watchdog: node_settings.NoWatchdog = False,
    spread: node_settings.Spread = renewal.CONNECT_SPREAD,
    trial: node_settings.Trial = node_settings.DEFAULT_TRIAL,
    config: node_settings.Config = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Accept a new key: the board was wiped, replaced or another node."
        ),
    ] = False,
    clean: node_settings.Clean = False,
    keep: node_settings.Keep = False,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Make a board a node. It gets code, makes its key, and gets certificate and trust bundle.

    A board with unknown files is refused, unless --clean or --keep says what to do with them. A
    board that ran code which you do not trust must be erased and flashed first (`triseal node
    flash`): nothing that runs on it can prove that it is clean.
    """
    foreign = node_settings.foreign(clean=clean, keep=keep)
    dog = 0 if no_watchdog else watchdog
    settings = node_settings.of(grace, config, server, wifi, dog, spread, trial)
    with _connected(port, home_dir, passphrase_file, node) as (site, board):
        settings = node_settings.with_password(settings)
        with progress.shown() as report:
            done, status = enrolment.enrol(
                site, board, node, settings, report, replace=replace, foreign=foreign
            )
    seconds = watchdogs.chosen(done.facts.platform, settings).get("watchdog", 0)
    facts = {"node": node, "port": port, **_provisioned(done), **_enrolled(status)}
    output.facts({**facts, "watchdog_s": seconds}, as_json=as_json)


def _provisioned(done: Provisioned) -> output.Facts:
    return {
        "board": done.facts.machine,
        "micropython": ".".join(map(str, done.facts.version)),
        "agent": "in its firmware" if done.code.in_firmware else "files",
        "files_copied": len(done.code.copied),
        "files_kept": len(done.code.kept),
        "foreign_kept": list(done.foreign.kept),
        "foreign_moved": list(done.foreign.moved),
    }


@app.command(epilog=options.examples("node enrol --port /dev/ttyACM0"))
def enrol(
    port: PortName,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Enrol a board that was flashed with an image. Its token says which node it becomes."""
    with _at_cable(port, home_dir, passphrase_file) as (site, board, report):
        node, status = enrolment.redeem(site, board, report)
    output.facts({"node": node, "port": port, **_enrolled(status)}, as_json=as_json)


@app.command(epilog=options.examples("node deploy kitchen thermo --port virtual:kitchen"))
def deploy(
    node: NodeName,
    service: ServiceName,
    port: PortName,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Seal a service for the node at this port. The board checks everything and runs it."""
    deploy_by_cable(node, service, port, passphrase_file, home_dir, as_json=as_json)


@app.command(epilog=options.examples("node remove kitchen thermo --port /dev/ttyACM0"))
def remove(
    node: NodeName,
    service: ServiceName,
    port: PortName,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Remove a service from the node at this port. See also `triseal site undeploy`."""
    with _at_cable(port, home_dir, passphrase_file) as (site, board, report):
        status = installation.remove(site, board, node, [service], report)
    _show(status, as_json=as_json)


@app.command(epilog=options.examples("node renew kitchen --port /dev/ttyACM0"))
def renew(
    node: NodeName,
    port: PortName,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Renew the services of the node at this port. Others are removed."""
    with _at_cable(port, home_dir, passphrase_file) as (site, board, report):
        status = installation.renew(site, board, node, report)
    _show(status, as_json=as_json)


@app.command(epilog=options.examples("node status --port virtual:kitchen --json"))
def status(port: PortName, as_json: options.Json = False) -> None:
    """Show the state of a board and its services. They continue to run."""
    with Port(port) as line:
        _show(agent.ask(line), as_json=as_json)


@app.command(epilog=options.examples("node restart --port /dev/ttyACM0"))
def restart(
    port: PortName,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Restart a node's agent, and give it the time."""
    with _at_cable(port, home_dir, passphrase_file) as (site, board, report):
        status = installation.restart(site, board, report)
    _show(status, as_json=as_json)


@app.command("list", epilog=options.examples("node list", "node list --json"))
def list_(as_json: options.Json = False) -> None:
    """List the ports at which boards may be, including virtual ones."""
    rows = [{"port": port, "description": what} for port, what in ports.found()]
    output.table(rows, ("port", "description"), as_json=as_json, empty="no ports")


def deploy_by_cable(
    node: str,
    service: str,
    port: str,
    passphrase_file: Path | None,
    home_dir: Path | None,
    *,
    as_json: bool,
) -> None:
    """Deploy a service over the cable, for `node deploy` and `site deploy --port`.

    Args:
        node: name of the node.
        service: name of the service.
        port: name of the board's port.
        passphrase_file: file with the passphrase of the site's key, or None.
        home_dir: the site's home, or None for the usual one.
        as_json: whether to print JSON.
    """
    with _at_cable(port, home_dir, passphrase_file) as (site, board, report):
        (done,), status = installation.deploy(site, board, node, [service], report)
    became = next(row for row in status.services if row.name == service)
    facts = {
        "node": node,
        "service": service,
        "version": became.version,
        "state": became.state,
        "code": became.code or None,
        "not_after": output.time(became.not_after),
        "grants": became.grants,
        "check_ms": done.check_ms,
        "check_heap": done.heap,
    }
    output.facts(facts, as_json=as_json)


def _enrolled(status: NodeStatus) -> dict[str, object]:
    """Return the facts that show that a board has become a node."""
    return {
        "bundle_version": status.bundle_version,
        "heap_free": status.heap_free,
        "time": output.time(status.time),
    }


def _show(status: NodeStatus, *, as_json: bool) -> None:
    services = [
        {
            "service": service.name,
            "state": service.state,
            "code": service.code or None,
            "detail": service.detail or None,
            "version": service.version or None,
            "not_after": output.time(service.not_after or None),
            "grants": service.grants,
        }
        for service in status.services
    ]
    facts: dict[str, object] = {
        "node": status.node,
        "time": output.time(status.time or None),
        "bundle_version": status.bundle_version,
        "heap_free": status.heap_free,
    }
    if as_json:
        output.facts(facts | {"services": services}, as_json=True)
        return
    output.facts(facts, as_json=False)
    typer.echo()
    columns = ("service", "state", "code", "version", "not_after", "grants", "detail")
    output.table(services, columns, as_json=False, empty="no services")
