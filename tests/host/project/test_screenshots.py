"""The pictures of a Store's pages: a browser shows them whole, however narrow it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from docs import screenshots
from tests import needs

_EDGE = 12  # pixels, less than the padding of the pages


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    if reason := needs.chromium():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("pictures")
    with screenshots.served() as base:
        for name in ("service", "release"):
            file = folder / f"{name}.png"
            url = base + screenshots.PAGES[name]
            screenshots.browse(url, folder / "profile", file, 390, dark=name == "release")
    return {one.stem: one for one in folder.glob("*.png")}


def test_no_page_is_wider_than_a_telephone(pictures: dict[str, Path]) -> None:
    grounds: list[int] = []
    for name in ("service", "release"):
        with Image.open(pictures[name]) as picture:
            shown = picture.convert("L").crop((0, 0, 390, 880))  # below is the window's frame
            assert picture.width == 390
        edge = set(shown.crop((390 - _EDGE, 0, 390, 880)).tobytes())
        assert len(edge) == 1, name
        assert len(set(shown.tobytes())) > 1
        grounds += edge
    assert grounds[0] > 240  # light
    assert grounds[1] < 40  # and dark, as the reader wants


def test_without_a_browser_the_page_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    screenshots.write(tmp_path / "page.md")
    assert "apt install chromium" in (tmp_path / "page.md").read_text(encoding="utf-8")
