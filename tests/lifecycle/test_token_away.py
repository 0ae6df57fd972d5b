"""The key of a site is on a token, which is pulled out and put back while nodes renew over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lifecycle.parameters import Parameters
from tests.lifecycle.soak import sealed
from tests.lifecycle.stage import Stage
from tests.lifecycle.test_rotation import ended, runs, watch
from tests.worlds import softhsm

SIZE = Parameters(nodes=4, services=2, lifetime=40, installing=40, bad=0, steps=0)

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(bool(softhsm.missing()), reason=softhsm.missing()),
]


@pytest.fixture
def token(tmp_path: Path) -> Iterator[softhsm.Token]:
    with softhsm.plugged_in(tmp_path / "hsm") as made:
        yield made


def said(stage: Stage) -> int:
    """How many lines of the server's log say that its token is away."""
    return stage.log.read_text().count('"event": "key away", "code": "token-missing"')


def renewed_by_all(stage: Stage) -> None:
    """Wait until each service on each node has a new seal."""
    before = sealed(stage)

    def all_renewed() -> bool:
        return all(now > had for now, had in zip(sealed(stage), before, strict=True))

    watch(stage, all_renewed, "each seal is renewed", more=SIZE.lifetime)


def test_a_server_goes_on_when_its_token_is_back(tmp_path: Path, token: softhsm.Token) -> None:
    stage = Stage(tmp_path, SIZE, verbose=False, key=token.uri("slca"), pin=softhsm.PIN.encode())
    with stage:
        everything = len(stage.observer.wishes)
        watch(stage, lambda: len(stage.observer.last) == everything, "all services run")
        assert said(stage) == 0
        for node in stage.boards:
            stage.calm(node)  # its connection ends, and it comes back
        token.pull_out()
        watch(stage, lambda: said(stage) > 0, "the server notices it")
        token.put_back()
        renewed_by_all(stage)
        assert said(stage) == 1, "a line for the token, and not for each node"

        for node in stage.boards:
            stage.disturb(node)
        token.pull_out()  # for longer than a seal lives
        watch(stage, lambda: all(ended(stage, node) for node in stage.boards), "the end of seals")
        assert said(stage) == 2
        assert stage.server.connected() is not None, "the server itself goes on"
        token.put_back()
        more = 2.0 * max(board.failures for board in stage.boards.values())
        watch(
            stage,
            lambda: all(runs(stage, node) for node in stage.boards),
            "all run again",
            more=60.0 + more,
        )
        renewed_by_all(stage)
        for node in stage.boards:
            stage.calm(node)
    assert stage.observer.violations == []
