"""`triseal node virtual`: a virtual board in the foreground, with the flaws of real ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from boards.virtual import board, names
from boards.virtual.flaws import Entropy, Flaws
from triseal.cli import options

EPILOG = options.examples(
    "node virtual kitchen",
    "node virtual hall --heap 64k",
    "node virtual loft --partitions",
    "node virtual attic --drift -300 --epoch 2000 --weak-entropy --brown-out 60",
)
_HEAP = re.compile(r"[1-9][0-9]{0,3}[kKmM]|[1-9][0-9]{3,8}", re.ASCII)


_Drift = Annotated[
    int, typer.Option("--drift", help="Error of its clock; a negative one is slow.", metavar="PPM")
]
_Wrap = Annotated[
    float | None,
    typer.Option("--wrap", help="Time after which its tick counters wrap.", metavar="SECONDS"),
]
_Epoch = Annotated[
    int,
    typer.Option(
        "--epoch", help="2000: its clock counts from 2000, and begins there.", metavar="YEAR"
    ),
]
_Weak = Annotated[
    bool, typer.Option("--weak-entropy", help="Repeat the same random bytes after each start.")
]
_Stuck = Annotated[bool, typer.Option("--stuck-entropy", help="Make all random bytes the same.")]
_BrownOut = Annotated[
    float | None,
    typer.Option(
        "--brown-out", help="Average time between short losses of power.", metavar="SECONDS"
    ),
]
_SlowFlash = Annotated[
    int, typer.Option("--slow-flash", help="Time that each write to its flash takes.", metavar="MS")
]

_Partitions = Annotated[
    bool,
    typer.Option("--partitions", help="Give it two app partitions, for firmware over the link."),
]
_PARTITION = 1 << 24  # bytes; as large as a firmware may be


def virtual_(
    name: Annotated[str, typer.Argument(help="Name of the virtual board.", metavar="NAME")],
    heap: Annotated[
        str, typer.Option("--heap", help="Size of its heap, such as 64k.", metavar="SIZE")
    ] = "256k",
    filesystem: Annotated[
        str, typer.Option("--filesystem", help="posix, or littlefs as on a board.", metavar="KIND")
    ] = "posix",
    drift: _Drift = 0,
    wrap: _Wrap = None,
    epoch: _Epoch = 1970,
    weak: _Weak = False,
    stuck: _Stuck = False,
    brown_out: _BrownOut = None,
    slow_flash: _SlowFlash = 0,
    partitions: _Partitions = False,
) -> None:
    """Run a virtual board until Ctrl-C. It is a real MicroPython with a port of its own."""
    if not _HEAP.fullmatch(heap):
        raise typer.BadParameter("give a size such as 64k or 1m, or bytes", param_hint="--heap")
    if filesystem not in ("posix", "littlefs"):
        raise typer.BadParameter("give posix or littlefs", param_hint="--filesystem")
    entropy: Entropy = "stuck" if stuck else "same" if weak else "good"
    try:
        flaws = Flaws(drift, wrap, epoch, entropy, brown_out, slow_flash)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None

    def ready(port: str, link: Path) -> None:
        typer.echo(f"virtual board {name} at {port}")
        typer.echo(f"also {names.PREFIX}{name} and {link}; Ctrl-C ends it")

    kind = cast(Literal["posix", "littlefs"], filesystem)
    size = _PARTITION if partitions else 0
    board.serve(name, ready, heap=heap, filesystem=kind, flaws=flaws, partition=size)
