"""Cuts the power at every write and erase while a firmware comes, is confirmed or given up.

    micropython firmware_cuts.py STEP

Runs the node's own code over a real LittleFS and two app partitions in one flash in memory, with
the boot loader of virtual boards. After every cut the board must start a firmware that is whole:
the old one or the new one. Made again, the same change completes. With a STEP above 1, power is cut
at every STEPth operation and at the last ones.
"""

import hashlib
import json
import os
import sys

import collector  # noqa: F401 - first: it replaces `gc`
import esp32  # the one of virtual boards
import flash
import otadata
import vfs

from nlsm import (
    board,
    clock,
    download,  # noqa: F401
    floors,
    installer,  # noqa: F401
    keystore,
    recovery,
    spare,
    swap,
    verifier,
)
from sealcore import errors

_BLOCKS = 40
_PART = 4  # blocks of a partition
_NAME = "mpy"
_SIZE = 10000
_CHUNK = 2048
_PLACES = {"ota_0": _BLOCKS, "ota_1": _BLOCKS + _PART, "otadata": _BLOCKS + 2 * _PART}
_FILES = ("metadata.json", "developer.der", "store.der")


class Device(flash.Flash):
    """The flash of a board: the file system, both partitions, the boot loader's record."""

    def ioctl(self, operation, argument):
        return _BLOCKS if operation == 4 else super().ioctl(operation, argument)

    def read(self, name, at, buffer):
        at += _PLACES[name] * flash.BLOCK
        buffer[:] = self.data[at : at + len(buffer)]

    def write(self, name, at, data):
        self._change(_PLACES[name] * flash.BLOCK + at, data)


class Seal:
    """What the check of a firmware returns, as far as it is used."""

    serial = 7
    service_version = "1.0"
    security_version = 3


class Node:
    """A node that runs nothing."""

    link = flight = None
    name = "kitchen"

    def __init__(self):
        self.services = {}
        self.settings = {}
        self.clock = clock.Clock(0, 0)

    def land(self):
        pass


def image(letter: bytes) -> bytes:
    return b"\x7fELF" + letter * (_SIZE - 4)


def check(folder, _name, _clock, _seal, kind, content):
    """The part of the check of custody that a cut could spoil: the image is whole."""
    assert kind == "firmware"
    made = hashlib.sha256()
    block = bytearray(512)
    count = content.readinto(block)
    while count:
        made.update(block[:count])
        count = content.readinto(block)
    if made.digest() != keystore.read(folder + "/store.der"):
        raise errors.HashMismatch
    return Seal


verifier.check = check
swap.reset = lambda node: None
fetched = []  # bytes of each chunk


def stage(wanted: bytes, chip: str) -> None:
    """Everything but the image has come."""
    folder = keystore.INCOMING + "/" + _NAME
    recovery.make(keystore.INCOMING)
    recovery.make(folder)
    said = json.dumps({"firmware": {"chip": chip}}).encode()
    for name, data in zip(_FILES, (said, b"developer", wanted)):
        keystore.write(folder + "/" + name, data)
    keystore.write(folder + "/site.der", b"site")


def come(letter: bytes) -> None:
    """A firmware comes over the link, from where it stopped, and is taken."""
    content = image(letter)
    wanted = hashlib.sha256(content).digest()
    stage(wanted, sys.platform)
    sink = spare.open(wanted)
    while sink.done < _SIZE:
        chunk = content[sink.done : sink.done + _CHUNK]
        fetched.append(len(chunk))
        sink.write(chunk)
    sink.close()
    node = Node()
    spare.offer(node, _NAME, [("app.bin", _SIZE, wanted)])
    assert not node.services, str(node.services)


def boot() -> bytes:
    """Reset the board; the letter of the firmware that starts."""
    record = bytearray(flash.BLOCK * 2)
    device.read("otadata", 0, record)
    number, changes = otadata.select(bytes(record))
    for at, state in changes:
        device.write("otadata", at, state.to_bytes(4, "little"))
    esp32._running = number
    found = bytearray(_SIZE)
    device.read("ota_%d" % number, 0, found)
    found = bytes(found[4:])
    assert found == found[:1] * len(found), "half a firmware"
    recovery.recover()
    recovery.remove(keystore.INCOMING)
    return found[:1]


