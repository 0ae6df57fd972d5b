"""A computer that does not know the time signs nothing: it says so, and leaves nothing behind."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.host.commands import KEY, METADATA, SERVICE, Commands
from triseal.certificate import MADE

SIGN = ("--name", "blink", "--version", "1.0", "--security-version", "1")


@pytest.mark.parametrize("moment", [0, 86400, MADE - 1])
def test_nothing_is_signed_without_the_time(
    empty: Commands, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    Path("blink.py").write_text(SERVICE, encoding="utf-8")
    Path("meta.json").write_text(METADATA, encoding="utf-8")
    empty.run("dev", "init", "--name", "Ada", *KEY)
    before = {path for path in Path().rglob("*") if path.is_file()}
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: float(moment))
        for words in (
            ("dev", "sign", "blink.py", *SIGN, "--metadata", "meta.json"),
            ("store", "init", "--name", "Shop", *KEY),
            ("site", "init", "house", *KEY),
        ):
            assert empty.fails(*words) == "clock-not-set"
    assert {path for path in Path().rglob("*") if path.is_file()} == before
    empty.run("store", "init", "--name", "Shop", *KEY)
    empty.run("site", "init", "house", *KEY)
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: float(moment))
        assert empty.fails("store", "renew") == "clock-not-set"
        empty.run("store", "list")  # what signs nothing needs no time
        empty.run("site", "status")
