"""The server's log: one line of JSON for each event, to stderr.

The program that reads the log may be slow, or stand still. The lines go through a bounded queue to
a thread that writes them, so that the server waits for nobody. If the queue is full, new lines are
dropped and counted, and the log says how many.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import select
import sys
import threading
import time

from triseal import words

_FIELDS = (
    "duty",
    "node",
    "service",
    "before",
    "state",
    "restarts",
    "address",
    "code",
    "detail",
    "port",
    "pages",
    "method",
    "path",
    "status",
    "seconds",
)
_MOST_WAITING = 2048  # lines
_CLOSE_SECONDS = 1.0


class JsonLines(logging.Formatter):
    """A log formatter that makes a line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a log record as one line. Text from a node can't add a line break.

        Args:
            record: the log record; those of our own fields that it has are added.
        """
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line)


class Patient(logging.Handler):
    """A log handler that never waits: a thread of its own writes the lines.

    Args:
        descriptor: the file descriptor to write to; it stays open.
        most: number of lines that may wait.

    Attributes:
        dropped: number of lines that were not written.
    """

    def __init__(self, descriptor: int, most: int = _MOST_WAITING) -> None:
        super().__init__()
        self.dropped = 0
        self._told = 0
        self._descriptor = descriptor
        self._lines: queue.Queue[bytes | None] = queue.Queue(most)
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Let a line be written, or drop it if too many wait. `logging` calls this, one at a time.

        Args:
            record: the log record.
        """
        try:
            self._lines.put_nowait(self.format(record).encode() + b"\n")
        except queue.Full:
            self.dropped += 1
        except Exception:  # a defect in what was logged
            self.dropped += 1

    def close(self) -> None:
        """Write the lines that wait, if somebody reads them within a second."""
        end = time.monotonic() + _CLOSE_SECONDS
        while self._thread.is_alive() and time.monotonic() < end:
            try:
                self._lines.put(None, timeout=0.05)
            except queue.Full:
                continue
            self._thread.join(end - time.monotonic())
        super().close()

    def _write_all(self) -> None:
        while (line := self._lines.get()) is not None:
            self._write(line)
            missing = self.dropped - self._told
            if missing and self._lines.empty():
                self._told += missing
                self._write(self._notice(missing))

    def _write(self, line: bytes) -> None:
        """Write a whole line, however long that takes; drop it if the log can't be written."""
        try:
            while line:
                try:
                    line = line[os.write(self._descriptor, line) :]
                except BlockingIOError:
                    select.select([], [self._descriptor], [])
        except OSError:
            self.dropped += 1

    def _notice(self, missing: int) -> bytes:
        lines = words.count(missing, "line was", "lines were")
        text = f"{lines} not written: nobody read the log, or it could not be written"
        fields = {"code": "log-dropped", "detail": text}
        record = logging.makeLogRecord(
            {"name": __name__, "levelname": "WARNING", "msg": "log lines dropped", **fields}
        )
        return self.format(record).encode() + b"\n"


def dropped() -> int:
    """Return the number of lines that this process could not write to its log."""
    handlers = logging.getLogger().handlers
    return sum(handler.dropped for handler in handlers if isinstance(handler, Patient))


def set_up(level: str) -> Patient:
    """Send the log to stderr.

    Args:
        level: the lowest level that is logged: "debug", "info", "warning" or "error".

    Returns: the handler that writes it.
    """
    handler = Patient(sys.stderr.fileno())
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    for library in ("uvicorn", "alembic"):
        logging.getLogger(library).setLevel(logging.WARNING)
    return handler
