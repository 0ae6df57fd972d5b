"""Cuts the power at every write and erase while an agent comes, starts, is confirmed or given up.

    micropython agent_cuts.py STEP

Runs the node's own code over a real LittleFS in memory, from one agent in `/lib` to the second one
in the other slot, which comes whole or as the difference to the first one. After every cut the
board must find an agent that is whole: the old one or the new one. Made again, the same change
completes. With a STEP above 1, power is cut at every STEPth
operation and at the last ones.
"""

import hashlib
import json
import os
import sys

import collector  # noqa: F401 - first: it replaces `gc`
import flash
import vfs

import slots
from nlsm import (
    board,  # noqa: F401 - loaded late, when the flash is in the way
    clock,
    download,
    floors,
    keystore,
    recovery,
    swap,
)
from sealcore import encode, messages

_BLOCKS = 64
_NAME = "nlsm"
_ENTRY = "/nlsm/boot.mpy"
_SIZE = 6000
_SAME = 5000  # bytes behind this file that all images have in common
# As much of a site seal as a download reads: its SPIFFE ID.
_URI = b"spiffe://home/node/kitchen/agent/nlsm"
_SEAL = b"\x06\x03\x55\x1d\x11" + encode.octets(encode.sequence(bytes((0x86, len(_URI))) + _URI))


class Seal:
    """What the check of an agent returns, as far as it is used."""

    serial = 7
    service_version = "1.0"
    security_version = 3


class Node:
    """A node that runs nothing."""

    link = None
    flight = None

    def __init__(self):
        self.services = {}
        self.settings = {}

    def land(self):
        pass


def _number(value: int) -> bytes:
    return bytes((0x80 | value >> 14, 0x80 | value >> 7 & 0x7F, value & 0x7F))


def image(letter: bytes) -> bytes:
    """A ROMFS with the file that `main.py` asks for, full of a letter, and one more."""
    folder = b"\x04nlsm"
    for name, data in (("boot.mpy", letter * _SIZE), ("more.mpy", b"=" * _SAME)):
        file = b"\x08" + name.encode() + b"\x02" + _number(len(data)) + data
        folder += b"\x05" + _number(len(file)) + file
    folder = b"\x04" + _number(len(folder)) + folder
    return b"\xd2\xcd\x31" + _number(len(folder)) + folder


def arrive(letter: bytes) -> None:
    """An agent has come whole, and was checked."""
    folder = keystore.INCOMING + "/" + _NAME
    recovery.remove(keystore.INCOMING)
    recovery.make(keystore.INCOMING)
    recovery.make(folder)
    with open(folder + "/app.romfs", "wb") as file:
        file.write(image(letter))
    swap.start(Node(), _NAME, Seal)


class Link:
    """A site that answers each DIFFER as it should."""

    whole = 0

    def __init__(self, new: bytes):
        self.new = new
        self.asked = 0

    def expect(self):
        pass

    answered = expect

    def send(self, message):
        kind, values = messages.parse(message)
        assert kind == messages.DIFFER, kind
        self.asked = values[1]

    def pieces(self) -> list:
        """What comes next: a part that is the same in all images, or bytes."""
        at = self.asked
        begin = self.new.find(b"\x08boot.mpy") + 13
        if at < begin:
            return [(b"", at, begin - at)]
        if at >= begin + _SIZE:
            return [(b"", at, min(len(self.new) - at, 3000))]
        return [(self.new[at : min(begin + _SIZE, at + messages.MAX_CHUNK)], 0, 0)]


def come(letter: bytes) -> None:
    """An agent comes as the difference to the one that runs. It goes on where it was cut off."""
    new = image(letter)
    files = [("app.romfs", len(new), hashlib.sha256(new).digest())]
    site = Link(new)
    coming = download.Download(site)
    coming.add(_NAME, _SEAL, files)
    while not coming.whole:
        coming.take(files[0][2], site.asked, site.pieces())
        if 0 < site.asked < 3000:  # the connection ends, so what came is on the flash
            coming.close()
            coming = download.Download(site)
            coming.add(_NAME, _SEAL, files)
    swap.start(Node(), _NAME, Seal)


def boot() -> bytes:
    """Start as `main.py` does; the letter of the agent that is found."""
    try:
        open("/agent/active").close()
    except OSError:
        pass
    else:
        slots.begin()
    for folder in ("/a", "/lib"):
        try:
            file = open(folder + _ENTRY, "rb")  # noqa: SIM115 - a part of an image has no `with`
        except OSError:
            continue
        found = bytearray(_SIZE)
        file.readinto(found)
        found = bytes(found)
        assert found == found[:1] * _SIZE, "half an agent"
        return found[:1]
    raise AssertionError("the board has no agent")


def end() -> None:
    """What the agent in `/a` holds open ends with the board."""
    slots.running = ""
    sys.path[:] = [place for place in sys.path if place != "/a"]
    try:
        vfs.umount("/a")
    except OSError:
        pass


def confirm() -> None:
    """The agent on trial proves itself."""
    boot()
    node = Node()
    swap.begin(node)
    if node.services and node.services[_NAME].state == "installing":
        node.services[_NAME].confirm()


def lose() -> None:
    """The agent on trial uses up its starts."""
    for _ in range(4):
        boot()
        slots.fail(ValueError("of no use"))


def base() -> None:
    """A board with an agent that came by cable."""
    os.mkdir("/triseal")
    os.mkdir("/lib")
    os.mkdir("/lib/nlsm")
    with open("/lib" + _ENTRY, "wb") as file:
        file.write(b"0" * _SIZE)
    floors.rise(1000000)


