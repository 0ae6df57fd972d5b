"""Floors of 10000 s and of version 3 of a service `a`."""

import elsewhere  # noqa: F401 - first: it moves the file

from nlsm import floors, keystore
from sealcore import errors


def rise(*what):
    """Let floors rise, and print whether they were written."""
    before = keystore.read(floors._FILE)
    floors.rise(*what)
    print("-" if keystore.read(floors._FILE) == before else "w", end=" ")


def kept():
    """Print what the floors are."""
    try:
        print(*["%s:%d" % one for one in sorted(floors.read().items())])
    except errors.Rollback:
        print("rollback")


floors.rise(10000, "a", 3)
