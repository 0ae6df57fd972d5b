"""The server's log: one line of JSON for each event, to stderr."""

from __future__ import annotations

import json
import logging
import sys
import time

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
    "pages_port",
)


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


def set_up(level: str) -> None:
    """Send the log to stderr.

    Args:
        level: the lowest level that is logged: "debug", "info", "warning" or "error".
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
