"""Runs services as tasks of the one event loop, and stops them with all that they started.

MicroPython can't take a task away from a service that won't end: its tasks are cancelled, its
grants are gone, and if it still goes on, `stuck` says so and the board must be reset.
"""

import asyncio
import sys
import time

from sealcore.compat import const

from . import context

# Indices into messages.STATES.
INSTALLING = const(0)
WAITING = const(1)
RUNNING = const(2)
STOPPED = const(3)
EXPIRED = const(4)
REFUSED = const(5)
FAILED = const(6)

_STOP_MS = const(5000)


class Service:
    """A service of this node: what its seal says, and what has become of it.

    name, version, serial, not_before, not_after, grants    of its seal, once that was accepted
    state, code, detail    as the node reports them
    """

    def __init__(self, name: str):
        self.name = name
        self.version = ""
        self.serial = b""
        self.not_before = self.not_after = 0
        self.grants = ()
        self.tasks = []
        self.denied = 0
        self.stopped_at = None
        self.set(INSTALLING)

    def set(self, state: int, code: str = "", detail: str = "") -> None:
        """Its new state, the code of a refusal and a word about it."""
        self.state = state
        self.code = code
        self.detail = detail
        self.changed = True

    def take(self, seal) -> None:
        """Remember what an accepted seal says; not the seal, which is large."""
        self.version = seal.service_version
        self.serial = seal.serial.to_bytes(16, "big")
        self.not_before = seal.not_before
        self.not_after = seal.not_after
        self.grants = seal.grants

    def deny(self, what: str) -> None:
        """It used what no grant gives."""
        self.denied += 1
        if self.state == RUNNING:
            self.changed = self.changed or self.detail != what
            self.code = "not-granted"
            self.detail = what

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


def start(service: Service, folder: str, node) -> None:
    """Import the executable that was checked just before, and run its `main(ctx)`.

    Nothing awaits between the check and this import. What goes wrong is the service's failure, and
    no other's.
    """
    service.stopped_at = None
    service.set(RUNNING)
    try:
        main = _load(folder).main
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        service.set(FAILED, type(error).__name__, str(error))
    else:
        service.tasks.append(asyncio.create_task(_run(service, main, node)))


def _load(folder: str):
    sys.path.insert(0, folder)
    try:
        return __import__("app")
    finally:
        sys.path.pop(0)
        sys.modules.pop("app", None)


async def _run(service: Service, main, node) -> None:
    result = (STOPPED,)
    try:
        await main(context.Context(service, node))
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise
    except BaseException as error:
        result = FAILED, type(error).__name__, str(error)
    service.tasks.remove(asyncio.current_task())
    service.stop(*result)


def adopt(services) -> None:
    """Have every task that a service starts belong to that service, to be stopped with it.

    Args:
        services: called for the services of the node.
    """
    core = asyncio.core
    create = core.create_task

    def create_task(coroutine):
        parent = core.cur_task
        for service in services():
            if parent in service.tasks:
                service.ended()
                task = create(_guard(coroutine))
                service.tasks.append(task)
                return task
        return create(coroutine)

    core.create_task = asyncio.create_task = create_task


async def _guard(coroutine):
    try:
        return await coroutine
    except SystemExit:  # it would end the event loop, and so the agent
        raise RuntimeError("a service can't exit the node")
