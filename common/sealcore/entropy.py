"""Random bytes for a key, from a source that may be poor.

Many reads are tested, and conditioned by SHA-256 together with what else is known that nobody can
guess: a board's own random numbers may be few, or the same after each start.
"""

from . import errors
from .compat import const, sha256

_READS = const(64)
_READ = const(32)  # bytes
# NIST SP 800-90B section 4.4, with at least 4 bits of entropy in a byte, and one false alarm in
# 2^20: so often may a byte follow itself, and stand in a window of 512.
_REPEATED = const(6)
_IN_WINDOW = const(62)
_READS_IN_WINDOW = const(16)


def collect(read, ticks, extra: bytes) -> bytes:
    """32 bytes that nobody can guess.

    Args:
        read: read(count) gives raw random bytes, as os.urandom does.
        ticks: ticks() is a counter's value, whose last bits nobody foresees.
        extra: bytes that differ between boards, and that are secret in part.

    Raises WeakEntropy for a source that is stuck, or that gives too few different values.
    """
    state = sha256(extra)
    health = _Health()
    for _ in range(_READS):
        block = read(_READ)
        health.test(block)
        state = sha256(state + block + ticks().to_bytes(8, "big"))
    return state


class Stream:
    """A random source for p256_sign.generate, out of what was collected."""

    def __init__(self, seed: bytes):
        self._state = seed

    def read(self, count: int) -> bytes:
        """Random bytes, 32 at most; other ones at each call."""
        self._state = sha256(self._state + b"next")
        return sha256(self._state + b"now")[:count]


class _Health:
    # The tests of section 4.4.1 and 4.4.2, and that no two reads are the same.
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
