"""The OpenAPI documents of a Store name each route, and no answer is another than they say."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.host.store.test_store import ADA_KEY, World, versioned
from triseal import database, request
from triseal.log.writer import Folder
from triseal.signer import KeySigner
from triseal.store.changes import Why
from triseal.store.journal import FOLDER
from triseal.store.server import admin, problems
from triseal.store.server.app import app
from triseal.store.server.events import Events
from triseal.store.server.metrics import Metrics

# For people, or about the document itself; see `people`.
_OTHERS = {
    "/openapi.json",
    "/",
    "/search",
    "/services/{name}",
    "/services/{name}/{version}",
    "/developers/{fingerprint}",
    "/style.css",
    "/{path:path}",
}
_PROBLEM = {"type", "status", "title", "detail", "code", "advice"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("openapi") / "store") as made:
        made.store.submit(versioned("1.0"))
        made.store.submit(versioned("1.1"))
        made.store.quarantine("blink", "1.0", Why("why"))
        yield made


@dataclass
class Face:
    """An application with its document."""

    made: FastAPI
    document: dict[str, Any]

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.made, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://store") as client:
                return await client.request(method, path, **more)

        return asyncio.run(send())


@pytest.fixture(scope="module")
def faces(world: World, tmp_path_factory: pytest.TempPathFactory) -> list[Face]:
    incoming = tmp_path_factory.mktemp("incoming")
    events = Events(Folder(world.home / FOLDER))
    events.stop()  # streams end at once
    made = app(world.store, incoming, Metrics(), events), admin.app(world.store)
    return [Face(one, one.openapi()) for one in made]


def test_each_route_is_in_the_document(faces: list[Face]) -> None:
    for face in faces:
        routes = {
            re.sub(r":path}", "}", route.path): {method.lower() for method in route.methods or ()}
            for route in face.made.routes
            if isinstance(route, APIRoute) and route.path not in _OTHERS
        }
        assert routes == {path: set(said) for path, said in face.document["paths"].items()}


def test_the_documents_are_of_version_3_1_and_name_the_code_of_each_refusal(
    faces: list[Face],
) -> None:
    for face in faces:
        assert face.document["openapi"].startswith("3.1")
        assert set(face.document["components"]["schemas"]["Problem"]["properties"]) == _PROBLEM
        for path, said in face.document["paths"].items():
            for method, operation in said.items():
                assert "default" in operation["responses"], (path, method)
                assert "422" not in operation["responses"], (path, method)


def test_what_exists_is_read_as_documented(world: World, faces: list[Face]) -> None:
    index = json.loads((world.home / "public/v1/index.json").read_bytes())
    values = {
        "service": "blink",
        "digest": index["services"][0]["package"],
        "tile": f"0/000.p/{index['size']}",
    }
    for path in faces[0].document["paths"]:
        if path.startswith(("/log", "/v1/s", "/v1/i", "/v1/p")) and path != "/v1/submissions":
            assert faces[0].ask("GET", path.format(**values)).status_code == 200, path
    held = json.loads((world.home / "public/v1/services/blink.json").read_bytes())["releases"][0]
    assert faces[0].ask("GET", held["path"]).json()["code"] == "quarantined"


# Words that mean something to the Store, and anything else.
_KNOWN = ["blink", "1.0", "1.1", "Ada", "Bob", "why", request.fingerprint(KeySigner(ADA_KEY).spki)]
_TEXTS = st.sampled_from(_KNOWN) | st.text(max_size=20)
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=4,
)


def _header(text: str) -> str:
    return "".join(letter for letter in text if " " <= letter <= "~").strip()


@st.composite
def calls(draw: st.DrawFn, document: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """A call of a documented operation with any values."""
    path = draw(st.sampled_from(sorted(document["paths"])))
    method = draw(st.sampled_from(sorted(document["paths"][path])))
    operation = document["paths"][path][method]
    more: dict[str, Any] = {"headers": {}, "params": {}}
    for one in operation.get("parameters", ()):
        text = draw(_TEXTS | st.integers(-1, 1 << 70).map(str))
        if one["in"] == "path":
            quoted = httpx.URL("/").copy_with(params={"x": text}).query.decode()[2:]
            path = path.replace("{" + one["name"] + "}", quoted)
        elif draw(st.booleans()):
            where, value = ("headers", _header(text)) if one["in"] == "header" else ("params", text)
            more[where][one["name"]] = value
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        reference = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
        names = document["components"]["schemas"][reference]["properties"]
        body = {name: draw(_TEXTS | _JSON) for name in names if draw(st.integers(0, 5))}
        more["json"] = body if draw(st.integers(0, 9)) else draw(_JSON)
    elif content:
        more["content"] = draw(st.binary(max_size=40))
    return method, path, more


@pytest.mark.parametrize("which", [0, 1], ids=["public", "admin"])
def test_each_answer_is_one_that_is_documented(faces: list[Face], which: int) -> None:
    face = faces[which]

    @settings(
        max_examples=80,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(calls(face.document))
    def check(call: tuple[str, str, dict[str, Any]]) -> None:
        method, path, more = call
        answer = face.ask(method.upper(), path, **more)
        route = next(
            one["responses"]
            for pattern, said in face.document["paths"].items()
            for name, one in said.items()
            if name == method and _fits(pattern, path)
        )
        assert str(answer.status_code) in route, (call, answer.text)
        assert answer.status_code != 500, (call, answer.text)
        if answer.status_code >= 400 and method != "head":
            assert answer.headers["content-type"] == problems.MEDIA_TYPE
            said = answer.json()
            assert set(said) == _PROBLEM
            assert said["status"] == answer.status_code
            assert problems.status(said["code"]) == answer.status_code
            assert said["detail"]

    check()


def _fits(pattern: str, path: str) -> bool:
    wanted = "".join(
        "[^/]*" if part.startswith("{") else re.escape(part)
        for part in re.split(r"({[^}]*})", pattern)
    )
    return bool(re.fullmatch(wanted, path))


def test_a_defect_is_told_without_its_text(faces: list[Face], tmp_path: Path) -> None:
    made = FastAPI()
    problems.install(made)

    @made.get("/")
    def fail() -> None:
        raise RuntimeError("a secret")

    answer = Face(made, {}).ask("GET", "/")
    assert (answer.status_code, answer.json()["code"]) == (500, "defect")
    assert "secret" not in answer.text


def test_strangers_learn_no_path_of_the_database() -> None:
    for kind in (database.DatabaseGone, database.DiskFull, database.DatabaseOnReadOnlyDisk):
        answer = problems.of(kind("/srv/secret.sqlite"))
        assert (answer.status_code, b"secret" in bytes(answer.body)) == (503, False)
