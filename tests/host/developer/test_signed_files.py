"""What is signed: regular files alone, each judged in the same way, and nothing silently."""

import ast
import contextlib
import hashlib
import json
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from boards import micropython
from boards.code import romfs, sources
from boards.errors import BadFolder, SpecialFile
from sealcore import limits
from tests.host.project.maps import ROOT
from tests.worlds import seals
from triseal import metadata, package
from triseal.cli.main import main
from triseal.developer import executable, modules, review, uses
from triseal.errors import BadExecutable, BadMetadata, NoMain, UnknownModule

GOOD = seals.SOURCE
NATIVE_5 = b"M\x05\x00\x1f" + bytes(40)


def folder(place: Path, files: dict[str, bytes | str]) -> Path:
    place.mkdir(exist_ok=True)
    for name, data in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return place


def _link(path: Path) -> None:
    target = path.parent.parent / "secret.py"
    target.write_text("KEY = 1\n")
    path.symlink_to(target)


def _linked_folder(path: Path) -> None:
    path.with_suffix("").symlink_to(folder(path.parent.parent / "kit", {"tool.py": ""}))


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made, contextlib.chdir(path.parent):
        made.bind(path.name)  # the name of a socket must be short


# Ways to put something at a path that is no file of its own.
SPECIAL: dict[str, Callable[[Path], None]] = {
    "a link to a file": _link,
    "a link to a folder": _linked_folder,
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to a file beside it": lambda path: path.symlink_to("main.py"),
    "a pipe": os.mkfifo,
    "a socket": _socket,
}


@pytest.mark.parametrize("what", SPECIAL)
def test_a_special_file_in_a_folder_is_named_and_refused(what: str, tmp_path: Path) -> None:
    service = folder(tmp_path / "service", {"main.py": GOOD})
    SPECIAL[what](service / "part.py")
    with pytest.raises(SpecialFile, match=r"service/part(\.py)? is a"):
        executable.read(service)


@pytest.mark.parametrize("what", SPECIAL)
def test_a_special_file_alone_is_named_and_refused(what: str, tmp_path: Path) -> None:
    service = folder(tmp_path / "service", {})
    SPECIAL[what](service / "part.py")
    found = next(service.iterdir())
    with pytest.raises(SpecialFile, match="is a"):
        executable.read(found)


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero", "/dev/stdin"])
def test_a_device_is_refused(path: str) -> None:
    with pytest.raises(SpecialFile):
        executable.read(Path(path))


def test_a_file_that_becomes_a_link_meanwhile_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _link(folder(tmp_path / "service", {}) / "part.py")
    monkeypatch.setattr(sources, "is_folder", lambda _: False)
    with pytest.raises(OSError, match="symbolic"):
        sources.read(tmp_path / "service" / "part.py", 10)


LEFT_OUT = (
    ".git/config",
    ".hidden.py",
    ".#main.py",
    "#main.py#",
    "main.py~",
    "main.py.orig",
    "__pycache__/main.cpython-313.pyc",
    "kit/.DS_Store",
    "kit/tool.py.bak",
    "old.pyc",
)


def test_hidden_files_caches_and_backups_are_left_out_and_listed(tmp_path: Path) -> None:
    kept: dict[str, bytes | str] = {"main.py": GOOD, "kit/tool.py": "", "kit/__init__.py": ""}
    plain = executable.read(folder(tmp_path / "a", kept))
    found = executable.read(folder(tmp_path / "b", kept | dict.fromkeys(LEFT_OUT, "(")))
    assert found.content == plain.content
    assert found.packed == plain.packed
    assert sorted(found.packed) == sorted(kept)
    tops = {".git", "__pycache__"}
    names = {name if name.split("/")[0] not in tops else name.split("/")[0] for name in LEFT_OUT}
    assert set(found.left_out) == names
    (tmp_path / "b" / ".#kit.py").symlink_to("user@host.1:2")  # as Emacs locks a file
    assert executable.read(tmp_path / "b").content == plain.content


def test_a_folder_that_is_no_service_is_not_read_to_its_end(tmp_path: Path) -> None:
    service = folder(tmp_path / "a", {f"m{number:03}.py": "" for number in range(80)})
    (service / "m079.py").chmod(0)
    with pytest.raises(BadFolder, match="more than 64 modules"):
        executable.read(service)
    with pytest.raises(BadFolder, match="neither in"):
        executable.read(folder(tmp_path / "b", {"main.py": GOOD, "readme.txt": ""}))


