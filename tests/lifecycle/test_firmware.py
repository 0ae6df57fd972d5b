"""A firmware that comes over the link to a node: it stays, or the boot loader gives it up."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from boards import micropython
from boards.code import mpy
from boards.virtual import otadata, partitions
from boards.virtual.board import VirtualBoard
from tests.host.boards.test_partitions import broken, foreign
from tests.lifecycle.test_update import PATIENCE, World, served
from tests.worlds import waiting
from triseal.developer import firmware
from triseal.developer.sign import Release
from triseal.site.errors import NotConfirmed, UnfitBoards
from triseal.site.views.rollout_status import Watch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="images must be ELF files")

SIZE = 1 << 21  # bytes of a partition
NAME = "mpy"
HEAP = "512k"
_NUMBER = "import sys; print(sys.implementation._mpy)"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served(tmp_path_factory.mktemp("firmware")) as made:
        yield made


def metadata(image: bytes, **changes: str) -> bytes:
    """What a developer says of the MicroPython of this computer."""
    target = mpy.Target.from_number(int(micropython.run(["-c", _NUMBER]).stdout))
    loads = f"{target.version}.{target.sub_version}-{target.architecture}"
    said = {"micropython": "1.29.0", "mpy": loads, **changes}
    return firmware.metadata(json.dumps({"firmware": said}).encode(), image)


def add(world: World, version: str, image: bytes, *, hold: bool = False) -> None:
    package = world.site.package(Release(NAME, version, 1, metadata(image)), "app.bin", image)
    world.site.manager.add_service(package, hold=hold)


def slots(board: Path) -> tuple[int, int]:
    """The number of the partition that the boot loader prefers, and the state of its entry."""
    found = partitions.record(board / partitions.FOLDER)
    sequence, state = max(entry for entry in found if entry[1] != otadata.ABORTED)
    return (sequence - 1) % 2, state


def has_come(board: Path, image: bytes, least: int) -> int:
    """Wait until so many bytes of an image have come. How many have by then."""
    for _ in waiting.looks(PATIENCE):
        digest, _, done = json.loads((board / "flash/agent/coming").read_text())
        if digest == hashlib.sha256(image).hexdigest() and done >= least:
            return int(done)
    pytest.fail(f"{done} bytes have come, due {least}")


@pytest.mark.long
def test_a_board_without_a_spare_partition_is_named_before_anything_is_sent(world: World) -> None:
    """As an RP2040: what a node has said about itself decides."""
    folder = world.node("cellar")
    add(world, "0.9", partitions.own_image())
    with VirtualBoard(folder, HEAP):
        world.runs("cellar")
        world.is_known("cellar")
        with pytest.raises(UnfitBoards, match="cellar has no spare partition for a firmware"):
            world.site.manager.assign("cellar", NAME)
    assert not (folder / "flash/agent").exists()


@pytest.mark.long
def test_a_firmware_comes_over_the_link_and_a_broken_one_falls_back(world: World) -> None:
    manager = world.site.manager
    folder = world.node("kitchen")
    own = partitions.own_image()
    add(world, "1.0", own + b"first")
    with VirtualBoard(folder, HEAP, partition=SIZE) as board:
        world.runs("kitchen")
        world.is_known("kitchen")
        manager.assign("kitchen", NAME)
        world.runs("kitchen", NAME)
        world.runs("kitchen")
        assert slots(folder) == (1, otadata.VALID)
        assert (folder / "app/ota_1").read_bytes().startswith(own + b"first")
        for version, bad in (("1.1", broken(own)), ("1.2", foreign(own))):
            add(world, version, bad, hold=True)
            watch = Watch(manager, NAME)
            manager.rollout(NAME, ["kitchen"])
            said = f"kitchen: refused: fell-back: {version} .*: did not start"
            with pytest.raises(NotConfirmed, match=said):
                watch.wait(["kitchen"], PATIENCE)
            assert slots(folder) == (1, otadata.VALID)
            world.shows("kitchen", NAME, "running 1.0 fell-back")
            world.runs("kitchen")
            assert board.failure is None
        add(world, "1.3", own, hold=True)
        watch = Watch(manager, NAME)
        manager.rollout(NAME, ["kitchen"])
        came = has_come(folder, own, 1 << 18)
        board.power_cut()
        board.power_on()
        assert has_come(folder, own, 1) >= came, "after the power cut it goes on"
        watch.wait(["kitchen"], PATIENCE, soak=0)
        assert slots(folder) == (0, otadata.VALID)
        world.runs("kitchen")
