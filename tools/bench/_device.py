"""Modules for MicroPython, compiled as for a board, and the smallest heap in which they run."""

from pathlib import Path

from boards import micropython
from boards.code import mpy

ROOT = Path(__file__).parent.parent.parent
LARGEST_KIB = 1024


class Failed(Exception):
    """MicroPython did not run the measurement to its end."""


class Stage:
    """A folder of `.mpy` files: sealcore, and modules of this package under their own names.

    Args:
        folder: for the files; exists and is empty.
        modules: names of the modules of this package, such as `_p256_device`.
    """

    def __init__(self, folder: Path, *modules: str) -> None:
        self.folder = folder
        for name, source in mpy.read_sources(ROOT / "common").items():
            self._add(name, source)
        for module in modules:
            source = Path(__file__).with_name(module + ".py").read_bytes()
            self._add(f"bench/{module}.py", source)

    def _add(self, name: str, source: bytes) -> None:
        path = (self.folder / name).with_suffix(".mpy")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mpy.compile_source(source, name))

    def run(self, code: str, heap_kib: int) -> str:
        """Return what `code` prints in a heap of `heap_kib` KiB.

        Raises:
            Failed: it did not run to its end.
        """
        done = micropython.run(
            ["-X", f"heapsize={heap_kib}k", "-c", code],
            environment={"MICROPYPATH": f"{self.folder}:.frozen"},
        )
        if done.returncode:
            raise Failed(f"status {done.returncode} with {heap_kib} KiB of heap: {done.stderr}")
        return done.stdout

    def least_heap(self, code: str) -> int:
        """Return the smallest heap, in KiB, in which `code` runs.

        Raises:
            Failed: it does not even run in LARGEST_KIB.
        """
        self.run(code, LARGEST_KIB)  # so that a failure below is for want of heap
        low, high = 1, LARGEST_KIB
        while low < high:
            middle = (low + high) // 2
            try:
                self.run(code, middle)
                high = middle
            except Failed:
                low = middle + 1
        return low
