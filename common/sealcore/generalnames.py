"""Check the form of GeneralName and GeneralNames (RFC 5280 section 4.2.1.6)."""

from . import errors, x501
from .compat import const
from .der import Reader

_OID = const(0x06)
_IA5_STRING = const(0x16)
_CONTEXT = const(0x80)
_CONSTRUCTED = const(0x20)


def read_all(reader: Reader, scale: int = 1) -> None:
    """Read the inside of GeneralNames, which has at least one name.

    Args:
        reader: a `der.Reader` over it.
        scale: see `read`.

    Raises: MalformedDER.
    """
    read(reader, scale)
    while reader.peek() >= 0:
        read(reader, scale)


def read(reader: Reader, scale: int = 1) -> None:
    """Read one GeneralName and check the form that its tag demands.

    Args:
        reader: a `der.Reader` before it.
        scale: 1 for addresses, 2 for addresses with their masks, as name constraints have them.

    Raises: MalformedDER.
    """
    tag = reader.peek()
    number = tag & 0x1F
    constructed = _CONSTRUCTED if number in (0, 3, 4, 5) else 0
    if tag < 0 or number > 8 or tag != _CONTEXT | constructed | number:
        raise errors.MalformedDER
    value = reader.value(tag)
    if number == 0:
        _other_name(Reader(value))
    elif number in (3, 5):  # x400Address, ediPartyName
        raise errors.UnsupportedCertificate("general name")
    elif number in (1, 2, 6):
        x501.check_string(_IA5_STRING, value)
    elif number == 4:
        x501.check(value)
    elif number == 7:
        _address(value, scale)
    else:
        x501.check_oid(value)


def _address(value, scale: int) -> None:
    size = len(value)
    if size not in (4 * scale, 16 * scale):
        raise errors.MalformedDER
    if scale == 2:
        # Section 4.2.1.10: masks of RFC 4632 are ones, followed by zeros.
        zeros = (1 << 4 * size) - 1 - int.from_bytes(value[size // 2 :], "big")
        if zeros & zeros + 1:
            raise errors.MalformedDER


def _other_name(reader: Reader) -> None:
    """Read a type and, in an explicit tag, one element of that type."""
    x501.check_oid(reader.value(_OID))
    explicit = reader.enter(_CONTEXT | _CONSTRUCTED)
    reader.end()
    explicit.value()
    explicit.end()
