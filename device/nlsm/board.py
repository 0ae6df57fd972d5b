"""What differs between ports and boards: the only module that knows hardware.

Every function has a fallback, so that the agent also runs where there is no such hardware.
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

# What ports call the causes of a reset, and what the site is told.
_CAUSES = const(
    "PWRON power-on WDT watchdog HARD hard-reset SOFT soft-reset DEEPSLEEP deep-sleep"
    " BROWNOUT brown-out BROWN_OUT brown-out"
)
# What every port takes that takes any.
_WATCHDOG_S = const(8)
_WIFI_TRIES = const(150)
_WIFI_PAUSE_MS = const(100)


def reset() -> None:
    """Start the whole board again."""
    try:
        machine.reset()
    except AttributeError:
        raise SystemExit


def reset_cause() -> str:
    """What the last reset was, in a word that the site is told; "unknown" where nothing says so."""
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
    """What tells this board from others of its kind; empty where nothing does."""
    try:
        return bytes(machine.unique_id())
    except AttributeError:
        return b""


def ticks() -> int:
    """The finest counter that there is."""
    return getattr(time, "ticks_cpu", time.ticks_us)()


def with_radio(function):
    """What `function()` returns, the radio on meanwhile: without it an ESP32's random numbers are
    poor. On other boards it has no part in them."""
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
    """A pin of the board; its user sets its direction."""
    return machine.Pin(number)


def lend(service, number: int):
    """A pin for a service.Service, to be taken back when that ends.

    Then it does what the service's metadata says: "low", "high", or nothing, as an input.
    """
    from . import keystore

    one = pin(number)
    if not any(type(lent) is tuple and lent[0] == number for lent in service.lent):
        path = keystore.SERVICES + "/" + service.name + "/metadata.json"
        pins = json.loads(keystore.read(path)).get("pins")
        service.lend((number, pins.get(str(number)) if type(pins) is dict else None))
    return one


def take_back(number: int, safe) -> None:
    """Take a pin back: no interrupt comes from it, and it drives what is safe."""
    one = machine.Pin(number)
    try:
        one.irq(handler=None)
    except (AttributeError, OSError, TypeError, ValueError):  # it can't have one
        pass
    try:
        if safe in ("low", "high"):
            one.init(machine.Pin.OUT, value=safe == "high")
            return
    except (OSError, ValueError):  # it can't drive anything
        pass
    one.init(machine.Pin.IN, None)


async def network(settings: dict) -> None:
    """Join the Wi-Fi of the settings, if they name one. Raises OSError where that fails."""
    wifi = settings.get("wifi")
    if not wifi:
        return
    import asyncio

    import network

    station = network.WLAN(network.STA_IF)
    station.active(True)
    if not station.isconnected():
        station.connect(*wifi)
    for _ in range(_WIFI_TRIES):
        if station.isconnected():
            return
        await asyncio.sleep_ms(_WIFI_PAUSE_MS)
    raise OSError("no Wi-Fi")


def replace(new: str, path: str) -> None:
    """Rename `new` to `path`, over a file that may be there.

    Where that takes two steps (on FAT, by MicroPython itself or here), the old one goes first; what
    is left alone then is whole, and `recovery` completes it.
    """
    try:
        os.rename(new, path)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.EACCES):
            raise
        os.remove(path)
        os.rename(new, path)


def sync(file) -> None:
    """Have what was written to an open file reach the flash."""
    file.flush()
    try:
        os.sync()
    except AttributeError:  # LittleFS and POSIX need no more
        pass


def watch(seconds: int):
    """Have the hardware reset the board unless the function that this returns is called every so
    many seconds, or as many as the hardware can; None where there is no such hardware.

    A started watchdog can't be stopped, not even by a soft reset.
    """
    for most in (seconds, _WATCHDOG_S):
        try:
            return machine.WDT(timeout=most * 1000).feed
        except AttributeError:
            return None
        except (ValueError, TypeError, OSError) as error:
            print("triseal: no watchdog of %s s: %s" % (most, error))
    return None
