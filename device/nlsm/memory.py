"""Loads modules when they are needed and unloads them afterwards, to save memory.

On a large heap all modules stay loaded, so that nothing is read from flash twice.
"""

import gc
import sys

from sealcore.compat import const

# Modules that are in use all the time. Other modules may be imported only inside functions or by
# other non-resident modules: otherwise a second copy would be loaded beside the one that is still
# held.
_RESIDENT = const(
    " errors compat grants memory node agent service clock console runner context bus link dial"
    " wire guard threads streams timers tasks loop "
)
_PLENTY = const(65536)
# Bytes allocated between two garbage collections. If the collector ran only when no room is left, a
# small heap would be fragmented by then: live objects would lie between freed ones. While modules
# load and seals are read, most new objects die at once.
_SWEEP = const(2048)
_FINE_SWEEP = const(256)
_PARTS = const(4)

# The modules for trust, for messages and for services, each list in the order of dependence.
TRUST = (
    "sealcore.der sealcore.rsa sealcore.keys sealcore.utctime sealcore.certificate sealcore.profile"
    " sealcore.names nlsm.keystore"
)
TALK = "sealcore.encode sealcore.der sealcore.messages nlsm.answers"
SERVICES = "sealcore.der nlsm.keystore nlsm.floors nlsm.verifier"
# The modules that read seals, and those that check them afterwards.
READ = "sealcore.utctime sealcore.certificate sealcore.names sealcore.profile sealcore.seal"
CHECK = "sealcore.rsa sealcore.keys sealcore.custody"
# The module that `custody` loads itself after it has verified all signatures.
CONTENT = const("sealcore.content")

_PIECE = const(128)
_FEW = const(8)
_MANY = const(16)

# Memory from which code runs in place. Other objects may hold a constant of that code, and the
# collector does not see that it points in here: so this memory stays until the next boot.
_held: list = []
# Modules that stay loaded although not all nodes need them: see `linked`.
kept: list[str] = []
# A reserve that is given up when memory is short, so that the agent can still react. It is made of
# small pieces, because a fragmented heap has no room for a large one. Empty while memory is short.
spare: list = []


def reserve() -> bool:
    """Allocate the reserve unless it exists. Return False if memory is too short for it."""
    if not spare:
        gc.enable()  # a service may have switched the collector off
        try:
            count = _FEW if gc.mem_free() < _PLENTY else _MANY
            spare.extend([bytearray(_PIECE) for _ in range(count)])
        except MemoryError:
            spare.clear()
            return False
    return True


def relieve() -> None:
    """Free the reserve, because memory was too short for something."""
    spare.clear()
    gc.collect()


def load(names: str) -> None:
    """Import modules one by one, and collect garbage before each.

    This keeps long free pieces on a small heap. The collector runs often from now on, until
    `settle`.
    """
    _sweep(_FINE_SWEEP)
    for name in names.split():
        if name not in sys.modules:
            gc.collect()
            __import__(name)
    gc.collect()


def settle() -> None:
    """Make the collector run less often: the loaded modules stay for a while."""
    _sweep(_SWEEP)


def _sweep(size: int) -> None:
    # On a large heap seldom, because each collection takes long there, but not only when the heap
    # is full: by then small objects would lie all over it, between freed ones, and no free piece
    # would be long enough for a frame of the link.
    free = gc.mem_free()
    gc.threshold(size if free < _PLENTY else free // _PARTS)


def check() -> None:
    """Load what a check needs, except READ and CHECK: these two take turns in memory."""
    from . import trust

    trust.load()
    forget(READ + " " + CHECK + " " + CONTENT)
    load(SERVICES)


def free() -> None:
    """Unload the modules that nothing holds, unless there is plenty of memory."""
    gc.collect()
    if gc.mem_free() < _PLENTY:
        for name in list(sys.modules):
            parts = name.split(".")  # ESP8266 has no `partition`
            ours = parts[0] in ("sealcore", "nlsm") and len(parts) > 1
            if ours and " %s " % parts[-1] not in _RESIDENT:
                _forget(name)
        gc.collect()
    settle()


def forget(names: str) -> None:
    """Unload these modules, except those in `kept`, unless there is plenty of memory."""
    gc.collect()
    if gc.mem_free() < _PLENTY:
        for name in names.split():
            if name in sys.modules:
                _forget(name)
        gc.collect()


def _forget(name: str) -> None:
    if name not in kept:
        package, module = name.split(".")
        del sys.modules[name]
        delattr(sys.modules[package], module)


def hold(data: bytes) -> bytes:
    """Keep these bytes until the next boot. Return them, or equal bytes that are kept already."""
    for known in _held:
        if known == data:
            return known
    _held.append(data)
    return data