def begin():
    """Start the agent; what the node says of its firmware."""
    node = Node()
    spare.begin(node)
    return node.services.get(_NAME)


def confirm() -> None:
    """The firmware on trial proves itself."""
    one = begin()
    if one and one.state == "installing":
        one.confirm()


def fall() -> None:
    """It loses a service."""
    one = begin()
    if one and one.state == "installing":
        one.fall("does not run: thermo")


def says_the_truth(one, letter: bytes) -> None:
    """What the node tells the site is what runs."""
    if one and (one.state == "installing" or one.serial):
        name = "new" if one.state == "installing" else "is"
        state = json.loads(keystore.read("/agent/firmware"))
        assert state[name][4] == hashlib.sha256(image(letter)).digest().hex(), (name, letter)


def install(letter: bytes) -> None:
    """From any state to a confirmed firmware, as a site would do it."""
    for _ in range(4):
        found = boot()
        one = begin()
        if one and one.state == "installing":
            one.confirm()
        elif found == letter and (not one or one.serial):
            return
        else:
            if one and one.code:
                assert one.code == "fell-back", one.code
                one.forgive()
            come(letter)
    raise AssertionError("not installed")


def base() -> None:
    """A board whose firmware came by cable."""
    os.mkdir("/triseal")
    os.mkdir("/lib")
    with open("/lib/slots.mpy", "w"):
        pass
    for at in range(0, _SIZE, flash.BLOCK):
        device.write("ota_0", at, image(b"0")[at : at + flash.BLOCK])
    boot()
    floors.rise(1000000)


def first() -> None:
    base()
    come(b"1")
    boot()


def confirmed() -> None:
    first()
    confirm()


def second() -> None:
    confirmed()
    come(b"2")
    boot()


def mount(data):
    global device  # noqa: PLW0603 - the board that runs
    device = Device(data)
    esp32.read, esp32.write = device.read, device.write
    esp32._size = _PART * flash.BLOCK
    system = vfs.VfsLfs2(device, progsize=flash.PROGRAM, readsize=flash.PROGRAM)
    vfs.umount("/")
    vfs.mount(system, "/")
    return device


def formatted() -> bytes:
    return flash.formatted(_BLOCKS + 2 * _PART + 2, Device)


def run(step: int, sentence: str, before, change, allowed: bytes, last: bytes) -> int:
    """All cuts of one change. The firmware that starts then is one of `allowed`, at the next reset
    too, and `last` can be installed."""
    mount(formatted())
    before()
    running = esp32._running

    def begin_again(data):
        esp32._running = running
        return mount(data)

    points = 0
    for where, _, left in flash.cuts(begin_again, bytes(device.data), change, step):
        points += 1
        try:
            mount(bytes(left.data))
            for _ in range(2):
                found = boot()
                assert found in allowed, found
                says_the_truth(begin(), found)
            install(last)
            assert boot() == last == boot()
        except Exception as error:
            sys.print_exception(error)
            raise AssertionError("%s: %s: %r" % (sentence, where, error))
    print("%s: %d cut points" % (sentence, points))
    return points


def resumed() -> None:
    """A download that was cut off goes on with the block that was not full."""
    mount(formatted())
    base()
    content = image(b"1")
    sink = spare.open(hashlib.sha256(content).digest())
    for at in range(0, 3 * _CHUNK, _CHUNK):
        sink.write(content[at : at + _CHUNK])
    sink.close()
    boot()
    fetched.clear()
    come(b"1")
    assert sum(fetched) == _SIZE - flash.BLOCK, fetched
    assert boot() == b"1"


def full() -> None:
    """A flash without room refuses the firmware, and the node runs on."""
    mount(formatted())
    base()
    write = spare._save

    def fail(path, value):
        if path == "/agent/firmware":
            raise OSError(28)
        write(path, value)

    spare._save = fail
    try:
        come(b"1")
    except AssertionError:
        pass
    else:
        raise AssertionError("taken")
    spare._save = write
    assert boot() == b"0"
    assert not begin()
    install(b"1")


