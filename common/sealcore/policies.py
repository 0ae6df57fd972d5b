"""Check the form of certificate policies (RFC 5280 section 4.2.1.4)."""

from . import errors, x501
from .compat import const
from .der import Reader

_OID = const(0x06)
_IA5_STRING = const(0x16)
_VISIBLE_STRING = const(0x1A)
_SEQUENCE = const(0x30)
_DISPLAY_TEXT = b"\x0c\x16\x1e"  # UTF8, IA5 and BMPString
_CPS = b"\x2b\x06\x01\x05\x05\x07\x02\x01"  # id-qt-cps
_USER_NOTICE = b"\x2b\x06\x01\x05\x05\x07\x02\x02"  # id-qt-unotice


def each(reader: Reader, function) -> None:
    """Read a SEQUENCE SIZE (1..MAX) OF SEQUENCE.

    Args:
        reader: a `der.Reader` over its inside.
        function: called with a reader over the inside of each element.

    Raises: MalformedDER.
    """
    more = True
    while more:
        item = reader.enter()
        function(item)
        item.end()
        more = reader.peek() >= 0


def read(item: Reader) -> None:
    """Read the inside of one PolicyInformation. Raises: MalformedDER.

    Args:
        item: a `der.Reader` over it.
    """
    x501.check_oid(item.value(_OID))
    if item.peek() >= 0:
        each(item.enter(), _qualifier)


def _qualifier(item: Reader) -> None:
    kind = bytes(item.value(_OID))
    x501.check_oid(kind)
    if kind == _CPS:
        x501.check_string(_IA5_STRING, item.value(_IA5_STRING))
    elif kind == _USER_NOTICE:
        _user_notice(item.enter())
    else:
        item.value()


def _user_notice(notice: Reader) -> None:
    """Read noticeRef { organization, noticeNumbers } and explicitText, both optional."""
    if notice.peek() == _SEQUENCE:
        reference = notice.enter()
        _display_text(reference)
        numbers = reference.enter()
        while numbers.peek() >= 0:
            numbers.integer()
        reference.end()
    if notice.peek() >= 0:
        _display_text(notice)
    notice.end()


def _display_text(reader: Reader) -> None:
    tag = reader.peek()
    value = reader.value()
    if tag != _VISIBLE_STRING:  # Belgium's identity cards have Latin-1 in it
        if tag not in _DISPLAY_TEXT:
            raise errors.MalformedDER
        x501.check_string(tag, value)
