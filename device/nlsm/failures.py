"""What has failed in a service, and where in it: loaded when something has."""

import io
import select
import sys

from sealcore import errors
from sealcore.compat import const

from . import loop, service

_LINE = const(256)


def _is_ours(file: str) -> bool:
    # On a board the agent's files are called like their modules, frozen by their paths.
    ours = "nlsm." + file in sys.modules or "sealcore." + file in sys.modules
    return ours or file.split("/", 1)[0] in ("nlsm", "sealcore", "asyncio")


class _Where(io.IOBase):
    """Takes a traceback.

    found    the last line in it that is of the service itself: `app.py:3`
    """

    def __init__(self):
        self.found = self._line = ""

    def write(self, data) -> int:
        """A piece of it."""
        piece = str(bytes(data), "utf-8")
        self._line = self._line[:_LINE] + piece[:_LINE]
        if "\n" in piece:
            words = self._line.split('"')
            if len(words) > 2 and not _is_ours(words[1]):
                line = words[2].split(",")[1].split(" ")[-1]
                self.found = words[1].split("/")[-1] + ":" + line
            self._line = ""
        return len(data)


def state(error) -> tuple:
    """The state of a service whose own code has raised this, for `Service.set`."""
    where = _Where()
    said = type(error).__name__, ""
    try:
        sys.print_exception(error, where)  # type: ignore[attr-defined] # MicroPython's
        said = said[0], str(error)
        if isinstance(error, errors.SealError):
            said = str(error.code), said[1]
        elif isinstance(error, ImportError):
            said = said[0], said[1] + " (own modules: import them at the top)"
    except BaseException as other:  # it can't even say what it is
        if service.by_person(other):
            raise
    code, text = said
    return "failed", code, ": ".join([part for part in (where.found, text) if part])


def drop_streams(streams) -> None:
    """A stream of a service's own fails when it is looked at: find it, and who waits for it."""
    for found in list(streams.map.values()):
        poll = select.poll()
        try:
            poll.register(found[-1], select.POLLIN)
            poll.poll(0)
        except BaseException as error:
            loop.mind(error)
            streams._dequeue(found[-1])
            for task in found[:-1]:
                if task:
                    loop.core._task_queue.push(task)
                    task.data = error
