"""Checks a deployment as it lies on flash, by the ten steps of custody."""

import io

from sealcore import custody, errors
from sealcore.compat import const

from . import floors, keystore, trust

EXECUTABLES = ("app.py", "app.mpy", "app.romfs")
_SITE_SEAL = const("site.der")
FILES = ("metadata.json", "developer.der", "store.der")
# What custody calls them.
_ATTRIBUTES = const(("metadata", "developer_seal", "store_seal"))
_LIMIT = const(8192)


class Package:
    """A service's folder as `custody` wants it: each file is read when it is asked for.

    executable    an open file, for the caller to close
    """

    def __init__(self, folder: str):
        """Raises HashMismatch if there is more in the folder than the seals speak of: `import`
        might prefer it to what they do."""
        self._folder = folder + "/"
        found = ""
        for name in keystore.names(folder):
            if name in EXECUTABLES and not found:
                found = name
            elif name != _SITE_SEAL and name not in FILES:
                raise errors.HashMismatch("not sealed: " + name)
        self.executable = io.BytesIO(b"")
        if found:
            self.executable = open(folder + "/" + found, "rb")  # noqa: SIM115 - `check` closes it

    def __getattr__(self, name: str):
        if name not in _ATTRIBUTES:
            raise AttributeError(name)
        return keystore.read(self._folder + FILES[_ATTRIBUTES.index(name)], _LIMIT)


def check(folder: str, site_seal, service: str, now: int):
    """All ten steps over the files of a folder, for this node.

    Args:
        folder: of the service.
        site_seal: DER; perhaps not the one in the folder.
        service: its name.
        now: trusted time, Unix seconds.

    Returns: the site seal, a seal.Seal. Raises: a leaf of SealError.
    """
    own = trust.load()
    floor = floors.read().get(service, 0)
    package = Package(folder)
    try:
        return custody.verify(package, site_seal, own, own.node, service, own.spki, now, floor)
    finally:
        package.executable.close()
