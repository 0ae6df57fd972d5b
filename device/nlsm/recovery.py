"""Folders that change in one step, and what a power cut leaves of that, mended."""

import os

from sealcore.compat import const

from . import board, keystore

_ACCEPTED = const("/triseal/accepted")
_OLD = const("/triseal/old")
CHECKED = "/triseal/checked"
_FOLDER = const(0x4000)


def make(folder: str) -> None:
    """Make a folder of /triseal, unless it is there."""
    for path in (keystore.ROOT, folder):
        if not keystore.exists(path):
            os.mkdir(path)


def remove(path: str) -> None:
    """Remove a file, or a folder with all in it; what is missing is no error."""
    try:
        kind = os.stat(path)[0]
    except OSError:
        return
    if kind & _FOLDER:
        for name in os.listdir(path):
            remove(path + "/" + name)
        os.rmdir(path)
    else:
        os.remove(path)


def keep(name: str) -> None:
    """Move incoming/NAME, which was just checked, to where nothing that comes can change it."""
    make(CHECKED)
    remove(CHECKED + "/" + name)
    os.rename(keystore.INCOMING + "/" + name, CHECKED + "/" + name)


def swap(name: str, checked: str = keystore.INCOMING) -> None:
    """Put the folder NAME in `checked` in the place of the service NAME, or of nothing."""
    place = keystore.SERVICES + "/" + name
    make(keystore.SERVICES)
    make(_OLD)
    if keystore.exists(place):
        os.rename(place, _OLD + "/" + name)
    os.rename(checked + "/" + name, place)
    remove(_OLD + "/" + name)


def drop(name: str) -> None:
    """Remove a service: gone in one step, then its room is freed."""
    # Not by incoming/NAME: the same service may be coming again.
    make(CHECKED)
    remove(CHECKED + "/" + name)
    if keystore.exists(keystore.SERVICES + "/" + name):
        os.rename(keystore.SERVICES + "/" + name, CHECKED + "/" + name)
    remove(CHECKED + "/" + name)


def take() -> None:
    """Make the checked files of incoming the node's own: all of them, from one rename on."""
    os.rename(keystore.INCOMING, _ACCEPTED)
    _enact()


def _enact() -> None:
    for name in keystore.names(_ACCEPTED):
        board.replace(_ACCEPTED + "/" + name, keystore.ROOT + "/" + name)
    remove(_ACCEPTED)


def recover() -> None:
    """Undo or complete what a power cut interrupted; call it before anything is read."""
    _end_moves()
    _finish(keystore.ROOT)
    _enact()
    for name in keystore.names(_OLD):
        # Cut between the two renames of `swap` the service is in no place but here.
        if keystore.exists(keystore.SERVICES + "/" + name):
            remove(_OLD + "/" + name)
        else:
            os.rename(_OLD + "/" + name, keystore.SERVICES + "/" + name)
    for name in keystore.names(keystore.SERVICES):
        _finish(keystore.SERVICES + "/" + name)


def _end_moves() -> None:
    # Cut within a rename from folder to folder, LittleFS shows the file in its new place, and hides
    # the one that follows in the old folder too (lfs.c, "synthetic moves": seen with 2.9), until
    # something is to be changed. Then it ends the move first: also for this, which changes nothing.
    try:
        os.remove(keystore.ROOT + "/none")
    except OSError:
        pass


def _finish(folder: str) -> None:
    for name in keystore.names(folder):
        if not name.endswith(keystore.TEMPORARY):
            continue
        path = folder + "/" + name
        place = path[: -len(keystore.TEMPORARY)]
        if keystore.exists(place) or not keystore.read(path, 0):
            remove(path)
        else:
            # On FAT the file that is replaced goes first. This one was whole by then.
            os.rename(path, place)
