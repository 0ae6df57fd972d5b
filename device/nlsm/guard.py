"""Whose code runs, and what services find in place of what would pass for the node's own word.

Their `print` writes to their log, and the console's input is the node's alone. It is no sandbox:
who wants to can write to `sys.stdout`.
"""

import builtins
import sys

from sealcore import grants

from . import tasks

_print = print
# The port's `_thread` or None, and then what says whose thread it is, once there was one.
begun: list = []


def __getattr__(name: str):
    """This module stands for `_thread`, too; most services never need `threads`."""
    if name == "start_new_thread":
        from . import threads

        return threads.start
    return getattr(begun[0], name)


def begin(node) -> None:
    """Before a service is imported: it could take these into its own module."""
    if begun:  # `builtins.print` does not say
        return
    try:
        import _thread

        sys.modules["_thread"] = sys.modules[__name__]
    except ImportError:  # a port without them
        _thread = None  # type: ignore[assignment]
    begun.append(_thread)

    def to_log(*values, **how):
        one = owner()
        if one and how.get("file") in (None, sys.stdout, sys.stderr):
            for line in how.get("sep", " ").join([str(value) for value in values]).split("\n"):
                if grants.LOG not in one.grants:
                    one.deny(grants.LOG)
                elif line:
                    node.log(one, line)
        elif one or tasks.core.cur_task or not node.runner:
            _print(*values, **how)
        # What an interrupt prints, nobody knows whose it is.

    builtins.print = to_log
    builtins.input = None  # type: ignore[assignment] # for services
    if "server" in node.settings:
        from . import streams

        streams.begin()


def end() -> None:
    """No service runs any more: as somebody at the REPL expects it."""
    begun.clear()
    builtins.print = _print


def owner():
    """The service.Service whose code runs; None for the node's own."""
    return (len(begun) > 1 and begun[1]()) or tasks.owner()
