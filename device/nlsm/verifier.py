"""Checks a deployment as it lies on flash, by the ten steps of custody."""

import gc
import io
import sys

from sealcore import errors
from sealcore.compat import const

from . import keystore

EXECUTABLES = ("app.py", "app.mpy")
FILES = ("metadata.json", "developer.der", "store.der", "site.der")

_SEAL = const(4096)
# What stays loaded between two checks; the rest is loaded again when it is wanted.
_KEPT = ("sealcore.errors", "sealcore.compat", "sealcore.grants")
_PLENTY = const(49152)


class Package:
    """A service's folder as `custody` wants it; `close` it."""

    def __init__(self, folder: str):
        """Raises HashMismatch if there is more in the folder than the seals speak of: `import`
        might prefer it to what they do."""
        self.executable = io.BytesIO(b"")
        for name in keystore.names(folder):
            if name in EXECUTABLES and isinstance(self.executable, io.BytesIO):
                self.executable = open(folder + "/" + name, "rb")
            elif name not in FILES:
                self.close()
                raise errors.HashMismatch("not sealed: " + name)
        self.metadata = keystore.read(folder + "/metadata.json")
        self.developer_seal = keystore.read(folder + "/developer.der", _SEAL)
        self.store_seal = keystore.read(folder + "/store.der", _SEAL)

    def close(self) -> None:
        self.executable.close()


def check(folder: str, site_seal, trust, service: str, now: int, floor: int):
    """All ten steps over the files of a folder.

    Args:
        folder: of the service.
        site_seal: DER; perhaps not the one in the folder.
        trust: the node's Trust.
        service: its name.
        now: trusted time, Unix seconds.
        floor: the highest security version accepted so far.

    Returns: the site seal, a seal.Seal. Raises: a leaf of SealError.
    """
    from sealcore import custody

    gc.collect()
    package = Package(folder)
    try:
        return custody.verify(
            package, site_seal, trust.bundle, trust.node, service, trust.spki, now, floor
        )
    finally:
        package.close()


def unload() -> None:
    """Where the heap is small, give back what only checks need."""
    gc.collect()
    if gc.mem_free() >= _PLENTY:
        return
    package = sys.modules["sealcore"]
    for name in list(sys.modules):
        if name.startswith("sealcore.") and name not in _KEPT:
            del sys.modules[name]
            delattr(package, name[9:])
    gc.collect()
