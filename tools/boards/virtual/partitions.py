"""The two app partitions of a virtual board, and the boot loader that starts one of them.

Both partitions hold real MicroPython binaries. The boot loader keeps the record of ESP-IDF
(`otadata`) and follows its rules, with rollback enabled: an image that was set to boot is started
once, and if it was not marked as valid by the next reset, the image before it starts again. The
board's side of this is `shim/esp32.py`.
"""

import struct
import sys
from importlib import util
from pathlib import Path

from boards import micropython, state_folder
from boards.errors import NoMicroPython
from boards.flashing import appimage
from boards.virtual import otadata

FOLDER = "app"  # in the folder of a board: ota_0, ota_1, otadata
BLOCK = otadata.BLOCK
NAMES = ("ota_0", "ota_1")

_RECORD = "otadata"
_RUNNER = Path(__file__).with_name("run_image.py")


def make(folder: Path, size: int) -> None:
    """Make partitions with the MicroPython of this computer in the first one, unless they exist.

    Args:
        folder: for the files.
        size: bytes of each partition, a multiple of `BLOCK`.

    Raises:
        NoMicroPython: there is no MicroPython of the right form, or it is larger.
    """
    if (folder / _RECORD).exists():
        return
    image = own_image()
    if len(image) > size:
        raise NoMicroPython(f"it has {len(image)} bytes, and the partition {size}")
    state_folder.make(folder)
    for name, content in zip(NAMES, (image, b""), strict=True):
        state_folder.write(folder / name, content.ljust(size, b"\xff"))
    state_folder.write(folder / _RECORD, b"\xff" * 2 * BLOCK)


def own_image() -> bytes:
    """Return the MicroPython of this computer as an image: without what only debuggers read.

    Raises:
        NoMicroPython: there is none, or it is no ELF file.
    """
    spec = util.find_spec("micropython_run")
    found = Path(micropython.find())
    for path in (Path(spec.origin), found) if spec and spec.origin else (found,):
        data = path.read_bytes()
        if appimage.is_elf(data):
            return appimage.stripped(data)
    raise NoMicroPython(f"{found} is no ELF file, as partitions need it")


def select(folder: Path) -> int:
    """Do what the boot loader does at a reset: choose the partition that starts.

    Args:
        folder: of the partitions.

    Returns:
        Its number, 0 or 1.
    """
    path = folder / _RECORD
    chosen, changes = otadata.select(path.read_bytes())
    for at, state in changes:
        with path.open("r+b") as file:
            file.seek(at)
            file.write(struct.pack("<I", state))
    return chosen if _starts(folder, chosen) or not _starts(folder, 1 - chosen) else 1 - chosen


def record(folder: Path) -> list[tuple[int, int]]:
    """Return both entries of the record: sequence number (0 if there is none) and state.

    Args:
        folder: of the partitions.
    """
    return otadata.entries((folder / _RECORD).read_bytes())


def _starts(folder: Path, number: int) -> bool:
    return appimage.is_elf((folder / NAMES[number]).read_bytes())


def command(folder: Path, number: int) -> list[str]:
    """Return the command that runs the image in a partition.

    Args:
        folder: of the partitions.
        number: of the partition.
    """
    path = folder / NAMES[number]
    if appimage.is_program(path.read_bytes()):
        path.chmod(0o700)
        return [str(path)]
    return [sys.executable, "-I", "-S", str(_RUNNER), str(path)]
