"""The seconds that services may run after a power loss before the time is known, spent once."""

from sealcore.compat import const

from . import floors

_KEY = const("=grace")


def spend(grace: int) -> int:
    """Take what is left of `grace` seconds, all of it: how many that are.

    It is written before it is used, so no number of power cuts makes it more.
    """
    found = floors.read()
    left = max(0, grace - found.get(_KEY, 0))
    if left:
        found[_KEY] = grace
        try:
            floors.write(found)
        except OSError:  # no room: it could be spent again
            return 0
    return left


def restore() -> None:
    """The time is known: the next power loss has its grace again."""
    found = floors.read()
    if found.pop(_KEY, 0):
        try:
            floors.write(found)
        except OSError:  # no room: it stays spent
            pass
