"""The modules that MicroPython has, by whether every board has them (releases 1.24 to 1.29).

A firmware may have others. A service that needs one names it under `modules` in its metadata.
"""

from __future__ import annotations

# What all ports have with which the agent runs; and the agent's own packages.
EVERYWHERE = frozenset((
    "__main__", "array", "asyncio", "binascii", "builtins", "collections", "errno", "gc",
    "hashlib", "io", "json", "machine", "math", "micropython", "nlsm", "os", "random", "re",
    "sealcore", "select", "socket", "struct", "sys", "time", "uasyncio", "vfs",
))  # fmt: skip
# What only some ports or boards have, built in or frozen.
SOMEWHERE = frozenset((
    "_asyncio", "_boot", "_espnow", "_onewire", "_thread", "aioble", "aioespnow", "apa106",
    "argparse", "bluetooth", "btree", "cmath", "cryptolib", "deflate", "dht", "ds18x20", "esp",
    "esp32", "espnow", "flashbdev", "framebuf", "heapq", "inisetup", "jni", "lwip", "microbit",
    "mimxrt", "mip", "neopixel", "network", "nrf", "ntptime", "onewire", "openamp", "platform",
    "pyb", "requests", "rp2", "samd", "ssl", "stm", "termios", "tls", "uctypes", "umqtt",
    "upip", "urllib", "webrepl", "webrepl_setup", "websocket", "zephyr", "zlib", "zsensor",
))  # fmt: skip
# Of these, a dotted name may be a module of its own.
PACKAGES = frozenset((
    "asyncio", "mip", "nlsm", "requests", "sealcore", "uasyncio", "umqtt", "urllib",
))  # fmt: skip


def base(name: str) -> str:
    """Return the top level of a module's name, without the `u` of MicroPython's older names.

    Args:
        name: the name, such as `umqtt.simple` or `utime`.
    """
    top = name.partition(".")[0]
    is_older = top.startswith("u") and top[1:] in EVERYWHERE | SOMEWHERE
    return top[1:] if is_older else top
