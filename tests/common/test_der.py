"""The DER reader: what it takes, and each thing that BER allows and it does not."""

from binascii import unhexlify

from checks import raises, row
from sealcore import der, encode


def read_any(data):
    reader = der.Reader(data)
    value = bytes(reader.value())
    reader.end()
    return value


def read_integer(data):
    reader = der.Reader(data)
    number = reader.integer()
    reader.end()
    return number


def read_text(data):
    reader = der.Reader(data)
    text = reader.text(0, 100)
    reader.end()
    return text


def read_bits(data):
    reader = der.Reader(data)
    bits = bytes(reader.bits())
    reader.end()
    return bits


def nothing_follows(data):
    der.single(data)


REFUSED = (
    ("nothing at all", read_any, ""),
    ("a tag without length", read_any, "04"),
    ("a length beyond the end", read_any, "0402aa"),
    ("a long length beyond the end", read_any, "048180"),
    ("a length that is cut off", read_any, "0482"),
    ("a length that is cut off in its middle", read_any, "048201"),
    ("the indefinite form, ended", read_any, "3080050000000000"),
    ("the indefinite form, not ended", read_any, "3080"),
    ("the reserved first length byte", read_any, "04ff"),
    ("a length of five bytes", read_any, "04850000000001aa"),
    ("the long form for a short length", read_any, "048101aa"),
    ("the long form for 127", read_any, "04817f" + "aa" * 127),
    ("a leading zero in a length", read_any, "04820080" + "aa" * 128),
    ("two leading zeros in a length", read_any, "0483000080" + "aa" * 128),
    ("a high tag number", read_any, "1f1f00"),
    ("a high tag number of low value", read_any, "bf0100"),
    ("a high context tag", read_any, "9f8100"),
    ("the end-of-contents tag", read_any, "0000"),
    ("the end-of-contents tag, constructed", read_any, "2000"),
    ("a constructed BOOLEAN", read_any, "2100"),
    ("a constructed OCTET STRING", read_any, "24030401aa"),
    ("a constructed BIT STRING", read_any, "2304030200aa"),
    ("a constructed UTF8String", read_any, "2c030c0161"),
    ("a constructed time", read_any, "3700"),
    ("a primitive SEQUENCE", read_any, "1000"),
    ("a primitive SET", read_any, "1100"),
    ("something behind an element", read_any, "050000"),
    ("something behind a SEQUENCE", nothing_follows, "300000"),
    ("a SET for a SEQUENCE", nothing_follows, "3100"),
    ("an element without a SEQUENCE around it", nothing_follows, "020101"),
    ("an empty INTEGER", read_integer, "0200"),
    ("a zero with a leading zero", read_integer, "02020000"),
    ("a positive INTEGER with a leading zero", read_integer, "0202007f"),
    ("a negative INTEGER with leading ones", read_integer, "0202ff80"),
    ("minus one in two bytes", read_integer, "0202ffff"),
    ("an ENUMERATED for an INTEGER", read_integer, "0a0101"),
    ("a BIT STRING without its first byte", read_bits, "0300"),
    ("unused bits where all are whole bytes", read_bits, "030204f0"),
    ("more unused bits than an byte has", read_bits, "030208f0"),
    ("an OCTET STRING for a BIT STRING", read_bits, "0402aa00"),
    ("an overlong slash", read_text, "0c02c0af"),
    ("an overlong zero", read_text, "0c02c080"),
    ("an overlong letter of one byte", read_text, "0c02c1bf"),
    ("an overlong form of three bytes", read_text, "0c03e09fbf"),
    ("an overlong form of four bytes", read_text, "0c04f08fbfbf"),
    ("the first surrogate", read_text, "0c03eda080"),
    ("the last surrogate", read_text, "0c03edbfbf"),
    ("a pair of surrogates", read_text, "0c06eda0bdedb88a"),
    ("a letter beyond Unicode", read_text, "0c04f4908080"),
    ("a lead byte that there is not", read_text, "0c04f5808080"),
    ("a form of five bytes", read_text, "0c05f888808080"),
    ("a continuation without its start", read_text, "0c0180"),
    ("a start without its continuation", read_text, "0c02c361"),
    ("a letter that is cut off", read_text, "0c01c3"),
    ("a letter that is cut off after two bytes", read_text, "0c02e282"),
    ("the byte FE", read_text, "0c01fe"),
    ("the byte FF", read_text, "0c01ff"),
    ("a PrintableString for a UTF8String", read_text, "130161"),
)

