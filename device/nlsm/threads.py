"""Threads of services: the node knows whose each is.

MicroPython can't end a thread. So one that still runs some seconds after its service was stopped is
ended by a reset of the board, as all that can't be taken back.
"""

from . import context, guard

_real = guard.begun[0]
_here: dict = {}  # by identity of a thread: its service.Service
_require = context.require


def here():
    """The service whose thread this is; None in the thread of the node."""
    return _here.get(_real.get_ident())


def start(function, values, named=None):
    """What `start_new_thread` is to a service."""
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
    # What the event loop shares is not for other threads.
    if here():
        raise RuntimeError("ctx is for tasks, not for threads")
    _require(one, kind, what)


context.require = _refuse
guard.begun.append(here)
