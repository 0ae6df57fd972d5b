"""What a link needs, loaded for good: each message wants nearly all of it.

Loaded anew for each one it would break a heap into pieces, and be imported from deep within calls,
for which the stack of a board is too short.
"""

import sys

from sealcore.compat import const

from . import memory

_LINK = const(
    "nlsm.trust sealcore.encode sealcore.messages sealcore.signedtime sealcore.delta"
    " sealcore.renewal nlsm.grace nlsm.timing nlsm.service nlsm.recovery nlsm.starter"
    " nlsm.installer nlsm.duties"
)


def load() -> None:
    """Load it, each module after those that it wants; nothing if it is there."""
    if "nlsm.duties" not in sys.modules:  # the last one
        memory.check()
        memory.load(memory.TRUST)
        memory.load(_LINK)
        memory.settle()


def keep() -> None:
    """Load it, to be called while the heap is whole, with what checks seals. Where it does not fit,
    nothing is kept, and each part is loaded for its turn as on a node without a link."""
    try:
        load()
        memory.load(memory.READ)
        memory.load(memory.CHECK)
        memory.settle()
    except MemoryError:
        return
    for names in (memory.TRUST, memory.SERVICES, memory.READ, memory.CHECK, _LINK):
        memory.kept.extend(names.split())
