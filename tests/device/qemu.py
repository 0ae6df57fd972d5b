"""The check of custody on an emulated Cortex-M3: `python -m tests.device.qemu FIRMWARE [COUNT]`.

`FIRMWARE` is an ELF file of MicroPython's port `qemu` for mps2-an385. Code and seals are a ROMFS
image in the machine's memory, so that modules run in place, as from a board's flash. COUNT is the
number of developers in the trust bundle. It prints the free heap before and after the check, and
the instructions.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from bench import custody
from boards.code import romfs

_IMAGE_AT = 0x21000000  # PSRAM
# A timer that counts down at 25 MHz, while -icount makes each instruction last a nanosecond.
_TIMER = 0x40000000
_INSTRUCTIONS_PER_TICK = 40
_PROGRAM = """\
import gc, machine, os, sys, uctypes, vfs
vfs.mount(vfs.VfsRom(uctypes.bytearray_at({at}, {size})), "/rom")
os.chdir("/rom")
sys.path[:] = ["/rom"]
words = machine.mem32
words[{timer} + 8] = words[{timer} + 4] = 0x7fffffff
words[{timer}] = 1
gc.collect()
before = gc.mem_free()
from _custody_check import check
ticks = words[{timer} + 4]
check()
ticks -= words[{timer} + 4]
gc.collect()
print(before, gc.mem_free(), ticks)
"""


def run(firmware: Path, image: Path) -> str:
    """Return what the program prints, or its traceback.

    Args:
        firmware: an ELF file.
        image: a ROMFS image.
    """
    program = _PROGRAM.format(at=_IMAGE_AT, size=image.stat().st_size, timer=_TIMER)
    machine = ["qemu-system-arm", "-machine", "mps2-an385", "-nographic", "-monitor", "null"]
    loaded = f"loader,file={image},addr={_IMAGE_AT},force-raw=on"
    files = ["-kernel", str(firmware), "-device", loaded]
    with subprocess.Popen(
        [*machine, "-semihosting", "-icount", "shift=0", "-serial", "stdio", *files],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            _read(process.stdout, b">>> ")
            process.stdin.write(b"\x01")  # the raw REPL
            process.stdin.flush()
            _read(process.stdout, b"\n>")
            process.stdin.write(program.encode() + b"\x04")
            process.stdin.flush()
            return _read(process.stdout, b"\x04>").decode()
        finally:
            process.kill()


def _read(stream: IO[bytes], end: bytes) -> bytes:
    found = b""
    while not found.endswith(end):
        byte = stream.read(1)
        if not byte:
            raise EOFError(found.decode(errors="replace"))
        found += byte
    return found


def main(firmware: str, developers: str = "1") -> None:
    """Run it, and print the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        custody.write(custody.deploy(int(developers)), folder)
        files = [*folder.glob("*"), *folder.glob("sealcore/*")]
        image = folder / "image"
        image.write_bytes(
            romfs.pack(
                {
                    one.relative_to(folder).as_posix(): one.read_bytes()
                    for one in files
                    if one.is_file()
                }
            )
        )
        printed = run(Path(firmware), image)
    try:
        before, after, ticks = map(int, printed.removeprefix("OK").strip("\x04\r\n>").split())
    except ValueError:
        sys.exit(printed)
    millions = ticks * _INSTRUCTIONS_PER_TICK / 1e6
    print(f"passed: {before} bytes free before, {after} after, {millions:.0f} million instructions")


if __name__ == "__main__":
    main(*sys.argv[1:])
