"""The package: everything of a service in one file that people can send to each other.

    Package ::= SEQUENCE {
        label          UTF8String ("triseal package v1"),
        name           UTF8String,              -- the executable's file name on a board
        metadata       OCTET STRING (SIZE(1..8192)),
        developerSeal  Certificate,
        storeSeal      [0] EXPLICIT Certificate OPTIONAL,
        proof          [1] UTF8String (SIZE(1..74000)) OPTIONAL,
        executable     OCTET STRING (SIZE(1..16777216)) }

The executable comes last, so that a reader of a stream knows the seals before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

from sealcore import der, encode, errors, limits
from triseal import files
from triseal.errors import DamagedStore

LABEL = "triseal package v1"
SUFFIX = ".triseal"
FIRMWARE_NAME = "app.bin"
NAMES = ("app.py", "app.mpy", "app.romfs", FIRMWARE_NAME)
MAX_METADATA = 8192
# The two seals, the metadata, the label, the name and all headers are far smaller than this.
MAX_PROOF = 74000  # of the log's proof, see `triseal.log.proof`
MAX_SIZE = limits.MAX_EXECUTABLE + MAX_PROOF + 32768

_MAX_HEAD = MAX_SIZE - limits.MAX_EXECUTABLE
_PIECE = 1 << 16
_STORE_SEAL = 0xA0
_PROOF = 0x81
_OCTETS = 0x04


@dataclass
class Opened:
    """A package in the form that `sealcore.custody` and `sealcore.upstream` need, for one check.

    Attributes:
        executable: a stream at its beginning.
        metadata, developer_seal, store_seal: bytes.
    """

    executable: BytesIO
    metadata: bytes
    developer_seal: bytes
    store_seal: bytes


@dataclass(frozen=True)
class Package:
    """A parsed package, which need not be trustworthy.

    Attributes:
        name: file name of the executable on a board, one of NAMES.
        executable: its bytes.
        metadata: the JSON, whose hash is in the seals.
        developer_seal: DER.
        store_seal: DER; b"" before a Store has countersigned.
        proof: what proves that the Store's log has this package; "" if there is nothing.
    """

    name: str
    executable: bytes
    metadata: bytes
    developer_seal: bytes
    store_seal: bytes = b""
    proof: str = ""

    def opened(self) -> Opened:
        """Return this package for one check, with its executable as a stream."""
        return Opened(BytesIO(self.executable), self.metadata, self.developer_seal, self.store_seal)

    def digest(self) -> bytes:
        """Return SHA-256 of the package without its proof, as the log has it."""
        made = hashlib.sha256()
        for piece in replace(self, proof="").pieces():
            made.update(piece)
        return made.digest()

    def der(self) -> bytes:
        """Encode the package, DER."""
        return b"".join(self.pieces())

    def pieces(self) -> list[bytes]:
        """Encode the package in pieces, DER: the executable, which may be large, is not copied."""
        head = b"".join(
            (
                encode.text(LABEL),
                encode.text(self.name),
                encode.octets(self.metadata),
                self.developer_seal,
                encode.explicit(0, self.store_seal) if self.store_seal else b"",
                encode.text(self.proof, _PROOF) if self.proof else b"",
                _header(_OCTETS, len(self.executable)),
            )
        )
        whole = len(head) + len(self.executable)
        return [_header(limits.SEQUENCE, whole), head, self.executable]


def _header(tag: int, length: int) -> bytes:
    """Return tag and length of an element, DER."""
    if length < 0x80:
        return bytes((tag, length))
    size = length.to_bytes(-(-length.bit_length() // 8), "big")
    return bytes((tag, 0x80 | len(size))) + size


def parse(data: bytes) -> Package:
    """Parse a package. Its seals are not checked.

    Args:
        data: the package, DER.

    Raises:
        TooLarge, MalformedDER: it is not a package.
    """
    if len(data) > MAX_SIZE:
        raise errors.TooLarge("package")
    fields = der.single(data)
    if fields.text(1, len(LABEL)) != LABEL:
        raise errors.MalformedDER("not a package")
    name = fields.text(1, max(map(len, NAMES)))
    if name not in NAMES:
        raise errors.MalformedDER("name of the executable in the package")
    metadata = bytes(fields.octets(1, MAX_METADATA))
    developer_seal = _seal(fields)
    store_seal = b""
    if fields.peek() == _STORE_SEAL:
        inner = fields.enter(_STORE_SEAL)
        store_seal = _seal(inner)
        inner.end()
    proof = fields.text(1, MAX_PROOF, _PROOF) if fields.peek() == _PROOF else ""
    executable = bytes(fields.octets(1, limits.MAX_EXECUTABLE))
    fields.end()
    return Package(name, executable, metadata, developer_seal, store_seal, proof)


def _seal(fields: der.Reader) -> bytes:
    element = bytes(fields.element(limits.SEQUENCE))
    if len(element) > limits.MAX_SEAL:
        raise errors.TooLarge("seal")
    return element


def checked(read: Callable[[int], bytes], size: int, digest: str) -> Iterator[bytes]:
    """Hand on the bytes of a package piece by piece; the last one only if all are the right ones.

    Args:
        read: returns the next bytes; b"" only at the end.
        size: number of bytes, at most MAX_SIZE.
        digest: SHA-256 that the package without its proof must have, hex.

    Raises:
        DamagedStore: it is another package, or it ends early.
    """
    held = b""
    while len(held) < min(size, _MAX_HEAD):
        held += (piece := read(min(size, _MAX_HEAD) - len(held)))
        if not piece:
            raise DamagedStore(f"the package {digest} ends early")
    made = hashlib.sha256(_without_proof(held, size, digest))
    done = len(held)
    while done < size:
        piece = read(min(size - done, _PIECE))
        if not piece:
            raise DamagedStore(f"the package {digest} ends early")
        yield held
        made.update(piece)
        done += len(piece)
        held = piece
    if made.hexdigest() != digest:
        raise DamagedStore(f"the package {digest} has other content")
    yield held


def _without_proof(head: bytes, size: int, digest: str) -> bytes:
    """Return the beginning of a package as it was before it got its proof.

    Args:
        head: the beginning, with all but the executable.
        size: size of the package.
        digest: its hash, for the error.
    """
    try:
        tag, first, end = _span(head, 0)
        at = first
        for _ in range(4):  # label, name, metadata, developer seal
            at = _span(head, at)[2]
        if head[at] == _STORE_SEAL:
            at = _span(head, at)[2]
        after = _span(head, at)[2] if head[at] == _PROOF else at
    except IndexError:
        tag, end, after = 0, -1, 0
    if (tag, end) != (limits.SEQUENCE, size) or after > len(head):
        raise DamagedStore(f"the package {digest} has other content")
    return _header(tag, end - first - (after - at)) + head[first:at] + head[after:]


def _span(data: bytes, at: int) -> tuple[int, int, int]:
    """Return the tag of an element, where its contents begin, and where they end."""
    length, first = data[at + 1], at + 2
    if length >= 0x80:
        count = length - 0x80
        length, first = int.from_bytes(data[first : first + count]), first + count
    return data[at], first, first + length


def read(path: Path) -> Package:
    """Read and parse a package file.

    Args:
        path: the file.

    Raises: as `files.read` and `parse`.
    """
    data = files.read(path, MAX_SIZE)
    try:
        return parse(data)
    except errors.MalformedDER:
        raise errors.MalformedDER(f"{path} is not a complete package") from None


def write(path: Path, package: Package) -> None:
    """Write a package file, completely or not at all.

    Args:
        path: the file.
        package: the package.

    Raises:
        OSError: it can't be written.
    """
    files.write_pieces(path, package.pieces())
