"""Make random bytes for a key from a source that may be poor.

Many reads are tested and then mixed by SHA-256 with everything else that nobody can guess, because
a board's own random numbers may have few values or be the same after each start.
"""

from . import errors
from .compat import const, sha256

_READS = const(64)
_READ = const(32)  # bytes
# NIST SP 800-90B section 4.4, for at least 4 bits of entropy in a byte and one false alarm in
# 2^20: so often may a byte follow itself, and occur in a window of 512.
_REPEATED = const(6)
_IN_WINDOW = const(62)
_READS_IN_WINDOW = const(16)


def collect(read, ticks, extra: bytes) -> bytes:
    """Return 32 bytes that nobody can guess.

    Args:
        read: read(count) returns raw random bytes, as os.urandom does.
        ticks: ticks() returns a counter whose last bits nobody can predict.
        extra: bytes that differ between boards, and that are secret in part.

    Raises: WeakEntropy if the source is stuck or has too few different values.
    """
    state = sha256(extra)
    health = _Health()
    for _ in range(_READS):
        block = read(_READ)
        health.test(block)
        state = sha256(state + block + ticks().to_bytes(8, "big"))
    return state


class Stream:
    """A random source for p256_sign.generate, made of what `collect` returned."""

    def __init__(self, seed: bytes):
        self._state = seed

    def read(self, count: int) -> bytes:
        """Return `count` random bytes, 32 at most; each call returns other ones."""
        self._state = sha256(self._state + b"next")
        return sha256(self._state + b"now")[:count]


class _Health:
    # The tests of sections 4.4.1 and 4.4.2; and no two reads may be the same.
    def __init__(self):
        self._before = b""
        self._last = -1
        self._repeated = self._reads = 0
        self._first = self._seen = 0

    def test(self, block: bytes) -> None:
        if len(block) != _READ or block == self._before:
            raise errors.WeakEntropy("the same again")
        self._before = block
        if self._reads % _READS_IN_WINDOW == 0:
            self._first = block[0]
            self._seen = 0
        self._reads += 1
        for byte in block:
            self._repeated = self._repeated + 1 if byte == self._last else 1
            self._last = byte
            self._seen += byte == self._first
            if self._repeated >= _REPEATED or self._seen >= _IN_WINDOW:
                raise errors.WeakEntropy("one value too often")
