"""Changes folders in one atomic step, and repairs what a power cut has interrupted."""

import os

from sealcore.compat import const

from . import keystore

_ACCEPTED = const("/triseal/accepted")
_OLD = const("/triseal/old")
CHECKED = "/triseal/checked"
_FOLDER = const(0x4000)


def make(folder: str) -> None:
    """Create a folder of /triseal, unless it exists."""
    for path in (keystore.ROOT, folder):
        if not keystore.exists(path):
            os.mkdir(path)


def remove(path: str) -> None:
    """Remove a file, or a folder with all its contents. A missing path is not an error."""
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
    """Move incoming/NAME, which was just checked, to a place where no download can change it."""
    make(CHECKED)
    remove(CHECKED + "/" + name)
    os.rename(keystore.INCOMING + "/" + name, CHECKED + "/" + name)


def swap(name: str, checked: str = keystore.INCOMING) -> None:
    """Replace the service NAME by the folder NAME in `checked`, or add it if there was none."""
    place = keystore.SERVICES + "/" + name
    make(keystore.SERVICES)
    make(_OLD)
    if keystore.exists(place):
        os.rename(place, _OLD + "/" + name)
    os.rename(checked + "/" + name, place)
    remove(_OLD + "/" + name)


def drop(name: str) -> None:
    """Remove a service: one rename takes it away, then its files are deleted."""
    # Do not move it to incoming/NAME: the same service may be arriving there again.
    make(CHECKED)
    remove(CHECKED + "/" + name)
    if keystore.exists(keystore.SERVICES + "/" + name):
        os.rename(keystore.SERVICES + "/" + name, CHECKED + "/" + name)
    remove(CHECKED + "/" + name)


def take() -> None:
    """Make the checked files of incoming the node's own.

    One rename decides: from then on, all of them.
    """
    os.rename(keystore.INCOMING, _ACCEPTED)
    _enact()


def _enact() -> None:
    from . import board  # not above: this module may stay loaded, and `board` shall not

    for name in keystore.names(_ACCEPTED):
        board.replace(_ACCEPTED + "/" + name, keystore.ROOT + "/" + name)
    remove(_ACCEPTED)


def recover() -> None:
    """Undo or complete what a power cut has interrupted. Call it before anything is read."""
    _end_moves()
    _finish(keystore.ROOT)
    _enact()
    for name in keystore.names(_OLD):
        # If the power failed between the two renames of `swap`, the service is only here.
        if keystore.exists(keystore.SERVICES + "/" + name):
            remove(_OLD + "/" + name)
        else:
            os.rename(_OLD + "/" + name, keystore.SERVICES + "/" + name)
    for name in keystore.names(keystore.SERVICES):
        _finish(keystore.SERVICES + "/" + name)


def _end_moves() -> None:
    # If the power fails during a rename between two folders, LittleFS shows the file in its new
    # place, but also hides the file after it in the old folder, until the next change (lfs.c,
    # "synthetic moves": seen with 2.9). Any change first completes the move, even this one, which
    # removes nothing.
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
            # On FAT the old file is removed before the rename. The new file was complete by then.
            os.rename(path, place)
