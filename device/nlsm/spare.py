"""The firmware as a package: it comes over the link into the spare app partition of an ESP32,
starts on trial, and is confirmed or given up.

    /agent/firmware         JSON, written under another name and then renamed; see below
    /agent/why              the error with which the agent has ended, by `slots.py`
    /agent/coming           JSON: SHA-256 of the image that comes, its partition, bytes that came
    /agent/ota_0, ...       the seals and the metadata of the image in the partition of that name

The boot loader starts an image once after `set_boot`. If it is not marked as valid by the next
reset, the boot loader starts the one before again. The trial is the same as that of an agent, see
`swap`. The state:

    is       of the firmware that was confirmed: [name, serial, version, security version, SHA-256];
             not there if it came by cable
    new      the same of the one on trial; not there if there is none
    to       the partition of `new`
    ran      names of services that ran before
    why      there as soon as `new` was set to boot: the reason why its trial fails, if it is known
    fell     the same of the one whose trial has failed, for the reason `why`
"""

import json
import os

from sealcore import errors
from sealcore.compat import const

from . import keystore, memory, service, swap

_STATE = const("/agent/firmware")
_COMING = const("/agent/coming")
_WHY = const("/agent/why")  # by `slots.py`: the error that has ended the agent
_BLOCK = const(4096)
_UNIT = const(16)  # bytes that encrypted flash takes at once
_OFTEN = const(65536)  # bytes after which the progress is written down
_ERASE = const(6)
names = ("app.bin",)


def _part(which: int = 1):
    """Return the partition that runs, or with 0 the one that starts next."""
    from . import board

    return board.esp32().Partition(which)


def _spare():
    """Return the partition for the next firmware; None if the board has none."""
    from . import board

    if not board.esp32():
        return None
    running = _part()
    try:
        found = running.get_next_update()
    except OSError:
        return None
    return None if found.info()[4] == running.info()[4] else found


def look() -> str:
    """Return the partition that runs and the size of the spare one; "" if there is none."""
    spare = _spare()
    return "%s %d" % (_part().info()[4], spare.info()[3]) if spare else ""


def _state() -> dict:
    """Return the state; empty if there is none, or if it is damaged."""
    try:
        state = dict(json.loads(keystore.read(_STATE)))
        for key in ("is", "new", "fell"):
            _, serial, _, floor, _ = state.get(key, ("", "", "", 0, ""))
            bytes.fromhex(serial) + bytes(floor & 1)
        if "new" in state:
            state["to"][:0]
        return state
    except (ValueError, TypeError, KeyError):
        return {}


def _save(path: str, value) -> None:
    keystore.write(path, json.dumps(value).encode())


class Firmware(swap.Trial):
    """The running firmware among the services of its node, as `swap.Agent` is the agent."""

    def __init__(self, node, state: dict):
        name, serial, version, _, _ = (
            state.get("new") or state.get("is") or [state["fell"][0], "", "", 0, ""]
        )
        super().__init__(node, name, serial, version)
        self.lent = state.get("ran", ())
        if "new" not in state:
            self.show(state)

    def confirm(self) -> None:
        """End the trial: this firmware stays."""
        from . import board, floors

        board.esp32().Partition.mark_app_valid_cancel_rollback()
        state = {"is": _state()["new"]}
        floors.rise(0, self.name, state["is"][3])
        _save(_STATE, state)
        self.set("running")
        self.done()

    def fall(self, why: str) -> None:
        """Give this firmware up: after the reset, the boot loader starts the one before."""
        state = _state()
        state["why"] = why
        _save(_STATE, state)
        swap.reset(self.node)

    def forgive(self) -> None:
        state = _state()
        state.pop("fell", 0)
        _save(_STATE, state)


def begin(node) -> None:
    """Add the firmware to the services of a node, if it came as a package or one was given up."""
    state = _state()
    if "new" in state and state["to"] != _part().info()[4]:
        new = state.pop("new")
        if "why" in state:  # otherwise the power failed before it was set to boot
            state["fell"] = new
            said = keystore.read(_WHY).decode()
            state["why"] = state["why"] or said or "did not start, or was reset on trial"
        try:
            _save(_STATE, state)
        except OSError:  # the flash is full: at the next start, then
            pass
    if "new" in state or "is" in state or "fell" in state:
        one = Firmware(node, state)
        node.services[one.name] = one


