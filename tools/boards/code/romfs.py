"""Pack a folder of Python into one ROMFS image, MicroPython's own read-only file system.

    image  ::= d2 cd 31 length record*
    record ::= kind length payload
    folder  4: length-of-name name record*       file  5: length-of-name name data
    data    2: the bytes themselves

Numbers are big-endian groups of seven bits; all groups but the last have the top bit set.
(MicroPython, extmod/vfs_rom.c.) An image holds only `.mpy` files: sources are compiled first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

from boards.code import mpy, sources
from boards.errors import BadFolder

ENTRIES = ("main.mpy", "app.mpy")
MAX_FILES = 64
MAX_AGENT_FILES = 120
MAX_DEPTH = 4  # folders within folders
MAX_NAME = 64
MAX_SIZE = 1 << 24  # sealcore.limits.MAX_EXECUTABLE
_HEADER = b"\xd2\xcd\x31"
_DATA, _FOLDER, _FILE = 2, 4, 5
_SUFFIXES = (".py", ".mpy")
# The node's own packages; a service's packages of these names would hide them.
_RESERVED = ("nlsm", "sealcore")


class Files(NamedTuple):
    """The files of a folder that becomes an image.

    Attributes:
        found: the contents of each file by its path, as it is in the folder.
        left_out: the paths of hidden files, caches and backups.
    """

    found: dict[str, bytes]
    left_out: tuple[str, ...]


def build(folder: Path) -> bytes:
    """Return the image of a folder: `.py` compiled, `.mpy` unchanged.

    Args:
        folder: holds `main.py` or `app.py` (or the `.mpy`), with `async def main(ctx)`.

    Returns: the same bytes for the same contents.

    Raises:
        BadFolder, SpecialFile, CompileFailed: as `read` and `image`.
    """
    return image(read(folder).found, str(folder))


def read(folder: Path) -> Files:
    """Read the files of a folder, each of them once.

    Args:
        folder: the folder.

    Raises:
        BadFolder: it has a file of another kind, a name that can't be imported, or more than an
            image may hold.
        SpecialFile, OSError: as `sources.walk`.
    """
    left_out: list[str] = []
    paths = []
    for path in sources.walk(folder, left_out):
        _check_name(path)
        paths.append(path)
        if len(paths) > MAX_FILES:
            raise BadFolder(f"{folder} has more than {MAX_FILES} modules, an image holds no more")
    found = {}
    rest = MAX_SIZE
    for path in paths:
        data = sources.read(folder / path, rest + 1)
        rest -= len(data)
        if rest < 0:
            raise BadFolder(f"the files of {folder} have more than {MAX_SIZE} bytes")
        found[str(path)] = data
    return Files(found, tuple(left_out))


def image(found: Mapping[str, bytes], place: str) -> bytes:
    """Return the image of the files that `read` has found.

    Args:
        found: contents by path; sources are compiled.
        place: name of the folder, for the error.

    Raises:
        BadFolder: it has no entry module or two, or a module as source and as bytecode.
        CompileFailed: a source is wrong.
    """
    modules: dict[str, bytes] = {}
    for path, data in found.items():
        name = str(PurePosixPath(path).with_suffix(".mpy"))
        if name in modules:
            raise BadFolder(f"{name[:-4]} is there twice, as .py and as .mpy")
        modules[name] = data if path == name else mpy.compile_source(data, path, level=0)
    check_modules(modules, place)
    return pack(modules)


def check_modules(modules: Mapping[str, bytes], place: str) -> None:
    """Refuse a set of modules that is no service.

    Args:
        modules: contents by path.
        place: their place, for the error.

    Raises:
        BadFolder: it has no entry module or two, a file of another kind, more modules than an
            image may hold, or a module with the name of one of the node's own.
    """
    for path in modules:
        _check_name(PurePosixPath(path))
        if not path.endswith(".mpy"):
            raise BadFolder(f"{path} in {place} is no .mpy file")
        if path.partition("/")[0].partition(".")[0] in _RESERVED:
            raise BadFolder(f"{place}: {path} has the name of one of the node's own modules")
    entries = [name for name in ENTRIES if name in modules]
    if len(entries) != 1:
        raise BadFolder(f"{place} needs one of main.py and app.py, and has {len(entries)}")
    if len(modules) > MAX_FILES:
        raise BadFolder(f"{place} has {len(modules)} modules, an image holds {MAX_FILES}")


def _check_name(inside: PurePath) -> None:
    if inside.suffix not in _SUFFIXES:
        raise BadFolder(f"{inside} ends neither in .py nor in .mpy")
    if len(inside.parts) > MAX_DEPTH:
        raise BadFolder(f"{inside} lies deeper than {MAX_DEPTH} folders")
    for part in (*inside.parts[:-1], inside.stem):
        if not (part.isascii() and part.isidentifier() and len(part) <= MAX_NAME - 4):
            raise BadFolder(f"{inside} can't be imported: {part!r} is no module's name")


def pack(files: dict[str, bytes]) -> bytes:
    """Return an image of `files`, contents by path with slashes."""
    body = _records(files)
    length = _number(len(body))
    if (len(_HEADER) + len(length) + len(body)) % 2:
        length = b"\x80" + length  # an image has an even size
    return _HEADER + length + body


def unpack(image: bytes, most: int = MAX_FILES) -> dict[str, bytes]:
    """Return the files of an image by their paths. It reads as strictly as a node does.

    Args:
        image: its bytes.
        most: how many files it may have.

    Raises:
        BadFolder: it is not written as `pack` writes images, or is not complete.
    """
    if not image.startswith(_HEADER):
        raise BadFolder("the image does not begin with the magic number of ROMFS")
    length, at = _read_number(image, len(_HEADER), len(image))
    if length != len(image) - at:
        raise BadFolder("the ROMFS image has another size than it states")
    found: dict[str, bytes] = {}
    folders = [("", at, len(image))]
    while folders:
        folder, at, end = folders.pop()
        while at < end:
            kind, begin, at = _read_record(image, at, end)
            size, begin = _read_number(image, begin, at)
            path = folder + image[begin : begin + size].decode("ascii", "replace")
            if path in found or len(found) + len(folders) > most or begin + size > at:
                raise BadFolder("the ROMFS image has a bad name, or too many files")
            if kind == _FILE:
                found[path] = _read_data(image, begin + size, at)
            elif kind == _FOLDER and path.count("/") < MAX_DEPTH - 1:
                folders.append((path + "/", begin + size, at))
            else:
                raise BadFolder(f"the ROMFS image must not have a record of kind {kind} there")
    return found


def _read_data(image: bytes, at: int, end: int) -> bytes:
    kind, begin, at = _read_record(image, at, end)
    if kind != _DATA or at != end:
        raise BadFolder("the ROMFS image has a file without contents")
    return image[begin:at]


def _read_record(image: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Return (kind, begin of its payload, end of its payload)."""
    kind, at = _read_number(image, at, end)
    size, at = _read_number(image, at, end)
    if size > end - at:
        raise BadFolder("the ROMFS image was cut off")
    return kind, at, at + size


def _read_number(image: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for byte in image[at : min(at + 5, end)]:
        at += 1
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            return value, at
    raise BadFolder("the ROMFS image has a malformed number")


def _records(files: dict[str, bytes]) -> bytes:
    here = {name: data for name, data in files.items() if "/" not in name}
    folders = sorted({name.partition("/")[0] for name in files if "/" in name})
    body = b""
    for name in sorted(here):
        body += _record(_FILE, _named(name) + _record(_DATA, here[name]))
    for folder in folders:
        inner = {
            name.partition("/")[2]: data
            for name, data in files.items()
            if name.startswith(folder + "/")
        }
        body += _record(_FOLDER, _named(folder) + _records(inner))
    return body


def _record(kind: int, payload: bytes) -> bytes:
    return _number(kind) + _number(len(payload)) + payload


def _named(name: str) -> bytes:
    return _number(len(name)) + name.encode("ascii")


def _number(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.insert(0, value & 0x7F | 0x80)
    return bytes(groups)
