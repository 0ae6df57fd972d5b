"""ECDSA signatures on P-256 with SHA-256, verified (FIPS 186-4 section 6.4, RFC 3279)."""

from . import errors, p256_table
from .compat import const, sha256
from .der import single
from .eckeys import ECDSA_SHA256, check_point, coordinates
from .p256_base import BASE
from .p256_curve import N, P, columns, combine, invert

_MAX_SIGNATURE = const(72)  # two integers of 33 octets, three headers of 2
_KEPT = const(4)


class PublicKey:
    """A P-256 public key: the affine coordinates of a point. Raises UnsupportedKey.

    To verify takes a table of 1 KiB, which costs more than the rest. Those of the last four keys
    are kept, for all objects together: the few keys that a trust bundle names are parsed again for
    each check.
    """

    algorithm = ECDSA_SHA256  # of its signatures, a whole AlgorithmIdentifier
    _tables = ()  # (x, y, table), last used first

    def __init__(self, x: int, y: int):
        check_point(x, y)
        self.x = x
        self.y = y

    def point(self) -> bytes:
        """The uncompressed encoding (SEC 1 section 2.3.3): 65 octets."""
        return b"\x04" + self.x.to_bytes(32, "big") + self.y.to_bytes(32, "big")

    def prepare(self) -> bytes:
        """The key's table: from now on kept, until four other keys were used."""
        found = None
        others = []
        for entry in PublicKey._tables:
            if entry[0] == self.x and entry[1] == self.y:
                found = entry
            else:
                others.append(entry)
        if found is None:
            found = (self.x, self.y, p256_table.build(self.x, self.y))
        # One assignment, so that threads on the host never see it half done.
        PublicKey._tables = (found,) + tuple(others[: _KEPT - 1])
        return found[2]

    def verify(self, message, signature) -> None:
        """Raises BadSignature unless `signature`, a DER ECDSA-Sig-Value, is over `message`."""
        self.verify_digest(sha256(message), signature)

    def verify_digest(self, digest, signature) -> None:
        """The same for a message of which only the SHA-256 is at hand."""
        r, s = _read(signature)
        w = invert(s, N)
        of_base = columns(int.from_bytes(digest, "big") * w % N)
        x, _, zz, _ = combine(((of_base, BASE), (columns(r * w % N), self.prepare())))
        # r is the sum's x-coordinate x / zz, modulo N: the coordinate is r, or r + N where that is
        # below P. Compared without a division. Infinity has no coordinate.
        if not zz or (x != r * zz % P and (r + N >= P or x != (r + N) * zz % P)):
            raise errors.BadSignature("ECDSA")


def from_point(point) -> PublicKey:
    """The key in an uncompressed encoding; raises UnsupportedKey for all else."""
    return PublicKey(*coordinates(point))


def _read(signature) -> tuple:
    """r and s, both within 1..N-1."""
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
