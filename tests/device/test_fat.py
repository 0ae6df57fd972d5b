"""A file that is replaced on FAT, where that takes two steps: no cut loses it, nor gets it back."""

from __future__ import annotations

import pytest

from tests.device import on_micropython

FLASH = """
import os
import vfs
from nlsm import board, floors, keystore, recovery  # while they can be read

class Flash:
    left = 1 << 30
    def __init__(self, data):
        self.data = bytearray(data)
    def readblocks(self, block, buffer):
        buffer[:] = memoryview(self.data)[block * 512 : block * 512 + len(buffer)]
    def writeblocks(self, block, buffer):
        self.left -= 1
        if self.left >= 0:
            self.data[block * 512 : block * 512 + len(buffer)] = buffer
    def ioctl(self, operation, argument):
        return {4: len(self.data) // 512, 5: 512}.get(operation, 0)

def mount(data):
    flash = Flash(data)
    vfs.umount("/")
    vfs.mount(vfs.VfsFat(flash), "/")
    return flash

def cuts(change):
    writes = 0
    while True:
        flash = mount(start)
        flash.left = writes
        try:
            change()
        except OSError:  # it finds that something is not there
            pass
        done = flash.left >= 0
        mount(flash.data)
        recovery.recover()
        recovery.remove(keystore.INCOMING)
        for path in FILES:
            print(keystore.read(path).decode().strip() or "none", end=" ")
        print(len(os.listdir("/triseal")), done)
        if done:
            return
        writes += 1

FILES = "/triseal/floors", "/triseal/services/x/site.der"
blank = Flash(bytes(128 * 512))
vfs.VfsFat.mkfs(blank)
flash = mount(blank.data)
for folder in ("/triseal", "/triseal/services", "/triseal/services/x", "/triseal/incoming"):
    os.mkdir(folder)
for path in FILES:
    keystore.write(path, b"old")
start = bytes(flash.data)
"""
BEGUN = """
os.rename(FILES[0], FILES[0] + ".new")
open(FILES[0] + ".new", "wb").close()
start = bytes(flash.data)
cuts(lambda: None)
"""
FLOORS = """
floors._sum = lambda lines: b""
cuts(lambda: floors.write({"new": 1}))
"""
TAKE = """
def take():
    keystore.write("/triseal/incoming/floors", b"new")
    recovery.take()
cuts(take)
"""

HALF = """
with open(FILES[0] + ".new", "wb") as file:
    file.write(b"ne")
start = bytes(flash.data)
cuts(lambda: None)
"""

# (what is done, what the floors and the seal are after some cut of it, of how many names)
ROWS: tuple[tuple[str, str, set[str]], ...] = (
    ("floors that rise", FLOORS, {"old old 2", "new 1 old 2"}),
    ("a seal that is renewed", 'cuts(lambda: keystore.write(FILES[1], b"new"))',
     {"old old 2", "old new 2"}),
    ("one that is not whole yet", HALF, {"old old 2"}),
    ("one that was only begun", BEGUN, {"none old 1"}),
    ("what is taken from incoming", TAKE, {"old old 2", "new old 2"}),
)  # fmt: skip


@pytest.mark.parametrize(("sentence", "code", "states"), ROWS, ids=[row[0] for row in ROWS])
def test_a_cut_leaves_the_old_file_or_the_new(sentence: str, code: str, states: set[str]) -> None:
    lines = on_micropython.run_code(FLASH + code).splitlines()
    assert {line.rpartition(" ")[0] for line in lines} == states, sentence
    assert lines[-1].endswith("True")


def test_folders_take_the_place_of_what_was_left_of_others() -> None:
    code = """
for text in (b"one", b"two"):
    recovery.make(keystore.INCOMING + "/x")
    keystore.write(keystore.INCOMING + "/x/app.py", text)
    recovery.keep("x")
recovery.swap("x", recovery.CHECKED)
print(os.listdir("/triseal/services/x"), keystore.read("/triseal/services/x/app.py"))
recovery.make(keystore.INCOMING + "/x")
keystore.write(keystore.INCOMING + "/x/app.py", b"three")
recovery.drop("x")  # what comes of it anew is left alone
print(os.listdir("/triseal/services"), os.listdir("/triseal/incoming"))
"""
    assert on_micropython.run_code(FLASH + code) == "['app.py'] b'two'\n[] ['x']\n"
