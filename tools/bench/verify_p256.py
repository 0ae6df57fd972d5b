"""One ECDSA verification on MicroPython, beside the textbook's in the same interpreter."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import Figure
from bench._device import Stage

RUN = "from bench import _p256_device; _p256_device"
ROUNDS = 61
HEAP_KIB = 128  # about what an ESP32 has; both sides collect garbage as often as they would there


def measure() -> Iterator[Figure]:
    """Yield time and heap.

    `node.verify.p256` is a verification with a key that sealcore has seen before, as the keys of a
    trust bundle are; `.first` is one with a new key, whose table is made; `.heap` is the smallest
    heap in which a first verification passes from `.mpy` files.

    Raises:
        bench._device.Failed: MicroPython did not run it to its end.
    """
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder), "_p256_device", "_p256_textbook")
        textbook, first, kept = fastest(stage)
        yield Figure("node.verify.p256", kept, "ms", textbook)
        yield Figure("node.verify.p256.first", first, "ms", textbook)
        heap = stage.least_heap(f"{RUN}.first()")
        yield Figure("node.verify.p256.heap", heap, "KiB", stage.least_heap(f"{RUN}.textbook()"))


def fastest(stage: Stage) -> list[float]:
    """Return the milliseconds of the textbook's verification, of one with a new key, of one with a
    known.

    The fastest of many rounds counts, because other work of the computer only adds time.

    Args:
        stage: the modules.
    """
    printed = stage.run(f"{RUN}.compare({ROUNDS})", HEAP_KIB)
    columns = zip(*(line.split() for line in printed.splitlines()), strict=True)
    return [min(float(time) for time in column) / 1000 for column in columns]
