"""What MicroPython runs for the bench `custody`: one check of the deployment in this folder.

Its files are named as `custody.verify` names its arguments: names take heap, each once.
"""

# ruff: noqa: PTH116, PTH123 - MicroPython has no pathlib.

import gc
import os
import sys


def read(name: str) -> bytes:
    """The contents of a file, in one piece."""
    with open(name, "rb") as file:
        return file.read(os.stat(name)[6])


class Package:
    """A package on flash, each part of which is read when it is asked for."""

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        return open(name, "rb") if name == "executable" else read(name)


def load(names: str) -> None:
    """Import modules, each into a heap that was just cleared."""
    for name in names.split():
        gc.collect()
        __import__(name)
    gc.collect()


def prepare():  # type: ignore[no-untyped-def]
    """A function that checks the deployment once.

    As on a node: the check is imported leaf first, so that nothing is held twice, and what has
    read the trust bundle is forgotten.
    """
    gc.threshold(2048)  # type: ignore[attr-defined]
    load(
        "sealcore.compat sealcore.errors sealcore.der sealcore.rsa sealcore.keys sealcore.utctime"
        " sealcore.certificate sealcore.names sealcore.profile sealcore.bundle"
    )
    import bench._custody_trust
    import sealcore

    trust = bench._custody_trust.load(Package())  # type: ignore[no-untyped-call]
    del sys.modules["sealcore.bundle"], sealcore.bundle
    del sys.modules["bench._custody_trust"], bench._custody_trust
    load("sealcore.seal sealcore.custody")
    from sealcore import custody

    node_key = read("node_key")
    site_seal = read("site_seal")
    now = int(read("now"))
    gc.collect()
    return lambda: custody.verify(Package(), site_seal, trust, "node", "service", node_key, now)
