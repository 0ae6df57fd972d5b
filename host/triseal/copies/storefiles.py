"""The public files of a Store, wherever they are: a server, a folder, or a stick (`stick`).

Nothing here is checked but paths and sizes: `storeview` checks what the files say.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Protocol

from sealcore import errors, names
from triseal import package, storage, storejson
from triseal.errors import Failure, FileTooLarge, NotAFile
from triseal.log import note, tiles
from triseal.log.errors import BadLogData
from triseal.package import SUFFIX

STORE = "v1/store.json"
INDEX = "v1/index.json"
LOG = "log/"
CHECKPOINT = LOG + tiles.CHECKPOINT
WITNESSED = LOG + tiles.WITNESSED
MAX_PAGE = 1 << 24
_PUBLIC = "public"  # below the home of a Store
_PACKAGE = re.compile(r"v1/packages/([0-9a-f]{64})" + re.escape(SUFFIX))
_SERVICE = re.compile(r"v1/services/([^/]{1,63})\.json")


class NotInStore(Failure):
    """The files of the Store lack one that is needed, or it is too large."""

    code = "not-in-store"
    advice = "Ask the Store itself; a mirror or a stick may be incomplete."


class Source(Protocol):
    """The public files of one Store."""

    def read(self, path: str, limit: int) -> bytes:
        """Read a file.

        Args:
            path: its path, such as `v1/index.json`.
            limit: largest size, bytes.

        Raises:
            Failure: it can't be read.
        """
        ...


class Folder:
    """Files in a folder: a mirror, or those of a Store on this computer, also in a bucket.

    Args:
        top: folder of the mirror, or home of the Store.
    """

    def __init__(self, top: Path) -> None:
        mirror = (top / STORE).exists()
        self._files = storage.LocalFolder(top) if mirror else storage.of_home(top).below(_PUBLIC)

    def read(self, path: str, limit: int) -> bytes:
        """Read a file.

        Args:
            path: its path.
            limit: largest size, bytes.

        Raises:
            NotInStore: it is missing, or too large.
        """
        check_path(path)
        try:
            return self._files.read(path, limit)
        except FileNotFoundError:
            raise NotInStore(f"{self._files.where(path)} is missing") from None
        except (NotAFile, FileTooLarge) as error:
            raise NotInStore(error.detail) from None


def check_path(path: str) -> int:
    """Check that a path is that of a public file.

    Args:
        path: the path.

    Returns: the largest size that the file may have.

    Raises:
        NotInStore: there are no such files.
    """
    if path in (STORE, INDEX):
        return MAX_PAGE
    if path in (CHECKPOINT, WITNESSED):
        return note.MAX_SIZE
    if _PACKAGE.fullmatch(path):
        return package.MAX_SIZE
    try:
        found = _SERVICE.fullmatch(path)
        if found is not None:
            names.check_label(found[1])
            return MAX_PAGE
        tiles.parse_path(path.removeprefix(LOG) if path.startswith(LOG) else "")
    except (errors.SealError, BadLogData):
        raise NotInStore(f"{path!r} is no file of a Store") from None
    return tiles.MAX_BUNDLE


def tile(source: Source, path: str) -> bytes:
    """Read a tile or a bundle; a partial one also from the full one that has replaced it.

    Args:
        source: the files.
        path: path of the tile, as `tiles.path` makes it.

    Raises:
        Failure: as `Source.read`.
    """
    try:
        return source.read(LOG + path, tiles.MAX_BUNDLE)
    except Failure:
        level, index, width = tiles.parse_path(path)
        if width == tiles.WIDTH:
            raise
    full = source.read(LOG + tiles.path(level, index), tiles.MAX_BUNDLE)
    return tiles.narrowed(full, level, width)


def facts(source: Source, path: str) -> dict[str, Any]:
    """Read a page of JSON.

    Args:
        source: the files.
        path: its path.

    Raises:
        BadAnswer: it is not the JSON of a Store.
        Failure: as `Source.read`.
    """
    return parsed(path, source.read(path, MAX_PAGE))


def parsed(path: str, data: bytes) -> dict[str, Any]:
    """Parse a page of JSON.

    Args:
        path: its path.
        data: its contents.

    Raises:
        BadAnswer: it is not the JSON of a Store.
    """
    return storejson.parsed(path, data)


def package_path(digest: bytes) -> str:
    """Return the path of a package.

    Args:
        digest: SHA-256 of the package without its proof.
    """
    return f"v1/packages/{digest.hex()}{SUFFIX}"


def service_path(service: str) -> str:
    """Return the path of a service's page.

    Args:
        service: name of the service.
    """
    return f"v1/services/{service}.json"
