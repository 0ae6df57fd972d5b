"""Threads of services: records which service has started each thread.

MicroPython cannot end a thread. If one still runs some seconds after its service was stopped, the
board is reset, as for anything else that cannot be taken back.
"""

from . import context, guard

_real = guard.begun[0]
_here: dict = {}  # identity of a thread: its service.Service
_require = context.require


def here():
    """Return the service that has started the current thread; None in the node's own thread."""
    return _here.get(_real.get_ident())


def start(function, values, named=None):
    """Start a thread of a service: services call this as `_thread.start_new_thread`."""
    one = guard.owner()
    if not one:
        raise RuntimeError("a thread is started by a task of a service")
    for running in one.lent:
        if type(running) is list:
            break
    else:
        running = []
        one.lend(running)
    running.append(one)

    def run():
        _here[_real.get_ident()] = one
        try:
            function(*values, **(named or {}))
        finally:
            _here.pop(_real.get_ident())
            running.pop()

    try:
        return _real.start_new_thread(run, ())
    except BaseException:
        running.pop()
        raise


def _refuse(one, kind: str, what) -> None:
    # Other threads must not use data that belongs to the event loop.
    if here():
        raise RuntimeError("ctx is for tasks, not for threads")
    _require(one, kind, what)


context.require = _refuse
guard.begun.append(here)
