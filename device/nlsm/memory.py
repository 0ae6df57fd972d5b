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
    " wire tasks "
)
_PLENTY = const(65536)
# Octets taken between two collections. Where the collector runs only when there is no room left, a
# small heap has fallen into pieces by then: what stays lies between what has gone.
_SWEEP = const(2048)

# What it takes to know whom to trust, to talk, and to check a service: in the order of dependence.
TRUST = (
    "sealcore.der sealcore.rsa sealcore.keys sealcore.utctime sealcore.certificate sealcore.profile"
    " sealcore.names nlsm.keystore"
)
TALK = "sealcore.encode sealcore.der sealcore.messages nlsm.answers"
CHECK = "sealcore.seal sealcore.custody nlsm.floors nlsm.verifier nlsm.starter"

# Memory from which code runs in place. A constant of that code may be held by whoever was handed
# it, and the collector does not see that it points in here: so it stays until the next start.
_held = []
# Modules that stay, though not all nodes need them: see `linked`.
kept = []


def load(names: str) -> None:
    """Load modules one by one: where each clears up after itself, a small heap keeps long free
    pieces."""
    # Not on a large heap: there each collection takes long, and there is always a long piece.
    gc.threshold(_SWEEP if gc.mem_free() < _PLENTY else -1)
    for name in names.split():
        gc.collect()
        __import__(name)
    gc.collect()


def check() -> None:
    """Load what a check needs."""
    from . import trust

    trust.load()
    load(TRUST)
    load(CHECK)


def free() -> None:
    """Forget the modules that nothing holds, unless there is plenty of memory."""
    names = ""
    for name in sys.modules:
        package, _, module = name.partition(".")
        stays = not module or name in kept or " %s " % module in RESIDENT
        if package in ("sealcore", "nlsm") and not stays:
            names += " " + name
    forget(names)


def forget(names: str) -> None:
    """Forget these modules, unless there is plenty of memory."""
    gc.collect()
    if gc.mem_free() >= _PLENTY:
        return
    for name in names.split():
        if name in sys.modules:
            package, _, module = name.partition(".")
            del sys.modules[name]
            delattr(sys.modules[package], module)
    gc.collect()


def hold(data: bytes) -> bytes:
    """Keep these octets for good; returns them, or equal ones that are kept already."""
    for known in _held:
        if known == data:
            return known
    _held.append(data)
    return data
