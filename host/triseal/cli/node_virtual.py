"""`triseal node virtual`: a virtual board in the foreground, as bad as real ones if asked for."""

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
    "node virtual attic --drift -300 --epoch 2000 --weak-entropy --brown-out 60",
)
_HEAP = re.compile(r"[1-9][0-9]{0,3}[kKmM]|[1-9][0-9]{3,8}", re.ASCII)


_Drift = Annotated[
    int, typer.Option("--drift", help="Its clock is fast by so many ppm, or slow.", metavar="PPM")
]
_Wrap = Annotated[
    float | None,
    typer.Option("--wrap", help="Its tick counters wrap so long after a start.", metavar="SECONDS"),
]
_Epoch = Annotated[
    int,
    typer.Option(
        "--epoch", help="2000: its clock counts from 2000, and starts there.", metavar="YEAR"
    ),
]
_Weak = Annotated[
    bool, typer.Option("--weak-entropy", help="Its random bytes are the same after each start.")
]
_Stuck = Annotated[
    bool, typer.Option("--stuck-entropy", help="Its random bytes are one and the same.")
]
_BrownOut = Annotated[
    float | None,
    typer.Option(
        "--brown-out", help="It loses power for a moment, on average so often.", metavar="SECONDS"
    ),
]
_SlowFlash = Annotated[
    int, typer.Option("--slow-flash", help="Each write to its flash takes so long.", metavar="MS")
]


def virtual_(
    name: Annotated[str, typer.Argument(help="The virtual board's name.", metavar="NAME")],
    heap: Annotated[
        str, typer.Option("--heap", help="Its heap, such as 64k.", metavar="SIZE")
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
) -> None:
    """Run a virtual board until Ctrl-C. It is a real MicroPython behind a port of its own."""
    if not _HEAP.fullmatch(heap):
        raise typer.BadParameter("such as 64k or 1m, or octets", param_hint="--heap")
    if filesystem not in ("posix", "littlefs"):
        raise typer.BadParameter("posix or littlefs", param_hint="--filesystem")
    entropy: Entropy = "stuck" if stuck else "same" if weak else "good"
    try:
        flaws = Flaws(drift, wrap, epoch, entropy, brown_out, slow_flash)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None

    def ready(port: str, link: Path) -> None:
        typer.echo(f"virtual board {name} at {port}")
        typer.echo(f"also {names.PREFIX}{name} and {link}; Ctrl-C ends it")

    kind = cast(Literal["posix", "littlefs"], filesystem)
    board.serve(name, ready, heap=heap, filesystem=kind, flaws=flaws)
