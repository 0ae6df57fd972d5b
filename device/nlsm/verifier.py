"""Checks the files of a service on flash, by the ten steps of custody.

The modules that read the seals are unloaded before the modules that check them are loaded: a small
heap has no room for both.
"""

import io

from sealcore import errors
from sealcore.compat import const

from . import floors, keystore, memory, trust

EXECUTABLES = ("app.py", "app.mpy", "app.romfs")
_SITE_SEAL = const("site.der")
FILES = ("metadata.json", "developer.der", "store.der")
# The names of these files in `custody`, in the order of FILES and then _SITE_SEAL.
_ATTRIBUTES = const(("metadata", "developer_seal", "store_seal", "site_seal"))
_LIMIT = const(8192)


class Package:
    """A service's folder in the form that `custody` expects: each file is read when it is needed.

    executable    an open file; the caller closes it
    """

    def __init__(self, folder: str):
        """Open the executable of the folder.

        Raises HashMismatch if the folder holds a file that the seals do not cover: `import` might
        prefer such a file to a sealed one.
        """
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


def check(folder: str, service: str, clock, site_seal=None, kind=None, image=None):
    """Run all ten steps over the files of a folder, for this node.

    Args:
        folder: the folder of the service.
        service: the name of the service.
        clock: the node's clock; a seal that passes moves it forward to the start of that seal.
        site_seal: DER of another site seal than the one in the folder, or None.
        kind: what the package must be, as in `custody`; None for a service.
        image: the executable, if it is no file of the folder, as an open file.

    Returns: the site seal, a seal.Brief. Raises: a leaf of SealError.
    """
    own = trust.load()
    floor = floors.read().get(service, 0)
    package = Package(folder)
    if image:
        package.executable = image
    try:
        seals = _read(package, site_seal)
        memory.forget(memory.READ)
        memory.load(memory.CHECK)
        memory.settle()
        from sealcore import custody

        # A seal with the site's signature proves that it is at least as late as its start. A seal
        # without that signature is refused before the time is checked.
        now = max(clock.now(), seals[0].not_before)
        place = own.node, service, own.spki
        found = custody.check(seals, package, own, place, now, floor, kind or "service")
        clock.rise(found.not_before)
        from sealcore import grants

        for one in found.grants:  # step 1, done here in the memory that the signatures used before
            grants.check(one)
        return found
    finally:
        package.executable.close()


def _read(package: Package, site_seal) -> tuple:
    """Do step 1: read the seals.

    This is a function of its own because the arguments of a call stay in memory until its caller
    ends.
    """
    memory.forget(memory.CHECK + " " + memory.CONTENT)
    memory.load(memory.READ)
    from sealcore import seal

    der = package.site_seal if site_seal is None else site_seal
    site = seal.brief(der, seal.SITE, (trust.load().spki,))
    return seal.read(package, site)
