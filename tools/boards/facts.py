"""The facts that a board tells about itself."""

from typing import Any, NamedTuple

from boards import device_code, literals
from boards.code.mpy import Target
from boards.errors import DeviceFailed

_KINDS: dict[str, tuple[type, ...]] = {
    "implementation": (str,),
    "version": (int, int, int),
    "machine": (str,),
    "mpy": (int,),
    "platform": (str,),
    "unique_id": (bytes,),
    "flash": (int, int),
    "heap": (int, int),
}

# Each fact by itself, because ports leave out facts that they do not have.
CODE = (
    device_code.imports("gc,os")
    + """\
def fact(n,f):
 try:print(repr((n,f())))
 except(AttributeError,ImportError,OSError):pass
i=sys.implementation
fact('implementation',lambda:i.name)
fact('version',lambda:tuple(i.version[:3]))
fact('machine',lambda:i._machine)
fact('mpy',lambda:i._mpy)
fact('platform',lambda:sys.platform)
fact('unique_id',lambda:bytes(__import__('machine').unique_id()))
def flash():
 s=os.statvfs('/')
 return s[1]*s[2],s[1]*s[4]
fact('flash',flash)
gc.collect()
fact('heap',lambda:(gc.mem_alloc(),gc.mem_free()))
"""
)


class Facts(NamedTuple):
    """What a board is, and how much heap and flash are free.

    Attributes:
        implementation: "micropython", or a fork's name.
        version: of MicroPython, for example (1, 29, 0).
        machine: the firmware's name of the board.
        platform: `sys.platform`, for example "esp32".
        target: the `.mpy` files that it loads.
        unique_id: hexadecimal; empty if the port has none.
        heap_size: bytes, after a collection.
        heap_free: bytes, after a collection.
        flash_size: bytes of the file system at `/`; 0 if the port does not tell.
        flash_free: bytes of the file system at `/`; 0 if the port does not tell.
    """

    implementation: str
    version: tuple[int, ...]
    machine: str
    platform: str
    target: Target
    unique_id: str
    heap_size: int
    heap_free: int
    flash_size: int
    flash_free: int


def parse(printed: str) -> Facts:
    """Parse the output of `CODE`.

    Args:
        printed: the output of `CODE` on a board.

    Raises:
        DeviceFailed: it is not what `CODE` prints.
        UnsupportedFirmware: the board's architecture is not known.
    """
    told = dict(_fact(line) for line in printed.splitlines() if line.startswith("("))
    used, free = told.get("heap", (0, 0))
    flash_size, flash_free = told.get("flash", (0, 0))
    return Facts(
        implementation=told.get("implementation", ""),
        version=told.get("version", ()),
        machine=told.get("machine", ""),
        platform=told.get("platform", ""),
        target=Target.from_number(told.get("mpy", 0)),
        unique_id=told.get("unique_id", b"").hex(),
        heap_size=used + free,
        heap_free=free,
        flash_size=flash_size,
        flash_free=flash_free,
    )


def _fact(line: str) -> tuple[str, Any]:
    name, value = literals.pair(line)
    parts = value if type(value) is tuple else (value,)
    if tuple(type(part) for part in parts) != _KINDS.get(name):
        raise DeviceFailed("the board did not print its facts as boards do")
    return name, value
