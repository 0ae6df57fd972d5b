"""Bring the node's code to a board: find it, compile it, copy the files that differ."""

import functools
import hashlib
import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from boards import interrupts, state_folder
from boards.code import fold, mpy, shorten
from boards.code.reach import reached
from boards.errors import SourcesMissing, VerifyFailed
from boards.files import TEMPORARY, Files, Staged

PACKAGES = ("sealcore", "nlsm")
MAIN = "/main.py"
SLOTS = "/lib/slots.mpy"  # picks the agent that starts; main.py and this come by cable only
_ARRIVED = "/agent"  # agents that came over the link
_LIBRARY = "/lib"
# Levels of optimisation. The refusals of sealcore have codes, and it runs on any computer: on a
# board nobody needs its line numbers, which are 5 % of it.
LEVELS = {"sealcore": 3, "nlsm": 2}
# Their callers may pass any argument by its name.
_CALLED_BY_SERVICES = frozenset({"nlsm/context.py"})
# A block of a module that boards do not get; its lines become empty, so that numbers do not change.
_COMPUTERS = re.compile(rb"^if True:  # only on computers.*\n(?:(?:[ ].*)?\n)*", re.MULTILINE)
_COMPAT = re.compile(rb"^(from \S*\.compat import )(.+)$", re.MULTILINE)

# progress(path, bytes so far, bytes in all), both over all files that must be sent.
Progress = Callable[[str, int, int], None]


class StagedFile(NamedTuple):
    """One file as it must be on a board."""

    path: str
    data: bytes

    @property
    def sha256(self) -> bytes:
        """The SHA-256 of its contents, 32 bytes."""
        return hashlib.sha256(self.data).digest()


class Installed(NamedTuple):
    """The result of an installation.

    Attributes:
        copied: paths of the files that were sent.
        kept: paths of the files that were on the board already, also from an installation that was
            cut off.
        removed: paths that no longer belong there.
        in_firmware: whether the firmware has the packages, so that only main.py was needed.
    """

    copied: tuple[str, ...]
    kept: tuple[str, ...]
    removed: tuple[str, ...]
    in_firmware: bool = False


