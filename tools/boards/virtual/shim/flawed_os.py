"""An `os` whose random bytes are not random."""

import uos
from uos import *  # noqa: F403


def configure(kind):
    """Replace `urandom` by a flawed one; `kind` is "same", "poor" or "stuck"."""
    global urandom  # noqa: PLW0603 - what others import
    urandom = {"same": _same, "poor": _poor, "stuck": _stuck}[kind]


_state = 1


def _same(count):
    # This is like a generator with a constant seed: the bytes look random but have no entropy.
    global _state  # noqa: PLW0603
    found = bytearray(count)
    for place in range(count):
        _state = (_state * 1664525 + 1013904223) & 0xFFFFFFFF
        found[place] = _state >> 24
    return bytes(found)


def _poor(count):
    return bytes([value & 0x11 for value in uos.urandom(count)])


def _stuck(count):
    return b"\xff" * count
