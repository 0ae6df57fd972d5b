"""Schemathesis, which is not ours, calls all operations of a Store as its documents describe them.

It makes values that fit the document and values that do not, and compares each answer with what is
documented for it: status, media type, headers and schema. `test_openapi` does the same with words
that mean something to a Store.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from fastapi import FastAPI

from tests.host.store.test_store import World, versioned
from triseal.log.writer import Folder
from triseal.store.journal import FOLDER
from triseal.store.server import admin
from triseal.store.server.app import app
from triseal.store.server.events import Events
from triseal.store.server.metrics import Metrics

# Each worker reads this file, and one of them runs it: so what takes long to load is loaded there.
if TYPE_CHECKING:
    from schemathesis import APIOperation, Case, GenerationMode

# A document can't say which bytes are a package or a request.
_BYTES = ("/v1/developers", "/v1/submissions", "/v1/cosignatures")
_FEW, _MANY = 4, 150


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, FastAPI]]:
    with World(tmp_path_factory.mktemp("schemathesis") / "store") as world:
        world.store.submit(versioned("1.0"))
        events = Events(Folder(world.store.files.below(FOLDER)))
        events.stop()  # streams end at once
        public = app(world.store, incoming(world.home), Metrics(), events)
        yield {"public": public, "admin": admin.app(world.store)}


def incoming(home: Path) -> Path:
    (home / "incoming").mkdir()
    return home / "incoming"


def calls(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, number: int) -> int:
    """Call an operation, and return how many calls there were."""
    from schemathesis import GenerationMode
    from schemathesis.checks import positive_data_acceptance

    made = 0
    ignored = [positive_data_acceptance] if operation.path in _BYTES else []

    @hypothesis.settings(
        max_examples=number,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(operation.as_strategy(generation_mode=mode))
    def call(case: Case[Any]) -> None:
        nonlocal made
        made += 1
        case.call_and_validate(excluded_checks=ignored)

    try:
        call()
    except hypothesis.errors.Unsatisfiable:  # without parameters nothing can be wrong
        assert mode is GenerationMode.NEGATIVE
    return made


@pytest.mark.parametrize(
    ("face", "mode"),
    [
        ("public", "positive"),  # nearly everything that is wrong fits this document
        ("admin", "positive"),
        ("admin", "negative"),
    ],
)
def test_each_answer_fits_the_document(
    faces: dict[str, FastAPI], face: str, mode: str, request: pytest.FixtureRequest
) -> None:
    import schemathesis
    from schemathesis.core.result import Ok

    generation = schemathesis.GenerationMode(mode)
    number = _MANY if request.config.getoption("full") else _FEW
    schema = schemathesis.openapi.from_asgi("/openapi.json", faces[face])
    operations = [one.ok() for one in schema.get_all_operations() if isinstance(one, Ok)]
    assert sum(calls(one, generation, number) for one in operations) > number * len(operations) // 2
