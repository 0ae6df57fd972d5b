"""Picks the agent that starts: the one in `/lib`, or the image in one of two slots.

    /agent/state         JSON, written under another name and then renamed; see below
    /agent/a, /agent/b   one package each, as it arrived: `app.romfs` is the agent

An agent that arrives over the link is written to the slot from which none runs, and starts on
trial. This module counts the starts of a trial. It starts the old agent again after three starts,
or as soon as the trial has no start left. Only a cable replaces this module and `main.py`, so that
no agent can lose the way back. `nlsm/swap.py` uses `running`, `feed`, `read()` and the state:

    slot     the confirmed agent: "a", "b", or "" for the one in `/lib`
    trial    the slot on trial; not there if there is none
    starts   how many starts the trial has left
    fell     the slot whose trial has failed; why: the reason, as far as it is known
    dog      there if a hardware watchdog guards the trial; 0 once the agent has set it to the
             time that the settings want

A new agent or firmware may hang before it starts any watchdog of its own. So a guard runs during a
trial: it resets the board unless the agent's loop feeds it. The guard is a hardware watchdog where
that can wait for long enough (ESP32), else a timer. Such boards have one hardware watchdog only. As
soon as the agent has set it to a shorter time, a reset by it may be the fault of a service that
blocks for too long, so it only uses up one start.

An older agent does not feed the guard. A timer leaves it alone once it is confirmed. A watchdog
resets the board once more if the settings want none.
"""

import sys

# No file may stand in for a built-in module: see `main.py`.
_places = sys.path[:]
sys.path[:] = [place for place in _places if place[0] == "."]
import io  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402

import vfs  # noqa: E402

try:
    import machine
except ImportError:  # a port without hardware
    machine = None  # type: ignore[assignment]

sys.path[:] = _places

_STATE = "/agent/state"
_PLACE = "/a"
_FOLDER = 4

running = ""  # the slot whose agent is mounted; "" for the agent in `/lib`
# Tells the guard that the agent's loop turns. None if there is no guard; a timer does nothing then.
feed = None


def read() -> dict:
    """Return the state; empty if there is none that an agent has written."""
    for path in (_STATE, _STATE + ".new"):  # on FAT, only the new one may be left
        try:
            with open(path) as file:
                state = json.load(file)
            _check(state)
            return state
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            pass
    return {}


def _check(state) -> None:
    """Raise an error for a state with which no agent could start."""
    if "trial" in state:
        state["starts"] + 0
    if "fell" in state:
        state["why"][:0]
    for slot in (state["slot"], state.get("trial", ""), state.get("fell", "")):
        if slot:
            _, serial, _, _ = state[slot]
            bytes.fromhex(serial)
            if slot not in ("a", "b"):
                raise ValueError


def write(state: dict) -> None:
    """Replace the state in one step."""
    try:
        os.stat(_STATE)
    except OSError:
        try:
            os.rename(_STATE + ".new", _STATE)  # the only one, which must not be opened to write
        except OSError:
            pass
    with open(_STATE + ".new", "w") as file:
        json.dump(state, file)
    try:
        os.rename(_STATE + ".new", _STATE)
    except OSError:  # FAT
        os.remove(_STATE)
        os.rename(_STATE + ".new", _STATE)


def _fall(state: dict, why: str) -> None:
    """End a trial: the old agent starts next."""
    state["fell"] = state.pop("trial")
    state["why"] = why
    write(state)


def begin() -> None:
    """Make the agent that is due the one that `import` finds. Called once, by `main.py`."""
    state = read()
    dog = state.pop("dog", None)
    hung = dog is not None and machine.reset_cause() == machine.WDT_RESET
    if "trial" in state:
        try:
            if hung:
                state["why"] = "hung"
            if hung and dog:
                _fall(state, "hung")
            elif state["starts"] > 0:
                state["starts"] -= 1
                if _guard():
                    state["dog"] = True
                write(state)
            else:
                _fall(state, state.get("why") or "not confirmed in three starts")
        except OSError:  # the flash is full: nothing counts the starts, so the trial is over
            state.pop("trial", None)
    elif _tries_firmware():
        _guard()
    mount(state)


def _tries_firmware() -> bool:
    try:
        with open("/agent/firmware") as file:  # see `nlsm/spare.py`
            return '"new"' in file.read()
    except OSError:
        return False


