"""The agent inside firmware: what to freeze, and which one a board or a firmware file holds.

MicroPython finds what is frozen before what lies in `/lib`, and on some ports a ROMFS as well: what
is copied there takes flash and does not run. So the agent that goes into firmware says which one it
is, and it is left alone if it is the one that is installed here, else refused.
"""

import hashlib
import re

from boards import literals
from boards.board import Board
from boards.code import stage
from boards.errors import OtherAgent

MANIFEST = "manifest.py"
# What the port has in its firmware anyway; a board may have more of its own.
BASE = "$(PORT_DIR)/boards/manifest.py"
_MODULE = "nlsm/frozen.py"
_NAMED = re.compile(rb"triseal-agent:([0-9a-f]{64})")

# Only what came with the firmware, and not what an earlier import has left.
_ASK = """\
import sys
for n in('nlsm','nlsm.frozen'):sys.modules.pop(n,0)
p=sys.path[:]
sys.path[:]=[q for q in p if q[:4]in('.fro','/rom')]
c=''
try:
 import nlsm
 c='an agent without a name'
 from nlsm.frozen import AGENT as c
except ImportError:pass
sys.path[:]=p
print(repr(c))
"""


def name() -> str:
    """Which agent is installed here: `triseal-agent:` and a hash over all its modules."""
    digest = hashlib.sha256()
    for path, source in sorted(stage.sources().items()):
        digest.update(b"%d %s %d\n" % (len(path), path.encode(), len(source)) + source)
    return f"triseal-agent:{digest.hexdigest()}"


def modules() -> dict[str, bytes]:
    """The sources that go into firmware, by path: the packages and the agent's name."""
    return {**stage.sources(), _MODULE: b'AGENT = "%s"\n' % name().encode()}


def tree(base: str = BASE) -> dict[str, bytes]:
    """All that it takes to freeze the agent: the modules, and a manifest that names each of them.

    Args:
        base: manifest of what else goes into the firmware, as MicroPython's `include` takes it.
    """
    sources = modules()
    lines = ["# The agent of a Triseal node, frozen: make ... FROZEN_MANIFEST=.../manifest.py"]
    # ESP8266's own manifest has no asyncio; what is included twice is there once.
    lines += [f"include({base!r})", 'include("$(MPY_DIR)/extmod/asyncio")']
    for package in stage.PACKAGES:
        start = package + "/"
        lines += [f"package({package!r}, opt={stage.LEVELS[package]}, files=("]
        lines += [f"    {path[len(start) :]!r}," for path in sources if path.startswith(start)]
        lines += ["))"]
    return {MANIFEST: "\n".join([*lines, ""]).encode(), **sources}


def on_board(board: Board) -> bool:
    """Whether a board has the agent in its firmware: the one that is installed here.

    Raises:
        OtherAgent: it has another one in it.
        NoAnswer, BoardTimeout, BoardGone: by what became of the board.
    """
    found = literals.value(board.exec(_ASK), str)
    return _is_ours({found} if found else set())


def in_firmware(data: bytes) -> bool:
    """Whether firmware has the agent in it: the one that is installed here.

    Args:
        data: the octets that the flash gets.

    Raises:
        OtherAgent: it has another one in it.
    """
    return _is_ours({found[0].decode() for found in _NAMED.finditer(data)})


def _is_ours(found: set[str]) -> bool:
    own = name()
    if found - {own}:
        raise OtherAgent(f"the firmware has {min(found - {own})} in it, here is {own}")
    return bool(found)
