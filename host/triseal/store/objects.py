"""Files by content hash: one with the same content is kept once, and a damaged one is noticed."""

from __future__ import annotations

from pathlib import Path

from sealcore.compat import sha256
from triseal import files
from triseal.errors import DamagedStore


def put(folder: Path, data: bytes) -> str:
    """Keep octets.

    Args:
        folder: holds all objects, as `ab/cdef...` by the hex of their SHA-256.
        data: the octets.

    Returns: the hash in hex, the object's name.
    """
    name = sha256(data).hex()
    path = _path(folder, name)
    if not path.exists():
        files.write(path, data)
    return name


def get(folder: Path, name: str, limit: int) -> bytes:
    """The octets of an object of at most `limit` octets; raises DamagedStore."""
    try:
        data = files.read(_path(folder, name), limit)
    except FileNotFoundError:
        raise DamagedStore(f"object {name} is missing") from None
    if sha256(data).hex() != name:
        raise DamagedStore(f"object {name} has other content")
    return data


def _path(folder: Path, name: str) -> Path:
    return folder / name[:2] / name[2:]
