"""What leaves over a serial line never fills a port that keeps 255 bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triseal.site.server.transports.outlet import PIECE, Outlet

KEPT = 255

# A line: a message (which the node tells the pieces of), or a newline on its own.
lines = st.lists(st.one_of(st.just(b"\n"), st.integers(1, 1000).map(lambda n: b"~" * n + b"\n")))


@given(lines, st.data())
def test_all_arrives_in_order_and_never_more_than_a_port_keeps(
    wanted: list[bytes], data: st.DataObject
) -> None:
    outlet = Outlet()
    for line in wanted:
        outlet.add(line)
    arrived = b""
    while outlet.size:
        waiting = b""
        while piece := outlet.room():
            taken = data.draw(st.integers(1, len(piece)), "the system takes")
            waiting += piece[:taken]
            outlet.left(taken)
            if waiting.endswith(b"\n"):
                break  # the node has as much time as it takes to send a line
        assert waiting, "it goes on"
        assert len(waiting) <= KEPT
        arrived = node_takes(outlet, arrived, waiting)
    assert arrived == b"".join(wanted)


def node_takes(outlet: Outlet, arrived: bytes, waiting: bytes) -> bytes:
    """As `nlsm.console` does it: a word for each piece of a message's line."""
    for byte in waiting:
        arrived += bytes([byte])
        text = arrived.rpartition(b"\n")[2]
        if text and len(text) % PIECE == 0:
            outlet.taken()
    return arrived


def test_what_was_begun_is_ended_and_the_rest_forgotten() -> None:
    outlet = Outlet()
    outlet.add(b"~" * 500 + b"\n")
    outlet.left(len(outlet.room()))
    outlet.clear()
    assert outlet.room() == b"\n"
    outlet.left(1)
    assert (outlet.size, outlet.room()) == (0, b"")


@pytest.mark.parametrize("words", [1, 5])
def test_words_that_nothing_was_sent_for_make_no_room(words: int) -> None:
    outlet = Outlet()
    outlet.add(b"~" * 500 + b"\n")
    outlet.left(len(outlet.room()))
    outlet.taken()
    outlet.taken()
    for _ in range(words):
        outlet.taken()
    assert len(outlet.room()) <= 2 * PIECE
