"""Carries the node's code onto a board: finds it, compiles it, copies what differs."""

import contextlib
import hashlib
import importlib.util
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from boards.code import mpy
from boards.code.reach import reached
from boards.errors import BoardError, DeviceFailed, SourcesMissing, VerifyFailed
from boards.files import TEMPORARY, Files

PACKAGES = ("sealcore", "nlsm")
MAIN = "/main.py"
_LIBRARY = "/lib"
# Of optimisation. The refusals of sealcore have codes, and it runs on any computer unchanged: on a
# board nobody needs its line numbers, which take 5 % of it.
LEVELS = {"sealcore": 3, "nlsm": 2}
_COMPAT = re.compile(rb"^(from \S*\.compat import )(.+)$", re.MULTILINE)

# progress(path, octets so far, octets in all), both over all files that have to go.
Progress = Callable[[str, int, int], None]


class StagedFile(NamedTuple):
    """One file as it shall lie on a board."""

    path: str
    data: bytes

    @property
    def sha256(self) -> bytes:
        """The hash of its contents."""
        return hashlib.sha256(self.data).digest()


class Installed(NamedTuple):
    """What an installation did.

    Attributes:
        copied: paths that were missing or different.
        kept: paths that were there already.
        removed: paths that no longer belong there.
        in_firmware: whether the packages are in the firmware, so that main.py alone was due.
    """

    copied: tuple[str, ...]
    kept: tuple[str, ...]
    removed: tuple[str, ...]
    in_firmware: bool = False


