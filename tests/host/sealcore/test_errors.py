"""The table of refusals is complete, and no program asks for one that is not in it."""

import re
from pathlib import Path

import pytest

from sealcore import errors

ROOT = Path(__file__).resolve().parents[3]
USED = re.compile(r"\berrors\.([A-Z]\w+)")
LISTED = re.findall(r"^([A-Z][A-Za-z]+) {2,}[a-z]", str(errors.__doc__), re.MULTILINE)
FOLDERS = ("common/sealcore", "device/nlsm")


def _used(folder: str) -> set[str]:
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / folder).glob("*.py"))
    return {name for source in sources for name in USED.findall(source)}


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_raised_is_listed(folder: str) -> None:
    """A leaf is made of any name: a mistyped one would be a refusal that nobody expects."""
    assert _used(folder) - {"SealError"} <= set(LISTED)


def test_what_is_listed_is_raised() -> None:
    assert {name for folder in FOLDERS for name in _used(folder)} >= set(LISTED)


def test_codes_are_unlike() -> None:
    codes = [getattr(errors, name).code for name in LISTED]
    assert len(set(codes)) == len(codes) > 20
    for code in codes:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)
