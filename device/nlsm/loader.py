"""Imports the executable of a service that was checked just before."""

import os
import sys

from sealcore.compat import const

from . import keystore, memory, service, tasks

_IMAGE = const("app.romfs")
_MODULE = const("app")


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
    sys.path.insert(0, folder)
    try:
        return __import__(_MODULE)
    finally:
        sys.path.pop(0)
        sys.modules.pop(_MODULE, None)
