"""Hostile connections: garbage, half-open ones, ones that say a little and then nothing."""

from __future__ import annotations

import random
import socket
import time

_HELLO_BEGUN = bytes.fromhex("160301020001")  # a TLS record that never ends
_WAIT = 0.02


def flood(port: int, seconds: float, seed: int) -> int:
    """Attack a server; returns how many connections were made.

    Args:
        port: on the loopback address. The attacker has an address of its own, as on a network.
        seconds: for how long.
        seed: of what it does.
    """
    drawn = random.Random(seed)
    open_ones: list[socket.socket] = []
    made = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            one = socket.create_connection(
                ("127.0.0.1", port), timeout=2, source_address=("127.0.0.2", 0)
            )
        except OSError:  # the server is down at the moment
            time.sleep(_WAIT)
            continue
        made += 1
        open_ones.append(one)
        _attack(one, drawn)
        if len(open_ones) > 200:
            open_ones.pop(drawn.randrange(len(open_ones))).close()
        time.sleep(_WAIT)
    for one in open_ones:
        one.close()
    return made


def _attack(one: socket.socket, drawn: random.Random) -> None:
    what = drawn.randrange(3)
    try:
        if what == 0:
            one.sendall(drawn.randbytes(drawn.randrange(1, 5000)))
        elif what == 1:
            one.sendall(_HELLO_BEGUN)
    except OSError:
        return  # closed already: what it is there for
