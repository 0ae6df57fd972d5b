"""The flash has no room for what a node fetches, nor for a list of it or a seal."""

import elsewhere  # noqa: F401 - first: it moves the file
from fakes import NOW
from fakes import Node as Bare

from nlsm import clock, download, installer, keystore, link, service
from sealcore import errors, messages

keystore.INCOMING = keystore.ROOT + "/incoming"


class Full:
    """A file that nothing can be written to."""

    def write(self, data):
        raise OSError(28)

    def close(self):
        self.write(b"")


class Node(Bare):
    """A node within its grace."""

    clock = clock.Clock(NOW, 600)


class Said(link.Link):
    """A link after WELCOME that prints what it says."""

    def send(self, message):
        kind, values = messages.parse(message)
        print(kind, *values[2:] if kind == messages.FETCH else values[:1] + values[3:4])


def open_or_full(path, mode):
    return Full() if "huge" in path and mode == "ab" else open(path, mode)


def full(*_):
    raise OSError(28)


said = Node.link = Said(Node)
said.greeted = True
said.download = download.Download(said)
download.open = open_or_full
for name, size in (("huge", 9000), ("lamp", 7)):
    said.download.add(name, b"seal", [("app.py", size, bytes([size % 256] * 32))])
said.download.take(bytes([40] * 32), 0, bytes(2048))
print(keystore.names(keystore.INCOMING))

keystore.write = full
said.download = download.Download(said)
said.download.add("thermo", b"seal", [("app.py", 7, bytes(32))])
print(said.download.queue)

installer.verifier.check = lambda *_: None
try:
    installer.renew(Node, service.Service("lamp"), b"seal")
except errors.TooLarge as error:
    print(error.code)
