"""What a node keeps, in files that survive a power cut at any moment.

    /triseal/node.key         private key, SEC 1 DER: made on the board, never leaves it
    /triseal/node.crt         the node's certificate
    /triseal/bundle.der       trust bundle
    /triseal/settings.json    what provisioning decided
    /triseal/floors           what must never go down: time, security version of each service
    /triseal/services/NAME/   app.py or app.mpy, metadata.json, developer.der, store.der, site.der
    /triseal/incoming/        what was received and not yet checked
    /triseal/accepted/        an enrolment that was checked: its files move to /triseal one by one
    /triseal/old/NAME/        a service that is being replaced

A file is written beside its place and renamed; a folder is checked where it arrived and renamed.
Whatever a cut leaves half done, `recover` ends: as it was, or as it should become.
"""

import os

from . import board

ROOT = "/triseal"
SERVICES = "/triseal/services"
INCOMING = "/triseal/incoming"
ACCEPTED = "/triseal/accepted"
OLD = "/triseal/old"

_TEMPORARY = ".new"
_FOLDER = 0x4000


def read(path: str, limit: int = 8192) -> bytes:
    """A file, up to one octet more than `limit` (so that the reader sees it is too long).

    A missing file reads as empty: nothing that is sealed is, so every check refuses it.
    """
    try:
        with open(path, "rb") as file:
            return file.read(limit + 1)
    except OSError:
        return b""


def write(path: str, data) -> None:
    """Write a file whole or not at all."""
    fresh = path + _TEMPORARY
    with open(fresh, "wb") as file:
        file.write(data)
        board.sync(file)
    board.replace(fresh, path)


def names(folder: str) -> list:
    """Names in a folder; none if there is no such folder."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def exists(path: str) -> bool:
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def make(folder: str) -> None:
    """Make a folder of /triseal, unless it is there."""
    for path in (ROOT, folder):
        if not exists(path):
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


def swap(name: str) -> None:
    """Put the checked folder incoming/NAME in the place of the service NAME, or of nothing."""
    place = SERVICES + "/" + name
    make(SERVICES)
    make(OLD)
    if exists(place):
        os.rename(place, OLD + "/" + name)
    os.rename(INCOMING + "/" + name, place)
    remove(OLD + "/" + name)


def drop(name: str) -> None:
    """Remove a service: gone in one step, then its room is freed."""
    make(INCOMING)
    remove(INCOMING + "/" + name)
    if exists(SERVICES + "/" + name):
        os.rename(SERVICES + "/" + name, INCOMING + "/" + name)
    remove(INCOMING + "/" + name)


def enact() -> None:
    """Move what was accepted to its place; ends also what a cut has interrupted."""
    for name in names(ACCEPTED):
        board.replace(ACCEPTED + "/" + name, ROOT + "/" + name)
    remove(ACCEPTED)


def recover() -> None:
    """Undo or complete what a power cut interrupted; call it before anything is read."""
    _finish(ROOT)
    enact()
    for name in names(OLD):
        # Cut between the two renames of `swap` the service is in no place but here.
        if exists(SERVICES + "/" + name):
            remove(OLD + "/" + name)
        else:
            os.rename(OLD + "/" + name, SERVICES + "/" + name)
    for name in names(SERVICES):
        _finish(SERVICES + "/" + name)


def _finish(folder: str) -> None:
    for name in names(folder):
        path = folder + "/" + name
        if os.stat(path)[0] & _FOLDER:
            continue
        if name.endswith(board.COMPLETE):
            board.replace(path, path[: -len(board.COMPLETE)])
        elif name.endswith(_TEMPORARY):
            os.remove(path)
