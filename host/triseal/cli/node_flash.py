"""`triseal node flash`: write MicroPython to boards, several at once, and provision them."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from boards import interrupts
from boards.board import Board
from boards.flashing import chips, image, imagefile
from boards.flashing import flash as flashing
from boards.flashing.chips import Chip
from boards.inventory import Foreign
from boards.provision import Report
from triseal.cli import node_settings, options, output, progress
from triseal.cli.site_options import node_option, open_site
from triseal.site.cable import enrolment

if TYPE_CHECKING:
    from rich.progress import Progress

    from triseal.site.manager import Manager

EPILOG = options.examples(
    "node flash --board esp32 --port /dev/ttyUSB0 --firmware ESP32_GENERIC.bin --node kitchen",
    "node flash --board rp2040 --port /media/$USER/RPI-RP2 --firmware RPI_PICO.uf2",
    "node flash --board esp32c3 --port /dev/ttyACM0 --port /dev/ttyACM1 --firmware C3.bin",
)
BoardName = Annotated[
    str,
    typer.Option("--board", help=f"One of {', '.join(chips.CHIPS)}.", metavar="BOARD"),
]
FirmwareFile = Annotated[
    Path,
    typer.Option("--firmware", help="MicroPython for this board.", metavar="FILE", readable=False),
]
Sha256 = Annotated[
    str, typer.Option("--sha256", help="Hash of the file; others are refused.", metavar="HEX")
]
Ports = Annotated[
    list[str],
    typer.Option(
        "--port",
        help="Serial port, or the folder of an RP2's volume; may be repeated.",
        metavar="PORT",
    ),
]
Nodes = Annotated[
    list[str] | None,
    node_option("Provision the board as this node; one for each port, in the same order."),
]


# Held while a volume is written and until its board has a port, which could otherwise be confused
# with the port of another board.
_volumes = threading.Lock()


@dataclass(frozen=True)
class _Job:
    """One board. `node` is "" if it is not provisioned. `ports` are the ports of all jobs."""

    chip: Chip
    port: str
    data: bytes
    node: str
    replace: bool
    ports: tuple[str, ...] = ()
    foreign: Foreign = "refuse"


def flash(
    board: BoardName,
    port: Ports,
    firmware_file: FirmwareFile,
    sha256: Sha256 = "",
    node: Nodes = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Accept new keys for nodes, and boards that are other nodes."
        ),
    ] = False,
    clean: node_settings.Clean = False,
    keep: node_settings.Keep = False,
    passphrase_file: options.PassphraseFile = None,
    home_dir: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Erase boards, write MicroPython, and provision them.

    With --node a board that is another node is refused, unless --replace is given. Copying a UF2
    file
    erases no files: use --clean or --keep for unknown ones.
    """
    if len(set(port)) < len(port):
        raise typer.BadParameter("the same port is given twice", param_hint="--port")
    if node and len(node) != len(port):
        raise typer.BadParameter("give one for each --port, in the same order", param_hint="--node")
    chip = chips.named(board)
    data = imagefile.load(firmware_file, chip, sha256)
    if node:
        image.holds_agent(chip, data)  # raises for another agent, before anything is erased
    names = node or [""] * len(port)
    pairs = zip(port, names, strict=True)
    real = tuple(str(Path(name).resolve()) for name in port)
    foreign = node_settings.foreign(clean=clean, keep=keep)
    jobs = [_Job(chip, at, data, name, replace, real, foreign) for at, name in pairs]
    with contextlib.ExitStack() as stack:
        site = None
        if node:
            site = stack.enter_context(open_site(home_dir, passphrase_file))
            site.unlock()
            for name in node:
                # Copying a UF2 file erases no files: the board of a node keeps its key.
                site.check_free(name, replace=replace or chip.is_uf2)
        results = _all(jobs, site, stack.enter_context(_lines(port)))
    _report(results, as_json=as_json)


