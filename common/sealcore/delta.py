"""Renewal by delta: put a new serial number, new times and a new signature into the seal at hand.

In this profile a renewal changes nothing else. So the node receives 320 bytes instead of 1040 and
has an ordinary certificate again, which it checks like any other seal.
"""

from . import encode, errors, timetext
from .compat import const
from .der import single

_INTEGER = const(0x02)
_SEQUENCE = const(0x30)
_SERIAL_OCTETS = const(16)


def apply(seal, serial: bytes, not_before: int, not_after: int, signature: bytes) -> bytes:
    """Return the renewed seal, DER.

    Args:
        seal: the seal that is renewed, DER.
        serial: its new serial number, 16 bytes.
        not_before: begin of its validity, Unix seconds.
        not_after: end of its validity, Unix seconds.
        signature: the bytes of its new signature.

    Raises: BadMessage or MalformedDER.
    """
    if len(serial) != _SERIAL_OCTETS:
        raise errors.BadMessage("serial number")
    outer = single(seal)
    old = single(outer.element(_SEQUENCE))
    # Copied, because MicroPython does not join memoryviews.
    algorithm = bytes(outer.element(_SEQUENCE))
    old.value()  # version
    head = bytes(old.data[: old.pos])
    old.value(_INTEGER)
    start = old.pos
    old.value(_SEQUENCE)  # signature algorithm
    old.value(_SEQUENCE)  # issuer
    middle = bytes(old.data[start : old.pos])
    old.value(_SEQUENCE)  # validity
    rest = bytes(old.data[old.pos :])
    validity = encode.sequence(timetext.der(not_before), timetext.der(not_after))
    new = encode.sequence(head, encode.element(_INTEGER, serial), middle, validity, rest)
    return encode.sequence(new, algorithm, encode.bits(signature))


def of(seal) -> tuple:
    """Return what the delta of a renewed seal holds: (serial, not before, not after, signature).

    Args:
        seal: a parsed `seal.Seal`.
    """
    serial = seal.serial.to_bytes(_SERIAL_OCTETS, "big")
    return serial, seal.not_before, seal.not_after, bytes(seal.signature)
