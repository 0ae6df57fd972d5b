"""The review of a service before it is signed: what fails on every board is refused.

What fails only on some boards, or only if a line is reached, is a warning. The review reads the
sources; of bytecode it knows only the names in it.

1. `entry`: there is an `async def main(ctx)`.
2. `imports`: each module is in the package, in MicroPython, or named in the metadata.
3. `uses`: the metadata asks for the grants that `ctx` and `print` need.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from triseal.developer import entry, executable, imports, uses
from triseal.metadata import Metadata

MOST = 20

_ENTRIES = ("main", "app")
# In a .mpy file the name `main` is its number in MicroPython's table of fixed names.
_MAIN = b"\x81\x63"


def review(files: Mapping[str, bytes], described: Metadata) -> list[str]:
    """Review the files of a service.

    Args:
        files: the contents of each file by its path, from `executable.read`.
        described: the metadata that will be sealed.

    Returns: warnings, each one sentence without a dot at its end, at most MOST.

    Raises:
        NoMain: no board can start it.
        UnknownModule: no board can import it.
    """
    trees = {
        path: executable.parse(path, data) for path, data in files.items() if path.endswith(".py")
    }
    first = _entry(files)
    warnings = _start(first, files[first], trees.get(first))
    warnings += imports.check(first, trees, set(files), described.modules)
    warnings += uses.check(trees, entry.argument(trees.get(first)), described.capabilities)
    unique = list(dict.fromkeys(warnings))
    if len(unique) > MOST:
        unique = [*unique[: MOST - 1], f"there are {len(unique) - MOST + 1} more warnings"]
    return unique


def _entry(files: Mapping[str, bytes]) -> str:
    """Return the path of the module with `main`; a file alone is its own entry."""
    if len(files) == 1:
        return next(iter(files))
    wanted = [f"{name}{suffix}" for name in _ENTRIES for suffix in (".py", ".mpy")]
    return next(path for path in wanted if path in files)


def _start(path: str, data: bytes, tree: ast.Module | None) -> list[str]:
    if tree is not None:
        return entry.check(path, tree)
    if b"main" in data or _MAIN in data:
        return []
    return [f"{path} does not contain the name 'main': it must have `async def main(ctx)`"]
