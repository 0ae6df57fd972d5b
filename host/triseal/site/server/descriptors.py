"""The file descriptors of a server process: enough for every connection that it accepts, and more.

Each connection of a node takes one descriptor. If a process has none left, it can accept no node,
open no database and renew no certificate. So the server raises its limit when it starts, and does
not start with more connections than fit under it.
"""

from __future__ import annotations

import resource

from triseal.errors import Failure
from triseal.site.server.limits import Limits

# What the server needs besides the connections: the connections to the database (with SQLite each
# has three files), the pages, the loop, the log, and what Python opens for a moment.
OTHER = 256
EACH_LINE = 4


class TooFewFiles(Failure):
    """The system lets the server open too few files for its connections."""

    code = "too-few-files"
    advice = "Give fewer --connections, or raise the limit (ulimit -Hn, LimitNOFILE= of systemd)."


def make_room(limits: Limits, lines: int) -> None:
    """Raise the limit of open files of this process, so that all connections fit under it.

    Args:
        limits: the limits of the server.
        lines: number of serial lines.

    Raises:
        TooFewFiles: the system's own limit is too low.
    """
    needed = limits.connections + limits.handshakes + EACH_LINE * lines + OTHER
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    except (ValueError, OSError):
        raise TooFewFiles(
            f"{limits.connections} connections need {needed} open files, and {hard} are allowed"
        ) from None


def most_connections(wanted: int | None, lines: int) -> int:
    """Return how many connections fit, if nobody has said how many there must be.

    Args:
        wanted: the number that a person has asked for, or None.
        lines: number of serial lines.
    """
    if wanted is not None:
        return wanted
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    usual = Limits.connections
    if hard == resource.RLIM_INFINITY:
        return usual
    return max(1, min(usual, hard - Limits.handshakes - EACH_LINE * lines - OTHER))
