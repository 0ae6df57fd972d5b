"""Files by content hash: equal contents are kept once, and a damaged file is detected."""

from __future__ import annotations

from pathlib import Path

from sealcore.compat import sha256
from triseal import files
from triseal.errors import DamagedStore


def put(folder: Path, data: bytes) -> str:
    """Keep a file.

    Args:
        folder: folder of all objects, with names `ab/cdef...` from the hex of their SHA-256.
        data: contents of the file.

    Returns: name of the object: its SHA-256 in hex.
    """
    name = sha256(data).hex()
    path = _path(folder, name)
    if not path.exists():
        files.write(path, data, files.PRIVATE)
    return name


def get(folder: Path, name: str, limit: int) -> bytes:
    """Read a file.

    Args:
        folder: folder of all objects.
        name: name of the object.
        limit: largest size, bytes.

    Raises:
        DamagedStore: the file is missing or has other contents.
    """
    try:
        data = files.read(_path(folder, name), limit)
    except FileNotFoundError:
        raise DamagedStore(f"object {name} is missing") from None
    if sha256(data).hex() != name:
        raise DamagedStore(f"object {name} has other content")
    return data


def _path(folder: Path, name: str) -> Path:
    return folder / name[:2] / name[2:]
