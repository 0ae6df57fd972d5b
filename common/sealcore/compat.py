"""Hide the differences between CPython and MicroPython: only this module asks which one runs."""

import hashlib

# `collect` frees a board's small heap before a large allocation; CPython does not need it.
try:
    from micropython import const

    from gc import collect  # isort: skip  # pragma: no cover - MicroPython
except ImportError:

    def const(value):  # type: ignore[misc] # the compiler's keeps the type of its value
        """The value: MicroPython's compiler puts it in place of the name."""
        return value

    def collect() -> None:
        """Nothing."""


try:
    pow(2, 3, 5)
    modpow = pow
except (TypeError, NotImplementedError):  # pragma: no cover - ESP8266
    from .ladder import modpow  # type: ignore[assignment] # noqa: F401 - `pow` takes more


def sha256(data) -> bytes:
    """Return the SHA-256 of `data`, which is bytes or a memoryview."""
    return hashlib.sha256(data).digest()
