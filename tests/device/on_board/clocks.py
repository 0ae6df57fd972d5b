"""A clock `c` that a test sets, lets run and reads."""

from fakes import NOW, Ticks

from nlsm import clock
from sealcore import errors

HALF = Ticks.PERIOD // 2 + 1000  # more than half a round of ticks: a negative difference
c = clock.Clock(NOW)


def after(*steps):
    """Print what the clock shows after each of so many milliseconds."""
    found = ""
    for ms in steps:
        Ticks.now += ms
        try:
            found += " %d" % (c.now() - NOW)
        except errors.NoTrustedTime:
            found += " none"
    print(found)


def told(seconds, passed=0):
    """Set the clock to so many seconds after NOW."""
    try:
        c.set(NOW + seconds, passed)
    except errors.Rollback:
        print("rollback")


def answered(q, *steps):
    """Print what comes of an answer to a question after each of so many milliseconds."""
    for ms in steps:
        Ticks.now += ms
        try:
            print(len(q.answered()[0]), end=" ")
        except errors.BadMessage:
            print("refused", end=" ")