def damaged() -> None:
    """With a damaged state, the board starts, knows of no firmware, and takes the next one."""
    for text in (
        "",
        "{",
        "[]",
        "3",
        '{"new": 1}',
        '{"is": ["x"]}',
        '{"new": ["a", "b", "", 0, ""]}',
    ):
        mount(formatted())
        confirmed()
        with open("/agent/firmware", "w") as file:
            file.write(text)
        for _ in range(3):
            assert boot() == b"1", text
            assert not begin(), text
        come(b"2")
        assert boot() == b"2"
        confirm()
        assert boot() == b"2"


class Link:
    """The link of a node, as far as a refusal uses it."""

    def __init__(self):
        self.node = Node()
        self.told = []

    def report(self, one) -> None:
        self.told.append(str(one))


def taken(letter: bytes = b"1", size: int = _SIZE):
    """Offer a firmware as an ASSIGN does: whether its files are fetched, the code of a refusal."""
    link = Link()
    one = begin()
    if one:
        link.node.services[_NAME] = one
    files = [("app.bin", size, hashlib.sha256(image(letter)).digest())]
    fetched = not spare.take(link, _NAME, b"site", files)
    one = link.node.services.get(_NAME)
    return fetched, one.code if one else ""


def refused() -> None:
    """Before a byte is fetched: no spare partition, too small, no rollback, a trial, a failure."""
    mount(formatted())
    base()
    assert taken() == (True, "")
    assert taken(size=_PART * flash.BLOCK) == (True, "")
    assert taken(size=_PART * flash.BLOCK + 1) == (False, "too-large")
    part = esp32.Partition

    def fail(*_):
        raise OSError(-261)

    for name in ("get_next_update", "mark_app_valid_cancel_rollback"):
        right = part.__dict__[name]
        setattr(part, name, fail)
        assert taken() == (False, "unsupported-board"), name
        setattr(part, name, right)
    right = board.esp32
    board.esp32 = lambda: None
    assert taken() == (False, "unsupported-board")
    board.esp32 = right
    os.remove("/lib/slots.mpy")
    assert taken() == (False, "unsupported-board"), "nothing would begin a trial"
    with open("/lib/slots.mpy", "w"):
        pass
    come(b"1")
    boot()
    assert taken(b"2") == (False, ""), "while one is on trial, none is taken"
    fall()
    boot()
    assert taken(b"1") == (False, "fell-back")
    assert taken(b"2") == (True, "")
    install(b"1")


def unfit() -> None:
    """After it has come: another chip, another content than was sealed, no image at all."""
    mount(formatted())
    base()
    for name, code in (
        ("chip", "unsupported-board"),
        ("hash", "hash-mismatch"),
        ("elf", "unsupported-board"),
    ):
        node = Node()
        content = {"chip": image(b"1"), "hash": image(b"3"), "elf": bytes(_SIZE)}[name]
        wanted = hashlib.sha256(content).digest()
        stage(wanted, "esp32c9" if name == "chip" else sys.platform)
        sink = spare.open(wanted)
        while sink.done < _SIZE:
            piece = content[sink.done : sink.done + _CHUNK]
            sink.write(b"?" * len(piece) if name == "hash" and not sink.done else piece)
        sink.close()
        spare.offer(node, _NAME, [("app.bin", _SIZE, wanted)])
        one = node.services[_NAME]
        assert one.code == code, (name, one.code)
        assert boot() == b"0"
        assert not begin()
        if name == "hash":
            assert not keystore.exists("/agent/coming"), "all of it must come again"
    install(b"1")


def main(step: int) -> None:
    clock.ms()
    total = 0
    for sentence, before, change, allowed, last in (
        ("a firmware comes", base, lambda: come(b"1"), b"01", b"1"),
        ("it is confirmed", first, confirm, b"01", b"1"),
        ("it is given up", first, fall, b"01", b"1"),
        ("the second comes", confirmed, lambda: come(b"2"), b"12", b"2"),
        ("the second is confirmed", second, confirm, b"12", b"2"),
        ("the second is given up", second, fall, b"12", b"2"),
    ):
        total += run(step, sentence, before, change, allowed, last)
    resumed()
    full()
    damaged()
    refused()
    unfit()
    print("all: %d cut points" % total)


main(int(sys.argv[1]))
