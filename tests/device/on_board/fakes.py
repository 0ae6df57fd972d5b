"""What several programs of this folder put in the place of parts of a node.

Where this is imported, time passes only when a test adds to `Ticks.now`.
"""

from moment import NOW

from nlsm import clock, service


class Ticks:
    """A tick counter that stands still until a test moves it, and wraps as those of boards do."""

    PERIOD = 1 << 30  # milliseconds: 12.4 days
    now = 0  # milliseconds; a test only adds to them

    @staticmethod
    def ticks_ms():
        return Ticks.now % Ticks.PERIOD

    @staticmethod
    def ticks_add(ticks, more):
        return (ticks + more) % Ticks.PERIOD

    @staticmethod
    def ticks_diff(one, other):
        half = Ticks.PERIOD // 2
        return (one - other + half) % Ticks.PERIOD - half


clock.time = Ticks  # before the first clock is made, which looks at it


class Task:
    """A task of a service; one that clings goes on after it was cancelled."""

    def __init__(self, clings=False, gone=False):
        self._clings = clings
        self._gone = gone

    def done(self):
        return self._gone

    def cancel(self):
        self._gone = self._gone or not self._clings


class Node:
    """A node without settings, services and a link; it does not know the time yet."""

    name = "kitchen"
    settings = {}
    services = {}
    held = 0
    failure = None
    link = offered = feed = None
    clock = clock.Clock(NOW)


def have(node, name):
    """Give a node a service that runs, and return it."""
    one = node.services[name] = service.Service(name)
    one.set("running")
    return one
