"""Signed notes (c2sp.org/signed-note), and cosignatures of witnesses (c2sp.org/tlog-cosignature).

Only Ed25519 is read: the other kinds of keys are for logs that Triseal has nothing to do with.
Signatures of unknown keys are ignored, as the specification says, so that a note may have more.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from triseal.log.errors import BadLogData, UnknownLog

LOG = 0x01
WITNESS = 0x04
MAX_SIZE = 1 << 16  # of a note, bytes
MAX_SIGNATURES = 64
_DASH = "\u2014 "
_ID = 4
_TIME = 8
_MAX_TIME = 1 << 63
_PUBLIC = 32


def unbase64(text: str) -> bytes:
    """Decode base64 of which there is only one form.

    Args:
        text: the base64, RFC 4648 section 4.

    Raises:
        BadLogData: it is not base64, or not in the only form.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadLogData("not base64") from None
    if base64.b64encode(data).decode() != text:
        raise BadLogData("base64 with bits that mean nothing")
    return data


@dataclass(frozen=True)
class Key:
    """The public key of a log or of a witness.

    Attributes:
        name: its name, which is the origin of a log.
        kind: LOG or WITNESS.
        public: the Ed25519 key, 32 bytes.
    """

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """The key's id in signatures, 4 bytes."""
        what = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return sha256(what).digest()[:_ID]

    @property
    def clock(self) -> Key:
        """The same key, as it says at which time a log had a tree, see `Signer.stamp`."""
        return Key(self.name, WITNESS, self.public)

    def __str__(self) -> str:
        """Return it as a vkey: name, id and key."""
        key = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{key}"

    def check(self, text: str, blob: bytes) -> int:
        """Check a signature.

        Args:
            text: text of the note.
            blob: the signature, without the id.

        Returns: the time of a witness's signature, Unix seconds; 0 for a log's.

        Raises:
            UnknownLog: it is not this key's signature.
        """
        time = 0
        message = text.encode()
        if self.kind == WITNESS:
            time, blob = int.from_bytes(blob[:_TIME], "big"), blob[_TIME:]
            message = _cosigned(text, time)
        try:
            if time >= _MAX_TIME:
                raise InvalidSignature
            Ed25519PublicKey.from_public_bytes(self.public).verify(blob, message)
        except (InvalidSignature, ValueError):
            raise UnknownLog(f"the signature of {self.name} is wrong") from None
        return time


def parse_key(text: str, kind: int) -> Key:
    """Parse a vkey.

    Args:
        text: the vkey: name, id and key.
        kind: LOG or WITNESS, as it must be.

    Raises:
        BadLogData: it is not such a key.
    """
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise BadLogData("not the key of a log")
    name, mark, coded = parts
    _check_name(name)
    data = unbase64(coded)
    key = Key(name, kind, data[1:])
    if data[:1] != bytes([kind]) or len(key.public) != _PUBLIC or mark != key.id.hex():
        raise BadLogData("not an Ed25519 key of this use, or its id does not fit")
    return key


@dataclass(frozen=True)
class Signature:
    """One line of a note.

    Attributes:
        name: name of the key.
        id: its id, 4 bytes.
        blob: the signature.
    """

    name: str
    id: bytes
    blob: bytes

    def line(self) -> str:
        """Return the line, with its end."""
        return f"{_DASH}{self.name} {base64.b64encode(self.id + self.blob).decode()}\n"


@dataclass(frozen=True)
class Note:
    """A parsed note. Its signatures are not checked but by `check`.

    Attributes:
        text: the text, which ends with a newline.
        signatures: all of them.
    """

    text: str
    signatures: tuple[Signature, ...]

    def data(self) -> bytes:
        """Return the note."""
        return (self.text + "\n" + "".join(one.line() for one in self.signatures)).encode()

    def check(self, keys: Iterable[Key]) -> dict[Key, int]:
        """Check the signatures of known keys.

        Args:
            keys: the keys.

        Returns: the keys that have signed, with the times of witnesses.

        Raises:
            UnknownLog: a signature in the name of a known key is wrong.
        """
        known = {(key.name, key.id): key for key in keys}
        found: dict[Key, int] = {}
        for one in self.signatures:
            key = known.get((one.name, one.id))
            if key is not None:
                found[key] = max(key.check(self.text, one.blob), found.get(key, 0))
        return found


def parse(data: bytes) -> Note:
    """Parse a note.

    Args:
        data: the note.

    Raises:
        BadLogData: it is not a note.
    """
    if len(data) > MAX_SIZE:
        raise BadLogData("the note is too large")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise BadLogData("not UTF-8") from None
    if any(mark < " " and mark != "\n" for mark in whole):
        raise BadLogData("a note has no control characters")
    text, gap, lines = whole.rpartition("\n\n")
    if not text or not gap or not lines.endswith("\n"):
        raise BadLogData("not a signed note")
    signatures = tuple(_signature(line) for line in lines[:-1].split("\n"))
    if len(signatures) > MAX_SIGNATURES:
        raise BadLogData("the note has too many signatures")
    return Note(text + "\n", signatures)


def _signature(line: str) -> Signature:
    name, gap, coded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not gap:
        raise BadLogData("not the line of a signature")
    _check_name(name)
    data = unbase64(coded)
    if len(data) <= _ID:
        raise BadLogData("a signature is too short")
    return Signature(name, data[:_ID], data[_ID:])


def _check_name(name: str) -> None:
    if not name or "+" in name or any(mark.isspace() or mark < " " for mark in name):
        raise BadLogData("the name of a key has spaces, or none is given")


class Signer:
    """The private key of a log or of a witness.

    Args:
        name: its name.
        kind: LOG or WITNESS.
        private: the key.

    Attributes:
        key: its public key.
    """

    def __init__(self, name: str, kind: int, private: Ed25519PrivateKey) -> None:
        _check_name(name)
        self._private = private
        self.key = Key(name, kind, private.public_key().public_bytes_raw())

    def sign(self, text: str, time: int = 0) -> Signature:
        """Sign the text of a note.

        Args:
            text: the text, which ends with a newline.
            time: the time for a witness's signature, Unix seconds.
        """
        if self.key.kind == WITNESS:
            blob = time.to_bytes(_TIME, "big") + self._private.sign(_cosigned(text, time))
        else:
            blob = self._private.sign(text.encode())
        return Signature(self.key.name, self.key.id, blob)

    def stamp(self, text: str, time: int) -> Signature:
        """Say with the key of a log that it had a tree at some time, in the form of a cosignature.

        The two kinds of signatures of one key can't be mistaken for each other: a cosignature is
        over a text that begins with another line, and its key has another id.

        Args:
            text: the text of the checkpoint.
            time: the time, Unix seconds.
        """
        return Signer(self.key.name, WITNESS, self._private).sign(text, time)


def _cosigned(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()
