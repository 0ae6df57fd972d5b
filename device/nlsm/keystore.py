"""The files of a node, which survive a power cut at any moment.

    /triseal/node.key         private key, SEC 1 DER: made on the board, never leaves it
    /triseal/node.csr         the request for that key's certificate
    /triseal/node.crt         the node's certificate
    /triseal/bundle.der       trust bundle
    /triseal/settings.json    the settings from provisioning
    /triseal/unwatched        the next start, without the watchdog, for the host at the cable
    /triseal/floors           values that must never go down: time, security versions
    /triseal/starts           services that were starting, and the result: see quarantine
    /triseal/services/NAME/   app.py/.mpy/.romfs, metadata.json, developer.der, store.der, site.der
    /triseal/incoming/        files that were received and not yet checked
    /triseal/checked/NAME/    a service that replaces the old one when that has ended
    /triseal/accepted/        a checked enrolment: its files move to /triseal one by one
    /triseal/old/NAME/        a service that is being replaced

A file is written under a temporary name and then renamed. A folder is checked in the place where it
arrived and then renamed. If a power cut interrupts this, `recovery` undoes or completes it.
"""

import os

from sealcore.compat import const

ROOT = "/triseal"
SERVICES = "/triseal/services"
INCOMING = "/triseal/incoming"
UNWATCHED = const("/triseal/unwatched")
TEMPORARY = const(".new")


def read(path: str, limit: int = 8192) -> bytes:
    """Read a file, up to one byte more than `limit`, so that the caller can see that it is too
    long.

    A missing file reads as empty. Nothing that is sealed is empty, so every check refuses it.
    """
    try:
        size = min(os.stat(path)[6], limit + 1)  # read(n) allocates a buffer of n bytes
        with open(path, "rb") as file:
            return file.read(size)
    except OSError:
        return b""


def write(path: str, data) -> None:
    """Write a file completely or not at all."""
    from . import board

    fresh = path + TEMPORARY
    try:
        with open(fresh, "wb") as file:
            file.write(data)
            board.sync(file)
    # The flash is full. Remove the temporary file: an unsealed file in the folder of a service
    # would be refused.
    except OSError:
        try:
            os.remove(fresh)
        except OSError:
            pass
        raise
    board.replace(fresh, path)


def names(folder: str) -> list:
    """Return the names in a folder; an empty list if the folder does not exist."""
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
