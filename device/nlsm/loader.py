"""Imports the executable of a service that was checked just before."""

import os
import sys

from sealcore.compat import const

from . import keystore, memory, service, tasks

_IMAGE = const("app.romfs")
_MODULE = const("app")


def load(services: dict, one) -> None:
    """Give a service its `main`; what fails is its own failure.

    Args:
        services: all, by name.
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
        one.main = found.main or _MODULE  # what is false would not be called, and so not fail
    except BaseException as error:  # of the service's own code
        if service.by_person(error):
            raise
        memory.relieve()
        one.fail(error)
    finally:
        tasks.begin(services, None)


def _import(folder: str):
    sys.modules.pop(_MODULE, None)  # what another service may have left, and nobody has checked
    sys.path.insert(0, folder)
    try:
        return __import__(_MODULE)
    finally:
        sys.path.pop(0)
        sys.modules.pop(_MODULE, None)
