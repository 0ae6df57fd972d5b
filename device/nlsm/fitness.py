"""Checks that this board can load a service, and has what the metadata of the service requires.

modules    names of modules that the board must have
heap       bytes of heap that must be free before the service is imported
"""

import gc
import json
import os

from sealcore import errors

from . import keystore, memory


def check(one) -> bool:
    """Tell whether the service may be imported. If not, its state says what is missing.

    Args:
        one: a service.Service whose files were checked just before.
    """
    folder = keystore.SERVICES + "/" + one.name + "/"
    try:
        once = _check_needs(keystore.read(folder + "metadata.json"))
        if once != one.once:
            one.once = once
        look(folder)
        return True
    except errors.SealError as error:
        one.stop("refused", error.code, str(error))
    return False


def _check_needs(metadata: bytes) -> bool:
    """Check the requirements. Return whether the service must not be restarted after a failure.

    Raises MissingModule, TooLittleHeap or MetadataMismatch.
    """
    try:
        needs = json.loads(metadata)
        heap = int(needs.get("heap", 0))
        modules = [str(name) for name in needs.get("modules", ())]
        once = needs.get("restart") == "never"
    except (ValueError, TypeError, AttributeError):
        raise errors.MetadataMismatch("metadata.json")
    metadata = needs = None
    for name in modules:
        try:
            __import__(name)
        except Exception:
            raise errors.MissingModule(name)
    memory.free()
    if gc.mem_free() < heap:
        raise errors.TooLittleHeap("%d bytes, needs %d" % (gc.mem_free(), heap))
    return once


def look(folder: str) -> None:
    """Check the executable in a folder. Raises Unloadable."""
    for name in os.listdir(folder):
        if name[-4:] == ".mpy" or name[-6:] == ".romfs":
            with open(folder + name, "rb") as file:
                if name[-4:] == ".mpy":
                    _walk(file, os.stat(folder + name)[6])
                else:
                    _check_image(file)


def _check_image(file) -> None:
    from . import romfs

    try:
        image = romfs.Image(file)
    except ValueError as error:
        raise errors.Unloadable(str(error))
    del romfs
    memory.free()
    for path, place in image.entries.items():
        if place:
            _walk(image.open(path, "rb"), place[1])


def _walk(file, size: int) -> None:
    from sealcore import mpy

    mpy.check(file, size)