def test_the_sum_of_all_files_is_bounded(tmp_path: Path) -> None:
    service = folder(tmp_path / "a", {"main.py": GOOD, "b.py": "", "c.py": ""})
    for name in "bc":
        os.truncate(service / f"{name}.py", limits.MAX_EXECUTABLE // 2)
    with pytest.raises(BadFolder, match="bytes"):
        executable.read(service)
    assert romfs.MAX_SIZE == limits.MAX_EXECUTABLE


# Sources and bytecode that no MicroPython loads: alone and in a folder.
WRONG: dict[str, tuple[str, bytes]] = {
    "match": (".py", GOOD + b"def f(a):\n    match a:\n        case 1:\n            pass\n"),
    "an argument that is only positional": (".py", GOOD + b"def f(a, /):\n    pass\n"),
    "a group of exceptions": (".py", GOOD + b"try:\n    pass\nexcept* ValueError:\n    pass\n"),
    "a return at the top": (".py", GOOD + b"return 1\n"),
    "a break at the top": (".py", GOOD + b"break\n"),
    "a byte order mark": (".py", b"\xef\xbb\xbf" + GOOD),
    "UTF-16": (".py", GOOD.decode().encode("utf-16")),
    "Latin-1": (".py", GOOD + b"x = '\xfc'\n"),
    "a null": (".py", GOOD + b"\0"),
    "no end of a bracket": (".py", GOOD + b"x = ("),
    "bytecode of version 5": (".mpy", NATIVE_5),
    "bytecode that was cut off": (".mpy", b"M\x06\x00\x1f\x0a"),
    "bytecode of nothing": (".mpy", b""),
    "source named as bytecode": (".mpy", GOOD),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_file_is_judged_alone_as_in_a_folder(what: str, tmp_path: Path) -> None:
    suffix, data = WRONG[what]
    with pytest.raises(BadExecutable) as alone:
        executable.read(folder(tmp_path / "a", {f"part{suffix}": data}) / f"part{suffix}")
    assert f"part{suffix}" in str(alone.value)
    service = folder(tmp_path / "b", {"main.py": GOOD, f"part{suffix}": data})
    with pytest.raises(BadExecutable) as inside:
        executable.read(service)
    assert f"b/part{suffix}" in str(inside.value)


# The review.

ABLE = "bus.publish:a/#", "bus.subscribe:a/#", "pin:4", "config:key", "log"


def reviewed(
    files: dict[str, str], capabilities: tuple[str, ...] = ABLE, modules: tuple[str, ...] = ()
) -> list[str]:
    described = metadata.Metadata("a", "app.py", capabilities, modules)
    return review.review({path: text.encode() for path, text in files.items()}, described)


MAIN = "async def main(ctx):\n    pass\n"
NO_MAIN: dict[str, str] = {
    "nothing": "x = 1\n",
    "another name": "async def run(ctx):\n    pass\n",
    "only in a class": "class A:\n    async def main(self, ctx):\n        pass\n",
    "only in a function": "def f():\n    async def main(ctx):\n        pass\n",
    "not async": "def main(ctx):\n    ctx.log('x')\n",
    "not async, with a bare return": "def main(ctx):\n    return\n",
    "a return of an inner function": "def main(ctx):\n    def f():\n        return 1\n",
    "no argument": "async def main():\n    pass\n",
    "two arguments": "async def main(ctx, more):\n    pass\n",
    "an argument by name": "async def main(ctx, *, more):\n    pass\n",
    "None": "main = None\n",
    "a number": "main: int = 3\n",
    "only a comment": "# async def main(ctx)\n",
}
MAIN_TAKEN: dict[str, str] = {
    "as it should be": MAIN,
    "another name of the argument": "async def main(node):\n    pass\n",
    "a default": "async def main(ctx, more=1):\n    pass\n",
    "any arguments": "async def main(*all):\n    pass\n",
    "in a block": "if 1:\n    async def main(ctx):\n        pass\n",
    "in one of two blocks": "try:\n    main = None\nexcept OSError:\n    pass\n" + MAIN,
    "a generator": "def main(ctx):\n    yield\n",
    "decorated": "def d(f):\n    return f\n@d\ndef main():\n    pass\n",
    "another name for it": "async def run(ctx):\n    pass\nmain = run\n",
    "one of several values": "main, x = f()\n",
    "an object": "class A:\n    pass\nmain = A()\n",
}


@pytest.mark.parametrize("what", NO_MAIN)
def test_no_main_that_a_node_can_start(what: str) -> None:
    with pytest.raises(NoMain, match=r"^app\.py"):
        reviewed({"app.py": NO_MAIN[what]})


@pytest.mark.parametrize("what", MAIN_TAKEN)
def test_a_main_that_a_node_can_start(what: str) -> None:
    assert reviewed({"app.py": MAIN_TAKEN[what]}) == []


def test_what_may_be_a_main_is_a_warning() -> None:
    returning = "def main(ctx):\n    return run(ctx)\n"
    assert "awaitable" in reviewed({"app.py": returning})[0]
    for text in ("from struct import *\n", "globals()['main'] = f\n"):
        assert "can be seen" in reviewed({"app.py": text})[0]
    assert reviewed({"main.py": "from run import main\n", "run.py": MAIN}) == []


def test_bytecode_without_the_name_main_is_a_warning() -> None:
    described = metadata.Metadata("a", "app.mpy")
    assert review.review({"app.mpy": b"M\x06\x00\x1f...main..."}, described) == []
    assert "main" in review.review({"app.mpy": b"M\x06\x00\x1f"}, described)[0]


UNKNOWN: dict[str, dict[str, str]] = {
    "of CPython": {"app.py": "import typing\n" + MAIN},
    "of the future": {"app.py": "from __future__ import annotations\n" + MAIN},
    "of PyPI": {"app.py": "import numpy as np\n" + MAIN},
    "a part of a module that has none": {"app.py": "import os.path\n" + MAIN},
    "the file's own old name": {"thermo.py": "import thermo\n" + MAIN},
    "relative, in one file": {"app.py": "from . import util\n" + MAIN},
    "missing in the folder": {"main.py": "import kit.b\n" + MAIN, "kit/a.py": ""},
    "in a class": {"app.py": "class A:\n    import typing\n" + MAIN},
    "in a module that is imported": {"main.py": "import util\n" + MAIN, "util.py": "import abc\n"},
    "two steps away": {
        "main.py": "from kit import tool\n" + MAIN,
        "kit/__init__.py": "",
        "kit/tool.py": "from . import deep\n",
        "kit/deep.py": "import dataclasses\n",
    },
    "in a package on the way": {
        "main.py": "import kit.tool\n" + MAIN,
        "kit/__init__.py": "import enum\n",
        "kit/tool.py": "",
    },
    "relative, too far up": {
        "main.py": "import kit.tool\n" + MAIN,
        "kit/tool.py": "from .. import util\n",
        "util.py": "",
    },
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_a_module_that_no_board_has_is_refused(what: str) -> None:
    with pytest.raises(UnknownModule, match=r"\.py:\d+: "):
        reviewed(UNKNOWN[what])


def test_a_module_that_the_metadata_names_is_taken() -> None:
    text = "import numpy\nimport neopixel\nimport ulab.scipy\n" + MAIN
    assert reviewed({"app.py": text}, ABLE, ("numpy", "neopixel", "ulab")) == []


def test_modules_of_micropython_and_of_the_folder_are_taken() -> None:
    text = "import asyncio, json, machine, utime, usocket\nfrom collections import deque\n"
    text += "import asyncio.stream\nimport util\nimport kit\nimport kit.deep.er\n"
    files = {"main.py": text + MAIN, "util.py": "", "kit/deep/er.py": "from ..other import X\n"}
    assert reviewed(files | {"kit/other.py": "X = 1\n"}) == []


def test_what_only_a_checker_of_types_imports_is_no_import() -> None:
    text = "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from typing import Any\n"
    text += "if 0:\n    import abc\nelse:\n    import json\n"
    assert reviewed({"app.py": text + MAIN}) == []


MODULES = """
for name in %r:
    try:
        __import__(name)
    except ImportError:
        print("missing:", name)
help("modules")
"""


def test_a_micropython_has_what_every_board_has_and_nothing_unknown(tmp_path: Path) -> None:
    script = tmp_path / "modules.py"
    agent = {"nlsm", "sealcore"}  # they come with the node
    script.write_text(MODULES % sorted(modules.EVERYWHERE - agent - {"__main__"}))
    done = micropython.run([str(script)])
    words = done.stdout.partition("Plus any modules")[0].split()
    assert (done.returncode, "asyncio/core" in words) == (0, True)
    assert "missing:" not in words, done.stdout
    listed = {word.partition("/")[0] for word in words}
    assert listed <= modules.EVERYWHERE | modules.SOMEWHERE


WARNED: dict[str, tuple[str, str]] = {
    "not every board": ("import requests\n" + MAIN, "app.py:1: not every board has requests"),
    "an older name": ("import urequests\n" + MAIN, "not every board has urequests"),
    "a part": ("import umqtt.simple\n" + MAIN, "not every board has umqtt.simple"),
    "in try": (
        "try:\n    import typing\nexcept ImportError:\n    pass\n" + MAIN,
        "app.py:2: typing is neither",
    ),
    "in a function": ("async def main(ctx):\n    import typing\n", "app.py:2: typing is neither"),
    "gpio": ("async def main(ctx):\n    ctx.gpio(4)\n", "ctx has no `gpio`; did you mean `pin`?"),
    "publsh": ("async def main(c):\n    c.publsh(1)\n", "did you mean `publish`?"),
    "other": ("async def main(c):\n    c.wifi()\n", "it has publish, subscribe, pin"),
}


@pytest.mark.parametrize("what", WARNED)
def test_what_may_fail_is_a_warning(what: str) -> None:
    text, expected = WARNED[what]
    found = reviewed({"app.py": text})
    assert len(found) == 1
    assert expected in found[0]


def test_a_module_of_the_folder_is_imported_at_the_top() -> None:
    text = "async def main(ctx):\n    import util\n"
    assert "only at the top" in reviewed({"main.py": text, "util.py": ""})[0]


USES: dict[str, tuple[str, str]] = {
    "ctx.log('x')": ("log", "log"),
    "print('x')": ("log", "log"),
    "ctx.publish('a/b', 1)": ("bus.publish:a/b", "bus.publish:+/b"),
    "ctx.subscribe('a/+')": ("bus.subscribe:a/+", "bus.subscribe:#"),
    "ctx.pin(4)": ("pin:4", "pin:4"),
    "ctx.timer(9, len)": ("timer", "timer"),
    "ctx.config('key')": ("config:key", "config:key"),
    "ctx.publish(topic(), 1)": ("bus.publish:...", "bus.publish:x"),
    "ctx.pin(number)": ("pin:...", "pin:7"),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("place", ["main", "a helper", "an object", "another module"])
def test_a_capability_that_is_used_and_not_asked_for(use: str, place: str) -> None:
    wanted, enough = USES[use]
    called = use.replace("ctx.", "self.ctx.") if place == "an object" else use
    helper = {
        "main": f"async def main(ctx):\n    {use}\n",
        "a helper": f"def f(ctx):\n    {use}\n",
        "an object": f"class A:\n    def f(self):\n        {called}\n",
        "another module": "",
    }[place]
    files = {"main.py": helper + ("" if place == "main" else MAIN), "util.py": ""}
    if place == "another module":
        files["util.py"] = f"def f(ctx):\n    {use}\n"
    others = tuple(one for one in ABLE if one.partition(":")[0] != wanted.partition(":")[0])
    assert f" capability {wanted}" in reviewed(files, others)[0]
    assert reviewed(files, (*others, enough)) == []


def test_many_warnings_are_counted() -> None:
    text = "async def main(ctx):\n" + "".join(f"    ctx.pin({n})\n" for n in range(50))
    found = reviewed({"app.py": text}, ())
    assert len(found) == review.MOST
    assert found[-1] == "there are 31 more warnings"


# Metadata.

MISSPELT = {
    "capabilites": "capabilities",
    "capability": "capabilities",
    "Capabilities": "capabilities",
    "license": "licence",
    "module": "modules",
    "discription": "description",
    "pin": "pins",
    "restarts": "restart",
    "HEAP": "heap",
    "heap ": "heap",
}


@pytest.mark.parametrize("key", MISSPELT)
def test_a_misspelt_key_is_refused(key: str) -> None:
    with pytest.raises(BadMetadata, match=f"did you mean '{MISSPELT[key]}'"):
        metadata.complete(json.dumps({key: []}).encode(), "a", "app.py")


@pytest.mark.parametrize("key", ["sbom", "author", "homepage", "source", "x-pins-of-board", ""])
def test_other_keys_may_be_added(key: str) -> None:
    metadata.complete(json.dumps({key: []}).encode(), "a", "app.py")


# One way in.

OTHER_MEANS = re.compile(r"read_bytes|read_text|rglob|iterdir|os\.walk|\bopen\(|is_dir\(|is_file\(")


def test_nothing_else_reads_what_is_signed() -> None:
    assert OTHER_MEANS.search("folder.rglob('*')")
    names = ("executable", "review", "entry", "imports", "uses", "sign")
    paths = [ROOT / "host" / "triseal" / "developer" / f"{name}.py" for name in names]
    for path in (*paths, ROOT / "tools" / "boards" / "code" / "romfs.py"):
        assert not OTHER_MEANS.search(path.read_text(encoding="utf-8")), path


# The command.


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRISEAL_HOME", str(tmp_path / "home"))
    assert main(["dev", "init", "--name", "Ada", "--algorithm", "p256", "--no-passphrase"]) == 0
    return tmp_path


SIGN = ["--name", "a", "--version", "1", "--security-version", "1"]


def test_the_command_lists_what_it_packed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "import kit\nasync def main(ctx):\n    print(1)\n"
    folder(home / "service", {"main.py": text, "kit/my_tool.py": "A = 1\n", ".git/x": ""})
    capsys.readouterr()
    assert main(["dev", "sign", "service", *SIGN, "--json"]) == 0
    seen = capsys.readouterr()
    facts = json.loads(seen.out)
    assert seen.err == ""
    assert facts["packed"] == [
        {"path": "main.py", "size": len(text)},
        {"path": "kit/my_tool.py", "size": 6},
    ]
    assert facts["left_out"] == [".git"]
    assert len(facts["warnings"]) == 1
    assert main(["dev", "sign", "service", *SIGN]) == 0
    seen = capsys.readouterr()
    assert "kit/my_tool.py" in seen.out
    assert ".git" in seen.out
    assert seen.err == f"triseal: warning: {facts['warnings'][0]}\n"


def test_many_files_are_counted_and_listed_on_demand(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {f"part_{number:02}.py": "A = 1\n" for number in range(20)}
    folder(home / "service", {"main.py": MAIN, **files})
    listed: dict[str, list[str]] = {}
    for word in ("", "--verbose", "--json"):
        words = ["dev", "sign", "service", *SIGN, *([word] if word else [])]
        capsys.readouterr()
        assert main(words) == 0
        listed[word] = capsys.readouterr().out.splitlines()
    digest = hashlib.sha256(package.read(home / "a-1.triseal").executable).hexdigest()
    size = len(MAIN) + 20 * 6
    (packed,) = [line for line in listed[""] if line.startswith("packed:")]
    assert packed.split(maxsplit=1)[1] == f"21 files, {size} bytes (--verbose lists them)"
    (shown,) = [line for line in listed[""] if line.startswith("sha256:")]
    assert shown.split() == ["sha256:", digest]
    assert len(listed[""]) < 15
    assert "packed:" in listed["--verbose"]
    assert sum("part_" in line for line in listed["--verbose"]) == 20
    facts = json.loads("\n".join(listed["--json"]))
    assert (len(facts["packed"]), facts["sha256"]) == (21, digest)


@pytest.mark.parametrize(
    ("text", "code"),
    [("x = 1\n", "no-main"), ("import typing\n" + MAIN, "unknown-module")],
)
def test_the_command_refuses_before_it_asks_or_writes(
    home: Path, text: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder(home, {"a.py": text})
    before = sorted(home.rglob("*"))
    capsys.readouterr()
    assert main(["dev", "sign", "a.py", *SIGN]) == 1
    seen = capsys.readouterr()
    assert (seen.out, seen.err.count("\n")) == ("", 1)
    assert seen.err.startswith(f"triseal: {code}: a.py")
    assert sorted(home.rglob("*")) == before


def test_the_review_knows_what_ctx_has() -> None:
    tree = ast.parse((ROOT / "device" / "nlsm" / "context.py").read_text(encoding="utf-8"))
    (context,) = [one for one in tree.body if getattr(one, "name", "") == "Context"]
    methods = {one.name for one in ast.walk(context) if isinstance(one, ast.FunctionDef)}
    assert {*methods, "name"} == {*uses._ATTRIBUTES, "__init__"}
