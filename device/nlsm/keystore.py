"""What a node keeps, in files that survive a power cut at any moment.

    /triseal/node.key         private key, SEC 1 DER: made on the board, never leaves it
    /triseal/node.csr         the request for that key's certificate
    /triseal/node.crt         the node's certificate
    /triseal/bundle.der       trust bundle
    /triseal/settings.json    what provisioning decided
    /triseal/floors           what must never go down: time, security version of each service
    /triseal/starts           which services were starting, and what came of it: see quarantine
    /triseal/services/NAME/   app.py or app.mpy, metadata.json, developer.der, store.der, site.der
    /triseal/incoming/        what was received and not yet checked
    /triseal/checked/NAME/    a service that takes the old one's place once that has ended
    /triseal/accepted/        an enrolment that was checked: its files move to /triseal one by one
    /triseal/old/NAME/        a service that is being replaced

A file is written beside its place and renamed; a folder is checked where it arrived and renamed.
Whatever a cut leaves half done, `recovery` ends: as it was, or as it should become.
"""

import os

ROOT = "/triseal"
SERVICES = "/triseal/services"
INCOMING = "/triseal/incoming"
TEMPORARY = ".new"


def read(path: str, limit: int = 8192) -> bytes:
    """A file, up to one byte more than `limit` (so that the reader sees it is too long).

    A missing file reads as empty: nothing that is sealed is, so every check refuses it.
    """
    try:
        size = min(os.stat(path)[6], limit + 1)  # read(n) takes a buffer of n bytes at once
        with open(path, "rb") as file:
            return file.read(size)
    except OSError:
        return b""


def write(path: str, data) -> None:
    """Write a file whole or not at all."""
    from . import board

    fresh = path + TEMPORARY
    try:
        with open(fresh, "wb") as file:
            file.write(data)
            board.sync(file)
    except OSError:  # no room: and what lies beside a seal without being sealed would be refused
        try:
            os.remove(fresh)
        except OSError:
            pass
        raise
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
