"""A `time` with an inaccurate crystal, counters that wrap at 30 bits, and a clock that may start in
2000.
"""

import utime

_MILLION = 1000000
_PERIOD = 1 << 30  # of the counters of 32-bit ports
_HALF = 1 << 29
_TO_2000 = 946684800  # seconds from 1970


def configure(ppm, left, starts_2000):
    """Set the flaws of this board's clock.

    The clock runs `ppm` millionths fast. The counters wrap in `left` ms, unless `left` is below 0.
    If `starts_2000` is true, the clock starts in 2000.
    """
    global _rate, _began, _first, _time, _shift  # noqa: PLW0603 - smaller than a place to look
    _rate = _MILLION + ppm
    _began = utime.ticks_us()
    _first = 0 if left < 0 else _PERIOD - left % _PERIOD
    _shift = _TO_2000 if starts_2000 else 0
    _time = 0 if starts_2000 else utime.time_ns() // 1000


def _passed():
    return utime.ticks_diff(utime.ticks_us(), _began) * _rate // _MILLION


def _true(duration):
    return int(duration * _MILLION / _rate)


def ticks_ms():
    return (_first + _passed() // 1000) & (_PERIOD - 1)


def ticks_us():
    return (_first + _passed()) & (_PERIOD - 1)


ticks_cpu = ticks_us


def ticks_diff(end, start):
    return ((end - start + _HALF) & (_PERIOD - 1)) - _HALF


def ticks_add(ticks, delta):
    if not -_HALF < delta < _HALF:
        raise OverflowError("ticks interval overflow")
    return (ticks + delta) & (_PERIOD - 1)


def time():
    return (_time + _passed()) // _MILLION


def time_ns():
    return (_time + _passed()) * 1000


def sleep(seconds):
    utime.sleep_us(_true(seconds * _MILLION))


def sleep_ms(duration):
    utime.sleep_us(_true(duration * 1000))


def sleep_us(duration):
    utime.sleep_us(_true(duration))


def gmtime(seconds=None):
    return utime.gmtime((time() if seconds is None else seconds) + _shift)


localtime = gmtime


def mktime(when):
    return int(utime.mktime(when)) - _shift


def waits(sleep_ms):
    """Return asyncio's `sleep_ms` for a board with this clock."""

    def sleep(duration):
        ticks_add(0, max(0, duration))
        return sleep_ms(_true(duration))

    return sleep
