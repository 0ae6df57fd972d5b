"""The agent in firmware: what is written for freezing, and that no other one is taken for ours.

A ROMFS stands for what is frozen: MicroPython finds both before `/lib`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from boards import provision
from boards.board import Board
from boards.code import frozen, mpy, stage
from boards.code.romfs import pack
from boards.errors import OtherAgent
from boards.flashing import chips, image, uf2
from boards.virtual.board import VirtualBoard
from tests.host.boards.test_flash import esp_image
from triseal.cli import main

OTHER = b"triseal-agent:" + b"0" * 64
BOOT = """\
import sys, vfs
with open("/agent.romfs", "rb") as file:
    vfs.mount(vfs.VfsRom(file.read()), "/rom")
sys.path.insert(2, "/rom")
"""
ORIGIN = """\
import nlsm.agent, sealcore.custody
print(nlsm.agent.__file__, sealcore.custody.__file__)
"""


class Manifest:
    """What MicroPython's tools/manifestfile.py makes of a manifest, as far as ours goes.

    Attributes:
        included: manifests, in their order.
        modules: (path below the manifest's folder, level of optimisation) of each module.
    """

    def __init__(self, path: Path) -> None:
        self.included: list[str] = []
        self.modules: list[tuple[str, int]] = []
        names = {"include": self.included.append, "package": self._package, "module": self._module}
        exec(path.read_text(), names)

    def _package(self, name: str, *, files: tuple[str, ...], opt: int) -> None:
        self.modules += [(f"{name}/{file}", opt) for file in files]

    def _module(self, name: str, *, opt: int) -> None:
        self.modules.append((name, opt))


def test_the_manifest_names_each_module_once(tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    assert main.main(["node", "freeze", str(folder), "--base", "$(PORT_DIR)/boards/X/m.py"]) == 0
    read = Manifest(folder / "manifest.py")
    assert read.included == ["$(PORT_DIR)/boards/X/m.py", "$(MPY_DIR)/extmod/asyncio"]
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}
    assert sorted(path for path, _ in read.modules) == sorted(there - {"manifest.py"})
    for path, level in read.modules:
        assert mpy.compile_source((folder / path).read_bytes(), path, level=level), path
    on_a_board = {file.path for file in stage.plan(mpy.Target(6, 3, ""))} - {stage.MAIN}
    modules = {f"/lib/{path[:-3]}.mpy" for path, _ in read.modules}
    assert modules == on_a_board | {"/lib/nlsm/frozen.mpy"}
    assert folder.stat().st_mode & 0o777 == 0o755


def test_a_folder_with_something_in_it_is_left_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("")
    assert main.main(["node", "freeze", str(tmp_path)]) == 1
    assert capfd.readouterr().err.startswith("triseal: already-exists: ")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_name_says_which_code_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    before = frozen.name()
    assert frozen.name() == before
    sources = stage.sources()
    for changed in (
        {**sources, "nlsm/agent.py": sources["nlsm/agent.py"] + b"\n"},
        {**sources, "nlsm/new.py": b""},
        {path: source for path, source in sources.items() if path != "nlsm/bus.py"},
    ):
        monkeypatch.setattr(stage, "sources", lambda changed=changed: changed)
        assert frozen.name() != before


def uf2_of(data: bytes) -> bytes:
    """A UF2 file of these bytes, with frames in the midst of them."""
    padded = data.ljust(-len(data) % 256 + len(data), b"\0")
    return uf2.write(uf2.Firmware(tuple(uf2.blocks(uf2.XIP, padded, 0xE48BFF56)), b""))


CHIPS: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("esp32", lambda name: esp_image("esp32") + name),
    ("esp8266", lambda name: esp_image("esp8266", table=False) + name),
    ("rp2040", lambda name: uf2_of(bytes(200) + name + bytes(5000))),
)


@pytest.mark.parametrize(("chip", "made"), CHIPS, ids=[row[0] for row in CHIPS])
def test_an_image_holds_no_code_that_would_not_run(
    chip: str, made: Callable[[bytes], bytes]
) -> None:
    own = frozen.name().encode()
    assert len(image.agent(chips.named(chip), made(b""))) > 50
    assert set(image.agent(chips.named(chip), made(own))) == {"/main.py"}
    for other in (OTHER, own + OTHER):
        with pytest.raises(OtherAgent, match="triseal-agent:00"):
            image.agent(chips.named(chip), made(other))


def test_firmware_with_another_agent_is_flashed_for_no_node(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "firmware").write_bytes(esp_image("esp32") + OTHER)
    words = ["node", "flash", "--board", "esp32", "--port", "/dev/nothing"]
    words += ["--firmware", str(tmp_path / "firmware"), "--home", str(tmp_path / "site")]
    assert main.main([*words, "--node", "kitchen"]) == 1
    assert capfd.readouterr().err.startswith("triseal: other-agent: ")
    assert main.main(words) == 1
    assert "triseal: no-port: " in capfd.readouterr().err, "as plain MicroPython it may go"


@pytest.fixture
def virtual(tmp_path: Path) -> Iterator[VirtualBoard]:
    """A board with a heap that also holds the ROMFS."""
    with VirtualBoard(tmp_path / "board", "1m") as virtual:
        yield virtual


def put(virtual: VirtualBoard, romfs: bytes) -> None:
    """Have firmware in the board that has this in it."""
    (virtual.flash / "agent.romfs").write_bytes(romfs)
    (virtual.flash / "boot.py").write_text(BOOT)


def files(virtual: VirtualBoard) -> set[str]:
    """What lies on its flash beside the firmware's own."""
    found = {
        path.relative_to(virtual.flash).as_posix()
        for path in virtual.flash.rglob("*")
        if path.is_file()
    }
    return found - {"agent.romfs", "boot.py"}


def test_what_is_in_the_firmware_is_not_copied(virtual: VirtualBoard) -> None:
    with Board(virtual.port) as board:
        _, before, _ = provision.install_code(board, foreign="keep")
        assert not before.in_firmware
        assert len(files(virtual)) > 50
        put(virtual, image.romfs(chips.named("rp2040")))
        board.clear()
        _, after, _ = provision.install_code(board, foreign="keep")
        assert (after.in_firmware, after.copied, after.kept) == (True, (), ("/main.py",))
        assert files(virtual) == {"main.py"}, "what would never run is gone"
        assert board.exec(ORIGIN).split() == ["/rom/nlsm/agent.mpy", "/rom/sealcore/custody.mpy"]


OTHERS: tuple[tuple[str, dict[str, bytes]], ...] = (
    ("another release", {"nlsm/frozen.py": b"AGENT = '%s'" % OTHER}),
    ("one without a name", {}),
    ("no name where it should be", {"nlsm/frozen.py": b""}),
)


@pytest.mark.parametrize(("sentence", "more"), OTHERS, ids=[row[0] for row in OTHERS])
def test_another_agent_in_the_firmware_is_refused(
    sentence: str, more: dict[str, bytes], virtual: VirtualBoard
) -> None:
    modules = stage.sources() | more
    put(virtual, pack(stage.compile_modules(modules, mpy.Target(6, 3, ""))))
    with Board(virtual.port) as board, pytest.raises(OtherAgent):
        provision.install_code(board, foreign="keep")
    assert files(virtual) == set(), sentence
