"""Refusals from their names and codes, as boards print them."""

from __future__ import annotations

import pytest

from sealcore import errors
from triseal.advice import REFUSALS
from triseal.site.cable import refusals

OTHERS = ("OSError", "MemoryError", "SealError", "", "/lib/x.mpy", "__doc__", "const", "x y")


@pytest.mark.parametrize("code", REFUSALS)
def test_every_code_leads_to_its_refusal(code: str) -> None:
    found = refusals.coded(code)
    assert found is not None
    assert issubclass(found, errors.SealError)
    assert found.code == code
    assert refusals.named(found.__name__) is found


@pytest.mark.parametrize("name", OTHERS)
def test_nothing_else_is_a_refusal(name: str) -> None:
    assert refusals.named(name) is None
    assert refusals.coded(name) is None
