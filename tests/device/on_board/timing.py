"""A clock `c` at its floor of 10000 s, whose grace is spent; a site tells it the time."""

import elsewhere  # noqa: F401 - first: it moves the file
from fakes import Ticks

from nlsm import clock, floors, grace, timing, trust
from sealcore import errors, signedtime


def read(signed, *rest):
    if signed is None:
        raise errors.BadSignature
    return signed


def take(signed, ms=0):
    """Let an answer come after so long; print the time, its floor and what grace there is then."""
    question = clock.Question()
    Ticks.now += ms
    try:
        timing.take(c, question, signed, own)
        print(c.now(), end=" ")
    except errors.SealError as error:
        print(error.code, end=" ")
    print(floors.read()[floors.TIME], grace.spend(600))


signedtime.read = read
own = trust.Trust()
own.site_keys = own.site = None
floors.rise(10000)
grace.spend(600)
c = clock.Clock(10000)