def package_folder(package: str) -> Path:
    """Where a package's sources lie, without importing it.

    Raises:
        SourcesMissing: it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SourcesMissing(f"the package {package} is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def main_source() -> Path:
    """The program that starts the agent: inside nlsm when installed, beside it in a checkout.

    Raises:
        SourcesMissing: it is in neither place.
    """
    folder = package_folder("nlsm")
    for path in (folder / "main.py", folder.parent / "main.py"):
        if path.is_file():
            return path
    raise SourcesMissing(f"no main.py in or beside {folder}")


def sources() -> dict[str, bytes]:
    """The packages as a board gets them, by path below the folder that holds both: the agent, and
    of what it shares with the host what it uses.

    Raises:
        SourcesMissing: they are not installed.
    """
    found = {
        f"{package}/{name}": without_const(source)
        for package in PACKAGES
        for name, source in mpy.read_sources(package_folder(package)).items()
        if (package, name) != ("nlsm", "main.py")
    }
    needed = reached(found, [path for path in found if path.startswith("nlsm/")])
    return {path: source for path, source in found.items() if path in needed}


def plan(target: mpy.Target) -> list[StagedFile]:
    """All code that a node needs, compiled for a board.

    Args:
        target: what the board loads, from its facts.

    Raises:
        SourcesMissing, CompileFailed, UnsupportedFirmware: by what is wrong.
    """
    compiled = compile_modules(sources(), target)
    files = [StagedFile(f"{_LIBRARY}/{path}", data) for path, data in compiled.items()]
    return [*files, main_file()]


def main_file() -> StagedFile:
    """What starts the agent. MicroPython looks for main.py only, never for main.mpy.

    Raises:
        SourcesMissing: it is not installed.
    """
    return StagedFile(MAIN, main_source().read_bytes())


def compile_modules(modules: Mapping[str, bytes], target: mpy.Target) -> dict[str, bytes]:
    """Modules of the packages as `.mpy`, by path.

    Raises:
        CompileFailed, UnsupportedFirmware: by what is wrong.
    """
    found = {}
    for path, source in modules.items():
        package, _, name = path[:-3].partition("/")
        # A name that the module has anyway: any other takes heap on the board.
        compiled = mpy.compile_source(source, name, target, level=LEVELS[package])
        found[f"{package}/{name}.mpy"] = compiled
    return found


def without_const(source: bytes) -> bytes:
    """A module that does not import `const`: the compiler folds it, the import would take heap."""

    def others(found: re.Match[bytes]) -> bytes:
        names = [name for name in found[2].split(b", ") if name != b"const"]
        return found[1] + b", ".join(names) if names else b""

    return _COMPAT.sub(others, source)


def install(
    board: Files, files: Sequence[StagedFile], progress: Progress | None = None
) -> Installed:
    """Bring a board's code up to date.

    New contents are first put beside the files, all of them, and verified: up to there the board
    stays as it was. Then main.py goes first and comes last, so that a board which loses power in
    between starts nothing, rather than half of two versions.

    Args:
        board: where to.
        files: what shall be there; other files in the folders of its packages go.
        progress: told of each piece that has gone.

    Raises:
        FlashFull, FlashReadOnly: the board can't take it; it is as before.
        VerifyFailed: what it holds afterwards is not what was sent.
        NoAnswer, BoardTimeout, BoardGone: repeat, and it goes on where it stopped.
    """
    wanted = {file.path: file for file in files}
    fresh = {file.path + TEMPORARY: file for file in files}
    there = _sizes(board)
    hashes = board.hashes(_alike(wanted | fresh, there))
    changed = [path for path, file in wanted.items() if hashes.get(path) != file.sha256]
    left = (there.keys() | hashes.keys()) & fresh.keys()
    board.remove(*sorted(left - {path + TEMPORARY for path in changed}))
    stale = sorted(there.keys() - wanted.keys() - fresh.keys())
    if changed or stale:
        missing = [p for p in changed if hashes.get(p + TEMPORARY) != wanted[p].sha256]
        _stage(board, [wanted[path] for path in missing], progress)
        _replace(board, wanted, changed, stale)
        _verify(board, files)
    kept = tuple(path for path in wanted if path not in changed)
    return Installed(tuple(changed), kept, tuple(stale))


def _sizes(board: Files) -> dict[str, int]:
    """What lies in the folders of the packages, by path."""
    found: dict[str, int] = {}
    for name in PACKAGES:
        found |= board.tree(f"{_LIBRARY}/{name}")
    return found


def _alike(sought: Mapping[str, StagedFile], there: Mapping[str, int]) -> list[str]:
    """The paths at which what is sought may lie: hashing is what takes a board its time."""
    return [
        path
        for path, file in sought.items()
        if there.get(path) == len(file.data) or not path.startswith(_LIBRARY + "/")
    ]


def _stage(board: Files, files: Sequence[StagedFile], progress: Progress | None) -> None:
    total = sum(len(file.data) for file in files)
    done = 0
    try:
        for folder in sorted({file.path.rpartition("/")[0] for file in files} - {""}):
            board.mkdirs(folder)
        for file in files:
            board.stage(file.path, file.data, counted(progress, file.path, done, total))
            done += len(file.data)
    except DeviceFailed:
        # It does not fit: what was put there for nothing must not take the room.
        with contextlib.suppress(BoardError):
            board.remove(*(file.path + TEMPORARY for file in files))
        raise


def counted(
    progress: Progress | None, name: str, before: int, total: int
) -> Callable[[int], None] | None:
    """A progress over one file, for one over many of which `before` octets have gone."""
    if progress is None:
        return None
    return lambda sent: progress(name, before + sent, total)


def _replace(
    board: Files, wanted: Iterable[str], changed: Sequence[str], stale: Sequence[str]
) -> None:
    has_main = MAIN in wanted
    if MAIN in changed:
        board.remove(MAIN)
    elif has_main:
        board.withdraw(MAIN)
    board.remove(*stale)
    board.commit([path for path in changed if path != MAIN])
    if has_main:
        board.commit([MAIN])


def _verify(board: Files, files: Iterable[StagedFile]) -> None:
    expected = {file.path: file.sha256 for file in files}
    found = board.hashes(expected)
    for path, digest in expected.items():
        if found.get(path) != digest:
            raise VerifyFailed(f"{path} is not what was sent")
