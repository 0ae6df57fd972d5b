"""Run by MicroPython for the bench `verify_p256`: one verification, and times of many."""

import gc
import time

KEY = (
    0x60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6,
    0x7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299,
)
# RFC 6979 appendix A.2.5, and the same again as DER.
MESSAGE = b"sample"
R = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
S = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8


def signature() -> bytes:
    """Return the signature as it stands in a certificate."""
    numbers = b"\x02\x21\x00" + R.to_bytes(32, "big") + b"\x02\x21\x00" + S.to_bytes(32, "big")
    return b"\x30\x46" + numbers


def textbook() -> None:
    """Verify once with the textbook's code."""
    from bench import _p256_textbook

    _p256_textbook.verify(*KEY, MESSAGE, R, S)


def kept() -> None:
    """Verify once with sealcore and a key that it has seen before."""
    from sealcore import p256

    p256.PublicKey(*KEY).verify(MESSAGE, signature())


def first() -> None:
    """Verify once with sealcore and a key that is new to it."""
    from sealcore import p256

    p256.PublicKey._tables = ()
    kept()


def elapsed(action, count: int) -> int:  # type: ignore[no-untyped-def]
    """Return the microseconds that `count` calls of `action` take, from a heap that was just
    cleared."""
    gc.collect()
    begin = time.ticks_us()  # type: ignore[attr-defined]
    for _ in range(count):
        action()
    passed: int = time.ticks_diff(time.ticks_us(), begin)  # type: ignore[attr-defined]
    return passed


def compare(rounds: int) -> None:
    """Print for each of `rounds` rounds the microseconds of the textbook, of a new and of a known
    key.

    Known keys are measured three at a time: this takes as long as the textbook's, so that other
    work of the computer affects both alike.
    """
    for action in (textbook, kept, first):
        action()  # all imports happen now
    for _ in range(rounds):
        print(elapsed(textbook, 1), elapsed(first, 1), elapsed(kept, 3) / 3)
