"""A part of a Store in one file, for a site without a network: the files of `storefiles` in a tar.

The reader takes only what the writer makes: regular files in the ustar format, each with the path
of a Store's public file, each once, within bounds. Nothing is unpacked: files are read from where
they are, and `storeview` checks them as it checks those of a server.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from triseal import files
from triseal.copies import storefiles, storeview
from triseal.copies.histories import Histories
from triseal.copies.history import LISTED
from triseal.copies.storefiles import LOG, NotInStore
from triseal.copies.storeview import View
from triseal.errors import BadAnswer, Failure
from triseal.log import tiles

MOST_FILES = 100_000
_BLOCK = 512
_END = bytes(2 * _BLOCK)
_MAGIC = b"ustar\x0000"
_NAME = 100
_SIZE = slice(124, 136)
_SUM = slice(148, 156)
_KIND = slice(156, 157)
_REST = slice(157, 257)  # the target of a link
_FORMAT = slice(257, 265)
_PREFIX = slice(345, 512)


class BadStick(Failure):
    """The file is not what `triseal store export` writes."""

    code = "bad-stick"
    advice = "Export it again: `triseal store export`."


class _Place(NamedTuple):
    """Where a file lies in the tar."""

    at: int
    size: int


class Stick:
    """An export that is open for reading. It is a context manager, and a `Source`.

    Args:
        path: the file.

    Raises:
        BadStick: it is not what `triseal store export` writes.
        NotAFile: it is not a regular file.
        OSError: it can't be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream = files.opened(path)
        try:
            whole = self._stream.seek(0, os.SEEK_END)
            self._places = dict(self._headers(whole))
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def _headers(self, whole: int) -> Iterator[tuple[str, _Place]]:
        """Read the headers of all files, and leave out what they hold."""
        known: set[str] = set()
        at = 0
        while True:
            self._stream.seek(at)
            block = self._stream.read(_BLOCK)
            if len(block) < _BLOCK:
                raise self._bad("it is cut off")
            if not any(block):
                break
            path, size = self._header(block)
            if path in known or len(known) == MOST_FILES:
                raise self._bad(f"{path} is there twice, or there are too many files")
            known.add(path)
            yield path, _Place(at + _BLOCK, size)
            at += _BLOCK + -(-size // _BLOCK) * _BLOCK
        self._stream.seek(at)
        if self._stream.read(len(_END) + 1) != _END or at + len(_END) != whole:
            raise self._bad("it does not end as it should")

    def _header(self, block: bytes) -> tuple[str, int]:
        """Return path and size of a file from its header."""
        name = block[:_NAME].rstrip(b"\0")
        try:
            path = name.decode("ascii")
            size = int(block[_SIZE].rstrip(b"\0 "), 8)
            summed = int(block[_SUM].rstrip(b"\0 "), 8)
        except ValueError:
            raise self._bad("a header can't be read") from None
        if summed != _sum(block) or block[_FORMAT] != _MAGIC:
            raise self._bad("a header can't be read")
        if block[_KIND] != b"0" or any(block[_REST]) or any(block[_PREFIX]):
            raise self._bad(f"{path!r} is not a plain file")
        try:
            most = storefiles.check_path(path)
        except NotInStore as error:
            raise self._bad(error.detail) from None
        if not 0 <= size <= most:
            raise self._bad(f"{path} has {size} bytes, at most {most} count")
        return path, size

    def read(self, path: str, limit: int) -> bytes:
        """Read a file.

        Args:
            path: its path.
            limit: largest size, bytes.

        Raises:
            NotInStore: it is missing, or too large.
            BadStick: it was cut off.
        """
        place = self._places.get(path)
        if place is None:
            raise NotInStore(f"{self._path} has no {path}")
        if place.size > limit:
            raise NotInStore(f"{path} has more than {limit} bytes")
        self._stream.seek(place.at)
        data = self._stream.read(place.size)
        if len(data) != place.size:
            raise self._bad("it was cut off meanwhile")
        return data

    def services(self) -> list[str]:
        """Return the names of the services whose pages are in it, sorted."""
        begin, end = storefiles.service_path("|").split("|")
        return sorted(
            path.removeprefix(begin).removesuffix(end)
            for path in self._places
            if path.startswith(begin)
        )

    def _bad(self, why: str) -> BadStick:
        return BadStick(f"{self._path}: {why}")


class Chosen(NamedTuple):
    """A release that is exported."""

    service: str
    version: str
    row: dict[str, Any]


def choose(view: View, wanted: Sequence[str]) -> list[Chosen]:
    """Choose the releases of an export, as the log has them.

    Args:
        view: what the Store shows.
        wanted: as for `storeview.chosen`; the newest of each service if there are none.

    Raises:
        UnknownService: there is no such release.
        Failure: the files can't be read.
    """
    asked = {name.partition("@")[0] for name in wanted}
    rows = {}
    with Histories() as told:
        for found in view.entries():
            if not asked or found.said.service in asked:
                told.add(found)
        for service, one in told.services():
            if asked or any(one.state(version) == LISTED for version in one.packages):
                rows[service] = one.rows() if asked else [storeview.chosen(one.rows(), service)]
    made = []
    for name in wanted or rows:
        service = name.partition("@")[0]
        row = storeview.chosen(rows.get(service, []), name)
        made.append(Chosen(service, str(row.get("version")), row))
    return made


def write(path: Path, view: View, releases: Sequence[Chosen]) -> None:
    """Write an export, completely or not at all.

    Args:
        path: the file.
        view: what the Store shows.
        releases: the releases, each once.

    Raises:
        NotInLog, BadAnswer: a package is not what the Store says.
        OSError: it can't be written.
    """
    files.write_pieces(path, _tar(_contents(view, releases)))


def _contents(view: View, releases: Sequence[Chosen]) -> Iterator[tuple[str, bytes]]:
    yield storefiles.STORE, view.page
    yield storefiles.CHECKPOINT, view.head.note.data()
    for level, index in tiles.touched(0, view.head.size):
        # All hashes: a site that has seen any older tree checks that this one continues it.
        row = view.row(level, index)
        yield LOG + tiles.path(level, index, len(row)), b"".join(row)
    for index in range(-(-view.head.size // tiles.WIDTH)):
        # All entries: they say which releases are withdrawn, and of which service each is.
        leaves = view.bundle(index)
        yield LOG + tiles.path(tiles.ENTRIES, index, len(leaves)), tiles.bundle(leaves)
    for service in dict.fromkeys(one.service for one in releases):
        page = storefiles.service_path(service)
        yield page, view.source.read(page, storefiles.MAX_PAGE)
    for one in {str(one.row.get("package")): one for one in releases}.values():
        made = view.package(one.row)
        yield storefiles.package_path(made.digest()), made.der()


def _tar(contents: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    for path, data in contents:
        yield _header(path, len(data))
        yield data
        yield bytes(-len(data) % _BLOCK)
    yield _END


def _header(path: str, size: int) -> bytes:
    name = path.encode("ascii")
    if len(name) > _NAME:
        raise BadAnswer(f"the path {path} is too long")
    block = bytearray(_BLOCK)
    block[: len(name)] = name
    block[100:124] = b"0000644\x000000000\x000000000\x00"
    block[_SIZE] = f"{size:011o}\0".encode()
    block[136:148] = b"00000000000\0"  # the same content makes the same file
    block[_KIND] = b"0"
    block[_FORMAT] = _MAGIC
    block[_SUM] = f"{_sum(bytes(block)):06o}\0 ".encode()
    return bytes(block)


def _sum(block: bytes) -> int:
    """Return the sum of a header, in which the field of the sum counts as spaces."""
    return sum(block) - sum(block[_SUM]) + 8 * ord(" ")
