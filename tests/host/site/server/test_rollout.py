"""A held version over the link: what connected nodes are told, get, and can't get."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sealcore import messages
from sealcore.compat import sha256
from tests.worlds.link_world import LinkWorld, Node, Serving, parsed, serving, until
from triseal.site.errors import NotConfirmed
from triseal.site.views.rollout_status import Watch

NEW = b"async def main(ctx):\n    ctx.log('new')\n"
RUNNING = messages.STATES.index("running")
REFUSED = messages.STATES.index("refused")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LinkWorld]:
    with LinkWorld(tmp_path) as made:
        for node in ("hall", "kitchen"):
            made.deploy(node, "thermo")
        yield made


@pytest.fixture
def site(world: LinkWorld) -> Iterator[Serving]:
    with serving(world) as running:
        yield running


@pytest.fixture
def nodes(world: LinkWorld, site: Serving) -> tuple[Node, Node]:
    """Both connected and running version 1.0; and 2.0 is held."""
    both = world.node("hall", site.port), world.node("kitchen", site.port)
    for node in both:
        node.hello()
        node.expect(messages.ASSIGN)
        tell(node)
    world.manager.add_service(world.package(version="2.0", executable=NEW), hold=True)
    return both


def tell(
    node: Node, state: int = RUNNING, code: str = "", detail: str = "", restarts: int = 0
) -> None:
    node.send(messages.REPORT, "thermo", node.serial("thermo"), state, code, detail, restarts, [])


def version(node: Node) -> str:
    return str(parsed(node.seals["thermo"]).service_version)


def renew(node: Node, kind: int) -> None:
    """Renew by a message of this kind, and nothing comes before it."""
    node.send(messages.RENEW, 0, [("thermo", node.serial("thermo"))])
    node.expect(kind)


def move(world: LinkWorld, node: Node) -> None:
    """Move a connected node on: it asks and gets the new version whole."""
    world.manager.rollout("thermo", [node.name])
    take(node)


def take(node: Node) -> None:
    assert node.expect(messages.RENEWNOW) == (["thermo"],)
    renew(node, messages.ASSIGN)


def test_one_node_moves_and_the_other_is_renewed_as_ever(
    world: LinkWorld, nodes: tuple[Node, Node]
) -> None:
    hall, kitchen = nodes
    move(world, hall)
    renew(kitchen, messages.RENEWED)
    assert (version(hall), version(kitchen)) == ("2.0", "1.0")
    assert dict_of(hall)["app.py"] == sha256(NEW)
    kitchen.hello(thermo=kitchen.serial("thermo"))
    renew(kitchen, messages.RENEWED)
    world.manager.rollout("thermo")
    take(kitchen)
    renew(hall, messages.RENEWED)
    assert (version(hall), version(kitchen)) == ("2.0", "2.0")


def dict_of(node: Node) -> dict[str, bytes]:
    return {name: digest for name, _, digest in node.files["thermo"]}


def test_a_held_node_gets_no_file_of_the_new_version_whatever_it_asks_for(
    world: LinkWorld, nodes: tuple[Node, Node]
) -> None:
    hall, kitchen = nodes
    move(world, hall)
    for name, digest in dict_of(hall).items():
        if digest in dict_of(kitchen).values():
            continue
        hall.send(messages.FETCH, digest, 0, 10)
        hall.expect(messages.CHUNK)
        kitchen.hello(thermo=kitchen.serial("thermo"))
        kitchen.send(messages.FETCH, digest, 0, 10)
        assert kitchen.closed(), name


def test_no_serial_that_a_held_node_names_gets_it_the_new_version(
    world: LinkWorld, nodes: tuple[Node, Node]
) -> None:
    hall, kitchen = nodes
    move(world, hall)
    for serial in (hall.serial("thermo"), bytes(16), b""):
        kitchen.send(messages.RENEW, 0, [("thermo", serial)])
        kitchen.expect(messages.ASSIGN)
        assert version(kitchen) == "1.0"
        kitchen.hello(thermo=serial)
        kitchen.expect(messages.ASSIGN)
        assert version(kitchen) == "1.0"


def test_a_node_that_comes_back_gets_what_it_shall_have(
    world: LinkWorld, site: Serving, nodes: tuple[Node, Node]
) -> None:
    hall, _ = nodes
    hall.close()
    until(lambda: site.counted("triseal_connected_nodes") == 1, "gone")
    world.manager.rollout("thermo", ["hall"])
    hall.hello(thermo=hall.serial("thermo"))
    hall.expect(messages.ASSIGN)
    assert version(hall) == "2.0"


def test_a_node_that_refuses_stops_the_rollout_and_is_taken_back(
    world: LinkWorld, nodes: tuple[Node, Node]
) -> None:
    hall, _ = nodes
    old = hall.seals["thermo"]
    watch = Watch(world.manager, "thermo")
    move(world, hall)
    hall.seals["thermo"] = old
    tell(hall, REFUSED, "too-large", "no room")
    tell(hall)  # a node says at once how it is with what it holds on to
    with pytest.raises(NotConfirmed, match="thermo on hall: refused: too-large: no room"):
        watch.wait(["hall"], 60)
    world.manager.roll_back("thermo")
    renew(hall, messages.RENEWED)
    assert version(hall) == "1.0"


def test_a_node_goes_back_where_its_floor_lets_it(
    world: LinkWorld, nodes: tuple[Node, Node]
) -> None:
    hall, _ = nodes
    watch = Watch(world.manager, "thermo")
    move(world, hall)
    tell(hall)
    watch.wait(["hall"], 60, 0)
    world.manager.roll_back("thermo")
    take(hall)
    assert version(hall) == "1.0"
    assert dict_of(hall)["app.py"] != sha256(NEW)


def test_a_node_that_started_it_again_stops_the_rollout(
    world: LinkWorld, nodes: tuple[Node, Node]
) -> None:
    hall, _ = nodes
    watch = Watch(world.manager, "thermo")
    move(world, hall)
    tell(hall)

    def look(running: int) -> None:
        if running:
            tell(hall, restarts=1)

    with pytest.raises(NotConfirmed, match="thermo on hall: it ran and fell"):
        watch.wait(["hall"], 60, report=look)


def test_a_node_that_was_reset_stops_the_rollout(
    world: LinkWorld, nodes: tuple[Node, Node]
) -> None:
    """It says so in its next HELLO, and runs the service again at once."""
    hall, _ = nodes
    watch = Watch(world.manager, "thermo")
    move(world, hall)
    tell(hall)
    came_back = False

    def look(running: int) -> None:
        nonlocal came_back
        if running and not came_back:
            came_back = True
            hall.hello((0, bytes(16)), "waiting-for-time", thermo=hall.serial("thermo"))
            tell(hall)

    with pytest.raises(NotConfirmed, match="thermo on hall: it ran and fell"):
        watch.wait(["hall"], 60, report=look)
