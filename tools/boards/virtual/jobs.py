"""How other threads have a loop do something for them, and learn what has come of it."""

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future


class Jobs:
    """Calls that other threads want a loop to make.

    Attributes:
        fd: readable when something is to be done.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[Callable[[], None], Future[None]]]
        self._queue = queue.SimpleQueue()
        self._open = threading.Lock()
        self._closed = False
        self.fd, self._wake = os.pipe()

    def submit(self, job: Callable[[], None]) -> None:
        """Have the loop run `job`; return when it has run, raise what it raised.

        Raises:
            RuntimeError: the loop has ended.
        """
        done: Future[None] = Future()
        with self._open:
            if self._closed:
                raise RuntimeError("the loop has ended")
            self._queue.put((job, done))
            os.write(self._wake, b"!")
        done.result()

    def run(self) -> None:
        """In the loop: do what waits."""
        os.read(self.fd, 4096)
        for job, done in self._waiting():
            try:
                job()
                done.set_result(None)
            except BaseException as error:
                done.set_exception(error)

    def close(self) -> None:
        """In the loop, at its end: whoever still waits learns that nothing will be done."""
        with self._open:
            self._closed = True
            os.close(self.fd)
            os.close(self._wake)
        for _, done in self._waiting():
            done.set_exception(RuntimeError("the loop has ended"))

    def _waiting(self) -> Iterator[tuple[Callable[[], None], Future[None]]]:
        with contextlib.suppress(queue.Empty):
            while True:
                yield self._queue.get_nowait()


class Starts:
    """How often a board has started, for other threads to wait for.

    Attributes:
        count: how often it has become ready so far.
        failure: why it will not become ready any more, or None.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.count = 0
        self.failure: str | None = None

    def expect(self) -> None:
        """It shall start, whatever was before."""
        with self._changed:
            self.failure = None

    def succeeded(self) -> None:
        """It has become ready once more."""
        with self._changed:
            self.count += 1
            self._changed.notify_all()

    def failed(self, reason: str) -> None:
        """It never will."""
        with self._changed:
            self.failure = reason
            self._changed.notify_all()

    def wait(self, count: int, timeout: float) -> bool:
        """Wait until `count` is reached, or it has failed.

        Returns:
            False if neither happened within `timeout` seconds.
        """
        with self._changed:
            return self._changed.wait_for(
                lambda: self.count >= count or self.failure is not None, timeout
            )
