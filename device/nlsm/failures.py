"""Describes what has failed in a service and where. This module is loaded only after a failure."""

import io
import select
import sys

from sealcore import errors
from sealcore.compat import const

from . import loop, service

_LINE = const(256)


def _is_ours(file: str) -> bool:
    # On a board, the agent's files have the names of their modules; frozen files have their paths.
    ours = "nlsm." + file in sys.modules or "sealcore." + file in sys.modules
    return ours or file.split("/", 1)[0] in ("nlsm", "sealcore", "asyncio")


class _Where(io.IOBase):
    """A stream that takes a traceback.

    found    the last line in it that belongs to the service itself: `app.py:3`
    """

    def __init__(self):
        self.found = self._line = ""

    def write(self, data) -> int:
        """Take a piece of the traceback."""
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
    """Return the state of a service whose own code has raised `error`, for `Service.set`."""
    where = _Where()
    said = type(error).__name__, ""
    try:
        sys.print_exception(error, where)  # type: ignore[attr-defined] # MicroPython's
        said = said[0], str(error)
        if isinstance(error, errors.SealError):
            said = str(error.code), said[1]
        elif isinstance(error, ImportError):
            said = said[0], said[1] + " (own modules: import them at the top)"
    except BaseException as other:  # The exception's own `__str__` fails.
        if service.by_person(other):
            raise
    code, text = said
    return "failed", code, ": ".join([part for part in (where.found, text) if part])


def drop_streams(streams) -> None:
    """Remove streams that raise when they are polled, and pass the error to the tasks that wait for
    them.
    """
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
