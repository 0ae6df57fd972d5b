"""The demo plays to its end; and it says so, and fails, where something is not refused as due."""

from __future__ import annotations

import pytest

from sealcore import errors
from tests import full
from triseal.demo import __main__ as demo
from triseal.demo.scene import Scene
from triseal.demo.tamperings import TAMPERINGS, Tampering
from triseal.site.cable import installation

STATIONS = ("seal", "countersign", "grant", "provision", "issue", "verify", "run")


def test_it_plays_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main() == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert tuple(line.split()[0] for line in lines[:7]) == STATIONS
    assert [line.split(": ")[-1] for line in lines[7:-1]] == [one.code for one in TAMPERINGS]
    assert printed.err == ""


def nothing(scene: Scene) -> None:
    """Nobody refuses what nobody does."""


def otherwise(scene: Scene) -> None:
    raise errors.Expired


@pytest.mark.parametrize("act", full.rows([nothing, otherwise], 0))
def test_it_fails_if_something_else_happens(
    act: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = Tampering("a thing that isn't refused as due", "kitchen", "rollback", act)  # type: ignore[arg-type]
    monkeypatch.setattr(demo, "TAMPERINGS", (wrong,))
    # Neither act needs what the stations have made.
    monkeypatch.setattr(demo, "STATIONS", ())
    monkeypatch.setattr(installation, "prepare", lambda *_: None)
    assert demo.main() == 1
    assert "FAILED, rollback was due" in capsys.readouterr().out


def test_it_fails_in_one_line_if_a_station_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(scene: Scene) -> str:
        raise errors.BadSignature

    monkeypatch.setattr(demo, "STATIONS", (("seal", broken),))
    assert demo.main() == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("triseal: bad-signature: ")
    assert len(printed.err.splitlines()) == 1