def _guard() -> bool:
    """Start the guard. Return True if it is a hardware watchdog.

    It waits longer than the trial, which the agent itself ends with a better reason.
    """
    global feed  # noqa: PLW0603 - `nlsm/swap.py` looks at it
    try:
        os.stat("/triseal/unwatched")  # the host works at the cable
        return False
    except OSError:
        pass
    ms = 385000
    try:
        with open("/triseal/settings.json") as file:
            ms = 1250 * json.load(file)["trial"] + 10000
    except (OSError, ValueError, TypeError, KeyError):
        pass
    try:
        # These two take any number, and wait for 16 s or 128 s. Without a cause of resets, nobody
        # would know which one was the watchdog's.
        if sys.platform not in ("samd", "mimxrt") and hasattr(machine, "WDT_RESET"):
            feed = machine.WDT(timeout=ms).feed
            return True
    except Exception:  # noqa: S110 - there is none, or it waits for some seconds only
        pass
    try:
        timer = machine.Timer(-1)
        feed = lambda: timer.init(period=ms, callback=_bite)  # noqa: E731
        feed()
    except Exception:  # the start must be counted all the same
        feed = None
    return False


def _bite(_) -> None:
    # The trial is over, which an older agent tells by the state only, or a person is at the REPL.
    if not feed or not ("trial" in read() or _tries_firmware()):
        return
    try:
        _note("hung", True)
    finally:
        machine.reset()


def fail(error) -> None:
    """Keep the error that has ended an agent, for the report of the agent or firmware before."""
    _note("%s: %s" % (type(error).__name__, str(error)[:80]))


def _note(why: str, over: bool = False) -> None:
    state = read()
    if "trial" in state:
        state["why"] = why
        if over:
            state["starts"] = 0
        write(state)
    else:
        with open("/agent/why", "w") as file:
            file.write(why)


def mount(state=None) -> None:
    """Mount the agent that runs or is due. Does nothing if that is the one in `/lib`.

    If it can't be opened, or the state was damaged, any other agent is better than none.
    """
    global running  # noqa: PLW0603 - `nlsm/swap.py` looks at it
    state = state or read()
    running = ""
    try:
        vfs.umount(_PLACE)
    except OSError:
        pass
    for slot in (state.get("trial"), state.get("slot"), "", "a", "b"):
        try:
            if slot == "":
                os.stat("/lib/nlsm")
                return
            if slot:
                image = open("/agent/%s/app.romfs" % slot, "rb")  # noqa: SIM115
                vfs.mount(Image(image), _PLACE)
                sys.path.insert(0, _PLACE)
                running = slot
                return
        except OSError:
            pass


class Image:
    """The file system in a ROMFS image that was checked before it came here."""

    def __init__(self, file):
        self.file = file

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        self.file.close()

    def ilistdir(self, _path):
        return iter(())

    def stat(self, path):
        kind = self.find(path)[0]
        return (0x4000 if kind == _FOLDER else 0x8000, 0, 0, 0, 0, 0, 0, 0, 0, 0)

    def open(self, path, _mode):
        _, at, _ = self.find(path)
        _, at = self.number(at)
        return _Part(self.file, *reversed(self.number(at)))

    def number(self, at):
        """Return the number at an offset, and the offset behind it."""
        self.file.seek(at)
        value = 0
        while True:
            byte = self.file.read(1)[0]
            value = value << 7 | byte & 127
            at += 1
            if byte < 128:
                return value, at

    def find(self, path):
        """Return kind, begin and end of the record of a path."""
        end, at = self.number(3)
        end += at
        kind = _FOLDER
        for name in path.strip("/").split("/"):
            while True:
                if at >= end:
                    raise OSError(2)
                kind, at = self.number(at)
                size, at = self.number(at)
                after = at + size
                size, at = self.number(at)
                if self.file.read(size) == name.encode():
                    break
                at = after
            at += size
            end = after
        return kind, at, end


class _Part(io.IOBase):
    # A part of an open file, as a file of its own.
    def __init__(self, file, at, size):
        self.file = file
        self.at = at
        self.end = at + size

    def readinto(self, buffer):
        self.file.seek(self.at)
        count = self.file.readinto(memoryview(buffer)[: self.end - self.at])
        self.at += count
        return count

    def ioctl(self, _request, _argument):
        return 0
