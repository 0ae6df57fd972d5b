"""The documents as a site: every link leads somewhere, every page is in the menu."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from docs import build

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("page", build.pages(), ids=str)
def test_every_link_leads_somewhere(page: Path) -> None:
    build.linked_files(page)


def test_a_link_that_leads_nowhere_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path)
    (tmp_path / "page.md").write_text("[a](there.md) [b](https://example.org/none)\n")
    with pytest.raises(SystemExit, match=r"page\.md links to there\.md"):
        build.linked_files(Path("page.md"))
    (tmp_path / "there.md").write_text("here\n")
    assert build.linked_files(Path("page.md")) == []


@pytest.mark.long
def test_the_site_builds_without_a_warning() -> None:
    """MkDocs itself checks anchors, menu and docstrings; `--strict` makes a warning an error."""
    done = subprocess.run(
        [sys.executable, "-m", "docs.build"],
        cwd=ROOT / "tools",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (build.SITE / "index.html").is_file()
    assert (build.SITE / "reference" / "sealcore.html").is_file()