def first() -> None:
    base()
    arrive(b"1")


def confirmed() -> None:
    first()
    confirm()


def second() -> None:
    confirmed()
    arrive(b"2")


def mount(data):
    end()
    device = flash.Flash(data)
    system = vfs.VfsLfs2(device, progsize=flash.PROGRAM, readsize=flash.PROGRAM)
    vfs.umount("/")
    vfs.mount(system, "/")
    slots.running = slots.read().get("slot", "")
    return device


def run(step: int, sentence: str, before, change, allowed: bytes, last: bytes) -> int:
    """All cuts of one change. The agent that starts then is one of `allowed`; `last` if the change
    is made again."""
    device = mount(flash.formatted(_BLOCKS))
    before()
    points = 0
    for where, _, cut in flash.cuts(mount, bytes(device.data), change, step):
        points += 1
        left = bytes(cut.data)
        mount(left)
        try:
            found = boot()
            assert found in allowed, found
            mount(left)
            recovery.recover()
            change()
            end()
            found = boot()
            assert found == last, found
        except Exception as error:
            sys.print_exception(error)
            raise AssertionError("%s: %s: %r" % (sentence, where, error))
    print("%s: %d cut points" % (sentence, points))
    return points


# What may lie in the place of a state, by its damage. The confirmed agent is in slot "a".
_ENTRY_A = '"a": ["nlsm", "07", "1.0", 3]'
DAMAGED = (
    ("nothing", ""),
    ("half a state", '{"slot": "a", "a": ["nl'),
    ("no object", "[1]"),
    ("no slot", "{%s}" % _ENTRY_A),
    ("a slot that there is not", '{"slot": "c", "c": ["nlsm", "07", "1.0", 3]}'),
    ("a slot that is no text", '{"slot": 5}'),
    ("a slot without its entry", '{"slot": "a"}'),
    ("an entry that is too short", '{"slot": "a", "a": ["nlsm"]}'),
    ("a serial that is no number", '{"slot": "a", "a": ["nlsm", "x", "1.0", 3]}'),
    ("a trial without starts", '{"slot": "a", %s, "trial": "a"}' % _ENTRY_A),
    ("starts that are no number", '{"slot": "a", %s, "trial": "a", "starts": "x"}' % _ENTRY_A),
    ("a trial of an empty slot", '{"slot": "a", %s, "trial": "b", "starts": 2,'
     ' "b": ["nlsm", "08", "2.0", 3]}' % _ENTRY_A),
    ("a fall without its reason", '{"slot": "a", %s, "fell": "a"}' % _ENTRY_A),
    ("the agent of the cable, which is gone", '{"slot": ""}'),
)  # fmt: skip


def damaged(kind: str, text: str) -> None:
    """A board whose state was damaged starts the agent that it has, and can take another one."""
    mount(flash.formatted(_BLOCKS))
    confirmed()
    for path in ("/agent/state", "/agent/state.new"):
        with open(path, "w") as file:
            file.write(text)
    for _ in range(5):
        end()
        assert boot() == b"1", kind
        node = Node()
        swap.begin(node)
        for one in node.services.values():
            assert one.state == "running", (kind, one.state)
    end()
    boot()
    arrive(b"2")
    end()
    assert boot() == b"2", kind
    lose()
    end()
    assert boot() == b"1", kind


def full(before, good: bytes, slot: str) -> None:
    """While the flash is full, a trial can't count its starts: the old agent starts."""
    mount(flash.formatted(_BLOCKS))
    before()
    write = slots.write

    def fail(state):
        raise OSError(28)

    slots.write = fail
    for _ in range(5):
        end()
        assert boot() == good
    slots.write = write
    given_up(good, slot)


def unreadable(before, good: bytes, slot: str) -> None:
    """The image of a trial is gone: the old agent starts, and is not taken for the new one."""
    mount(flash.formatted(_BLOCKS))
    before()
    os.remove("/agent/%s/app.romfs" % slot)
    end()
    assert boot() == good
    given_up(good, slot)


def given_up(good: bytes, slot: str) -> None:
    node = Node()
    swap.begin(node)
    assert node.services[_NAME].state == "running"
    assert node.services[_NAME].code == "fell-back"
    assert slots.read()["fell"] == slot
    end()
    assert boot() == good


def main(step: int) -> None:
    clock.ms()
    json.dumps(None)
    total = 0
    for sentence, before, change, allowed, last in (
        ("the first agent comes", base, lambda: arrive(b"1"), b"01", b"1"),
        ("it starts", first, boot, b"1", b"1"),
        ("it is confirmed", first, confirm, b"1", b"1"),
        ("it is given up", first, lose, b"01", b"0"),
        ("the second agent comes", confirmed, lambda: arrive(b"2"), b"12", b"2"),
        ("it comes as a difference", confirmed, lambda: come(b"2"), b"12", b"2"),
        ("the second is confirmed", second, confirm, b"2", b"2"),
        ("the second is given up", second, lose, b"12", b"1"),
    ):
        total += run(step, sentence, before, change, allowed, last)
    for kind, text in DAMAGED:
        damaged(kind, text)
    for kind in (full, unreadable):
        kind(first, b"0", "a")
        kind(second, b"1", "b")
    print("damaged: %d states" % len(DAMAGED))
    print("all: %d cut points" % total)


main(int(sys.argv[1]))
