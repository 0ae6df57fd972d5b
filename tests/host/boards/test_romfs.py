"""Services of several modules: the image, and the import from it on a real MicroPython."""

from pathlib import Path

import pytest
from mpremote import romfs as theirs

from boards import micropython
from boards.code import romfs
from boards.errors import BadFolder, CompileFailed
from triseal.developer import executable
from triseal.errors import BadExecutable

ROOT = Path(__file__).resolve().parents[3]
MAIN = "import util\nfrom kit import tool\nasync def main(ctx):\n    return util.A + tool.B\n"
FILES = {
    "main.py": MAIN,
    "util.py": "A = 40\n",
    "kit/__init__.py": "",
    "kit/tool.py": "from . import deep\nB = deep.C\n",
    "kit/deep.py": "C = 2\n",
}
# As on ports without it; everything else stays as it is.
HIDE = """
import vfs
romfs.vfs = type("vfs", (), {"mount": vfs.mount, "umount": vfs.umount})
"""
START = """
import asyncio, gc, sys, vfs
from nlsm import memory, romfs
"""


def folder(place: Path, files: dict[str, str]) -> Path:
    """A folder with these files."""
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return place


def run(code: str, place: Path, heap: str = "1M") -> str:
    """What MicroPython prints; a failure is the test's."""
    script = place / "run.py"
    script.write_text(code)
    path = f"{ROOT}/common:{ROOT}/device:.frozen"
    done = micropython.run(
        ["-X", f"heapsize={heap}", str(script)], environment={"MICROPYPATH": path}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image of FILES."""
    path = tmp_path / "app.romfs"
    path.write_bytes(romfs.build(folder(tmp_path / "service", FILES)))
    return path


def test_the_same_folder_gives_the_same_image(tmp_path: Path) -> None:
    first, second = (romfs.build(folder(tmp_path / name, FILES)) for name in "ab")
    assert first == second
    assert len(first) % 2 == 0


def test_it_is_the_image_that_mpremote_would_build(tmp_path: Path) -> None:
    writer = theirs.VfsRomWriter()
    writer.mkfile("a.mpy", b"1" * 200)
    writer.mkfile("b.mpy", b"22")
    writer.opendir("kit")
    writer.mkfile("c.mpy", b"")
    writer.closedir()
    files = {"kit/c.mpy": b"", "b.mpy": b"22", "a.mpy": b"1" * 200}
    assert romfs.pack(files) == writer.finalise()


REFUSED: tuple[tuple[str, dict[str, str], str], ...] = (
    ("nothing in it", {}, "one of main.py and app.py, and has 0"),
    ("no entry", {"util.py": ""}, "has 0"),
    ("two entries", {"main.py": "", "app.py": ""}, "has 2"),
    ("an entry in a folder only", {"kit/main.py": ""}, "has 0"),
    ("another kind of file", {"main.py": "", "words.txt": ""}, "neither in .py nor in .mpy"),
    ("a name that can't be imported", {"main.py": "", "my-kit.py": ""}, "no module's name"),
    ("a folder that can't be imported", {"main.py": "", "my kit/a.py": ""}, "no module's name"),
    ("a module twice", {"main.py": "", "a.py": "", "a.mpy": ""}, "twice"),
    ("folders too deep", {"main.py": "", "a/b/c/d/e.py": ""}, "deeper"),
    ("the node's own package", {"main.py": "", "sealcore/der.py": ""}, "the node's own"),
    ("the node's own name", {"main.py": "", "nlsm.py": ""}, "the node's own"),
    ("too many", {"main.py": "", **{f"m{i}.py": "" for i in range(64)}}, "more than 64 modules"),
)


@pytest.mark.parametrize(("sentence", "files", "what"), REFUSED)
def test_what_makes_no_service_is_refused(
    sentence: str, files: dict[str, str], what: str, tmp_path: Path
) -> None:
    with pytest.raises(BadFolder, match=what):
        romfs.build(folder(tmp_path, files))


def test_what_does_not_compile_is_named(tmp_path: Path) -> None:
    # CPython takes it, MicroPython does not.
    source = "async def main(ctx, /):\n    pass\n"
    with pytest.raises(CompileFailed, match=r"main\.py"):
        romfs.build(folder(tmp_path, {"main.py": source}))


def test_caches_and_hidden_files_stay_out(tmp_path: Path) -> None:
    plain = romfs.build(folder(tmp_path / "a", FILES))
    extra = {**FILES, ".git/config": "", "__pycache__/main.pyc": "", "kit/.hidden": ""}
    assert romfs.build(folder(tmp_path / "b", extra)) == plain


def test_the_developer_names_a_folder(tmp_path: Path) -> None:
    found = executable.read(folder(tmp_path / "a", FILES))
    assert (found.name, found.content) == ("app.romfs", romfs.build(tmp_path / "a"))
    with pytest.raises(BadExecutable, match=r"util\.py is not valid Python"):
        executable.read(folder(tmp_path / "b", {"main.py": "", "util.py": "def"}))


@pytest.mark.parametrize("hide", ["", HIDE], ids=["VfsRom", "reader"])
def test_a_service_is_imported_in_place(hide: str, image: Path, tmp_path: Path) -> None:
    check = f"""
before = sorted(sys.modules), list(sys.path)
main = romfs.load({str(image)!r}).main
print(asyncio.run(main(None)), len(memory._held))
print((sorted(sys.modules), list(sys.path)) == before)
try:
    open("/app/main.mpy")
except OSError:
    print("not mounted any more")
"""
    printed = run(START + hide + check, tmp_path)
    assert printed == f"42 {0 if hide else 1}\nTrue\nnot mounted any more\n"


def test_where_memory_is_short_the_file_is_read(image: Path, tmp_path: Path) -> None:
    check = f"""
gc.collect()
ballast = bytearray(gc.mem_free() - 32768)
print(asyncio.run(romfs.load({str(image)!r}).main(None)), len(memory._held))
"""
    assert run(START + check, tmp_path) == "42 0\n"


@pytest.mark.parametrize("hide", ["", HIDE], ids=["VfsRom", "reader"])
def test_services_do_not_meet(hide: str, tmp_path: Path) -> None:
    for name in "ab":
        files = {
            "app.py": "import util\nimport json\nasync def main(ctx):\n    return util.N, json.N\n",
            "util.py": f"N = {name!r}\n",
            "json.py": f"N = 'json of {name}'\n",
        }
        image = romfs.build(folder(tmp_path / name, files))
        (tmp_path / f"{name}.romfs").write_bytes(image)
    check = f"""
import json
for name in "ab":
    print(asyncio.run(romfs.load({str(tmp_path)!r} + "/" + name + ".romfs").main(None)))
import json as again
print(again is json)
"""
    expected = "('a', 'json of a')\n('b', 'json of b')\nTrue\n"
    assert run(START + hide + check, tmp_path) == expected


@pytest.mark.parametrize("hide", ["", HIDE], ids=["VfsRom", "reader"])
def test_what_fails_on_import_leaves_nothing_behind(hide: str, tmp_path: Path) -> None:
    image = romfs.build(folder(tmp_path / "s", {"main.py": "import util\n1/0\n", "util.py": ""}))
    (tmp_path / "app.romfs").write_bytes(image)
    check = f"""
before = sorted(sys.modules), list(sys.path)
for _ in range(2):
    try:
        romfs.load({str(tmp_path / "app.romfs")!r})
    except ZeroDivisionError:
        print((sorted(sys.modules), list(sys.path)) == before)
"""
    assert run(START + hide + check, tmp_path) == "True\nTrue\n"


MALFORMED: tuple[tuple[str, bytes], ...] = (
    ("empty", b""),
    ("another header", b"\xd2\xcd\x30\x00"),
    ("no size", b"\xd2\xcd\x31"),
    ("a size that never ends", b"\xd2\xcd\x31" + b"\xff" * 9),
    ("more than it says", b"\xd2\xcd\x31\x80\x00" + b"\0"),
    ("less than it says", b"\xd2\xcd\x31\x05"),
    ("a record that never ends", b"\xd2\xcd\x31\x03\x05\x7f\x00"),
    ("data elsewhere in memory", b"\xd2\xcd\x31\x08\x05\x06\x01a\x03\x02\x00\x00"),
    ("no data", b"\xd2\xcd\x31\x04\x05\x02\x01a"),
    ("a nameless file", b"\xd2\xcd\x31\x05\x05\x03\x00\x02\x00"),
    ("a path for a name", romfs.pack({"x": b""}).replace(b"x", b"/")),
    ("the same name twice", b"\xd2\xcd\x31\x0c" + b"\x05\x04\x01a\x02\x00" * 2),
    ("folders without end", romfs.pack({"a/" * 5 + "x": b""})),
    ("files without end", romfs.pack({f"f{i}": b"" for i in range(129)})),
)


def test_malformed_images_are_refused(tmp_path: Path) -> None:
    for i, (_, data) in enumerate(MALFORMED):
        (tmp_path / str(i)).write_bytes(data)
    check = f"""
for i in range({len(MALFORMED)}):
    try:
        romfs.load({str(tmp_path)!r} + "/" + str(i))
        print(i, "accepted")
    except ValueError as error:
        print(i, error)
"""
    lines = run(START + check, tmp_path).splitlines()
    for i, (sentence, _) in enumerate(MALFORMED):
        assert lines[i].startswith(f"{i} romfs: "), f"{sentence}: {lines[i]}"


# What one of the two file systems takes, and the other not, or takes for something else.
COMPARE = """
import io
def native(fs, path):
    found = {{}}
    for name, kind, _, size in fs.ilistdir(path):
        inner = path + "/" + name
        found[inner] = None if kind == 0x4000 else fs.open(inner, "rb").read()
        if kind == 0x4000:
            found.update(native(fs, inner))
    return found
def ours(image):
    found = {{}}
    for path, place in image.entries.items():
        if place is not None:
            content = bytearray(place[1])
            if image.open(path, "rb").readinto(content) != place[1]:
                print("short", path)
            place = bytes(content)
        found[path] = place
    return found
good = open({image!r}, "rb").read()
accepted = refused = 0
for at in range(len(good)):
    for byte in (0, 1, 2, 3, 4, 5, 0x2f, 0x7f, 0x80, 0xff, good[at] ^ 1, good[at] ^ 0x80):
        data = good[:at] + bytes((byte,)) + good[at + 1:]
        try:
            image = romfs.Image(io.BytesIO(data))
        except (ValueError, UnicodeError):
            refused += 1
            continue
        accepted += 1
        if ours(image) != native(vfs.VfsRom(data), ""):
            print("differ", at, byte)
    try:
        romfs.Image(io.BytesIO(good[:at]))
        print("truncated", at)
    except ValueError:
        refused += 1
print(accepted > 0, refused > 0)
"""


def test_both_file_systems_see_the_same_in_any_image(image: Path, tmp_path: Path) -> None:
    assert run(START + COMPARE.format(image=str(image)), tmp_path) == "True True\n"
