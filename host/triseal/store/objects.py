"""Files by content hash: equal contents are kept once, and a damaged file is detected."""

from __future__ import annotations

from sealcore.compat import sha256
from triseal.errors import DamagedStore, FileTooLarge, NotAFile
from triseal.storage import Storage


def put(folder: Storage, data: bytes) -> str:
    """Keep a file.

    Args:
        folder: folder of all objects, with names `ab/cdef...` from the hex of their SHA-256.
        data: contents of the file.

    Returns: name of the object: its SHA-256 in hex.
    """
    name = sha256(data).hex()
    if not has(folder, name):
        folder.write_all({_path(name): data})
    return name


def has(folder: Storage, name: str) -> bool:
    """Tell whether there is a file; it may be damaged.

    Args:
        folder: folder of all objects.
        name: name of the object.
    """
    return folder.exists(_path(name))


def get(folder: Storage, name: str, limit: int) -> bytes:
    """Read a file.

    Args:
        folder: folder of all objects.
        name: name of the object.
        limit: largest size, bytes.

    Raises:
        DamagedStore: the file is missing or has other contents.
    """
    try:
        data = folder.read(_path(name), limit)
    except FileNotFoundError:
        raise DamagedStore(f"object {name} is missing") from None
    except (FileTooLarge, NotAFile):
        raise DamagedStore(f"object {name} has other content") from None
    if sha256(data).hex() != name:
        raise DamagedStore(f"object {name} has other content")
    return data


def _path(name: str) -> str:
    return f"{name[:2]}/{name[2:]}"
