"""The differences between CPython and MicroPython, in the one place that asks which runs."""

import hashlib

Sha256 = hashlib.sha256

try:
    from micropython import const
except ImportError:  # CPython
    const = int

try:
    pow(2, 3, 5)
    modpow = pow
except (TypeError, NotImplementedError):  # ESP8266
    from .ladder import modpow


def sha256(data) -> bytes:
    """SHA-256 of bytes or a memoryview."""
    return Sha256(data).digest()
