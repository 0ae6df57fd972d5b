"""Cuts the power at every write and erase of a change, restarts, and looks what is left.

    micropython power_cuts.py FILES.json STEP

Runs the node's own code over a real LittleFS in memory. After every cut the node must hold the old
state or the new one, whole and accepted by all checks; no floor is lower; nothing else is left
lying about; and the same change, made again, completes. With a STEP above 1, power is cut at every
STEPth operation and at the last ones, where what is new takes the place of what is old.
"""

import hashlib
import json
import os
import sys

import collector  # noqa: F401 - first: it replaces `gc`
import flash
import vfs

from nlsm import (
    boot,
    clock,
    enrol,
    floors,
    grace,  # noqa: F401 - loaded late, when the flash is in the way
    identify,  # noqa: F401
    install,
    installer,
    keystore,
    memory,
    newcomer,
    recovery,
    service,
    starter,
    trust,
    verifier,
)  # fmt: skip
from sealcore import messages, p256

# What would be loaded later, when the flash is in the way.
for _place in sys.path:
    for _package in ("sealcore", "nlsm"):
        try:
            _names = os.listdir(_place + "/" + _package)
        except OSError:
            continue
        for _name in _names:
            if _name[-3:] == ".py" and _name not in ("__init__.py", "threads.py", "streams.py"):
                __import__(_package + "." + _name[:-3])

_SERVICE = "service"
_FOLDER = "/triseal/services/service"
_FLOORS = "/triseal/floors"
_BLOCKS = 64
# Where nothing is cut, LittleFS reads much at once: most of the time goes by in reads.
_MUCH = flash.BLOCK // 4


# After each cut the same few signatures are checked, and the arithmetic takes long: what was once
# accepted, by this key for this digest, is accepted again.
_verify = p256.PublicKey.verify_digest
_accepted = set()


def _verify_once(key, digest, signature) -> None:
    same = key.point() + bytes(digest) + bytes(signature)
    if same not in _accepted:
        _verify(key, digest, signature)
        _accepted.add(same)


p256.PublicKey.verify_digest = _verify_once


class Cuts:
    """The changes of one node.

    given    contents by name, see the test that makes them
    now      Unix seconds
    begin    name of the contents with which the node begins
    """

    begin = "node"

    def __init__(self, given: dict):
        self._given = given
        self.now = given["now"]

    def files(self, name: str) -> dict:
        return {key: bytes.fromhex(text) for key, text in self._given[name].items()}

    def base(self) -> None:
        """A node without services."""
        os.mkdir("/triseal")
        os.mkdir("/triseal/services")
        put("/triseal", self.files(self.begin))
        floors.rise(self.now - 7200)

    def newcomer(self) -> None:
        """A board from a production line, which is no node yet."""
        os.mkdir("/triseal")
        os.mkdir("/triseal/services")
        put("/triseal", self.files("newcomer"))
        floors.rise(self.now - 7200)

    def enrol(self) -> None:
        """Its certificate comes over the link."""
        recovery.recover()
        recovery.remove(keystore.INCOMING)
        try:
            newcomer.take(messages.ENROLLED, (self.files("node")["node.crt"],))
        except SystemExit:  # it would start again
            pass

    def installed(self) -> None:
        """A node with a service."""
        self.base()
        self.install("old")

    def install(self, which: str) -> None:
        """As it comes over the line: its files, then the check."""
        self.stage(which)
        clock.of_line = clock.Clock(self.now, 1000000)
        install.accept(_SERVICE)

    def offer(self, which: str) -> None:
        """As it comes over the link: what is there ends before it makes way."""
        recovery.recover()
        self.stage(which)
        node = Node(self.now)
        installer.offer(node, _SERVICE)
        installer.finish(node)

    def stage(self, which: str) -> None:
        """The files of a service, and nothing of an earlier try."""
        folder = keystore.INCOMING + "/" + _SERVICE
        recovery.remove(folder)
        recovery.make(keystore.INCOMING)
        recovery.make(folder)
        put(folder, self.files(which))

    def renew(self) -> None:
        """A fresh seal for what is there."""
        keystore.write(_FOLDER + "/site.der", self.files("renewed")["site.der"])

    def trust(self) -> None:
        """A newer bundle, certificate and settings."""
        recovery.recover()
        recovery.remove(keystore.INCOMING)
        recovery.make(keystore.INCOMING)
        put(keystore.INCOMING, self.files("trust"))
        enrol.accept()

    def verify(self, name: str) -> None:
        """Check a service."""
        folder = keystore.SERVICES + "/" + name
        one = verifier.check(folder, name, clock.Clock(self.now, 1000000))
        # What has just passed raised the floors before it could be cut again.
        floors.rise(one.not_before, name, one.security_version)


class Node:
    """A node that runs one service, as far as the link needs it."""

    link = None

    def __init__(self, now: int):
        self.clock = clock.Clock(now, 1000000)
        self.services = {_SERVICE: service.Service(_SERVICE)}

    def check(self) -> None:
        starter.admit(self, self.services[_SERVICE])


