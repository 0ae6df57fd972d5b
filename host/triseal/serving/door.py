"""A listening socket whose clients can't take all file descriptors before they have begun.

The kernel gives a connection to the process before the client has said anything. asyncio waits a
minute for its TLS handshake and counts nothing meanwhile, so that one computer could take all
descriptors of the process with connections on which it says nothing.
"""

from __future__ import annotations

import errno
import ipaddress
import resource
import socket
import time
from collections import Counter
from collections.abc import Hashable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

MOST = 128  # connections that have not begun
BACKLOG = 128  # asyncio accepts so many at once before it looks at any of them
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE = 0.5  # seconds; asyncio tries again after one second
_HOST_BITS = 64  # of an IPv6 address: the holder of one address has its whole /64 network

_One = TypeVar("_One", bound=Hashable)


def origin(address: str) -> str:
    """Return the part of a network address that identifies a client.

    Args:
        address: an IPv4 or IPv6 address as text.

    Returns: the IPv4 address, or the /64 network of an IPv6 address.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    return str(parsed.ipv4_mapped or int(parsed) >> _HOST_BITS)


def crowding(origins: Mapping[_One, str]) -> _One:
    """Return the oldest one of the origin that has most.

    Args:
        origins: where they come from, the oldest first; not empty.
    """
    taken = Counter(origins.values())
    return max(origins, key=lambda one: taken[origins[one]])  # the first one of those


def raise_limit(needed: int) -> int:
    """Let this process open so many files, or as many as the system allows.

    Args:
        needed: the number.

    Returns: how many it may open now, at most as many as are needed.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != soft < needed:
        most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    return needed if soft == resource.RLIM_INFINITY else min(needed, soft)


class Door(socket.socket):
    """A listening socket that keeps a bounded number of connections that have not begun.

    Where there are as many, a new one takes the place of the oldest one of the origin that has most
    of them.

    Attributes:
        most: the number.
    """

    most = MOST

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._strangers: dict[socket.socket, str] = {}
        self._full = 0.0

    @property
    def strangers(self) -> int:
        """Number of connections that have not begun."""
        return len(self._strangers)

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection: asyncio calls this."""
        try:
            made, place = super().accept()
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            if time.monotonic() - self._full < _PAUSE:  # asyncio has begun to wait, and goes on
                raise BlockingIOError from None
            self._full = time.monotonic()
            raise
        self._strangers = {one: at for one, at in self._strangers.items() if one.fileno() >= 0}
        if len(self._strangers) >= self.most:
            oldest = crowding(self._strangers)
            del self._strangers[oldest]
            with suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)  # asyncio sees the end, and closes it
        self._strangers[made] = origin(str(place[0]))
        return made, place

    def begun(self, number: int) -> None:
        """Count a connection no longer: it is counted elsewhere.

        Args:
            number: its file descriptor.
        """
        for one in [one for one in self._strangers if one.fileno() == number]:
            del self._strangers[one]
