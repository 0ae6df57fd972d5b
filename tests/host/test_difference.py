"""What two files have in common, and how one message after the other puts one together."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from sealcore import messages
from triseal import difference
from triseal.difference import Extent
from triseal.site.server.handlers.differ import pieces

_DRAWN = random.Random(1)
TEXT = _DRAWN.randbytes(40000)
OTHER = _DRAWN.randbytes(40000)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A file, and another one of parts of it, of other bytes, and of many equal ones."""
    old = TEXT[: draw(st.integers(0, len(TEXT)))] + bytes(draw(st.integers(0, 100)))
    new = b""
    for _ in range(draw(st.integers(0, 12))):
        source = draw(st.sampled_from([old, old, OTHER, bytes(9000)]))
        begin = draw(st.integers(0, len(source)))
        new += source[begin : begin + draw(st.sampled_from([1, 31, 32, 63, 500, 20000]))]
    return old, new


@given(pairs())
def test_what_is_in_common_is_equal_and_in_order(pair: tuple[bytes, bytes]) -> None:
    old, new = pair
    end = 0
    for one in difference.extents(old, new):
        assert one.at >= end
        assert one.length >= difference.BLOCK
        end = one.at + one.length
        assert new[one.at : end] == old[one.begin : one.begin + one.length]
        assert len(old[one.begin : one.begin + one.length]) == one.length
    assert end <= len(new)


@given(pairs(), st.integers(0, 30000))
def test_messages_put_the_new_file_together_from_any_byte_on(
    pair: tuple[bytes, bytes], begin: int
) -> None:
    old, new = pair
    equal = difference.extents(old, new)
    made = new[:begin]
    while len(made) < len(new):
        part = new[len(made) : len(made) + messages.MAX_COPY + messages.MAX_CHUNK]
        found = pieces(equal, len(made), part)
        assert 1 <= len(found) <= 16
        assert sum(len(data) for data, _, _ in found) <= messages.MAX_CHUNK
        assert sum(length for _, _, length in found) <= messages.MAX_COPY
        for data, start, length in found:
            assert data or length
            assert start + length <= len(old)
            made += data + old[start : start + length]
    assert made == new[: len(made)]


def test_what_has_moved_is_found_wherever_it_is() -> None:
    for shift in range(1, 70):
        (one,) = difference.extents(TEXT, bytes(shift) + TEXT)
        assert one == Extent(shift, len(TEXT), 0)
        (one,) = difference.extents(TEXT, TEXT[shift:])
        assert one == Extent(0, len(TEXT) - shift, shift)


def test_little_of_a_file_is_sent_that_has_changed_in_three_places() -> None:
    new = TEXT[:5000] + b"a" + TEXT[5000:20000] + TEXT[20020:30000] + b"b" * 50 + TEXT[30000:]
    equal = difference.extents(TEXT, new)
    assert len(equal) == 4
    assert len(new) - sum(one.length for one in equal) == 51


def test_no_file_takes_long() -> None:
    """The work is in proportion to the size, also where each block is found everywhere."""
    for old, new in ((bytes(1 << 18), bytes(1 << 18)), (b"ab" * (1 << 17), b"ba" * (1 << 17))):
        assert len(difference.extents(old, new)) <= 2
