"""Cuts the power at every write and erase while what the node trusts, or its own key, changes.

    micropython trust_cuts.py FILES.json STEP

All changes come over the link, to a node that runs a service. `power_cuts` judges what is left: the
old state or the new one, accepted by all checks, with its service; and nothing that lies about.
"""

import json
import sys

import collector  # noqa: F401 - first: it replaces `gc`
import power_cuts
from power_cuts import Cuts, Node

from nlsm import clock, duties, enrol, install, memory, trust
from sealcore import errors, p256_sign

# As `power_cuts` has it for signatures that are checked: the same are made again and again.
_sign = p256_sign.PrivateKey.sign
_public_key = p256_sign.PrivateKey.public_key
_made: dict = {}


def _once(make):
    def found(key, *arguments):
        same = make, key.sec1() if make is _sign else key._d, arguments
        if same not in _made:
            _made[same] = make(key, *arguments)
        return _made[same]

    return found


p256_sign.PrivateKey.public_key = _once(_public_key)
p256_sign.PrivateKey.sign = _once(_sign)


class Link:
    """A link after WELCOME.

    sent       kinds of the messages that the node has sent
    dropped    whether the node has ended it
    """

    def __init__(self, node):
        self.node = node
        self.sent = []
        self.dropped = False

    def send(self, message) -> None:
        self.sent.append(message[:1])

    def drop(self) -> None:
        self.dropped = True


class Changes(Cuts):
    """Changes of what the node trusts, and of its key; `begin` is the state before."""

    def running(self, begin: str, sealed: str) -> None:
        """A node whose service runs, with a seal of one of the site's keys."""
        self.begin = begin
        self.base()
        self.stage(sealed)
        clock.of_line = clock.Clock(self.now, 1000000)
        install.accept("service")

    def node(self) -> Node:
        """The node when the change begins: it has started and connected."""
        made = Node(self.now)
        made.services["service"].state = "running"
        trust.load()
        return made

    def believe(self, *names: str) -> None:
        """Trust bundles come over the link, one after the other."""
        node = self.node()
        for name in names:
            duties._believe(node, self.files(name)["bundle.der"])
            if node.services["service"].state != "running":
                raise AssertionError("the service has stopped: " + node.services["service"].code)

    def certify(self, name: str) -> None:
        """A certificate for the key that the node has."""
        enrol.renewed(Link(self.node()), self.files(name)["node.crt"])

    def rekey(self) -> None:
        """The site wants another key, and certifies the one that the node makes."""
        link = Link(self.node())
        before = trust.load().spki
        secret = p256_sign.from_sec1(self.files("rekeyed")["node.key"])._d
        enrol._random = lambda _: lambda size: secret.to_bytes(size, "big")
        enrol.renewed(link, b"")
        if len(link.sent) != 1:
            raise AssertionError("the node asks for no certificate")
        enrol.renewed(link, self.files("rekeyed")["node.crt"])
        if link.dropped != (trust.load().spki != before):
            raise AssertionError("the node does not connect with its new key")

    def verify(self, name: str) -> None:
        """Check a service; with another key, the node needs another seal of the site."""
        try:
            Cuts.verify(self, name)
        except errors.WrongKey:
            if trust.load().spki[-65:] != self.files("rekeyed")["node.key"][-65:]:
                raise


def main(path: str, step: int) -> None:
    with open(path) as file:
        cuts = Changes(json.load(file))
    # While its file can still be read.
    names = memory.TRUST, memory.READ, memory.CHECK, memory.SERVICES, "nlsm.starter nlsm.board"
    memory.load(" ".join(names))

    total = 0
    for sentence, begin, sealed, change in (
        ("prepare another key of the site", "node", "old", lambda: cuts.believe("prepared")),
        ("a certificate of the other key", "prepared", "old", lambda: cuts.certify("certified")),
        ("revoke the first key", "certified", "sealed", lambda: cuts.believe("revoked")),
        ("another root", "node", "old", lambda: cuts.believe("root")),
        ("two of three roots", "root", "old", lambda: cuts.believe("threshold")),
        ("a developer and a Store more", "node", "old", lambda: cuts.believe("more")),
        ("another key of the node", "node", "old", cuts.rekey),
    ):
        before = lambda begin=begin, sealed=sealed: cuts.running(begin, sealed)  # noqa: E731
        total += power_cuts.run(cuts, sentence, before, change, step)
    print("all: %d cut points" % total)


main(sys.argv[1], int(sys.argv[2]))
