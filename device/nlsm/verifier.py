"""Checks a deployment as it lies on flash, by the ten steps of custody.

What reads the seals is forgotten before they are checked: a small heap has no room for both.
"""

import io

from sealcore import errors
from sealcore.compat import const

from . import floors, keystore, memory, trust

EXECUTABLES = ("app.py", "app.mpy", "app.romfs")
_SITE_SEAL = const("site.der")
FILES = ("metadata.json", "developer.der", "store.der")
# What custody calls them.
_ATTRIBUTES = const(("metadata", "developer_seal", "store_seal", "site_seal"))
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
        self.executable: io.BufferedIOBase = io.BytesIO(b"")
        if found:
            self.executable = open(folder + "/" + found, "rb")  # noqa: SIM115 - `check` closes it

    def __getattr__(self, name: str):
        if name not in _ATTRIBUTES:
            raise AttributeError(name)
        file = (FILES + (_SITE_SEAL,))[_ATTRIBUTES.index(name)]
        return keystore.read(self._folder + file, _LIMIT)


def check(folder: str, service: str, clock, site_seal=None):
    """All ten steps over the files of a folder, for this node.

    Args:
        folder: of the service.
        service: its name.
        clock: the node's; it moves on to the begin of a seal that passes.
        site_seal: DER, if it is not the one in the folder.

    Returns: the site seal, a seal.Brief. Raises: a leaf of SealError.
    """
    own = trust.load()
    floor = floors.read().get(service, 0)
    package = Package(folder)
    try:
        seals = _read(package, site_seal)
        memory.forget(memory.READ)
        memory.load(memory.CHECK)
        memory.settle()
        from sealcore import custody

        # A seal that the site has signed says that it is at least so late. One that it has not is
        # refused before the time is looked at.
        now = max(clock.now(), seals[0].not_before)
        found = custody.check(seals, package, own, (own.node, service, own.spki), now, floor)
        clock.rise(found.not_before)
        from sealcore import grants

        for one in found.grants:  # 1, in the room that the signatures took
            grants.check(one)
        return found
    finally:
        package.executable.close()


def _read(package: Package, site_seal) -> tuple:
    """Step 1. A function of its own, since what a call was given stays until its caller ends."""
    memory.forget(memory.CHECK)
    memory.load(memory.READ)
    from sealcore import seal

    site = seal.brief(package.site_seal if site_seal is None else site_seal, seal.SITE)
    return seal.read(package, site)
