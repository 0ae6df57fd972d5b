"""A service of this node: what its seal says, and what has become of it."""

import os
import sys
import time

from sealcore.compat import const

# Indices into WORDS, which are messages.STATES.
INSTALLING = const(0)
WAITING = const(1)
RUNNING = const(2)
STOPPED = const(3)
EXPIRED = const(4)
REFUSED = const(5)
FAILED = const(6)
WORDS = ("installing", "waiting-for-time", "running", "stopped", "expired", "refused", "failed")

_FOLDER = "/triseal/services/"
_IMAGE = "app.romfs"
_MODULE = "app"
_STOP_MS = const(5000)


class Service:
    """One service.

    name, version, serial, not_before, not_after, grants    of its seal, once that was accepted
    state, code, detail    as the node reports them
    main       its coroutine function, from the import to the start
    tasks      all that it has started and that may still run
    denied     how often it used what no grant gives
    """

    def __init__(self, name: str):
        self.name = name
        self.version = ""
        self.serial = b""
        self.not_before = self.not_after = self.denied = 0
        self.grants = ()
        self.tasks = []
        self.main = self.stopped_at = None
        self.set(INSTALLING)

    def set(self, state: int, code: str = "", detail: str = "") -> None:
        """Its new state, the code of a refusal or an error's name, and a word about it."""
        self.state = state
        self.code = code
        self.detail = detail
        self.changed = True

    def load(self) -> None:
        """Import the executable that was checked just before; what fails is its own failure."""
        folder = _FOLDER + self.name
        try:
            if _IMAGE in os.listdir(folder):
                from . import romfs

                self.main = romfs.load(folder + "/" + _IMAGE).main
            else:
                self.main = _import(folder).main
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self.set(FAILED, type(error).__name__, str(error))

    def deny(self, what: str) -> None:
        """It used what no grant gives."""
        self.denied += 1
        if self.state == RUNNING and self.detail != what:
            self.set(RUNNING, "not-granted", what)

    def stop(self, state: int, code: str = "", detail: str = "") -> None:
        """Cancel all its tasks; from now on nothing is granted to it."""
        self.set(state, code, detail)
        self.grants = ()
        self.stopped_at = time.ticks_ms()
        for task in self.tasks:
            task.cancel()

    def ended(self) -> bool:
        """Whether nothing of it is left that could run."""
        self.tasks = [task for task in self.tasks if not task.done()]
        return not self.tasks

    def stuck(self) -> bool:
        """Whether it goes on although it was stopped some seconds ago."""
        if self.stopped_at is None or self.ended():
            return False
        return time.ticks_diff(time.ticks_ms(), self.stopped_at) > _STOP_MS

    def __str__(self) -> str:
        words = (self.name + " " + WORDS[self.state], self.code, self.detail)
        return ": ".join([word for word in words if word])


def _import(folder: str):
    sys.path.insert(0, folder)
    try:
        return __import__(_MODULE)
    finally:
        sys.path.pop(0)
        sys.modules.pop(_MODULE, None)
