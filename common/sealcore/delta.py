"""Renewal by delta: a site seal's new serial, times and signature, set into the copy at hand.

In this profile a renewal changes nothing else, so the node receives 320 octets instead of 1040 and
has an ordinary certificate again. What comes out is checked like any other seal.
"""

from . import encode, errors, timetext
from .compat import const
from .der import single

_INTEGER = const(0x02)
_SEQUENCE = const(0x30)
_SERIAL_OCTETS = const(16)


def apply(seal, serial: bytes, not_before: int, not_after: int, signature: bytes) -> bytes:
    """The renewed seal, DER.

    Args:
        seal: the one that is renewed, DER.
        serial: its new serial number, 16 octets.
        not_before, not_after: Unix seconds.
        signature: the octets of its new signature.

    Raises: BadMessage or MalformedDER.
    """
    if len(serial) != _SERIAL_OCTETS:
        raise errors.BadMessage("serial number")
    outer = single(seal)
    old = single(outer.element(_SEQUENCE))
    # Copied, since MicroPython does not join memoryviews.
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
    """What a renewed seal's delta holds: (serial, not before, not after, signature).

    Args:
        seal: a parsed `seal.Seal`.
    """
    serial = seal.serial.to_bytes(_SERIAL_OCTETS, "big")
    return serial, seal.not_before, seal.not_after, bytes(seal.signature)
