"""What MicroPython runs for the bench `custody`: one check of the deployment in this folder.

Its files are named as `custody.verify` names its arguments: names take heap, each once.
"""

# ruff: noqa: PTH116, PTH123 - MicroPython has no pathlib.

import gc
import os

ORDER = "compat errors der rsa keys utctime certificate names profile bundle seal custody"


def read(name: str) -> bytearray:
    """The contents of a file, in one piece."""
    data = bytearray(os.stat(name)[6])
    with open(name, "rb") as file:
        file.readinto(data)
    return data


class Package:
    """A package on flash, each part of which is read when it is asked for."""

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        return open(name, "rb") if name == "executable" else read(name)


def prepare():  # type: ignore[no-untyped-def]
    """A function that checks the deployment once.

    The check is imported leaf first, as the node does, so that nothing is held twice.
    """
    gc.threshold(2048)  # type: ignore[attr-defined]
    for name in ORDER.split():
        gc.collect()
        __import__("sealcore." + name)
    from sealcore import bundle, custody

    trust = bundle.parse(read("trust"))
    node_key = read("node_key")
    site_seal = read("site_seal")
    now = int(bytes(read("now")))
    gc.collect()
    return lambda: custody.verify(Package(), site_seal, trust, "node", "service", node_key, now)
