"""A link `l` of a node that knows the time; what it says is printed."""

from fakes import NOW, Ticks
from fakes import Node as Bare
from fakes import have as have_one

from nlsm import clock, duties, installer, link  # noqa: F401 - rows use clock and installer
from sealcore import errors, messages  # noqa: F401 - rows use errors


class Node(Bare):
    """A node that has a link when a row gives it one."""


class Said(link.Link):
    """A link after WELCOME."""

    def send(self, message):
        kind, values = messages.parse(message)
        if kind == messages.RENEW:
            print("renew", *["%s:%d" % (name, len(serial)) for name, serial in values[1]])
        elif kind == messages.REPORT:
            print("report", values[0], messages.STATES[values[2]], len(values[6]))
        elif kind == messages.ASK_TIME:
            print("time", len(values[0]), values[1] - NOW)
        else:
            print("log", values[0], len(values[1]))

    def drop(self):
        print("drop")
        self._begin()


def have(name, due=None, end=5000, serial=b"s" * 16):
    """Let a service run whose seal ends after so many seconds and is due at a moment."""
    one = have_one(Node, name)
    one.not_before, one.not_after, one.due, one.serial = NOW, NOW + end, due, serial
    return one


def tick(seconds=0):
    """Let seconds pass, then let the link look what is to be said."""
    Ticks.now += seconds * 1000
    l.tick()


def renew(link, name, *changes):
    print("take", name)
    if name == "short":
        raise MemoryError("short")
    link.answered(name, NOW + 99999)


def come(*names):
    """Let the renewals of these services come together."""
    duties.take(l, messages.RENEWED, [1, 2, [(name, 1, 2) for name in names]])


duties.renew = renew
l = Said(Node)  # noqa: E741 - short, for the rows
l.greeted = True
Node.clock.set(NOW, 0)
