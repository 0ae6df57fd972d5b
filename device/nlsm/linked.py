"""Loads the modules that a link needs, and keeps them: each message needs nearly all of them.

If they were loaded again for each message, the heap would fragment, and the imports would happen
deep inside calls, for which the stack of a board is too short.
"""

import sys

from sealcore.compat import const

from . import memory

_LINK = const(
    "nlsm.trust sealcore.encode sealcore.messages sealcore.signedtime sealcore.timetext"
    " sealcore.delta sealcore.renewal nlsm.grace nlsm.timing nlsm.service nlsm.recovery"
    " nlsm.starter nlsm.installer nlsm.duties"
)


def load() -> None:
    """Load the modules, each after those that it needs. Do nothing if they are loaded."""
    if "nlsm.duties" not in sys.modules:  # the last one
        memory.check()
        memory.load(memory.TRUST)
        memory.load(_LINK)
        memory.settle()


def keep() -> None:
    """Load the modules and those that check seals, and keep them all.

    Call this on an unfragmented heap.

    If they do not fit, nothing is kept: each module is loaded when needed, as on a node without a
    link.
    """
    try:
        load()
        memory.load(memory.READ)
        memory.load(memory.CHECK)
        memory.load(memory.CONTENT)
        memory.settle()
    except MemoryError:
        return
    kept = memory.TRUST, memory.SERVICES, memory.READ, memory.CHECK, memory.CONTENT, _LINK
    for names in kept:
        memory.kept.extend(names.split())
