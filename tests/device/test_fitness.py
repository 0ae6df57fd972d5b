"""A service is imported where the board can load it, and has what its metadata says it needs."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from boards.code import mpy, romfs
from tests.device.conftest import Start
from tests.device.node import NAME, by_name
from tests.device.site import Site

MAIN = b"async def main(ctx):\n    ctx.log('it runs')\n"
WHOLE = mpy.compile_source(MAIN, "app.py", level=0)
GRANTS = ("log",)


def image(main: bytes, util: bytes) -> bytes:
    return romfs.pack({"main.mpy": main, "util.mpy": util})


# (what it is, the executable's name, its bytes, what the node says)
UNLOADABLE = (
    ("the one that hung a node", "app.mpy", b"M\x06\x00\x1f\x0a", "cut off"),
    *((f"cut off after {n}", "app.mpy", WHOLE[:n], "cut off") for n in (5, 20, 60)),
    ("cut off before its last byte", "app.mpy", WHOLE[:-1], "cut off"),
    ("more behind its end", "app.mpy", WHOLE + b"\0", "after its end"),
    ("an image with half a module", "app.romfs", image(WHOLE, WHOLE[:40]), "cut off"),
    ("an image with half an entry", "app.romfs", image(WHOLE[:40], WHOLE), "cut off"),
    ("an image with an empty module", "app.romfs", image(WHOLE, b""), "cut off"),
    ("no image", "app.romfs", b"ROMFS", "romfs: header"),
)


@pytest.mark.parametrize(("sentence", "entry", "data", "why"), UNLOADABLE)
def test_what_would_hang_the_loader_is_refused(
    sentence: str, entry: str, data: bytes, why: str, start: Start, site: Site, spki: bytes
) -> None:
    """All seals are right: the node judges by itself, and its other service goes on."""
    broken = site.deploy("broken", data, NAME, spki, entry=entry)
    node = start(broken, site.deploy("whole", WHOLE, NAME, spki, entry="app.mpy", grants=GRANTS))
    node.start()
    assert node.until_line("it runs") == "whole: it runs", sentence
    one = node.state("broken")
    assert (one.state, one.code) == ("refused", "unloadable")
    assert why in one.detail


@pytest.mark.parametrize("entry", ["app.py", "app.mpy", "app.romfs"])
def test_what_loads_runs(entry: str, start: Start, site: Site, spki: bytes) -> None:
    util = mpy.compile_source(b"", "util.py")
    made = {"app.py": MAIN, "app.mpy": WHOLE, "app.romfs": image(WHOLE, util)}[entry]
    needs = {"modules": ["asyncio", "json"], "heap": 1000}
    node = start(site.deploy("one", made, NAME, spki, entry=entry, grants=GRANTS, needs=needs))
    node.start()
    node.until_line("one: it runs")


NEEDS: tuple[tuple[str, Mapping[str, object], str, str], ...] = (
    ("a module", {"modules": ["json", "lora"]}, "missing-module", "lora"),
    ("a module of another", {"modules": ["json.tool"]}, "missing-module", "json.tool"),
    ("a heap", {"heap": 1 << 32}, "too-little-heap", "needs 4294967296"),
    ("modules that are none", {"modules": 7}, "metadata-mismatch", "metadata.json"),
    ("a heap that is none", {"heap": "much"}, "metadata-mismatch", "metadata.json"),
)


@pytest.mark.parametrize(("sentence", "needs", "code", "why"), NEEDS)
def test_what_the_board_lacks_is_said(
    sentence: str,
    needs: Mapping[str, object],
    code: str,
    why: str,
    start: Start,
    site: Site,
    spki: bytes,
) -> None:
    source = b"open('/imported', 'w').close()\n" + MAIN
    node = start(site.deploy("one", source, NAME, spki, grants=GRANTS, needs=needs))
    node.start()
    one = node.until(lambda now: by_name(now)["one"] == "refused").services[0]
    assert one.code == code, sentence
    assert why in one.detail
    assert not (node.root / "imported").exists()
