"""Hides the differences between ports and boards: the only module that uses hardware.

Every function has a fallback, so that the agent also runs without such hardware.
"""

import errno
import json
import os
import sys
import time

from sealcore.compat import const

try:
    import machine
except ImportError:  # a port without hardware
    machine = None  # type: ignore[assignment]

# The names of reset causes on the ports, each with the word for the site.
_CAUSES = const(
    "PWRON power-on WDT watchdog HARD hard-reset SOFT soft-reset DEEPSLEEP deep-sleep"
    " BROWNOUT brown-out BROWN_OUT brown-out"
)
# Every port that has a watchdog accepts this time.
_WATCHDOG_S = const(8)
# Version of the agent, as in pyproject.toml. Bytes, because a text would stay in memory.
_VERSION = const(b"0.1.0")
_MOST = const(0x7FFFFFFF)
_SPARE = const(b"nlsm.spare")  # bytes, too
_LINE = const(128)
_WIFI_TRIES = const(150)
_WIFI_PAUSE_MS = const(100)


def reset() -> None:
    """Reset the whole board."""
    try:
        machine.reset()
    except AttributeError:
        raise SystemExit


def reset_cause() -> str:
    """Return the cause of the last reset as a word for the site; "unknown" if the port does not
    tell it.
    """
    try:
        cause = machine.reset_cause()
    except AttributeError:
        return "unknown"
    words = _CAUSES.split()
    for i in range(0, len(words), 2):
        if getattr(machine, words[i] + "_RESET", None) == cause:
            return words[i + 1]
    return "unknown"


def unique_id() -> bytes:
    """Return bytes that identify this board among others of its kind; empty if there are none."""
    try:
        return bytes(machine.unique_id())
    except AttributeError:
        return b""


def look() -> tuple:
    """Return the number of .mpy files that the port loads (0 for none), the free bytes of flash,
    and the texts of a FACTS.
    """
    kind = sys.implementation
    found = os.statvfs("/")
    texts = [
        getattr(kind, "_machine", "")[:_LINE],
        (b"%d.%d.%d" % kind.version[:3]).decode(),  # a text would stay in memory
        sys.platform,
        _VERSION.decode(),
    ]
    if esp32():
        texts.append(__import__(_SPARE.decode(), None, None, ("",)).look())
    return getattr(kind, "_mpy", 0), min(found[0] * found[3], _MOST), texts


def esp32():
    """Return the module of an ESP32's own functions; None on other ports."""
    try:
        import esp32
    except ImportError:
        return None
    return esp32


def ticks() -> int:
    """Return the value of the finest counter of the port."""
    return getattr(time, "ticks_cpu", time.ticks_us)()


def with_radio(function):
    """Call `function` with the radio on, and return its result.

    Without the radio, an ESP32's random numbers are poor. On other boards the radio plays no part.
    """
    station = None
    if sys.platform == "esp32":
        import network

        station = network.WLAN(network.STA_IF)
        before = station.active()
        station.active(True)
    try:
        return function()
    finally:
        if station:
            station.active(before)


def pin(number: int):
    """Return a pin of the board; the caller sets its direction."""
    return machine.Pin(number)


def lend(service, number: int):
    """Lend a pin to a service.Service. It is taken back when the service ends.

    Then it goes to the state that the service's metadata names: "low", "high", or else an input.
    """
    from . import keystore

    one = pin(number)
    if not any(type(lent) is tuple and lent[0] == number for lent in service.lent):
        path = keystore.SERVICES + "/" + service.name + "/metadata.json"
        pins = json.loads(keystore.read(path)).get("pins")
        service.lend((number, pins.get(str(number)) if type(pins) is dict else None))
    return one


def timer(number: int):
    """Return a timer of the board. Raises ValueError if the port has none of this number."""
    return machine.Timer(number)


def take_back(number, safe) -> None:
    """Stop a timer, or take a pin back: remove its interrupt handler, and set it to its safe
    state.
    """
    if type(number) is not int:
        number.deinit()
        return
    one = machine.Pin(number)
    try:
        one.irq(handler=None)
    except (AttributeError, OSError, TypeError, ValueError):  # this pin cannot have an interrupt
        pass
    try:
        if safe in ("low", "high"):
            one.init(machine.Pin.OUT, value=safe == "high")
            return
    except (OSError, ValueError):  # this pin cannot be an output
        pass
    one.init(machine.Pin.IN, None)


async def network(settings: dict) -> None:
    """Join the first Wi-Fi of the settings that can be joined, if they name one.

    Raises OSError if that fails.
    """
    wifi = settings.get("wifi")
    if not wifi:
        return
    if type(wifi[0]) is str:
        wifi = [wifi]
    import asyncio

    import network

    station = network.WLAN(network.STA_IF)
    station.active(True)
    if station.isconnected():
        if station.config("ssid") in [one[0] for one in wifi]:
            return
        station.active(False)  # the settings have changed: leave
        station.active(True)
    for one in wifi:
        station.connect(*one)
        for _ in range(_WIFI_TRIES):
            if station.isconnected():
                return
            await asyncio.sleep_ms(_WIFI_PAUSE_MS)
        station.active(False)
        station.active(True)
    raise OSError("no Wi-Fi")


def replace(new: str, path: str) -> None:
    """Rename `new` to `path`, and replace a file that may exist there.

    On FAT this takes two steps, by MicroPython itself or here, and the old file is removed first.
    If power fails in between, only the new file is left. It is complete, and `recovery` renames it.
    """
    try:
        os.rename(new, path)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.EACCES):
            raise
        os.remove(path)
        os.rename(new, path)


def sync(file) -> None:
    """Write the buffered data of an open file to the flash."""
    file.flush()
    try:
        os.sync()
    except AttributeError:  # LittleFS and POSIX need only the flush
        pass


def watch(seconds: int):
    """Start a watchdog: the hardware resets the board unless the returned function is called in
    time.

    The time is `seconds`, or 8 s if the hardware does not accept that. Returns None if there is no
    watchdog. A started watchdog cannot be stopped, not even by a soft reset.
    """
    for most in (seconds, _WATCHDOG_S):
        try:
            return machine.WDT(timeout=most * 1000).feed
        except AttributeError:
            return None
        except (ValueError, TypeError, OSError) as error:
            print("triseal: no watchdog of %s s: %s" % (most, error))
    return None
