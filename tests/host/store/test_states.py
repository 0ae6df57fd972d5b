"""States of releases and services: what is shown, what is served, what the Store still takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.host.store.test_standing import longer_validity
from tests.host.store.test_store import ADA, World, versioned
from tests.worlds import seals
from tests.worlds.site_world import code_of
from triseal.certificate import Validity
from triseal.log import entry
from triseal.log.writer import Folder
from triseal.store import pace
from triseal.store.changes import Why
from triseal.store.journal import FOLDER
from triseal.store.store import Store

WHY = Why("a reason", "Eve")
GIVEN = [versioned(version) for version in ("1.0", "1.1")]


def given(made: Store) -> None:
    for one in GIVEN:
        made.submit(one)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "store", begin=given) as made:
        yield made


def page(world: World, path: str) -> Any:
    return json.loads((world.home / "public/v1" / path).read_bytes())


def states(world: World) -> list[str]:
    return [row["state"] for row in page(world, "services/blink.json")["releases"]]


def offered(world: World) -> list[str]:
    return [row["version"] for row in page(world, "index.json")["services"]]


def served(world: World) -> set[str]:
    return {path.name for path in (world.home / "public/v1/packages").iterdir()}


def last_entry(world: World) -> entry.Entry:
    folder = Folder(world.home / FOLDER)
    size = page(world, "index.json")["size"]
    return entry.parse(folder.entries((size - 1) // 256, size)[-1])


def test_a_quarantined_release_is_served_by_nobody(world: World) -> None:
    before = served(world)
    row = page(world, "services/blink.json")["releases"][1]
    name = f"{row['package']}.triseal"
    content = (world.home / "public" / row["path"].lstrip("/")).read_bytes()
    assert world.store.quarantine("blink", "1.1", WHY).state == "active"
    assert served(world) == before - {name}
    assert (states(world), offered(world)) == (["listed", "quarantined"], ["1.0"])
    assert world.store.count_releases() == {"listed": 1, "quarantined": 1}
    held = page(world, "services/blink.json")["releases"][1]
    assert (held["reason"], held["who"], held["since"]) == ("a reason", "Eve", world.now)
    said = last_entry(world)
    assert (said.kind, said.service, said.version) == ("release-quarantined", "blink", "1.1")
    assert json.loads(said.detail) == {"reason": "a reason", "who": "Eve"}
    assert code_of(lambda: world.store.get("blink", "1.1")) == "quarantined"
    assert world.store.get("blink")[0].version == "1.0"
    # The developer who lost the answer gets none; who has a newer version is heard.
    assert code_of(lambda: world.store.submit(GIVEN[1])) == "quarantined"
    again = seals.package(ADA, version="1.1", validity=longer_validity())
    assert code_of(lambda: world.store.submit(again)) == "quarantined"
    world.store.submit(versioned("1.2"))
    assert offered(world) == ["1.2"]
    world.store.clear("blink", "1.1", WHY)
    assert (world.home / "public" / row["path"].lstrip("/")).read_bytes() == content
    assert states(world) == ["listed"] * 3
    assert last_entry(world).kind == "release-cleared"
    assert not list((world.home / "held").iterdir())


def test_former_seals_of_a_quarantined_release_are_served_by_nobody(world: World) -> None:
    world.store.renew(Validity(seals.LONG.not_before, seals.LONG.not_after + 9))
    assert len(served(world)) == 4
    world.store.quarantine("blink", "1.0", WHY)
    assert len(served(world)) == 2
    world.store.clear("blink", "1.0", WHY)
    assert len(served(world)) == 4


def test_what_is_made_again_meanwhile_is_not_offered(world: World) -> None:
    """Another process may have been about to answer when somebody held the release back."""
    release, _ = world.store.get("blink", "1.0")
    world.store.quarantine("blink", "1.0", WHY)
    before = served(world)
    for held in (world.home / "held").iterdir():
        held.unlink()  # or the file that is there would be found
    assert world.store._ledger.proved(release).proof
    assert served(world) == before


def test_a_quarantined_service_is_held_back_as_a_whole(world: World) -> None:
    assert world.store.quarantine("blink", "", WHY).state == "quarantined"
    assert not served(world)
    assert (states(world), offered(world)) == (["quarantined"] * 2, [])
    shown = page(world, "services/blink.json")
    assert (shown["state"], shown["owner"], shown["reason"]) == ("quarantined", "Ada", "a reason")
    for call in (
        lambda: world.store.get("blink"),
        lambda: world.store.get("blink", "1.0"),
        lambda: world.store.submit(versioned("1.2")),
        lambda: world.store.submit(GIVEN[1]),
    ):
        assert code_of(call) == "quarantined"
    world.store.clear("blink", "", WHY)
    assert (states(world), offered(world), len(served(world))) == (["listed"] * 2, ["1.1"], 2)
    assert world.store.get("blink")[0].version == "1.1"


def test_a_withdrawn_release_stays_withdrawn_after_its_quarantine(world: World) -> None:
    world.store.withdraw("blink", "1.1", Why("old", "Eve"))
    world.store.quarantine("blink", "1.1", WHY)
    assert states(world) == ["listed", "quarantined"]
    world.store.clear("blink", "1.1", WHY)
    assert states(world) == ["listed", "withdrawn"]
    assert page(world, "services/blink.json")["releases"][1]["reason"] == "old"
    assert offered(world) == ["1.0"]
    assert world.store.count_releases() == {"listed": 1, "withdrawn": 1}


def test_pages_of_an_older_form_are_written_again(world: World) -> None:
    public = world.home / "public/v1"
    index = page(world, "index.json")
    del index["form"]
    (public / "index.json").write_text(json.dumps(index))
    (public / "services/blink.json").write_text('{"service": "blink", "releases": []}')
    world.store.publish()
    assert page(world, "services/blink.json")["owner"] == "Ada"


def test_an_archived_service_is_served_and_takes_nothing_new(world: World) -> None:
    assert world.store.archive("blink", WHY).state == "archived"
    assert page(world, "services/blink.json")["state"] == "archived"
    assert (len(served(world)), offered(world)) == (2, ["1.1"])
    assert code_of(lambda: world.store.submit(versioned("1.2"))) == "archived"
    assert world.store.submit(GIVEN[1])[0].version == "1.1"  # the same answer as before
    world.store.reopen("blink", WHY)
    world.store.submit(versioned("1.2"))
    assert offered(world) == ["1.2"]


WRONG: tuple[tuple[str, Callable[[World], object]], ...] = (
    ("wrong-state", lambda w: w.store.clear("blink", "", WHY)),
    ("wrong-state", lambda w: w.store.clear("blink", "1.0", WHY)),
    ("wrong-state", lambda w: w.store.reopen("blink", WHY)),
    ("unknown-service", lambda w: w.store.quarantine("lamp", "", WHY)),
    ("unknown-service", lambda w: w.store.quarantine("blink", "9", WHY)),
    ("unknown-service", lambda w: w.store.archive("lamp", WHY)),
    ("bad-reason", lambda w: w.store.archive("blink", Why("a\nb"))),
    ("unknown-developer", lambda w: w.store.set_limits("Zoe", 1, 1)),
)


def test_a_decision_that_does_not_fit_changes_nothing(world: World) -> None:
    size = page(world, "index.json")["size"]
    for code, call in WRONG:
        assert code_of(partial(call, world)) == code
    world.store.archive("blink", WHY)
    world.store.quarantine("blink", "", WHY)
    for again in (
        lambda: world.store.archive("blink", WHY),
        lambda: world.store.quarantine("blink", "", WHY),
    ):
        assert code_of(again) == "wrong-state"
    assert page(world, "index.json")["size"] == size + 2


def test_a_developer_submits_so_much_in_an_hour(world: World) -> None:
    assert world.store.limits("Ada") == pace.Limits()
    world.store.set_limits("Ada", 3, None)
    world.store.submit(versioned("1.2"))
    assert code_of(lambda: world.store.submit(versioned("1.3"))) == "too-many-submissions"
    world.store.submit(GIVEN[1])  # the same answer again is no submission
    world.now += pace.HOUR
    world.store.submit(versioned("1.3"))
    world.store.set_limits("Ada", 0, None)
    world.now += pace.HOUR
    assert code_of(lambda: world.store.submit(versioned("1.4"))) == "too-many-submissions"
    world.store.set_limits("Ada", 3, 10)
    assert code_of(lambda: world.store.submit(versioned("1.4"))) == "package-too-large"
    assert world.store.limits("Ada") == pace.Limits(3, 10)
