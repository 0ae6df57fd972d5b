"""The history of refusals, and the evidence that nodes have reported, as commands show them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealcore import seal
from sealcore.compat import sha256
from tests.worlds.site_world import NOW, World, make_store, signed_package
from triseal import database, evidence
from triseal.cli.main import main
from triseal.site.records import reports
from triseal.site.records.placement import Place
from triseal.site.rules import trust

THERMO = Place("kitchen", "thermo")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "site") as made:
        for node in ("hall", "kitchen"):
            made.add_node(node)
        yield made


def keep(world: World, place: Place, code: str, seals: list[bytes] | None = None) -> None:
    """A node reports; a minute passes."""
    with database.writing(world.manager.engine) as connection:
        reports.keep(connection, place, code, "app.py\n\x1b[2J", seals or [], world.now)
    world.now += 60


def altered(world: World, version: str = "1.0") -> list[bytes]:
    """The developer's seal, and a Store seal over other content than it says."""
    package = world.store.countersign(signed_package(world.developer, version=version))
    developer = seal.parse(package.developer_seal, seal.DEVELOPER)
    core = bytes(developer.core).replace(sha256(package.executable), sha256(b"x"))
    return [package.developer_seal, world.store.countersign(package, core).store_seal]


def told(world: World, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(("site", *words, "--home", str(world.folder))) == 0
    return capsys.readouterr().out


def test_refusals_are_listed_the_newest_first(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(world, capsys, "refusals") == "no reports\n"
    keep(world, THERMO, "rollback")
    keep(world, Place("hall", "thermo"), "ValueError")
    keep(world, Place("kitchen", "light"), "hash-mismatch")
    world.manager.retire("kitchen")
    rows = json.loads(told(world, capsys, "refusals", "--json"))
    assert [row["code"] for row in rows] == ["hash-mismatch", "ValueError", "rollback"]
    assert rows[2] == {
        "told_at": "2026-11-18T11:06:40Z",
        "node": "kitchen",
        "service": "thermo",
        "code": "rollback",
        "detail": "app.py\n\x1b[2J",
        "seals": 0,
    }
    shown = told(world, capsys, "refusals", "--node", "kitchen").splitlines()
    assert [line.split("\t")[2] for line in shown] == ["service", "light", "thermo"]
    assert "\x1b" not in "".join(shown)  # a node does not steer the terminal


# (options, codes that they select)
CHOICES = [
    (("--service", "thermo"), ["ValueError", "rollback"]),
    (("--service", "thermo", "--node", "hall"), ["ValueError"]),
    (("--since", "2026-11-18T11:07Z"), ["ValueError"]),
    (("--since", "2026-11-18T12:07+01:00"), ["ValueError"]),
    (("--since", "2026-11-19"), []),
    (("--since", "99999d"), ["ValueError", "rollback"]),
]


def test_refusals_are_chosen(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    keep(world, THERMO, "rollback")
    keep(world, Place("hall", "thermo"), "ValueError")
    for options, codes in CHOICES:
        rows = json.loads(told(world, capsys, "refusals", *options, "--json"))
        assert [row["code"] for row in rows] == codes, options
    for wrong in ("yesterday", "-5m", "5w", "2026-13-01", "1" * 10 + "d"):
        assert main(("site", "refusals", "--since", wrong, "--home", str(world.folder))) == 2
    assert main(("site", "refusals", "--node", "attic", "--home", str(world.folder))) == 1
    assert "unknown-node" in capsys.readouterr().err


def test_evidence_is_written_once_and_can_be_checked(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert told(world, capsys, "evidence", str(out)) == "no evidence was reported\n"
    assert not out.exists()
    pair = altered(world)
    for _ in range(2):  # a node repeats its report when it is offered the same again
        keep(world, THERMO, "seal-mismatch", pair)
    keep(world, Place("hall", "thermo"), "seal-mismatch", [b"no seal", pair[0], bytes(4999)])
    for _ in range(2):
        (row,) = json.loads(told(world, capsys, "evidence", str(out), "--json"))
        assert (row["node"], row["service"], row["signatures"]) == ("kitchen", "thermo", "proven")
        assert (row["kind"], row["role"], row["signer"]) == ("altered", "Store seal", "Store")
        (path,) = out.iterdir()
        assert row["file"] == str(path)
    with database.reading(world.manager.engine) as connection:
        trusted = trust.current(connection, world.manager.issuer)
        finding = evidence.check(path.read_bytes(), trusted)
    assert "executable_hash" in finding.differences


def test_evidence_that_a_lying_node_made_up_is_not_called_proven(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    honest = world.store
    world.store = make_store("Store", began=NOW)
    forged = altered(world)
    world.store = honest
    keep(world, THERMO, "seal-mismatch", forged)
    keep(world, Place("../../hall", "thermo"), "seal-mismatch", altered(world, "2.0"))
    rows = json.loads(told(world, capsys, "evidence", str(tmp_path / "out"), "--json"))
    assert [row["signatures"] for row in rows] == ["proven", "bad-signature"]
    assert sorted(path.parent.name for path in (tmp_path / "out").iterdir()) == ["out", "out"]
    first = Path(str(rows[0]["file"])).name
    assert first.startswith("______hall-thermo-")
    assert first.endswith(".evidence")
