"""How long a node waits until it connects again: the longer, the more often it has failed."""

from __future__ import annotations

import socket
import threading

import pytest

from tests.device import on_micropython

DIAL = """
import asyncio
import time
from nlsm import clock, dial

class Ticks:
    now = (1 << 29) - 500  # they wrap on the way
    ticks_diff = time.ticks_diff
    ticks_add = time.ticks_add
    def ticks_ms():
        return Ticks.now & time.ticks_add(0, -1)

class Node:
    settings = {}
    services = {}

class Enough(BaseException):
    pass

class Dial(dial.Dial):
    async def _serve(self):
        self.greeted, lasted = PLAYS.pop(0)
        Ticks.now += lasted
        raise OSError
    def say(self, code, error):
        pass
    def _draw(self, name, *values):
        return 0
    def _pause(self, attempt):
        print(attempt, end=" ")
        if not PLAYS:
            raise Enough
        return 0

clock.time = Ticks
PLAYS = %r
try:
    asyncio.run(Dial(Node).run())
except Enough:
    pass
"""
NO_ANSWER, BRIEF, STEADY = (False, 30000), (True, 9999), (True, 10000)
DAYS = (True, 10 * 86400 * 1000)  # the counter of ticks has gone half round

# (what becomes of each connection, the number of failures that each wait is drawn for)
ROWS: tuple[tuple[str, list[tuple[bool, int]], str], ...] = (
    ("no answer", [NO_ANSWER] * 3, "1 2 3"),
    ("an end right after WELCOME", [BRIEF] * 3, "1 2 3"),
    ("either of them", [BRIEF, NO_ANSWER, BRIEF], "1 2 3"),
    ("a connection that held ends the count", [NO_ANSWER, BRIEF, STEADY, BRIEF], "1 2 0 1"),
    ("however long it held", [NO_ANSWER, DAYS, STEADY], "1 0 0"),
)


@pytest.mark.parametrize(("sentence", "plays", "attempts"), ROWS, ids=[row[0] for row in ROWS])
def test_failures_in_a_row_are_counted(
    sentence: str, plays: list[tuple[bool, int]], attempts: str
) -> None:
    assert on_micropython.run_code(DIAL % (plays,)).split() == attempts.split(), sentence


CONNECT = """
import asyncio
import socket
from nlsm import secure

async def main():
    class Sockets:
        SOCK_STREAM = socket.SOCK_STREAM
        socket = socket.socket
        def getaddrinfo(host, port, *_):
            return [socket.getaddrinfo("127.0.0.1", port)[0] for port in PORTS]
    secure.socket = Sockets
    one = await secure.connect(("site.example", 1), TURN, 8)
    one.setblocking(True)
    print(one.read(5).decode())
    one.close()
"""


def closed() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Greeter:
    """A server that says a word to whoever connects."""

    def __init__(self, word: bytes) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._word = word
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with self._server:
            while True:
                connection, _ = self._server.accept()
                with connection:
                    connection.sendall(self._word)


# (the addresses of a name, in their order; the one that comes first; who answers)
ADDRESSES: tuple[tuple[str, str, int, str], ...] = (
    ("one address", "A", 0, "hi, A"),
    ("the first of two", "AB", 0, "hi, A"),
    ("the second, since nobody is at the first", "-A", 0, "hi, A"),
    ("the third, since nobody is at two", "--B", 0, "hi, B"),
    ("the next one, after a try that led to another server", "AB", 1, "hi, B"),
    ("and again the first, in its turn", "AB", 2, "hi, A"),
    ("the first, since nobody is at the one whose turn it is", "A-", 1, "hi, A"),
    ("nobody at any", "--", 0, "refused"),
    ("no more than four are tried", "----A", 0, "refused"),
    ("a name without an address", "", 0, "refused"),
)


@pytest.mark.parametrize(("sentence", "places", "turn", "said"), ADDRESSES)
def test_all_addresses_of_a_name_are_tried(
    sentence: str, places: str, turn: int, said: str
) -> None:
    servers = {name: Greeter(b"hi, " + name.encode()) for name in "AB"}
    ports = [servers[name].port if name in servers else closed() for name in places]
    code = CONNECT.replace("PORTS", repr(ports)).replace("TURN", str(turn))
    ran = code + "\ntry:\n    asyncio.run(main())\nexcept OSError:\n    print('refused')\n"
    assert on_micropython.run_code(ran).strip() == said, sentence
