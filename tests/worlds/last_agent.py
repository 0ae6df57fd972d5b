"""The real agent of an earlier program, as boards have it whose agent came by cable.

`tests/vectors/agent.tar.xz` holds its files by their paths on a board, compiled for all boards. It
was written at commit 7fd15da, the first one whose `slots.py` has all that later agents use; there
was no release since. A release writes its own with `python -m tests.worlds.last_agent`, so that
the next program is tested with it.
"""

from __future__ import annotations

import io
import lzma
import tarfile
from pathlib import Path

from boards.code import mpy, stage

RECORDED = Path(__file__).parent.parent / "vectors/agent.tar.xz"


def files() -> dict[str, bytes]:
    """The files of the agent by their paths on a board, with `main.py` and `slots.py`."""
    found = {}
    with tarfile.open(RECORDED) as archive:
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
    return found


def record(path: Path = RECORDED) -> None:
    """Write the agent of this program; the same bytes from the same sources."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for file in sorted(stage.plan(mpy.Target(6, 0, "")), key=lambda file: file.path):
            member = tarfile.TarInfo(file.path.lstrip("/"))
            member.size = len(file.data)
            archive.addfile(member, io.BytesIO(file.data))
    path.write_bytes(lzma.compress(data.getvalue(), preset=9))


if __name__ == "__main__":
    record()
