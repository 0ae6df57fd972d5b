"""The differences between CPython and MicroPython, in the one place that asks which runs."""

import hashlib
import sys

MICROPYTHON = sys.implementation.name == "micropython"

try:
    from micropython import const
except ImportError:  # CPython

    def const(value):
        return value


Sha256 = hashlib.sha256


def sha256(data: bytes) -> bytes:
    """SHA-256 of bytes or a memoryview."""
    return hashlib.sha256(data).digest()


def _ladder(base: int, exponent: int, modulus: int) -> int:
    """Left-to-right square and multiply, for ports built without 3-argument pow (ESP8266)."""
    if modulus == 1:
        return 0
    mask = 1
    while mask <= exponent:
        mask <<= 1
    result = 1
    while mask > 1:
        mask >>= 1
        result = result * result % modulus
        if exponent & mask:
            result = result * base % modulus
    return result


def _native_modpow():
    try:
        pow(2, 3, 5)
    except (TypeError, NotImplementedError):
        return _ladder
    return pow


modpow = _native_modpow()


def bit_length(value: int) -> int:
    """Bits of a non-negative integer; MicroPython's int has no such method."""
    if not MICROPYTHON:
        return value.bit_length()
    bits = 0
    while value >> 64:
        value >>= 64
        bits += 64
    while value:
        value >>= 1
        bits += 1
    return bits
