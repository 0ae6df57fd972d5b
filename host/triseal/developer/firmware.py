"""A MicroPython for boards of the ESP32 family, as one executable of the kind `firmware`.

The image is that of one app partition. Its metadata has the key `firmware`, see `triseal.metadata`:
which chip it is for, which MicroPython it is, and which `.mpy` files it loads.
"""

from __future__ import annotations

from pathlib import Path

from boards.code import sources
from boards.errors import BadFirmware
from boards.flashing import appimage
from sealcore import limits
from triseal.developer.executable import Executable
from triseal.errors import BadExecutable, BadMetadata, FileTooLarge
from triseal.loadable import FIRMWARE
from triseal.metadata import canonical, read_object
from triseal.package import FIRMWARE_NAME


def read(path: Path) -> Executable:
    """Read an image.

    Args:
        path: of MicroPython's `.app-bin` file.

    Raises:
        FileTooLarge: it is larger than an executable may be.
        SpecialFile, OSError: it can't be read.
    """
    data = sources.read(path, limits.MAX_EXECUTABLE + 1)
    if len(data) > limits.MAX_EXECUTABLE:
        raise FileTooLarge(f"{path} has more than {limits.MAX_EXECUTABLE} bytes")
    return Executable(FIRMWARE_NAME, data, {path.name: data})


def metadata(text: bytes, image: bytes) -> bytes:
    """Complete the developer's metadata with the kind, and with the chip that the image names.

    Args:
        text: the developer's JSON.
        image: the image.

    Raises:
        BadMetadata: as `metadata.read_object`, or it does not say what the firmware is.
        BadExecutable: it is no image of an app partition.
    """
    values = read_object(text)
    said = values.get("firmware")
    if not isinstance(said, dict):
        raise BadMetadata('it has no key "firmware" with "micropython" and "mpy"')
    try:
        chip = appimage.chip_of(image)
    except BadFirmware as error:
        raise BadExecutable(error.detail) from None
    more = {"kind": FIRMWARE, **values, "firmware": {"chip": chip, **said}}
    if more["kind"] != FIRMWARE:
        raise BadMetadata(f"'kind' says {more['kind']!r}, and this is a {FIRMWARE}")
    return canonical(more)
