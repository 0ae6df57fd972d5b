"""The agent inside firmware: the modules to freeze, and the agent that a firmware has in it.

MicroPython prefers frozen modules, and on some ports those in a ROMFS, to modules in `/lib`: copies
there take flash and never run. So the agent in a firmware has a name. Provisioning leaves it alone
if it is the agent that is installed here, and refuses the board otherwise.
"""

import hashlib
import re

from boards import literals
from boards.board import Board
from boards.code import stage
from boards.errors import OtherAgent

MANIFEST = "manifest.py"
# The modules that each board of the port has; a board may have more of its own.
BASE = "$(PORT_DIR)/boards/manifest.py"
_MODULE = "nlsm/frozen.py"
_SLOTS = "slots.py"
_NAMED = re.compile(rb"triseal-agent:([0-9a-f]{64})")

# Only modules that came with the firmware, not those of an earlier import.
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
    """Return the name of the agent that is installed here: `triseal-agent:` and a hash over its
    modules."""
    digest = hashlib.sha256()
    for path, source in sorted(stage.sources().items()):
        digest.update(b"%d %s %d\n" % (len(path), path.encode(), len(source)) + source)
    return f"triseal-agent:{digest.hexdigest()}"


def modules() -> dict[str, bytes]:
    """Return the sources that go into firmware, by path: the packages and the agent's name."""
    return {**stage.sources(), _MODULE: b'AGENT = "%s"\n' % name().encode()}


def tree(base: str = BASE) -> dict[str, bytes]:
    """Return everything that is needed to freeze the agent: modules, and a manifest that names
    each. With `slots.py`, such firmware can also replace itself over the link.

    Args:
        base: manifest of everything else in the firmware, as MicroPython's `include` takes it.
    """
    sources = modules()
    lines = ["# The agent of a Triseal node, frozen: make ... FROZEN_MANIFEST=.../manifest.py"]
    # ESP8266's own manifest has no asyncio. Including it twice does no harm.
    lines += [f"include({base!r})", 'include("$(MPY_DIR)/extmod/asyncio")']
    for package in stage.PACKAGES:
        start = package + "/"
        lines += [f"package({package!r}, opt={stage.LEVELS[package]}, files=("]
        lines += [f"    {path[len(start) :]!r}," for path in sources if path.startswith(start)]
        lines += ["))"]
    lines += [f"module({_SLOTS!r}, opt=3)"]
    found = {MANIFEST: "\n".join([*lines, ""]).encode(), **sources}
    return {**found, _SLOTS: stage.slots_source()}


def on_board(board: Board) -> bool:
    """Say whether a board has the agent that is installed here in its firmware.

    Args:
        board: the board.

    Raises:
        OtherAgent: the firmware has another one.
        NoAnswer, BoardTimeout, BoardGone: as `Board.exec`.
    """
    found = literals.value(board.exec(_ASK), str)
    return _is_ours({found} if found else set())


def in_firmware(data: bytes) -> bool:
    """Say whether a firmware has the agent that is installed here.

    Args:
        data: the bytes that the flash gets.

    Raises:
        OtherAgent: the firmware has another one.
    """
    return _is_ours({found[0].decode() for found in _NAMED.finditer(data)})


def _is_ours(found: set[str]) -> bool:
    own = name()
    if found - {own}:
        raise OtherAgent(f"the firmware has {min(found - {own})}, this computer has {own}")
    return bool(found)
