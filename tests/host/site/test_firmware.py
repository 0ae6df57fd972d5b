"""Firmware at the developer, the Store and the site: who may sign it, and which boards take it."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from boards.code import mpy
from boards.flashing import appimage
from tests.host.site.test_kinds import as_node, of_agent
from tests.worlds.site_world import NOW, YEAR, World, code_of
from triseal import bundles, database
from triseal.certificate import Validity
from triseal.cli import main
from triseal.developer import firmware
from triseal.developer.sign import Release, sign
from triseal.errors import BadExecutable, BadMetadata
from triseal.package import Package, read
from triseal.site.errors import UnfitBoards
from triseal.site.records import labels, vitals
from triseal.site.records.vitals import Vitals

FIRMWARE = "spiffe://house/node/kitchen/firmware/"
SAID = {"micropython": "1.28.0", "mpy": "6.3-rv32imc"}
C3 = {"micropython": "1.27.0", "mpy": "6.3-11", "chip": "esp32c3", "spare": "1507328"}


def image(chip: int = 5, body: bytes = b"code" * 64) -> bytes:
    """An image of an app partition, as esptool writes it."""
    described = struct.pack("<I", 0xABCD5432) + bytes(252)
    head = bytearray(24)
    head[0], head[1], head[23] = 0xE9, 2, 1
    struct.pack_into("<H", head, 12, chip)
    data = bytes(head)
    for content in (described, body):
        data += struct.pack("<II", 0x3C000020, len(content)) + content
    data += bytes(16 - len(data) % 16)
    return data + hashlib.sha256(data).digest()


IMAGE = image()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "site") as made:
        made.add_node("kitchen")
        yield made


def allow(world: World, *kinds: str) -> None:
    key = world.developer.signer.spki
    world.manager.trust_developer(world.developer.name, key, kinds=bundles.kinds_of(kinds))


def package(
    world: World, content: bytes = IMAGE, text: bytes | None = None, version: str = "1.0"
) -> Package:
    said = firmware.metadata(json.dumps({"firmware": SAID}).encode(), IMAGE)
    release = Release("mpy", version, 1, said if text is None else text)
    validity = Validity(NOW - 100, NOW + YEAR)
    return world.store.countersign(sign(world.developer, release, "app.bin", content, validity))


def knows(world: World, **changes: str) -> None:
    """The node has said what it is: an ESP32-C3 with a spare partition, but for these changes."""
    told = {key: value for key, value in {**C3, **changes}.items() if value}
    with database.writing(world.manager.engine) as connection:
        labels.tell(connection, "kitchen", told, NOW)
        vitals.tell(connection, "kitchen", Vitals(1 << 16, 1 << 20, 1, 0, 0, "", NOW))


@pytest.mark.parametrize("kinds", [("service",), ("service", "agent")])
def test_only_a_developer_with_the_kind_signs_firmware(world: World, kinds: tuple[str]) -> None:
    made = package(world)
    allow(world, *kinds)
    assert code_of(lambda: world.manager.add_service(made)) == "untrusted-kind"
    assert as_node(world, made, FIRMWARE + "mpy", "firmware") == "untrusted-kind"
    allow(world, *kinds, "firmware")
    world.manager.add_service(made)
    assert as_node(world, made, FIRMWARE + "mpy", "firmware") == ""


def test_the_right_to_sign_firmware_is_none_to_sign_anything_else(world: World) -> None:
    world.manager.distrust_developer(world.developer.name)
    allow(world, "firmware")
    assert code_of(lambda: world.manager.add_service(of_agent(world))) == "untrusted-kind"
    assert code_of(lambda: world.manager.add_service(world.package())) == "untrusted-kind"


def test_no_kind_passes_for_another(world: World) -> None:
    allow(world, "service", "agent", "firmware")
    made = package(world)
    for kind in ("service", "agent"):
        uri = FIRMWARE.replace("firmware", kind) + "mpy"
        assert as_node(world, made, uri, kind) == "wrong-kind"
        assert as_node(world, made, FIRMWARE + "mpy", kind) == "wrong-kind"
        assert as_node(world, made, uri, "firmware") == "wrong-kind"
    assert as_node(world, of_agent(world), FIRMWARE + "nlsm", "firmware") == "wrong-kind"


UNFIT = (
    ("an RP2040, or another board with one partition", {"spare": ""}, "has no spare partition"),
    ("another chip", {"chip": "esp32s3"}, "has the chip esp32s3, and the firmware is for esp32c3"),
    ("a small partition", {"spare": "500"}, "has a spare partition of 500 bytes"),
)


@pytest.mark.parametrize(("sentence", "changes", "said"), UNFIT, ids=[row[0] for row in UNFIT])
def test_a_board_that_can_not_take_it_is_named_before_anything_is_sent(
    world: World, sentence: str, changes: dict[str, str], said: str
) -> None:
    allow(world, "service", "firmware")
    world.manager.add_service(package(world))
    with pytest.raises(UnfitBoards, match="kitchen has never said what it is"):
        world.manager.assign("kitchen", "mpy")
    knows(world, **changes)
    with pytest.raises(UnfitBoards, match=f"kitchen {said}"):
        world.manager.assign("kitchen", "mpy")
    knows(world)
    world.manager.assign("kitchen", "mpy")
    assert world.manager.deployment("kitchen", "mpy").package.name == "app.bin"
    knows(world, **changes)
    world.manager.add_service(package(world, version="1.1"), hold=True)
    with pytest.raises(UnfitBoards, match=f"kitchen {said}"):
        world.manager.rollout("mpy", ["kitchen"])


def test_a_micropython_that_is_too_old_for_the_agent_is_refused(world: World) -> None:
    allow(world, "service", "agent", "firmware")
    knows(world)
    said = {"firmware": {**SAID, "micropython": "1.21.0"}}
    text = firmware.metadata(json.dumps(said).encode(), IMAGE)
    world.manager.add_service(package(world, text=text))
    with pytest.raises(UnfitBoards, match=r"kitchen has an agent, which needs MicroPython 1\.22"):
        world.manager.assign("kitchen", "mpy")
    world.manager.add_service(of_agent(world))
    world.manager.assign("kitchen", "nlsm")
    with pytest.raises(UnfitBoards, match=r"the agent nlsm, which needs MicroPython 1\.22"):
        world.manager.assign("kitchen", "mpy")


NATIVE = b"import micropython\n@micropython.native\ndef f():\n    return 1\n"


def test_native_code_of_a_service_must_still_load(world: World) -> None:
    allow(world, "service", "firmware")
    knows(world)
    code = mpy.compile_source(NATIVE, "app", mpy.Target(6, 3, "xtensawin"))
    release = Release("fast", "1.0", 1, b"{}")
    signed = sign(world.developer, release, "app.mpy", code, Validity(NOW - 100, NOW + YEAR))
    world.manager.add_service(world.store.countersign(signed))
    world.manager.assign("kitchen", "fast")
    world.manager.add_service(package(world))
    with pytest.raises(UnfitBoards, match="kitchen has the service fast, which this firmware can"):
        world.manager.assign("kitchen", "mpy")
    world.manager.undeploy("kitchen", "fast")
    world.manager.assign("kitchen", "mpy")


def test_a_node_has_one_agent_and_one_firmware(world: World) -> None:
    allow(world, "service", "agent", "firmware")
    knows(world)
    world.manager.add_service(package(world))
    world.manager.add_service(of_agent(world))
    world.manager.assign("kitchen", "mpy")
    world.manager.assign("kitchen", "nlsm")
    other = Release("other", "1.0", 1, package(world).metadata.replace(b'"mpy"', b'"other"', 2))
    text = json.loads(other.metadata) | {"name": "other", "firmware": {"chip": "esp32c3", **SAID}}
    other = Release("other", "1.0", 1, json.dumps(text).encode())
    signed = sign(world.developer, other, "app.bin", IMAGE, Validity(NOW - 100, NOW + YEAR))
    world.manager.add_service(world.store.countersign(signed))
    assert code_of(lambda: world.manager.assign("kitchen", "other")) == "too-large"


def described(**changes: object) -> bytes:
    return json.dumps(
        {"kind": "firmware", "firmware": {"chip": "esp32c3", **SAID} | changes}
    ).encode()


REFUSED = (
    ("cut off", IMAGE[:-1], described(), "bad-executable"),
    ("damaged", IMAGE[:300] + b"X" + IMAGE[301:], described(), "bad-executable"),
    ("one for a first installation", b"\xe9" + bytes(400), described(), "bad-executable"),
    ("no image", b"no image" * 50, described(), "bad-executable"),
    ("another chip than it says", image(9), described(), "bad-executable"),
    ("firmware as a service", IMAGE, b'{"kind": "service"}', "bad-metadata"),
    ("nothing said", IMAGE, b'{"kind": "firmware"}', "bad-metadata"),
    ("no chip", IMAGE, described(chip="an ESP"), "bad-metadata"),
    ("no version", IMAGE, described(micropython="new"), "bad-metadata"),
    ("no such architecture", IMAGE, described(mpy="6.3-z80"), "bad-metadata"),
    ("one thing more", IMAGE, described(board="x"), "bad-metadata"),
)


@pytest.mark.parametrize(
    ("sentence", "content", "text", "code"), REFUSED, ids=[row[0] for row in REFUSED]
)
def test_what_is_no_firmware_is_refused(
    world: World, sentence: str, content: bytes, text: bytes, code: str
) -> None:
    allow(world, "service", "firmware")
    assert code_of(lambda: world.manager.add_service(package(world, content, text))) == code


def test_an_image_names_its_chip() -> None:
    assert appimage.chip_of(IMAGE) == "esp32c3"
    assert appimage.chip_of(image(9)) == "esp32s3"
    with pytest.raises(BadExecutable, match="no image for an Espressif chip"):
        firmware.metadata(json.dumps({"firmware": SAID}).encode(), bytes(64))
    said = json.dumps(SAID).encode()
    for text in (
        b"{}",
        b"[]",
        b"{",
        b'{"firmware": 1}',
        b'{"firmware": %b, "firmware": %b}' % (said, said),
        b'{"firmware": %b, "kind": "agent"}' % said,
        b"[" * 100_000,
        b'{"firmware": %b, "name": "%b"}' % (said, b"x" * 10_000),
    ):
        with pytest.raises(BadMetadata):
            firmware.metadata(text, IMAGE)


def test_a_developer_signs_a_firmware(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRISEAL_HOME", str(tmp_path))
    (tmp_path / "c3.app-bin").write_bytes(IMAGE)
    (tmp_path / "c3.json").write_text(json.dumps({"firmware": SAID}))
    home = ["--home", str(tmp_path / "ada")]
    assert main.main(["dev", "init", "--name", "Ada", "--no-passphrase", *home]) == 0
    out = tmp_path / "mpy.triseal"
    words = ["--name", "mpy", "--version", "1.28", "--security-version", "1", "--out", str(out)]
    words += ["--metadata", str(tmp_path / "c3.json"), *home]
    own = ["--firmware", str(tmp_path / "c3.app-bin")]
    assert main.main(["dev", "sign", *own, "--agent", *words]) == 2
    assert main.main(["dev", "sign", *own, *words]) == 0
    made = read(out)
    assert (made.name, made.executable) == ("app.bin", IMAGE)
    values = json.loads(made.metadata)
    assert values["kind"] == "firmware"
    assert values["firmware"] == {"chip": "esp32c3", **SAID}
    capsys.readouterr()
