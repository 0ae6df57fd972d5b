"""Knows which service's code runs, and replaces functions with which a service could imitate the
node.

What services print or write to `sys.stdout` goes to their log, and only the node reads the console.
This is no sandbox: a service that tries still gets the console, for example from `usys`.
"""

import builtins
import io
import sys

from sealcore import grants
from sealcore.compat import const

from . import tasks

_print = print
_LINE = const(512)  # characters; no line of a log is longer
# First the port's `_thread` or None, then, after the first thread was started, `threads.here`.
begun: list = []


class _Out(io.IOBase):
    """`sys.stdout` and `sys.stderr` of services, and the `buffer` of both."""

    def write(self, data) -> int:
        try:
            print(data if type(data) is str else str(data, "utf-8"))
        except UnicodeError:  # bytes that are no text are logged as Python writes them
            print(bytes(data))
        return len(data)


class _Sys:
    """The module `sys` of services. The node's own modules find the real one in it."""

    real = sys
    stdin = None

    def __init__(self):
        self.stdout = self.stderr = _Out()
        self.stdout.buffer = self.stdout  # type: ignore[attr-defined] # MicroPython's

    def __getattr__(self, name: str):
        return getattr(sys, name)

    def print_exception(self, error, file=None):
        text = io.StringIO()
        sys.print_exception(error, file or text)  # type: ignore[attr-defined] # MicroPython's
        self.stdout.write(text.getvalue())


def __getattr__(name: str):
    """Stand for the module `_thread`, too: this loads `threads`, which most services never need."""
    if name == "start_new_thread":
        from . import threads

        return threads.start
    return getattr(begun[0], name)


def begin(node) -> None:
    """Replace `print`, `input`, `sys` and `_thread`. Call this before a service could copy them."""
    if begun:  # the node's own flag, since `builtins.print` does not tell
        return
    try:
        import _thread

        sys.modules["_thread"] = sys.modules[__name__]
    except ImportError:  # a port without threads
        _thread = None  # type: ignore[assignment]
    begun.append(_thread)

    def to_log(*values, **how):
        one = owner()
        if one and how.get("file") in (None, sys.stdout, sys.stderr, services.stdout):
            text = values[0] if len(values) == 1 else how.get("sep", " ").join(map(str, values))
            _log(node, one, text if type(text) is str else str(text))  # `str` copies a text, too
        elif one or tasks.core.cur_task or not node.runner:
            _print(*values, **how)
        # The owner of output from an interrupt is unknown, so it is dropped.

    services = _Sys()
    builtins.print = to_log
    builtins.input = None  # type: ignore[assignment] # for services
    if "server" in node.settings:
        from . import streams

        streams.begin()
    sys.modules["sys"] = services  # type: ignore[assignment] # for services


def _log(node, one, text: str) -> None:
    """Log a text line by line. It is not copied: a long one would need as much memory again, in one
    piece.
    """
    at = 0
    while at <= len(text):
        end = text.find("\n", at)
        if end < 0:
            end = len(text)
        if grants.LOG not in one.grants:
            one.deny(grants.LOG)
        elif at < end:
            node.log(one, text[at : min(end, at + _LINE)])
        at = end + 1


def end() -> None:
    """Restore all this for a person at the REPL. No service runs any more."""
    begun.clear()
    for name in ("sys", "_thread"):
        sys.modules.pop(name, None)
    builtins.print = _print


def owner():
    """Return the service.Service whose code runs; None for the node's own code."""
    return (len(begun) > 1 and begun[1]()) or tasks.owner()
