"""The walk through a `.mpy` file: a whole file passes, one that was cut off or damaged does not."""

import io

from checks import row
from sealcore import mpy

HEADER = b"M\x06\x00\x1f"
EMPTY = HEADER + b"\x00\x00"  # no names, no constants
# A function without arguments: its stack, the sizes before its code, its name; return None.
BODY = b"\x00\x02\x00\x51\x63"
SMALL = EMPTY + b"\x28" + BODY
THUMB = b"M\x06\x13\x1f\x00\x00"


def check(data, size=None):
    return mpy.check(io.BytesIO(data), len(data) if size is None else size)


def function(body, inside=b"", kind=0):
    """One function; `inside` is how many are in it, and all of them."""
    return number(len(body) << 3 | (4 if inside else 0) | kind) + body + inside


def number(value):
    groups = [value & 0x7F]
    while value > 0x7F:
        value >>= 7
        groups.insert(0, value & 0x7F | 0x80)
    return bytes(groups)


def nested(depth):
    inside = function(BODY)
    for _ in range(depth):
        inside = function(BODY, b"\x01" + inside)
    return EMPTY + inside


def tuples(depth):
    return HEADER + b"\x00\x01" + b"\x0a\x01" * depth + b"\x01" + function(BODY)


def constant(written):
    return HEADER + b"\x00\x01" + written + function(BODY)


def name(written):
    return HEADER + b"\x01\x00" + written + function(BODY)


def viper(flags, after, size=8):
    return THUMB + function(bytes(size), b"", 2) + number(flags) + after


WHOLE = (
    ("the smallest", SMALL, (0, 0)),
    ("two functions in one", EMPTY + function(BODY, b"\x02" + function(BODY) * 2), (0, 0)),
    ("15 functions in each other", nested(15), (0, 0)),
    ("15 tuples in each other", tuples(15), (0, 0)),
    ("a text", constant(b"\x05\x01a\x00"), (0, 0)),
    ("a number", constant(b"\x07\x0212"), (0, 0)),
    ("a name that has no text", name(b"\x82\x4b"), (0, 0)),
    ("a name", name(b"\x02a\x00"), (0, 0)),
    ("flags of the architecture", b"M\x06\x6f\x1f\x01\x00\x00" + function(BODY), (3, 11)),
    ("native code", THUMB + function(bytes(8), b"", 1) + b"\x04", (3, 4)),
    ("viper code", viper(0x200, b""), (3, 4)),
    ("viper code with constant data", viper(0x20, b"\x04abcd"), (3, 4)),
    ("viper code with variables", viper(0x40, b"\x82\x00"), (3, 4)),
    ("viper code that is relocated", viper(0x10, b"\x11\x00\x02\x01\xff"), (3, 4)),
    ("an assembler's", THUMB + function(bytes(8), b"", 3) + b"\x00\x02\x22", (3, 4)),
)

DAMAGED = (
    ("nothing", b""),
    ("the one that hung a node", b"M\x06\x00\x1f\x0a"),
    ("of CPython", b"\xa7\x0d\x0d\x0a" + SMALL),
    ("version 5", b"M\x05" + SMALL[2:]),
    ("version 7", b"M\x07" + SMALL[2:]),
    ("more behind its end", SMALL + b"\x00"),
    ("no function", EMPTY),
    ("more names than bytes", HEADER + b"\x20\x00" + function(BODY)),
    ("a count that has no end", HEADER + b"\x81" + b"\xff" * 40),
    ("a count with zeros before it", HEADER + b"\x80\x00\x00" + function(BODY)),
    ("more constants than bytes", HEADER + b"\x00\x8f\x7f" + function(BODY)),
    ("a name that not every MicroPython has", name(b"\x82\x4d")),
    ("a name longer than the file", name(b"\x81\x00a\x00")),
    ("a name without its end", name(b"\x02ab")),
    ("a text without its end", constant(b"\x05\x01ab")),
    ("a constant of no kind", constant(b"\x0b\x00")),
    ("a table of functions where no code is native", constant(b"\x00")),
    ("a tuple longer than the file", constant(b"\x0a\x7f")),
    ("16 tuples in each other", tuples(16)),
    ("16 functions in each other", nested(16)),
    ("a function longer than the file", EMPTY + b"\x30" + BODY),
    ("a function of no bytes", EMPTY + b"\x00"),
    ("a function without code", EMPTY + function(b"\x00\x02\x00")),
    ("a function whose sizes have no end", EMPTY + function(b"\x00" + b"\x80" * 9 + b"\x51\x63")),
    ("a function whose sizes are too large", EMPTY + function(b"\x00\x7e\x00\x51\x63")),
    ("a function whose begin has no end", EMPTY + function(b"\x80\x80\x80")),
    ("fewer functions than it says", EMPTY + function(BODY, b"\x02" + function(BODY))),
    ("more functions than bytes", EMPTY + function(BODY, b"\xff\x7f" + function(BODY))),
    ("native code of no architecture", EMPTY + function(bytes(8), b"", 1) + b"\x04"),
    ("a description behind its code", THUMB + function(bytes(8), b"", 1) + b"\x08"),
    ("constant data longer than the file", viper(0x20, b"\x05abcd")),
    ("relocations that have no end", viper(0x10, b"\x11\x00\x04")),
    ("a relocation behind the code", viper(0x10, b"\x11\x04\xff")),
    ("more relocations than words", viper(0x10, b"\x03\x00\x7f\xff")),
    ("a relocation in constant data that there is not", viper(0x10, b"\x11\x01\xff")),
    (
        "functions in what is relocated",
        THUMB + function(bytes(8), b"", 6) + b"\x10\x01" + function(BODY) + b"\xff",
    ),
)


def test_whole_files():
    for sentence, data, wants in WHOLE:
        found = check(data)
        assert found == wants, (sentence, found)


def test_what_is_cut_off_at_any_length():
    for sentence, data, _ in WHOLE:
        for length in range(len(data)):
            row("%s, %d bytes" % (sentence, length), "unloadable", check, data[:length])


def test_a_file_that_is_shorter_than_it_was_said():
    for sentence, data, _ in WHOLE:
        row(sentence, "unloadable", check, data, len(data) + 1)


def test_what_is_damaged():
    for sentence, data in DAMAGED:
        row(sentence, "unloadable", check, data)


def test_larger_than_a_block():
    long = constant(b"\x06" + number(1000) + bytes(1001))
    assert check(long) == (0, 0)
    row("cut off in it", "unloadable", check, long[:500])


class Drops:
    """A file that gives three bytes at a time, as a file system may."""

    def __init__(self, data):
        self._file = io.BytesIO(data)

    def readinto(self, buffer):
        return self._file.readinto(memoryview(buffer)[:3])


def test_read_in_small_pieces():
    for sentence, data, wants in WHOLE:
        assert mpy.check(Drops(data), len(data)) == wants, sentence
