"""An executable that comes as pieces, some of them copied from the one that the node has."""

import hashlib
import os

import elsewhere  # noqa: F401 - first: it moves the file
from fakes import Node as Bare

from nlsm import download, installer, keystore, link, linked, recovery
from sealcore import errors, messages

keystore.INCOMING = keystore.ROOT + "/incoming"
keystore.SERVICES = keystore.ROOT + "/services"
NAME = "radio"
FOLDER = keystore.SERVICES + "/" + NAME
OLD = b"".join([hashlib.sha256(b"%d" % i).digest() for i in range(625)])  # 20000 bytes
NEW = OLD[10000:] + b"new" + OLD[:10500]
WANTED = hashlib.sha256(NEW).digest()
# What makes NEW of OLD, in two messages.
RIGHT = [(b"", 10000, 10000), (b"new", 0, 3000)], [(OLD[3000:3010], 3010, 7490)]
KINDS = {messages.FETCH: "FETCH", messages.DIFFER: "DIFFER"}

linked.load = lambda: None
installer.offer = lambda *_: None


class Said(link.Link):
    """A link after WELCOME that keeps what it asked for last."""

    asked = ""

    def send(self, message):
        kind, values = messages.parse(message)
        if kind in KINDS:
            assert values[0] == WANTED
            held = kind == messages.DIFFER
            assert not held or values[2] == hashlib.sha256(b"seal of the Store").digest()
            self.asked = "%s %d" % (KINDS[kind], values[1])

    def drop(self):
        self._begin()

    def connect(self):
        """A new connection, on which the site assigns the new version."""
        self.asked = ""
        self.greeted = True
        self.download = download.Download(self)
        self.download.add(NAME, b"seal", [("app.py", len(NEW), WANTED)])
        return self.asked

    def take(self, offset, found, wanted=WANTED):
        """An answer; what the node asks for then, or the code with which it goes."""
        self.asked = ""
        try:
            self.download.take(wanted, offset, found)
        except errors.SealError as error:
            self.drop()
            return error.code
        return self.asked or "whole"


def fresh():
    """A link of a node that has the old version, and nothing of the new one."""
    recovery.remove(keystore.ROOT)
    for folder in (keystore.ROOT, keystore.SERVICES, FOLDER):
        os.mkdir(folder)
    put("app.py", OLD)
    put("store.der", b"seal of the Store")
    Bare.link = Said(Bare)
    return Bare.link


def put(name, data):
    with open(FOLDER + "/" + name, "wb") as file:
        file.write(data)


def arrived():
    """The sizes of the executable and its part that have come."""
    folder = keystore.INCOMING + "/" + NAME
    return [
        os.stat(folder + "/" + name)[6] for name in keystore.names(folder) if name != "site.der"
    ]


def rows(said):
    """Print what comes of each answer, made three times: (offset, pieces)."""
    for offset, pieces in said:
        one = fresh()
        found = []
        for _ in range(3):
            found += one.connect(), one.take(offset, pieces), arrived()
        print(*found + [one.connect()])
