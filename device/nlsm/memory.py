"""Gives memory back: what is needed now and then is loaded for its turn and forgotten after it.

Where the heap is large, all stays loaded and nothing is read from flash twice.
"""

import gc
import sys

from sealcore.compat import const

# Held by what runs all the time. All else is imported inside functions only, or by such modules:
# otherwise a second copy would be loaded beside the one that is held.
RESIDENT = (
    " errors compat grants memory node agent service clock console runner context bus link dial"
    " wire guard threads streams tasks loop "
)
_PLENTY = const(65536)
# Bytes taken between two collections. Where the collector runs only when there is no room left, a
# small heap has fallen into pieces by then: what stays lies between what has gone. While modules
# are loaded, and seals read, most of what is made goes at once.
_SWEEP = const(2048)
_FINE_SWEEP = const(256)

# What it takes to know whom to trust, to talk, and to have services, in the order of dependence.
TRUST = (
    "sealcore.der sealcore.rsa sealcore.keys sealcore.utctime sealcore.certificate sealcore.profile"
    " sealcore.names nlsm.keystore"
)
TALK = "sealcore.encode sealcore.der sealcore.messages nlsm.answers"
SERVICES = "sealcore.der nlsm.keystore nlsm.floors nlsm.verifier"
# What reads seals, and what checks them then.
READ = "sealcore.utctime sealcore.certificate sealcore.names sealcore.profile sealcore.seal"
CHECK = "sealcore.rsa sealcore.keys sealcore.custody"

_PIECE = const(128)
_FEW = const(8)
_MANY = const(32)

# Memory from which code runs in place. A constant of that code may be held by whoever was handed
# it, and the collector does not see that it points in here: so it stays until the next start.
_held: list = []
# Modules that stay, though not all nodes need them: see `linked`.
kept: list[str] = []
# What is given up where memory is wanted, so that the agent can still do something about it. In
# pieces: a heap that has fallen into such has room for no other.
_reserve: list = []


def reserve() -> bool:
    """Have a reserve, unless there is one; false if memory is too short for it."""
    if not _reserve:
        gc.enable()  # a service may have switched it off
        try:
            count = _FEW if gc.mem_free() < _PLENTY else _MANY
            _reserve.extend([bytearray(_PIECE) for _ in range(count)])
        except MemoryError:
            _reserve.clear()
            return False
    return True


def relieve() -> None:
    """Memory was too short for something: give up the reserve."""
    _reserve.clear()
    gc.collect()


def load(names: str) -> None:
    """Load modules one by one: where each clears up after itself, a small heap keeps long free
    pieces. It is swept often from now on, until `settle`."""
    _sweep(_FINE_SWEEP)
    for name in names.split():
        if name not in sys.modules:
            gc.collect()
            __import__(name)
    gc.collect()


def settle() -> None:
    """What is loaded stays for a while: sweep less often."""
    _sweep(_SWEEP)


def _sweep(octets: int) -> None:
    # Not on a large heap: there each collection takes long, and there is always a long piece.
    gc.threshold(octets if gc.mem_free() < _PLENTY else -1)


def check() -> None:
    """Load what a check needs, but for READ and CHECK, which take turns."""
    from . import trust

    trust.load()
    forget(READ + " " + CHECK)
    load(SERVICES)


def free() -> None:
    """Forget the modules that nothing holds, unless there is plenty of memory."""
    gc.collect()
    if gc.mem_free() < _PLENTY:
        for name in list(sys.modules):
            parts = name.split(".")  # ESP8266 has no `partition`
            ours = parts[0] in ("sealcore", "nlsm") and len(parts) > 1
            if ours and " %s " % parts[-1] not in RESIDENT:
                _forget(name)
        gc.collect()
    settle()


def forget(names: str) -> None:
    """Forget these modules but for those that are kept, unless there is plenty of memory."""
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
    """Keep these bytes for good; returns them, or equal ones that are kept already."""
    for known in _held:
        if known == data:
            return known
    _held.append(data)
    return data
