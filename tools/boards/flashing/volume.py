"""The volume that an RP2 board shows while it waits for firmware."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from boards.errors import FlashFailed, NoBootloader, WrongChip
from boards.flashing.chips import CHIPS, Chip

INFO = "INFO_UF2.TXT"
# Written into it by the boot ROMs (RP2040 and RP2350 datasheets, mass storage).
_BOARD_IDS = {"RPI-RP2": "rp2040", "RP2350": "rp2350"}
ROOTS = (Path("/media"), Path("/run/media"), Path("/Volumes"), Path("/mnt"))
_DEPTH = 2  # /media/USER/VOLUME
_STEP = 0.1
_PIECE = 64 << 10
_WAIT = 20.0
_LONGEST = 4096  # most bytes of INFO


def find(roots: Sequence[Path] = ROOTS) -> list[Path]:
    """Return all such volumes that are mounted below `roots`."""
    found = []
    for root in roots:
        for depth in range(_DEPTH + 1):
            with contextlib.suppress(OSError):
                found += [path.parent for path in root.glob("*/" * depth + INFO)]
    return sorted(set(found))


def chip_of(volume: Path) -> str:
    """Return the name of the chip behind `volume`. Raises: NoBootloader."""
    try:
        # Any device may show a volume: no link, pipe or endless file on it is followed or read.
        descriptor = os.open(volume / INFO, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            text = file.read(_LONGEST).decode(errors="replace")
    except (OSError, BlockingIOError):
        raise NoBootloader(f"{volume} is no board that waits for firmware") from None
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key == "Board-ID":
            return _BOARD_IDS.get(value.strip(), value.strip())
    raise NoBootloader(f"{volume / INFO} names no board")


def wait(before: Sequence[Path], roots: Sequence[Path] = ROOTS, seconds: float = _WAIT) -> Path:
    """Return the volume that has appeared.

    Args:
        before: volumes that were there before.
        roots: folders in which volumes are mounted.
        seconds: to wait.

    Raises: NoBootloader.
    """
    end = time.monotonic() + seconds
    while True:
        fresh = [volume for volume in find(roots) if volume not in before]
        if fresh:
            return fresh[0]
        if time.monotonic() >= end:
            raise NoBootloader("the board's volume was not mounted")
        time.sleep(_STEP)


def check(volume: Path, chip: Chip) -> None:
    """Check that the board behind `volume` has this chip. Raises: WrongChip, NoBootloader."""
    found = chip_of(volume)
    if found != chip.name:
        known = found if found in CHIPS else f"board {found}"
        raise WrongChip(f"{volume} is {known}, not {chip.name}")


def copy(volume: Path, data: bytes, progress: Callable[[int, int], None]) -> None:
    """Copy firmware to a board, which restarts by itself after the last block.

    Args:
        volume: the board's.
        data: a UF2 file.
        progress: called with the bytes so far and the bytes in all.

    Raises:
        FlashFailed: the board vanished before that, or can't be written.
    """
    done = 0
    try:
        # Unbuffered and synchronous: a write that returns has reached the board.
        descriptor = os.open(
            volume / "firmware.uf2",
            os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_DSYNC | os.O_NOFOLLOW | os.O_NONBLOCK,
            0o644,
        )
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            while done < len(data):
                done += file.write(data[done : done + _PIECE])
                progress(done, len(data))
    except OSError as error:
        if done < len(data):
            reason = error.strerror or type(error).__name__
            raise FlashFailed(f"{volume} after {done} of {len(data)} bytes: {reason}") from None
