"""The rehearsal of a change of the site's key."""

from __future__ import annotations

import pytest

from triseal.demo import rehearsal, scene


def test_it_plays_to_its_end() -> None:
    said: list[str] = []
    done = rehearsal.play(1, said.append)
    assert list(done.seconds) == ["prepare", "activate", "taint", "revoke", "confirmed"]
    assert done.nodes == 1
    assert said[0] == "1 virtual nodes run a service"
    assert said[-1].endswith("no service stopped")


STOPPED = (
    ("it runs no more", ("ended", 0)),
    ("it was started again", ("running", 1)),
    ("nothing is known of it", (None, 0)),
)


@pytest.mark.parametrize(("sentence", "state"), STOPPED, ids=[row[0] for row in STOPPED])
def test_a_service_that_stops_makes_it_fail(
    sentence: str, state: tuple[str | None, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: scene.Scene = None  # type: ignore[assignment] # nobody looks at it
    monkeypatch.setattr(rehearsal, "_places", lambda _: {"node-1": ("running", 0), "node-2": state})
    rehearsal._check(made, ["node-1"])
    with pytest.raises(rehearsal.RehearsalFailed, match="node-2"):
        rehearsal._check(made, ["node-1", "node-2"])