def put(folder: str, files: dict) -> None:
    """Files as `boards.files` writes them: beside, then renamed."""
    for name, data in files.items():
        with open(folder + "/" + name + ".new", "wb") as file:
            file.write(data)
        os.rename(folder + "/" + name + ".new", folder + "/" + name)


def mount(data, readsize=flash.PROGRAM) -> flash.Flash:
    """A board that starts with this on its flash."""
    device = flash.Flash(data)
    system = vfs.VfsLfs2(device, progsize=flash.PROGRAM, readsize=readsize)
    vfs.umount("/")
    vfs.mount(system, "/")
    trust.changed()
    clock.of_line = None
    return device


def tree(path: str, found: dict) -> dict:
    """Hash by path of all that is there, the floors left out."""
    for name, kind, *_ in os.ilistdir(path or "/"):
        inner = path + "/" + name
        if kind == 0x4000:
            found[inner] = ""
            tree(inner, found)
        elif inner != _FLOORS:
            with open(inner, "rb") as file:
                found[inner] = hashlib.sha256(file.read()).digest().hex()
    return found


def settle(cuts: Cuts) -> tuple:
    """A restart, and what the node is then: (files, floors). All that it holds must be accepted."""
    found = boot.look()
    enrolled = keystore.exists("/triseal/node.crt")
    if enrolled == ("token" in found["settings"]):
        raise AssertionError("certificate and token go hand in hand")
    if found["failure"] and (enrolled or found["failure"].code != "not-enrolled"):
        raise AssertionError("own files refused: " + str(found["failure"]))
    for name in found["services"]:
        cuts.verify(name)
    for empty in ("/triseal/old", "/triseal/incoming"):
        if keystore.exists(empty) and not os.listdir(empty):
            os.rmdir(empty)
    return tree("", {}), floors.read()


def state(cuts: Cuts, data) -> tuple:
    mount(data, _MUCH)
    return settle(cuts)


def run(cuts: Cuts, sentence: str, before, change, step: int) -> int:
    """All cuts of one change; the number of cut points."""
    device = mount(flash.formatted(_BLOCKS))
    before()
    start = bytes(device.data)
    old = state(cuts, start)
    device = mount(start)
    change()
    new = state(cuts, device.data)
    if old == new:
        raise AssertionError(sentence + ": changes nothing")
    judged = set()
    points = 0
    for cut, how, left in flash.cuts(mount, start, change, step):
        points += 1
        where = sentence + ": " + cut
        # After one operation the flash is as before the next: judged once.
        digest = hashlib.sha256(left.data).digest()
        if digest not in judged:
            judged.add(digest)
            judge(cuts, where, left.data, old, new)
        if how == flash.TORN:
            complete(cuts, where, left.data, change, new)
    print("%s: %d cut points" % (sentence, points))
    return points


def complete(cuts: Cuts, where: str, data, change, new: tuple) -> None:
    """After the restart, the same change once more."""
    device = mount(data, _MUCH)
    settle(cuts)
    change()
    if state(cuts, device.data)[0] != new[0]:
        raise AssertionError(where + ": the same again does not complete")


def judge(cuts: Cuts, where: str, data, old: tuple, new: tuple) -> None:
    try:
        files, kept = state(cuts, data)
    except Exception as error:
        sys.print_exception(error)
        raise AssertionError(where + ": " + repr(error))
    if files not in (old[0], new[0]):
        raise AssertionError(where + ": neither old nor new: " + repr(files))
    for name, number in old[1].items():
        if kept.get(name, 0) < number:
            raise AssertionError(where + ": a floor is lower: " + name)
    for name, number in kept.items():
        if number > new[1].get(name, 0):
            raise AssertionError(where + ": a floor is too high: " + name)


def main(path: str, step: int) -> None:
    with open(path) as file:
        cuts = Cuts(json.load(file))
    # While its file can still be read.
    names = memory.TRUST, memory.READ, memory.CHECK, memory.SERVICES, "nlsm.starter nlsm.board"
    memory.load(" ".join(names))

    total = 0
    for sentence, before, change in (
        ("install a service", cuts.base, lambda: cuts.install("old")),
        ("replace a service", cuts.installed, lambda: cuts.install("new")),
        ("install one over the link", cuts.base, lambda: cuts.offer("old")),
        ("replace it over the link", cuts.installed, lambda: cuts.offer("new")),
        ("install it with a fresh seal", cuts.installed, lambda: cuts.install("renewed")),
        ("renew a seal", cuts.installed, cuts.renew),
        ("remove a service", cuts.installed, lambda: install.remove(_SERVICE)),
        ("change trust, certificate and settings", cuts.installed, cuts.trust),
        ("enrol by a token", cuts.newcomer, cuts.enrol),
        ("raise the time's floor", cuts.installed, lambda: floors.rise(cuts.now + 7200)),
    ):
        total += run(cuts, sentence, before, change, step)
    print("all: %d cut points" % total)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
