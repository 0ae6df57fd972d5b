"""What a site believes of a board at a cable."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.host.site_world import NOW, World
from triseal.site import cable, ledger
from triseal.site.console import NodeStatus, ServiceStatus
from triseal.site.errors import OtherBoard


def test_a_board_speaks_for_the_node_that_was_meant_alone(tmp_path: Path) -> None:
    world = World(tmp_path / "site")
    world.manager.add_service(world.package())
    for node in ("hall", "kitchen"):
        world.add_node(node)
        world.manager.assign(node, "thermo")
    made = world.manager.deployment("hall", "thermo")
    service = ServiceStatus("thermo", "running", "", "", "1.0", NOW + 5000, ())
    serials = {"thermo": ledger.serial_octets(made.seal.serial)}
    status = NodeStatus("hall", NOW, 3, 100000, (service,), serials, bytes(16))
    cable.note(world.manager, "hall", status)
    with pytest.raises(OtherBoard):
        cable.note(world.manager, "kitchen", replace(status, services=(), serials={}))
    found = world.manager.undeploy("hall", "thermo")
    assert found.waiting == {"hall": NOW + 5000}