TAKEN = (
    ("an empty value", read_any, "0400", b""),
    ("the longest short length", read_any, "047f" + "aa" * 127, b"\xaa" * 127),
    ("the shortest long length", read_any, "048180" + "aa" * 128, b"\xaa" * 128),
    ("the longest of one byte", read_any, "0481ff" + "aa" * 255, b"\xaa" * 255),
    ("the shortest of two bytes", read_any, "04820100" + "aa" * 256, b"\xaa" * 256),
    ("a context tag", read_any, "800101", b"\x01"),
    ("a private constructed tag", read_any, "e000", b""),
    ("zero", read_integer, "020100", 0),
    ("127", read_integer, "02017f", 127),
    ("128", read_integer, "02020080", 128),
    ("-1", read_integer, "0201ff", -1),
    ("-128", read_integer, "020180", -128),
    ("-129", read_integer, "0202ff7f", -129),
    ("a number of 17 bytes", read_integer, "021100" + "ff" * 16, (1 << 128) - 1),
    ("a large negative number", read_integer, "021180" + "00" * 16, -(1 << 135)),
    ("no bits", read_bits, "030100", b""),
    ("whole bytes", read_bits, "030300aabb", b"\xaa\xbb"),
    ("no text", read_text, "0c00", ""),
    ("the last letter of one byte", read_text, "0c017f", "\x7f"),
    ("the first and last of two bytes", read_text, "0c04c280dfbf", "\u0080\u07ff"),
    ("the first and last of three", read_text, "0c06e0a080efbfbf", "\u0800\uffff"),
    ("those around the surrogates", read_text, "0c06ed9fbfee8080", "\ud7ff\ue000"),
    ("the first and last of four", read_text, "0c08f0908080f48fbfbf", "\U00010000\U0010ffff"),
)


def test_what_is_no_der_is_refused():
    for sentence, read, data in REFUSED:
        row(sentence, "malformed-der", read, unhexlify(data))


def test_what_is_der_is_read():
    for sentence, read, data, value in TAKEN:
        assert read(unhexlify(data)) == value, sentence


def test_bounds_are_inclusive_on_both_sides():
    text = b"\x04\x05aaaaa"
    for data, read in (
        (text, lambda reader, low, high: len(reader.octets(low, high))),
        (text, lambda reader, low, high: len(reader.text(low, high, 0x04))),
        (b"\x02\x01\x05", lambda reader, low, high: reader.unsigned(low, high)),
    ):
        assert read(der.Reader(data), 5, 5) == 5
        for low, high in ((6, 9), (0, 4)):
            raises("malformed-der", read, der.Reader(data), low, high)


def test_a_reader_goes_forward_only():
    reader = der.single(b"\x30\x09\x02\x01\x01\x30\x02\x05\x00\x05\x00")
    assert reader.peek() == 0x02
    assert bytes(reader.element(0x02)) == b"\x02\x01\x01"
    inner = reader.enter()
    raises("malformed-der", reader.end)
    assert bytes(inner.element()) == b"\x05\x00"
    inner.end()
    assert bytes(reader.element()) == b"\x05\x00"
    reader.end()
    assert reader.peek() == -1
    raises("malformed-der", reader.value)


def test_nesting_as_deep_as_one_likes_needs_no_recursion():
    data = b"\x05\x00"
    for _ in range(2000):
        data = encode.sequence(data)
    inner = der.Reader(data)
    depth = 0
    while inner.peek() == 0x30:
        inner = inner.enter()
        depth += 1
    assert depth == 2000


def test_a_length_beyond_the_end_is_refused_at_once():
    for data in (b"\x04\x02\xaa", b"\x04\x81\x80\xaa", b"\x30\x01"):
        raises("malformed-der", der.Reader(data).value)


def test_a_huge_length_allocates_nothing():
    raises("malformed-der", read_any, b"\x04\x84\xff\xff\xff\xff" + b"a")


NUMBERS = (0, 1, 127, 128, 255, 256, 32767, 32768, 1 << 64, (1 << 2048) - 1)


def test_what_is_written_is_read_back():
    for number in NUMBERS:
        assert read_integer(encode.integer(number)) == number
    for size in (0, 1, 127, 128, 255, 256, 8192):
        assert read_any(encode.octets(bytes(size))) == bytes(size)
    assert read_bits(encode.bits(b"\x01")) == b"\x01"
    assert read_text(encode.text("\u00e4")) == "\u00e4"
    assert encode.set_of(b"\x05\x00") == b"\x31\x02\x05\x00"
    assert encode.explicit(3, b"\x05\x00") == b"\xa3\x02\x05\x00"
    raises(ValueError, encode.integer, -1)
