"""The frames of renewals that go together: their size, their order, what they say once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sealcore import messages
from triseal.certificate import Validity
from triseal.sim import specimen
from triseal.site.records.ledger import serial_bytes
from triseal.site.server.handlers import seals
from triseal.site.slca.authority import SignedSeal


def seal(number: int, signature: int = 256, later: int = 0) -> SignedSeal:
    """One of that number, with a signature of so many bytes, issued so many seconds later."""
    validity = Validity(specimen.NOW + later, specimen.NOW + later + 5000)
    one = specimen.site_seal(0)
    return replace(one, serial=number, signature=bytes(signature), validity=validity)


def parsed(frames: list[bytes]) -> list[tuple[int, int, list[tuple[str, bytes, bytes]]]]:
    """Values of each; all must be frames that a node takes."""
    found = []
    for frame in frames:
        assert messages.frame_size(frame[:4]) == len(frame) - 4
        kind, values = messages.parse(frame[4:])
        assert kind == messages.RENEWED
        found.append(values)
    return found


# How many, bytes of each signature and of each name; how many in each frame.
CASES: tuple[tuple[int, int, int, list[int]], ...] = (
    (0, 256, 10, []),
    (1, 256, 10, [1]),
    (30, 72, 10, [30]),
    (30, 256, 10, [27, 3]),
    (64, 72, 10, [64]),
    (64, 64, 63, [52, 12]),
    (2, 7000, 63, [1, 1]),
)


@pytest.mark.parametrize(("count", "signature", "name", "expected"), CASES)
def test_as_few_frames_as_hold_them_in_their_order(
    count: int, signature: int, name: int, expected: list[int]
) -> None:
    renewals = [(f"{number:0{name}}", seal(number + 1, signature)) for number in range(count)]
    found = parsed(seals.renewed(renewals))
    assert [len(deltas) for _, _, deltas in found] == expected
    said = [delta for _, _, deltas in found for delta in deltas]
    assert said == [(service, serial_bytes(one.serial), one.signature) for service, one in renewals]
    assert {values[:2] for values in found} <= {(specimen.NOW, specimen.NOW + 5000)}


def test_seals_of_another_second_have_a_frame_of_their_own() -> None:
    renewals = [("a", seal(1)), ("b", seal(2)), ("c", seal(3, later=1)), ("d", seal(4))]
    found = parsed(seals.renewed(renewals))
    assert [values[0] - specimen.NOW for values in found] == [0, 1, 0]
    assert [[name for name, _, _ in values[2]] for values in found] == [["a", "b"], ["c"], ["d"]]
