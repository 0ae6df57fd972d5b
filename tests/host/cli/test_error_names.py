"""Refusals are made when they are asked for, so a name that is misspelt would be one more."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from sealcore import errors

ROOT = Path(__file__).resolve().parents[3]
LEAVES = re.findall(r"^([A-Z][A-Za-z]+) {2,}\S", errors.__doc__ or "", re.MULTILINE)


def asked_for(path: Path) -> set[str]:
    """The names that a module takes from `sealcore.errors`."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    names = set()
    ours = False
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="errors"), attr=name) if name != "__doc__":
                names.add(name)
            case ast.ImportFrom(module="sealcore" | None, names=imported):
                ours = ours or any(one.name == "errors" for one in imported)
            case ast.ImportFrom(module="sealcore.errors", names=imported):
                return {one.name for one in imported}
    return names if ours else set()


@pytest.mark.parametrize("folder", ["common/sealcore", "device/nlsm", "host/triseal"])
def test_only_refusals_of_the_table_are_asked_for(folder: str) -> None:
    known = {*LEAVES, "SealError"}
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for name in asked_for(path) - known
    }
    assert not found


def test_every_refusal_of_the_table_has_its_code() -> None:
    assert len(LEAVES) == len(set(LEAVES)) > 20
    for name in LEAVES:
        leaf = getattr(errors, name)
        assert leaf.code == re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
        assert issubclass(leaf, errors.SealError)
        assert leaf is getattr(errors, name)


def test_names_of_the_language_are_no_refusals() -> None:
    with pytest.raises(AttributeError):
        errors.__wrapped__  # noqa: B018 - what tools ask every module for
