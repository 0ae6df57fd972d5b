"""Each party but a developer with the kind tries to have an agent or a firmware installed.

What the site and the node say to it, as rows; `tests/device/test_kinds.py` has the same attempts on
a running node.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.host.site.test_firmware import IMAGE, SAID
from tests.host.site.test_kinds import as_node
from tests.worlds.site_world import NOW, YEAR, World, code_of, make_developer
from triseal import bundles
from triseal.certificate import Validity
from triseal.developer import agent, firmware
from triseal.developer.home import Developer
from triseal.developer.sign import Release, sign
from triseal.package import Package
from triseal.signer import KeySigner, generate

NAME = "system"
OTHER = {"agent": "firmware", "firmware": "agent"}


@dataclass(frozen=True)
class Attempt:
    """What comes to the site, and with a seal of the site to the node.

    Attributes:
        package: it.
        node, sealed: the node and the kind that the site's seal says.
        how: more for `as_node`.
    """

    package: Package
    node: str = "kitchen"
    sealed: str = ""
    how: dict[str, object] = field(default_factory=dict)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "site") as made:
        made.add_node("kitchen")
        yield made


def allow(world: World, *kinds: str) -> None:
    world.manager.distrust_developer(world.developer.name)
    key = world.developer.signer.spki
    world.manager.trust_developer(world.developer.name, key, kinds=bundles.kinds_of(kinds))


def made(world: World, kind: str, developer: Developer | None = None) -> Package:
    """An agent or a firmware that a developer and the Store have sealed."""
    if kind == "agent":
        found = agent.read()
        name, content, text = found.name, found.content, agent.metadata()
    else:
        said = json.dumps({"firmware": SAID}).encode()
        name, content, text = "app.bin", IMAGE, firmware.metadata(said, IMAGE)
    validity = Validity(NOW - 100, NOW + YEAR)
    release = Release(NAME, "1.0", 1, text)
    signed = sign(developer or world.developer, release, name, content, validity)
    return world.store.countersign(signed)


def honest(world: World, kind: str) -> Attempt:
    return Attempt(made(world, kind))


def of_services(world: World, kind: str) -> Attempt:
    allow(world, "service")
    return honest(world, kind)


def of_the_other_kind(world: World, kind: str) -> Attempt:
    allow(world, "service", OTHER[kind])
    return honest(world, kind)


def stranger(world: World, kind: str) -> Attempt:
    return Attempt(made(world, kind, make_developer("Eve")))


def namesake(world: World, kind: str) -> Attempt:
    return Attempt(made(world, kind, make_developer(world.developer.name)))


def store_as_developer(world: World, kind: str) -> Attempt:
    return Attempt(made(world, kind, Developer(world.developer.name, world.store.signer)))


def swapped(world: World, kind: str) -> Attempt:
    """The seals of a service, and all that they are not of."""
    own, service = made(world, kind), world.package(NAME)
    return Attempt(
        replace(own, developer_seal=service.developer_seal, store_seal=service.store_seal)
    )


def renamed(world: World, kind: str) -> Attempt:
    """The seals and the code of a service, and the metadata of the other."""
    return Attempt(replace(world.package(NAME), metadata=made(world, kind).metadata))


def rewritten(world: World, kind: str) -> Attempt:
    """Other code under the seals of an agent or a firmware."""
    own = made(world, kind)
    return Attempt(replace(own, executable=own.executable + b"x"))


def service_as_this(world: World, _: str) -> Attempt:
    return Attempt(world.package(NAME))


def other_as_this(world: World, kind: str) -> Attempt:
    return Attempt(made(world, OTHER[kind]))


def as_service(world: World, kind: str) -> Attempt:
    return Attempt(made(world, kind), sealed="service")


def other_site(world: World, kind: str) -> Attempt:
    return Attempt(made(world, kind), how={"signer": KeySigner(generate("p256"))})


def other_place(world: World, kind: str) -> Attempt:
    return Attempt(made(world, kind), node="hall")


def other_key(world: World, kind: str) -> Attempt:
    return Attempt(made(world, kind), how={"key": KeySigner(generate("p256")).spki})


# (party, what it does, how, the site's code, the node's code)
ATTEMPTS: tuple[tuple[str, str, Callable[[World, str], Attempt], str, str], ...] = (
    ("a developer with the kind", "has it installed", honest, "", ""),
    ("a developer for services", "signs it", of_services, "untrusted-kind", "untrusted-kind"),
    ("a developer for the other kind", "signs it", of_the_other_kind, "untrusted-kind",
     "untrusted-kind"),
    ("somebody", "signs it", stranger, "untrusted-signer", "untrusted-signer"),
    ("somebody", "signs it by the developer's name", namesake, "untrusted-signer",
     "untrusted-signer"),
    ("the Store", "signs it as the developer", store_as_developer, "untrusted-signer",
     "untrusted-signer"),
    ("the Store", "puts the seals of a service to it", swapped, "metadata-mismatch",
     "metadata-mismatch"),
    ("the Store", "puts its metadata to a service", renamed, "metadata-mismatch",
     "metadata-mismatch"),
    ("the Store", "puts other code to it", rewritten, "hash-mismatch", "hash-mismatch"),
    ("the site", "seals a service as this kind", service_as_this, "", "wrong-kind"),
    ("the site", "seals the other kind as this", other_as_this, "", "wrong-kind"),
    ("the site", "seals it as a service", as_service, "", "wrong-kind"),
    ("another site", "seals it", other_site, "", "bad-signature"),
    ("another node", "passes its own on", other_place, "", "wrong-node"),
    ("another node", "passes on what is for its key", other_key, "", "wrong-key"),
)  # fmt: skip


@pytest.mark.parametrize("kind", ["agent", "firmware"])
@pytest.mark.parametrize("row", ATTEMPTS, ids=[f"{row[0]} {row[1]}" for row in ATTEMPTS])
def test_only_a_developer_with_the_kind_has_it_installed(
    world: World, kind: str, row: tuple[str, str, Callable[[World, str], Attempt], str, str]
) -> None:
    _, _, attempt, by_site, by_node = row
    allow(world, "service", "agent", "firmware")
    one = attempt(world, kind)
    assert code_of(lambda: world.manager.add_service(one.package)) == by_site
    uri = f"spiffe://house/node/{one.node}/{one.sealed or kind}/{NAME}"
    assert as_node(world, one.package, uri, kind, **one.how) == by_node  # type: ignore[arg-type]