def package_folder(package: str) -> Path:
    """Return the folder of a package's sources, without importing it.

    Args:
        package: its name.

    Raises:
        SourcesMissing: it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SourcesMissing(f"the package {package} is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def main_source() -> Path:
    """Return the path of the program that starts the agent.

    It is inside nlsm if Triseal is installed, and beside it in a checkout.

    Raises:
        SourcesMissing: it is in neither place.
    """
    return _beside("main.py")


def _beside(name: str) -> Path:
    folder = package_folder("nlsm")
    for path in (folder / name, folder.parent / name):
        if path.is_file():
            return path
    raise SourcesMissing(f"no {name} in or beside {folder}")


def sources() -> dict[str, bytes]:
    """Return the packages as a board gets them, by path below the folder that holds both.

    These are the agent, and the part of sealcore that it uses.

    Raises:
        SourcesMissing: they are not installed.
    """
    found = {
        f"{package}/{name}": without_const(for_boards(source))
        for package in PACKAGES
        for name, source in mpy.read_sources(package_folder(package)).items()
        if (package, name) not in (("nlsm", "main.py"), ("nlsm", "slots.py"))
    }
    return dict(_prepared(tuple(found.items())))


@functools.lru_cache(maxsize=1)
def _prepared(found: tuple[tuple[str, bytes], ...]) -> Mapping[str, bytes]:
    """Return the part of all modules that the agent needs, with short names.

    This takes about two seconds, so it is done once for these modules and this program.
    """
    program = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    name = f"agent/{hashlib.sha256(repr((sys.version, program, found)).encode()).hexdigest()}"
    kept = state_folder.cached(name)
    if kept is not None:
        return {path: source.encode() for path, source in json.loads(kept).items()}
    modules = _prepare(dict(found))
    texts = {path: source.decode() for path, source in modules.items()}
    state_folder.cache(name, json.dumps(texts).encode())
    return modules


def _prepare(modules: dict[str, bytes]) -> dict[str, bytes]:
    needed = reached(modules, [path for path in modules if path.startswith("nlsm/")])
    modules = {path: source for path, source in modules.items() if path in needed}
    modules = fold.constants(modules)
    modules = shorten.attributes(modules, shorten.used_elsewhere(modules))
    private, keywords = shorten.used_elsewhere(modules), shorten.keywords(modules)
    unshared = shorten.unshared(modules)
    for path, source in modules.items():
        # A computer calls functions of nlsm by their names, see `device/README.md`.
        own = unshared if path.startswith("sealcore/") else frozenset()
        modules[path] = shorten.privates(source, private, own)
        if path not in _CALLED_BY_SERVICES:
            modules[path] = shorten.arguments(modules[path], keywords)
    return modules


def plan(target: mpy.Target) -> list[StagedFile]:
    """Return all code that a node needs, compiled for a board.

    Args:
        target: the `.mpy` files that the board loads, from its facts.

    Raises:
        SourcesMissing, CompileFailed, UnsupportedFirmware: the code cannot be made.
    """
    compiled = compile_modules(sources(), target)
    files = [StagedFile(f"{_LIBRARY}/{path}", data) for path, data in compiled.items()]
    return [*files, slots_file(target), main_file()]


def slots_file(target: mpy.Target) -> StagedFile:
    """Return the module that picks the agent that starts, for a board with the agent as files.

    Args:
        target: the `.mpy` files that the board loads.

    Raises:
        SourcesMissing, CompileFailed, UnsupportedFirmware: as `plan`.
    """
    return StagedFile(SLOTS, mpy.compile_source(slots_source(), "slots", target, level=3))


def slots_source() -> bytes:
    """Return the source of that module.

    Raises:
        SourcesMissing: it is not installed.
    """
    return _beside("slots.py").read_bytes()


def main_file() -> StagedFile:
    """Return main.py, which starts the agent. MicroPython looks for main.py only, never for
    main.mpy.

    Raises:
        SourcesMissing: it is not installed.
    """
    return StagedFile(MAIN, main_source().read_bytes())


def compile_modules(modules: Mapping[str, bytes], target: mpy.Target) -> dict[str, bytes]:
    """Return modules of the packages as `.mpy`, by path.

    Args:
        modules: sources by path.
        target: the `.mpy` files that the board loads.

    Raises:
        CompileFailed, UnsupportedFirmware: as `mpy.compile_source`.
    """
    found = {}
    for path, source in modules.items():
        package, _, name = path[:-3].partition("/")
        # A name that the module has anyway, because any other name takes heap on the board.
        compiled = mpy.compile_source(source, name, target, level=LEVELS[package])
        found[f"{package}/{name}.mpy"] = compiled
    return found


def for_boards(source: bytes) -> bytes:
    """Return a module without the blocks that are only for computers.

    Args:
        source: its text, in UTF-8.
    """
    return _COMPUTERS.sub(lambda block: b"\n" * block[0].count(b"\n"), source)


def without_const(source: bytes) -> bytes:
    """Return the `source` of a module without its import of `const`.

    The compiler folds `const` into the code, and the import would take heap.
    """

    def others(found: re.Match[bytes]) -> bytes:
        """Return the import without the name `const`."""
        names = [name for name in found[2].split(b", ") if name != b"const"]
        return found[1] + b", ".join(names) if names else b""

    return _COMPAT.sub(others, source)


def install(
    board: Files, files: Sequence[StagedFile], progress: Progress | None = None
) -> Installed:
    """Bring a board's code up to date.

    First all new contents are put beside the files and verified; until then the board is unchanged.
    Then main.py is removed first and comes back last. So a board that loses power in between starts
    nothing, rather than half of two versions.

    Args:
        board: the board.
        files: all files that must be there; others in the folders of their packages are deleted.
        progress: called for each piece that was sent.

    Raises:
        FlashFull, FlashReadOnly: the board can't take it; it is as before.
        VerifyFailed: the board holds something else than was sent.
        NoAnswer, BoardTimeout, BoardGone: repeat, and it continues where it stopped.
    """
    wanted = {file.path: file for file in files}
    fresh = {file.path + TEMPORARY: file for file in files}
    there = _sizes(board)
    hashes = board.hashes(_alike(wanted | fresh, there))
    changed = [path for path, file in wanted.items() if hashes.get(path) != file.sha256]
    left = (there.keys() | hashes.keys()) & fresh.keys()
    board.remove(*sorted(left - {path + TEMPORARY for path in changed}))
    stale = sorted(there.keys() - wanted.keys() - fresh.keys())
    missing = [p for p in changed if hashes.get(p + TEMPORARY) != wanted[p].sha256]
    # What comes by cable replaces what came over the link.
    arrived = _ARRIVED[1:] in board.listdir("/")
    if changed or stale or arrived:
        _stage(board, [wanted[path] for path in missing], progress)
        with interrupts.held():  # in between, the board has no program to start
            _replace(board, wanted, changed, stale, arrived=arrived)
        _verify(board, files)
    kept = tuple(path for path in wanted if path not in missing)
    return Installed(tuple(missing), kept, tuple(stale))


def _sizes(board: Files) -> dict[str, int]:
    """Return the files of the agent in `/lib`, by path, with sizes in bytes."""
    own = (*(f"{_LIBRARY}/{name}/" for name in PACKAGES), SLOTS)
    return {path: size for path, size in board.tree(_LIBRARY).items() if path.startswith(own)}


def _alike(sought: Mapping[str, StagedFile], there: Mapping[str, int]) -> list[str]:
    """Return the paths where a wanted file may be already; only these are hashed, which takes a
    board long."""
    return [
        path
        for path, file in sought.items()
        if there.get(path) == len(file.data) or not path.startswith(_LIBRARY + "/")
    ]


def _stage(board: Files, files: Sequence[StagedFile], progress: Progress | None) -> None:
    total = sum(len(file.data) for file in files)
    done = 0
    fresh = []
    for file in files:
        shown = counted(progress, file.path, done, total)
        fresh.append(Staged(file.path, file.data, shown))
        done += len(file.data)
    for folder in sorted({file.path.rpartition("/")[0] for file in files} - {""}):
        board.mkdirs(folder)
    board.stage_all(fresh)


def counted(
    progress: Progress | None, name: str, before: int, total: int
) -> Callable[[int], None] | None:
    """Return a progress over one file, made of one over many files of which `before` bytes were
    sent.

    Args:
        progress: the one over all files; None for none.
        name: path of this file.
        before: bytes that were sent before this file.
        total: bytes of all files.
    """
    if progress is None:
        return None
    return lambda sent: progress(name, before + sent, total)


def _replace(
    board: Files,
    wanted: Iterable[str],
    changed: Sequence[str],
    stale: Sequence[str],
    *,
    arrived: bool,
) -> None:
    has_main = MAIN in wanted
    if MAIN in changed:
        board.remove(MAIN)
    elif has_main:
        board.withdraw(MAIN)
    board.remove(*stale)
    board.commit([path for path in changed if path != MAIN])
    if arrived:
        board.remove_tree(_ARRIVED)
    if has_main:
        board.commit([MAIN])


def _verify(board: Files, files: Iterable[StagedFile]) -> None:
    expected = {file.path: file.sha256 for file in files}
    found = board.hashes(expected)
    for path, digest in expected.items():
        if found.get(path) != digest:
            raise VerifyFailed(f"{path} differs from the file that was sent")
