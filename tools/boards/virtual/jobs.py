"""Calls that other threads want a loop to make, and their outcome."""

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future


class Jobs:
    """Calls that other threads want a loop to make.

    Attributes:
        fd: readable when a call waits.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[Callable[[], None], Future[None]]]
        self._queue = queue.SimpleQueue()
        self._open = threading.Lock()
        self._closed = False
        self.fd, self._wake = os.pipe()

    def submit(self, job: Callable[[], None]) -> None:
        """Let the loop run `job`, and return when it has run; raises what `job` raised.

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
        """In the loop: make the calls that wait."""
        os.read(self.fd, 4096)
        for job, done in self._waiting():
            try:
                job()
                done.set_result(None)
            except BaseException as error:
                done.set_exception(error)

    def close(self) -> None:
        """In the loop, at its end: tell all threads that still wait that their calls will not be
        made."""
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
    """Counts the starts of a board, for other threads to wait for.

    Attributes:
        count: how often it has become ready so far.
        failure: the reason why it will not become ready any more, or None.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.count = 0
        self.failure: str | None = None

    def expect(self) -> None:
        """Expect a start, whatever happened before."""
        with self._changed:
            self.failure = None

    def succeeded(self) -> None:
        """Note that it has become ready once more."""
        with self._changed:
            self.count += 1
            self._changed.notify_all()

    def failed(self, reason: str) -> None:
        """Note that it will never start, for this `reason`."""
        with self._changed:
            self.failure = reason
            self._changed.notify_all()

    def wait(self, count: int, timeout: float) -> bool:
        """Wait until `count` is reached or it has failed.

        Args:
            count: of starts.
            timeout: seconds.

        Returns:
            False if neither happened within `timeout` seconds.
        """
        with self._changed:
            return self._changed.wait_for(
                lambda: self.count >= count or self.failure is not None, timeout
            )
