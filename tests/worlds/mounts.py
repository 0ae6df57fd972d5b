"""Small file systems in files, mounted by loop devices; mounting needs root."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_MIB = 1 << 20
_PATH = "/usr/sbin:/sbin:" + os.environ.get("PATH", os.defpath)


def missing() -> str:
    """Return why no small ext4 can be mounted here, or ""."""
    if os.geteuid():
        return "mounting needs root"
    if not shutil.which("mkfs.ext4", path=_PATH):
        return "no mkfs.ext4: apt install e2fsprogs"
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image"
        try:
            make(image, 2)
            with mounted(image, Path(folder) / "top"):
                return ""
        except subprocess.CalledProcessError as error:
            return f"the kernel refuses a loop mount: {error.stderr.decode().strip()}"


def missing_exfat() -> str:
    """Return why no exFAT can be mounted here, or ""."""
    if why := missing():
        return why
    if not Path("/dev/fuse").exists():
        return "the kernel has no FUSE"
    for program, package in (("mkfs.exfat", "exfatprogs"), ("mount.exfat-fuse", "exfat-fuse")):
        if not shutil.which(program, path=_PATH):
            return f"no {program}: apt install {package}"
    return ""


def make(image: Path, size: int) -> None:
    """Make an ext4 in a file, with the small blocks that a small file system has by default.

    Args:
        image: the file.
        size: its size, MiB.
    """
    with image.open("wb") as made:
        made.truncate(size * _MIB)
    run("mkfs.ext4", "-q", "-F", "-m", "0", "-b", "1024", "-N", "2048", str(image))


@contextmanager
def mounted(image: Path, top: Path) -> Iterator[Path]:
    """Mount a file system.

    Args:
        image: the file that holds it.
        top: where it is then.
    """
    top.mkdir(exist_ok=True)
    run("mount", "-o", "loop", str(image), str(top))
    try:
        yield top
    finally:
        run("umount", str(top))


@contextmanager
def exfat(image: Path, top: Path, options: str) -> Iterator[Path]:
    """Make and mount an exFAT, which has neither links nor permissions.

    Args:
        image: the file that holds it.
        top: where it is then.
        options: such as `umask=077`, which gives all files to their owner alone.
    """
    with image.open("wb") as made:
        made.truncate(16 * _MIB)
    run("mkfs.exfat", str(image))
    top.mkdir(exist_ok=True)
    device = run("losetup", "--find", "--show", str(image)).strip()
    try:
        run("mount.exfat-fuse", "-o", options, device, str(top))
        try:
            yield top
        finally:
            run("umount", str(top))
    finally:
        run("losetup", "--detach", device)


def run(*words: str) -> str:
    """Run a program that may be where only root's PATH leads.

    Args:
        words: the program and its arguments.

    Returns: what it prints.
    """
    program = shutil.which(words[0], path=_PATH) or words[0]
    done = subprocess.run([program, *words[1:]], check=True, capture_output=True, timeout=120)
    return done.stdout.decode()


def fill(path: Path, room: int) -> Path:
    """Take all the room of a file system but some bytes.

    Args:
        path: the file that takes it.
        room: number of bytes that are left.

    Returns: the file.
    """
    piece = b"\0" * 1024
    with path.open("wb", buffering=0) as filler:
        with suppress(OSError):  # it is full
            while True:
                filler.write(piece)
        size = filler.tell()
        filler.truncate(max(0, size - room))
        os.fsync(filler.fileno())
    return path
