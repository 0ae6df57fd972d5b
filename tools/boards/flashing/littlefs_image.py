"""LittleFS images with the geometry of a board, in the format that its MicroPython mounts."""

from __future__ import annotations

from collections.abc import Mapping

from littlefs import LittleFS
from littlefs.errors import LittleFSError

from boards.errors import DoesNotFit
from boards.flashing.chips import BLOCK

# Every MicroPython with LittleFS reads this version; those before 1.22 refuse 2.1.
_DISK_VERSION = 0x00020000


def build(files: Mapping[str, bytes], size: int, program: int = 32) -> bytes:
    """Return an image of these files.

    Args:
        files: contents by path; folders are made.
        size: bytes, a multiple of 4096.
        program: bytes that the board writes at once.

    Raises:
        DoesNotFit: the files need more.
    """
    image = LittleFS(
        block_size=BLOCK,
        block_count=size // BLOCK,
        read_size=program,
        prog_size=program,
        cache_size=max(program, 256),
        lookahead_size=32,
        disk_version=_DISK_VERSION,
    )
    try:
        for path, data in files.items():
            folder = path.rpartition("/")[0]
            if folder:
                image.makedirs(folder, exist_ok=True)
            with image.open(path, "wb") as file:
                file.write(data)
    except LittleFSError as error:
        total = sum(map(len, files.values()))
        raise DoesNotFit(f"the files have {total} bytes, the file system {size}: {error}") from None
    return bytes(image.context.buffer)
