"""The agent that this installation carries, as one executable for a package of the kind `agent`.

It is the same code as provisioning copies, as one image. The same sources and the same compiler
make the same bytes. It has no native code, so that it runs on every board.
"""

from __future__ import annotations

import json

from boards.code import mpy, romfs, stage
from boards.provision import OLDEST
from sealcore import messages
from triseal.developer.executable import Executable
from triseal.loadable import AGENT

TARGET = mpy.Target(6, 0, "")


def read() -> Executable:
    """Make the executable.

    Raises:
        BoardError: the sources of the agent are missing, or can't be compiled.
    """
    modules = stage.compile_modules(stage.sources(), TARGET)
    return Executable("app.romfs", romfs.pack(modules), modules)


def metadata() -> bytes:
    """Return what its metadata says: the kind, and what a board must have."""
    needs = {
        "micropython": ".".join(map(str, OLDEST)),
        "mpy": TARGET.version,
        "protocol": messages.PROTOCOL,
    }
    return json.dumps({"kind": AGENT, "needs": needs}).encode()