class Image:
    """The image in a partition as an open file."""

    def __init__(self, part, size: int):
        self.part = part
        self.left = size
        self.at = 0

    def readinto(self, buffer) -> int:
        count = min(len(buffer), self.left)
        if count:
            self.part.readblocks(self.at // _BLOCK, memoryview(buffer)[:count], self.at % _BLOCK)
        self.at += count
        self.left -= count
        return count

    def close(self) -> None:
        pass


class _Sink:
    """The spare partition as a file that takes an image from where an earlier download stopped."""

    def __init__(self, wanted: bytes):
        from . import recovery

        recovery.make("/agent")
        self.part = _spare()
        self.image = [wanted.hex(), self.part.info()[4]]
        self.done = 0
        try:
            found = json.loads(keystore.read(_COMING))
            if found[:2] == self.image:
                self.done = found[2] + 0
        except (ValueError, TypeError, IndexError, KeyError):
            pass
        if not self.done:
            self.close()  # the image that was there before is gone

    def write(self, chunk: bytes) -> None:
        at = self.done % _BLOCK
        if at % _UNIT or at + len(chunk) > _BLOCK:
            raise errors.BadMessage("chunk")
        block = self.done // _BLOCK
        if not at:
            self.part.ioctl(_ERASE, block)
        self.done += len(chunk)
        if len(chunk) % _UNIT:  # the last one
            chunk += b"\xff" * (-len(chunk) % _UNIT)
        self.part.writeblocks(block, chunk, at)
        if self.done % _OFTEN == 0:
            self.close()

    def close(self) -> None:
        """Write down how far it has come. A block that is not full comes again."""
        try:
            _save(_COMING, self.image + [self.done // _BLOCK * _BLOCK])
        except OSError:  # the flash is full: then all of it comes again
            pass


def open(wanted: bytes):  # noqa: A001 - each port has this name already
    """Return a file for the image with this SHA-256."""
    return _Sink(wanted)


def take(link, name: str, seal: bytes, files) -> bool:
    """Take the site seal of a firmware. Return False if its files are to be fetched.

    Otherwise it is the firmware that runs, or this board can't take it: it is refused before
    anything is fetched.
    """
    from . import download, installer, verifier

    node = link.node
    state = _state()
    if swap.busy(node, name):
        return True
    one = node.services.get(name) or service.Service(name)
    size, wanted = _image(files)
    running = state.get("is", ("",) * 5)
    try:
        _check_board(size)
        if "fell" in state and state["fell"][4] == wanted.hex():
            raise swap.fallen(state)
        place = "/agent/" + _part().info()[4]
        if running[4] == wanted.hex() and all(
            file in names or download.digest(place + "/" + file) == digest
            for file, _, digest in files
        ):
            image = Image(_part(), size)
            found = verifier.check(place, name, node.clock, seal, "firmware", image)
            keystore.write(place + "/site.der", seal)
            one.serial = found.serial.to_bytes(16, "big")
            running[1] = one.serial.hex()
            _save(_STATE, state)
            link.report(one)
            return True
        if state.pop("fell", None):  # another one comes: what was before it no longer counts
            _save(_STATE, state)
            one.set("running")
    except errors.SealError as error:
        node.services[name] = one
        installer.refuse(node, one, error, seal, "")
        return True
    return False


def _image(files) -> tuple:
    """Return size and SHA-256 of the image among the files of an ASSIGN."""
    for name, size, wanted in files:
        if name in names:
            return size, wanted
    raise errors.BadMessage("files")


def _check_board(size: int) -> None:
    spare = _spare()
    if not spare:
        raise errors.UnsupportedBoard("no spare partition for a firmware")
    if size > spare.info()[3]:
        raise errors.TooLarge("partition: %d bytes, the firmware has %d" % (spare.info()[3], size))
    if not keystore.exists("/lib/slots.mpy"):
        try:
            memory.load("slots")  # the firmware may have it
        except ImportError:
            raise errors.UnsupportedBoard("no slots: provisioned long ago")
    try:
        # What runs was confirmed, so this changes nothing. It fails without rollback.
        _part().mark_app_valid_cancel_rollback()
    except OSError:
        raise errors.UnsupportedBoard("the boot loader has no rollback")


def _check_chip(metadata: bytes) -> None:
    from . import board

    machine, _, port = board.look()[2][:3]
    chip = machine.split(" with ")[-1].lower() if " with " in machine else port
    wanted = json.loads(metadata).get("firmware", {}).get("chip")
    if wanted != chip:
        raise errors.UnsupportedBoard("firmware for %s, this is %s" % (wanted, chip))


def offer(node, name: str, files) -> None:
    """Check the firmware in the spare partition. If it passes, the board starts it on trial."""
    from . import installer, recovery, verifier

    folder = keystore.INCOMING + "/" + name
    one = node.services.get(name) or service.Service(name)
    size, wanted = _image(files)
    spare = _spare()
    try:
        seal = verifier.check(folder, name, node.clock, None, "firmware", Image(spare, size))
        _check_chip(keystore.read(folder + "/metadata.json"))
        memory.free()
        try:
            _start(node, name, seal, spare, wanted)
        except OSError as error:
            raise errors.TooLarge("flash: %s" % error)
    except errors.SealError as error:
        if error.code == "hash-mismatch":
            recovery.remove(_COMING)  # all of it must come again
        node.services[name] = one
        installer.refuse(node, one, error, keystore.read(folder + "/site.der"), folder)
        recovery.remove(folder)
        return
    swap.reset(node)


def _start(node, name: str, seal, spare, wanted: bytes) -> None:
    """Set the firmware in the spare partition, which was checked, to boot."""
    from . import recovery

    label = spare.info()[4]
    place = "/agent/" + label
    recovery.remove(place)
    recovery.remove(_WHY)
    swap.mark()
    os.rename(keystore.INCOMING + "/" + name, place)
    before = _state()
    serial = seal.serial.to_bytes(16, "big").hex()
    new = [name, serial, seal.service_version, seal.security_version, wanted.hex()]
    state = {"new": new, "to": label, "ran": swap.ran(node)}
    if "is" in before:
        state["is"] = before["is"]
    _save(_STATE, state)
    try:
        spare.set_boot()
        if _part(0).info()[4] != label:
            raise OSError("not set")
    except OSError as error:
        _save(_STATE, before)
        raise errors.UnsupportedBoard("the boot loader refuses the firmware: %s" % error)
    state["why"] = ""
    _save(_STATE, state)
