"""How long a node waits until it connects again: the longer, the more often it has failed."""

from __future__ import annotations

import socket
import threading

import pytest

from tests.device import on_micropython
from tests.worlds.ports import quiet_port

NO_ANSWER, BRIEF, STEADY = (False, 30000), (True, 9999), (True, 10000)
STEP = (True, 500, "a newer trust bundle")
DAYS = (True, 10 * 86400 * 1000)  # the counter of ticks has gone half round

# (what becomes of each connection, the number of failures that each wait is drawn for)
ROWS: tuple[tuple[str, list[tuple[object, ...]], str], ...] = (
    ("no answer", [NO_ANSWER] * 3, "1 2 3"),
    ("an end right after WELCOME", [BRIEF] * 3, "1 2 3"),
    ("either of them", [BRIEF, NO_ANSWER, BRIEF], "1 2 3"),
    ("a connection that held ends the count", [NO_ANSWER, BRIEF, STEADY, BRIEF], "1 2 0 1"),
    ("so does a newer trust bundle", [NO_ANSWER] * 2 + [STEP, STEP, BRIEF], "1 2 0 0 1"),
    ("however long it held", [NO_ANSWER, DAYS, STEADY], "1 0 0"),
)


@pytest.mark.parametrize(("sentence", "plays", "attempts"), ROWS, ids=[row[0] for row in ROWS])
def test_failures_in_a_row_are_counted(
    sentence: str, plays: list[tuple[object, ...]], attempts: str
) -> None:
    code = f"play(*{plays!r})"
    assert on_micropython.run("dial", code).split() == attempts.split(), sentence


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
    ports = [servers[name].port if name in servers else quiet_port() for name in places]
    assert on_micropython.run("addresses", arguments=[turn, *ports]).strip() == said, sentence