def _all(
    jobs: Sequence[_Job], site: Manager | None, reports: dict[str, Report]
) -> dict[str, output.Facts | Exception]:
    """Flash all boards at the same time. A failure on one board does not affect the others."""
    interrupted = threading.Event()
    with ThreadPoolExecutor(max_workers=len(jobs)) as pool:
        try:
            # An interrupt between two boards would leave the first at work, with nobody to end it.
            with interrupts.held():
                running = {
                    job.port: pool.submit(_one, job, site, _until(interrupted, reports[job.port]))
                    for job in jobs
                }
            wait(running.values())
        except BaseException:
            # Only this thread gets the signal. The others let their nodes run again, and end.
            interrupted.set()
            with interrupts.held():
                wait(running.values())
            raise
    results: dict[str, output.Facts | Exception] = {}
    for port, future in running.items():
        error = future.exception()
        if error is not None and not isinstance(error, Exception):
            raise error
        results[port] = error if error is not None else future.result()
    return results


def _until(interrupted: threading.Event, report: Report) -> Report:
    """Return a report that ends the work of its thread once the command is interrupted."""

    def checked(step: str, done: int, total: int) -> None:
        """Report a step, or end the work."""
        if interrupted.is_set():
            raise KeyboardInterrupt
        report(step, done, total)

    return checked


def _one(job: _Job, site: Manager | None, report: Report) -> output.Facts:
    # A volume does not show the board's files and keeps them: its board is checked after its start.
    if site is not None and not job.replace and not Path(job.port).is_dir():
        report("look", 0, 0)
        enrolment.check_erasable(site, job.port, job.node)
    port = _write(job, report)
    board_facts = flashing.await_repl(port, report)
    facts: dict[str, object] = {
        "port": port,
        "board": board_facts.machine,
        "micropython": ".".join(map(str, board_facts.version)),
    }
    if site is not None:
        with Board(port) as board:
            _, status = enrolment.enrol(
                site, board, job.node, {}, report, replace=job.replace, foreign=job.foreign
            )
        facts |= {"node": job.node, "bundle_version": status.bundle_version}
    return facts


def _write(job: _Job, report: Report) -> str:
    """Write the firmware. Returns the port of the board, also if a volume was given."""
    if not Path(job.port).is_dir():
        flashing.flash(job.chip, job.port, job.data, report)
        return job.port
    with _volumes:
        # The port of another job may vanish and come back meanwhile: it must not count as new.
        before = [*flashing.serial_ports(), *job.ports]
        flashing.flash(job.chip, job.port, job.data, report)
        return flashing.new_port(before)


def _report(results: dict[str, output.Facts | Exception], *, as_json: bool) -> None:
    done = [facts for facts in results.values() if not isinstance(facts, Exception)]
    failed = {port: error for port, error in results.items() if isinstance(error, Exception)}
    if len(results) == 1 and failed:
        raise next(iter(failed.values()))  # printed as the command's one line
    if len(results) == 1:
        output.facts(done[0], as_json=as_json)
        return
    columns = ("port", "board", "micropython")
    output.table(done, columns, as_json=as_json, empty="no board was flashed")
    for port, error in failed.items():
        typer.echo(f"{port}: {output.failure(error)}", err=True)
    if failed:
        raise typer.Exit(1)


@contextlib.contextmanager
def _lines(ports: Sequence[str]) -> Iterator[dict[str, Report]]:
    """Return a report for each port: a bar on a terminal, otherwise a line for each step."""
    if not sys.stderr.isatty():
        yield {port: _Steps(port) for port in ports}
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        yield {port: _Bar(bars, port) for port in ports}


class _Steps:
    """Prints one line for each step."""

    _lock = threading.Lock()

    def __init__(self, port: str) -> None:
        self._port = port
        self._step = ""

    def __call__(self, step: str, _done: int, _total: int) -> None:
        if step != self._step:
            self._step = step
            with self._lock:
                typer.echo(f"{self._port}: {progress.words(step)}", err=True)


class _Bar:
    """Updates one progress bar."""

    def __init__(self, bars: Progress, port: str) -> None:
        self._bars = bars
        self._port = port
        self._task = bars.add_task(port, total=None)

    def __call__(self, step: str, done: int, total: int) -> None:
        words = f"{self._port}: {progress.words(step)}"
        self._bars.update(self._task, description=words, completed=done, total=total or None)
