"""Checks a deployment as it lies on flash, by the ten steps of custody."""

import io

from sealcore import custody, errors
from sealcore.compat import const

from . import keystore

EXECUTABLES = ("app.py", "app.mpy", "app.romfs")
FILES = ("metadata.json", "developer.der", "store.der", "site.der")

_SEAL = const(4096)


class Package:
    """A service's folder as `custody` wants it; `close` it."""

    def __init__(self, folder: str):
        """Raises HashMismatch if there is more in the folder than the seals speak of: `import`
        might prefer it to what they do."""
        found = ""
        for name in keystore.names(folder):
            if name in EXECUTABLES and not found:
                found = name
            elif name not in FILES:
                raise errors.HashMismatch("not sealed: " + name)
        self.metadata = keystore.read(folder + "/metadata.json")
        self.developer_seal = keystore.read(folder + "/developer.der", _SEAL)
        self.store_seal = keystore.read(folder + "/store.der", _SEAL)
        self.executable = io.BytesIO(b"")
        if found:
            self.executable = open(folder + "/" + found, "rb")  # noqa: SIM115 - `check` closes it


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
    package = Package(folder)
    try:
        return custody.verify(
            package, site_seal, trust.bundle, trust.node, service, trust.spki, now, floor
        )
    finally:
        package.executable.close()
