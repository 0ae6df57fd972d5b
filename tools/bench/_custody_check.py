"""Run by MicroPython for the bench `custody`: one check of the deployment in this folder.

Its files have the names of the arguments of `custody.check`, because each name takes heap once.
Modules come and go as on a node (`nlsm.memory`): leaf first, so that nothing is held twice. If the
heap is small, modules that have read their input are forgotten.
"""

# ruff: noqa: PTH116, PTH123 - MicroPython has no pathlib.
# mypy: ignore-errors

import gc
import os
import sys

from micropython import const

import sealcore

_ALWAYS = const("compat errors der")
_TRUST = const("rsa keys utctime names bundle")
_READ = const("utctime certificate names profile seal")
_CHECK = const("rsa keys custody")
_PLENTY = const(65536)
_SITE = const(2)  # sealcore.seal.SITE


def __getattr__(name: str) -> bytes:
    """Return the file `name` of the folder when it is asked for: this module is package
    and trust."""
    with open(name, "rb") as file:
        return file.read(os.stat(name)[6])


def load(names: str) -> None:
    """Import modules of sealcore, each into a heap that was just cleared.

    Args:
        names: separated by blanks.
    """
    if small:
        gc.threshold(256)
    for name in names.split():
        if "sealcore." + name not in sys.modules:
            gc.collect()
            __import__("sealcore." + name)
    gc.collect()


def clear(names: str) -> None:
    """Forget modules, unless there is plenty of memory.

    Args:
        names: separated by blanks.
    """
    if small:
        for name in names.split():
            del sys.modules["sealcore." + name]
            delattr(sealcore, name)
    gc.collect()


def read() -> tuple:
    """Return the seals, and forget the modules that read them."""
    load(_READ)
    site = sealcore.seal.brief(here.site_seal, _SITE, (here.node_key,))
    return sealcore.seal.read(here, site)


def check() -> None:
    """Check the deployment once."""
    # Read by another function: the arguments of a call stay until its caller ends.
    seals = read()
    clear(_READ)
    load(_CHECK)
    if small:
        gc.threshold(2048)
    here.executable = open("executable", "rb")  # noqa: SIM115
    place = "node", "service", here.node_key
    sealcore.custody.check(seals, here, here, place, int(here.now), 0, "service")
    clear(_CHECK)


# The keys of the trust bundle are copied, so that the module that read them can be forgotten. Its
# signature was checked when the node took it.
small = gc.mem_free() < _PLENTY
load(_ALWAYS)
load(_TRUST)
here = sys.modules["_custody_check"]
here.node_key = here.node_key
bundle = sealcore.bundle.parse(here.trust)
site = bundle.site
for name in ("site_keys", "store_keys"):
    keys = [(bytes(name), bytes(key)) for name, key in getattr(bundle, name)]
    setattr(here, name, keys)
here.developers = bundle.developers
del bundle, keys, name
clear(_TRUST)
