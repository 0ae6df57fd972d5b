"""Counts the seconds for which services may run after a power loss before the time is known."""

from sealcore.compat import const

from . import floors

_KEY = const("=grace")


def spend(grace: int) -> int:
    """Use up all that is left of `grace` seconds, and return how many that is.

    The new value is on flash before the seconds are used, so power cuts cannot add any.
    """
    found = floors.read()
    left = max(0, grace - found.get(_KEY, 0))
    if left:
        found[_KEY] = grace
        try:
            floors.write(found)
        except OSError:  # the flash has no room: the seconds could be used twice, so allow none
            return 0
    return left


def restore() -> None:
    """Allow the full grace again after the next power loss, because the time is known now."""
    found = floors.read()
    if found.pop(_KEY, 0):
        try:
            floors.write(found)
        except OSError:  # the flash has no room: the grace stays used up
            pass
