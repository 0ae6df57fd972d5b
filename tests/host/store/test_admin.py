"""The API for whoever runs the Store: the decisions of the commands, over a Unix socket."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.host.store.test_store import BOB_KEY, World, versioned
from triseal import request, signer
from triseal.cli.main import main
from triseal.signer import KeySigner
from triseal.store import changes
from triseal.store.server import admin
from triseal.store.server.certified import name_of
from triseal.store.store import Store


def one_release(made: Store) -> None:
    made.submit(versioned("1.0"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "store", begin=one_release) as made:
        yield made


Body = dict[str, Any] | None
Call = Callable[..., tuple[int, Any]]


@pytest.fixture
def call(world: World) -> Call:
    """Sends one request to the application, as Eve."""
    transport = httpx.ASGITransport(admin.app(world.store), client=("Eve", 0))

    async def send(path: str, body: Body) -> tuple[int, Any]:
        async with httpx.AsyncClient(transport=transport, base_url="http://admin") as client:
            answer = await client.request("GET" if body is None else "POST", path, json=body)
            return answer.status_code, answer.json()

    def run(path: str, body: Body = None) -> tuple[int, Any]:
        return asyncio.run(send(f"/v1/admin/{path}", body))

    return run


BLINK = {"service": "blink", "reason": "why"}
STEPS: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    ("suspend", {"name": "Ada", "reason": "why"}, "state", "suspended"),
    ("resume", {"name": "Ada", "reason": "why"}, "state", "approved"),
    ("withdraw", BLINK | {"version": "1.0"}, "state", "withdrawn"),
    ("quarantine", BLINK | {"version": "1.0"}, "state", "active"),
    ("clear", BLINK | {"version": "1.0"}, "state", "active"),
    ("quarantine", BLINK, "state", "quarantined"),
    ("clear", BLINK, "state", "active"),
    ("archive", BLINK, "state", "archived"),
    ("reopen", BLINK, "state", "active"),
    ("hand-over", BLINK | {"to": "Bob"}, "former_owner", "Ada"),
)


def test_each_decision_is_recorded_with_the_user_who_made_it(world: World, call: Call) -> None:
    status, known = call("approve", {"fingerprint": world.bob.fingerprint})
    assert (status, known["state"]) == (200, "approved")
    for action, body, name, value in STEPS:
        status, facts = call(action, body)
        assert (status, facts.get(name)) == (200, value), (action, facts)
    new = world.store.register(request.make(KeySigner(signer.generate("p256")), "Bob"))
    body = {"name": "Bob", "fingerprint": new.fingerprint, "reason": "why"}
    assert call("approve-key", body)[1]["replaces"] == request.fingerprint(KeySigner(BOB_KEY).spki)
    assert call("limit", {"name": "Bob", "hourly": 5})[1]["hourly"] == 5
    _, found = call("changes?since=2")
    assert {one["who"] for one in found} == {"Eve"}
    assert {one["reason"] for one in found} == {"why"}
    assert len(found) == len(STEPS) + 1
    known = {"service": "blink", "owner": "Bob", "state": "active"}
    assert call("services")[1] == [known | {"archived_at": None, "quarantined_at": None}]
    assert [one["version"] for one in call("releases?service=blink")[1]] == ["1.0"]
    assert {one["state"] for one in call("developers")[1]} == {"approved", "replaced"}


REFUSED: tuple[tuple[str, dict[str, Any] | None, int, str], ...] = (
    ("approve", {"fingerprint": "00"}, 404, "unknown-developer"),
    ("approve", {}, 400, "bad-request"),
    ("suspend", {"name": "Ada", "reason": ""}, 400, "bad-request"),
    ("suspend", {"name": "Ada", "reason": "a\nb"}, 400, "bad-reason"),
    ("suspend", {"name": "Ada", "reason": "x" * 201}, 400, "bad-request"),
    ("suspend", {"name": "Ada", "reason": "why", "force": True}, 400, "bad-request"),
    ("resume", {"name": "Ada", "reason": "why"}, 409, "wrong-state"),
    ("withdraw", BLINK | {"version": "9"}, 404, "unknown-service"),
    ("archive", {"service": 7, "reason": "why"}, 400, "bad-request"),
    ("limit", {"name": "Ada", "hourly": -1}, 400, "bad-request"),
    ("changes?since=-1", None, 400, "bad-request"),
    ("everything", None, 404, "not-found"),
    ("approve", None, 405, "not-found"),
)


def test_what_is_refused_changes_nothing(world: World, call: Call) -> None:
    before = world.store.changes()
    for path, body, status, code in REFUSED:
        answered, problem = call(path, body)
        assert (answered, problem["code"], problem["status"]) == (status, code, status), path
        assert problem["detail"]
        assert problem["advice"]
    assert world.store.changes() == before


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="the kernel does not say it here")
def test_the_kernel_says_who_is_at_the_other_end() -> None:
    here, there = socket.socketpair(socket.AF_UNIX)
    with here, there:
        assert admin.user_of(here) == f"local:{pwd.getpwuid(os.getuid()).pw_name}"


NAMES = (
    ("alice", "local:alice"),
    ("certificate:Eve", "local:certificate:Eve"),
    ("", "local:uid 7"),
    ("a\nb", "local:uid 7"),
    ("a" * 58, "local:" + "a" * 58),
    ("a" * 59, "local:uid 7"),
    (" ", "local:uid 7"),
)


@pytest.mark.parametrize(("name", "wanted"), NAMES)
def test_a_user_of_the_computer_is_always_told_from_a_certificate(name: str, wanted: str) -> None:
    assert changes.local(name, 7) == wanted


@pytest.mark.parametrize("name", ["local:root", "certificate:Eve", "uid 0", "Eve Adams", "local:"])
def test_a_certificate_is_never_taken_for_a_user_of_the_computer(name: str) -> None:
    known = name_of({"subject": ((("commonName", name),),)})
    assert known == f"certificate:{name}"
    assert not changes.matches(known, changes.LOCAL)
    assert changes.matches(known, changes.CERTIFIED)
    assert not changes.matches(known, name)


def test_changes_are_listed_by_who_made_them(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    people = ("local:Eve", "certificate:Eve", "certificate:local:Eve", "Eve")
    for turn, who in enumerate(people):
        act = world.store.resume if turn % 2 else world.store.suspend
        act("Ada", changes.Why("why", who))
    words = ("store", "changes", "--home", str(world.home), "--json", "--who")
    for wanted, found in (
        *((one, [one]) for one in people),
        ("local:", ["local:Eve"]),
        ("certificate:", ["certificate:Eve", "certificate:local:Eve"]),
        ("local:nobody", []),
    ):
        assert main([*words, wanted]) == 0
        assert [one["who"] for one in json.loads(capsys.readouterr().out)] == found
    for wanted in ("loc", "nobody", "LOCAL:Eve"):  # a name alone was recorded by older programs
        assert main([*words, wanted]) == 1
        assert '"bad-who"' in capsys.readouterr().err
