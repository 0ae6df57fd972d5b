"""Ports that stay free until the test opens them."""

from __future__ import annotations

import random
import socket

# No system gives these out for port 0: Linux starts at 32768, macOS at 49152.
_QUIET = range(15_000, 32_000)


def quiet_port() -> int:
    """Return a port of 127.0.0.1 at which nothing listens.

    A port that the system chose and that was closed again can be another program's a moment
    later. The system does not choose these for anybody.
    """
    while True:
        port = random.choice(_QUIET)
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)):
                return port
