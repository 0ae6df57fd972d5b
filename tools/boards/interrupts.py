"""The signals that end a command: SIGINT, SIGTERM, SIGHUP.

By default SIGTERM and SIGHUP end a process at once: no `finally` block runs, and a board stays
stopped.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHELL = 128  # a shell reports 128 and the number of the signal that ended a command


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise SystemExit while the block runs, as Ctrl-C raises an error."""

    def end(number: int, _: FrameType | None) -> None:
        """Raise the exit status that a shell gives for the signal."""
        raise SystemExit(_SHELL + number)

    before = _handlers((signal.SIGTERM, signal.SIGHUP))
    # Another handler than the system's was set on purpose; `nohup` ignores SIGHUP.
    ours = {number for number, handler in before.items() if handler == signal.SIG_DFL}
    try:
        for number in ours:
            signal.signal(number, end)
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])


@contextlib.contextmanager
def held(*, final: bool = False) -> Iterator[None]:
    """Let the block finish: a signal that comes meanwhile counts after it.

    Only the main thread gets signals. In other threads this does nothing.

    Args:
        final: whether such a signal is forgotten, because all that it could stop is done.
    """
    came: list[tuple[int, FrameType | None]] = []
    before = _handlers(SIGNALS)
    ours = {number for number, handler in before.items() if callable(handler)}
    try:
        for number in ours:
            signal.signal(number, lambda *signalled: came.append(signalled))
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])
    for number, frame in [] if final else came[:1]:
        before[number](number, frame)


def _handlers(numbers: tuple[signal.Signals, ...]) -> dict[int, Any]:
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.getsignal(number) for number in numbers}
