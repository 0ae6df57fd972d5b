"""Imports the executable of a service that was checked just before."""

import os
import sys

import vfs

from sealcore.compat import const

from . import keystore, memory, service, tasks

_IMAGE = const("app.romfs")
_MODULE = const("app")
_PLACE = const("/app")


class _Folder:
    """The folder of a service as a file system.

    All services are imported from the same place: the path of a module stays in memory until the
    next reset, and each other path would take more of it.
    """

    def __init__(self, folder: str):
        self._folder = folder

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    def stat(self, path: str):
        return os.stat(self._folder + path)

    def open(self, path: str, mode: str):
        return open(self._folder + path, mode)


def load(services: dict, one) -> None:
    """Import a service and set its `main`. An error in its code is the service's own failure.

    Args:
        services: all services, by name.
        one: the service.Service that may run.
    """
    folder = keystore.SERVICES + "/" + one.name
    tasks.begin(services, one)
    try:
        if _IMAGE in os.listdir(folder):
            from . import romfs

            found = romfs.load(folder + "/" + _IMAGE)
        else:
            found = _import(folder)
        # A false value would never be called, so it would not fail.
        one.main = found.main or _MODULE
    except BaseException as error:  # of the service's own code
        if service.by_person(error):
            raise
        memory.relieve()
        one.fail(error)
    finally:
        tasks.begin(services, None)


def _import(folder: str):
    # Another service may have left a module of this name, which nobody has checked.
    sys.modules.pop(_MODULE, None)
    vfs.mount(_Folder(folder), _PLACE)
    sys.path.insert(0, _PLACE)
    try:
        return __import__(_MODULE)
    finally:
        sys.path.pop(0)
        vfs.umount(_PLACE)
        sys.modules.pop(_MODULE, None)
