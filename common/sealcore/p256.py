"""Verify ECDSA signatures on P-256 with SHA-256 (FIPS 186-4 section 6.4, RFC 3279)."""

from . import errors, p256_table
from .compat import const, sha256
from .der import single
from .eckeys import ECDSA_SHA256, check_point, coordinates
from .p256_base import BASE
from .p256_curve import N, P, columns, combine, invert

_MAX_SIGNATURE = const(72)  # two integers of 33 bytes, three headers of 2
_KEPT = const(4)
_native = const(0)  # as in `rsa`


class PublicKey:
    """A P-256 public key: the affine coordinates of a point. Raises: UnsupportedKey.

    A verification needs a table of 1 KiB, and making the table costs more than the rest. The tables
    of the last four keys are kept, for all objects together, because the few keys of a trust bundle
    are parsed again for each check.
    """

    algorithm = ECDSA_SHA256  # the whole AlgorithmIdentifier of its signatures
    _tables: tuple = ()  # (x, y, table), last used first

    def __init__(self, x: int, y: int):
        check_point(x, y)
        self.x = x
        self.y = y

    def point(self) -> bytes:
        """Return the uncompressed encoding, 65 bytes (SEC 1 section 2.3.3)."""
        return b"\x04" + self.x.to_bytes(32, "big") + self.y.to_bytes(32, "big")

    def prepare(self) -> bytes:
        """Return the key's table, which is kept from now on until four other keys were used."""
        found: tuple | None = None
        others: list = []
        for entry in PublicKey._tables:
            if entry[0] == self.x and entry[1] == self.y:
                found = entry
            else:
                others.append(entry)
        if found is None:
            found = (self.x, self.y, p256_table.build(self.x, self.y))
        # One assignment, so that no other thread of a host sees it half done.
        PublicKey._tables = (found,) + tuple(others[: _KEPT - 1])
        return found[2]

    def verify(self, message, signature) -> None:
        """Check that a signature is this key's over a message.

        Args:
            message: bytes.
            signature: a DER ECDSA-Sig-Value.

        Raises: BadSignature.
        """
        self.verify_digest(sha256(message), signature)

    def verify_digest(self, digest, signature) -> None:
        """Check a signature over a message of which only the SHA-256 is at hand.

        Args:
            digest: 32 bytes.
            signature: a DER ECDSA-Sig-Value.

        Raises: BadSignature.
        """
        r, s = _read(signature)
        if _native and _native(self, digest, signature):  # type: ignore[operator] # a host's
            return
        w = invert(s, N)
        of_base = columns(int.from_bytes(digest, "big") * w % N)
        x, _, zz, _ = combine(((of_base, BASE), (columns(r * w % N), self.prepare())))
        # r is the sum's x-coordinate x / zz, modulo N: the coordinate is r, or r + N where that is
        # below P. Compared without a division. Infinity has no coordinate.
        if not zz or (x != r * zz % P and (r + N >= P or x != (r + N) * zz % P)):
            raise errors.BadSignature("ECDSA")


def from_point(point) -> PublicKey:
    """Return the key of an uncompressed point, 65 bytes. Raises: UnsupportedKey for
    anything else."""
    return PublicKey(*coordinates(point))


def _read(signature) -> tuple:
    """Return r and s of a signature, both within 1..N-1."""
    try:
        if len(signature) > _MAX_SIGNATURE:
            raise errors.MalformedDER
        numbers = single(signature)
        r = numbers.unsigned(1, N - 1)
        s = numbers.unsigned(1, N - 1)
        numbers.end()
    except errors.MalformedDER:
        raise errors.BadSignature("ECDSA")
    return r, s
