"""What a hostile, broken or lying board at a serial line gets: its conversation ended with a code,
nothing else."""

from __future__ import annotations

import base64
import os
import time
import tty
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from sealcore import messages, proof
from tests.worlds.link_world import LinkWorld, Serving, close_nodes, serving, until
from triseal import database, signer
from triseal.signer import PrivateKey
from triseal.site.records import holdings
from triseal.site.records.placement import Place
from triseal.site.server.limits import Limits
from triseal.site.server.transports.outlet import PIECE

NONCE = bytes(16)
# A board on a busy machine may answer late; only who waits for a limit wants it soon.
PATIENT = Limits(hello_seconds=60.0, quiet_seconds=60.0)
QUICK = Limits(hello_seconds=1.0, quiet_seconds=1.0, line_seconds=2.0)
# Longer than any message may be, as what follows the mark of a line.
OVERSIZE = b"A" * 3 * messages.MAX_FRAME


class Board:
    """The board's side of a line, as obedient or as hostile as a test wants it."""

    def __init__(self, name: str, key: PrivateKey) -> None:
        self.name = name
        self.key = key
        self.time = 1
        self.mark = b""
        self._fd, self._other = os.openpty()
        tty.setraw(self._other)
        self.port = os.ttyname(self._other)
        self._data = b""

    def close(self) -> None:
        os.close(self._fd)
        os.close(self._other)

    def put(self, data: bytes) -> None:
        """Send bytes, as fast as the other end takes them."""
        while data:
            data = data[os.write(self._fd, data[:1024]) :]

    def say(self, kind: int, *values: Any) -> None:
        self.put(self.line(messages.write(kind, *values)))

    def line(self, message: bytes) -> bytes:
        """A line of the node's, which the site has given a mark to."""
        return b"\n~" + self.mark + base64.b64encode(message) + b"\r\n"

    def hear(self) -> tuple[int, tuple[Any, ...]]:
        """The next message of the site."""
        while True:
            one, found, rest = self._data.partition(b"\n")
            if not found:
                self._read()
                continue
            self._data = rest
            if one.startswith(b"~"):
                kind, values = messages.parse(base64.b64decode(one[1:]))
                if kind == messages.ASK:
                    self.mark = base64.b64encode(values[0][:6])
                return kind, values

    def _read(self) -> None:
        """As the agent does: a mark for each piece of a line that has come."""
        for byte in os.read(self._fd, 4096):
            self._data += bytes([byte])
            text = self._data.rpartition(b"\n")[2]
            if text.startswith(b"~") and len(text) % PIECE == 0:
                self.put(b"\n~" + self.mark + b"\n")

    def answer(self, wanted: int) -> tuple[Any, ...]:
        """Be a good node until a message of this kind comes; its values."""
        while True:
            kind, values = self.hear()
            if kind == wanted:
                return values
            if kind == messages.ASK:
                self.say(messages.STATUS, values[0], self.name, self.time, 1, 0, [])
                self.hello()
            elif kind == messages.PROVE:
                self.say(messages.PROOF, self.sign(values[0]))

    def sign(self, nonce: bytes) -> bytes:
        assert isinstance(self.key, ec.EllipticCurvePrivateKey)
        return self.key.sign(proof.tbs(self.name, nonce), ec.ECDSA(hashes.SHA256()))

    def hello(self, *held: tuple[str, bytes, int]) -> None:
        self.say(messages.HELLO, messages.PROTOCOL, self.name, NONCE, 0, NONCE, 0, "", list(held))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinkWorld]:
    with LinkWorld(tmp_path_factory.mktemp("hostile-line")) as made:
        made.deploy("shed", "thermo")
        made.deploy("hall", "thermo", "lock")
        made.deploy("gone", "thermo")
        made.manager.retire("gone")
        made.manager.add_node("added")
        yield made


Plug = Callable[..., tuple[Board, Serving]]


@pytest.fixture
def plug(world: LinkWorld) -> Iterator[Plug]:
    """Starts a server with a board at its line."""
    opened: list[Any] = []

    def run(
        name: str = "shed", key: PrivateKey | None = None, limits: Limits = PATIENT
    ) -> tuple[Board, Serving]:
        board = Board(name, key or world.node_keys.get(name) or signer.generate("p256"))
        running = serving(world, limits, serial=[board.port])
        opened.extend([board, running])
        return board, running.__enter__()

    yield run
    close_nodes()
    if opened:
        opened[1].__exit__(None, None, None)
        opened[0].close()


def ended(server: Serving, code: str) -> None:
    """It has ended so; and a node on the network does not notice."""
    closed = "triseal_closed_connections_total"
    until(lambda: server.counted(closed, code=code) >= 1, f"ended by {code}")


def still_serves(world: LinkWorld, server: Serving) -> None:
    hall = world.node("hall", server.port)
    hall.hello()
    hall.expect(messages.ASSIGN)


# What a greeted board says that ends its conversation.
AFTER: list[tuple[str, bytes, str]] = [
    ("what only a site says", messages.write(messages.REMOVE, ["thermo"]), "bad-message"),
    ("a proof that nobody wants", messages.write(messages.PROOF, b"x"), "bad-message"),
    (
        "the time, gone",
        messages.write(messages.STATUS, NONCE, "shed", 0, 1, 0, []),
        "node-restarted",
    ),
    (
        "another node's HELLO",
        messages.write(messages.HELLO, messages.PROTOCOL, "hall", NONCE, 0, NONCE, 0, "", []),
        "wrong-node",
    ),
    (
        "another protocol",
        messages.write(messages.HELLO, 9, "shed", NONCE, 0, NONCE, 0, "", []),
        "bad-message",
    ),
    (
        "a file of another node's service",
        messages.write(messages.FETCH, bytes(32), 0, 9),
        "not-assigned",
    ),
]


@pytest.mark.parametrize(("said", "code"), [row[1:] for row in AFTER], ids=[r[0] for r in AFTER])
def test_a_greeted_board_that_says(world: LinkWorld, plug: Plug, said: bytes, code: str) -> None:
    board, server = plug()
    board.answer(messages.WELCOME)
    board.put(board.line(said))
    ended(server, code)
    assert server.lines.nodes == {board.port: ""}
    still_serves(world, server)


# What bears the mark and is no message.
GARBLED: tuple[tuple[str, bytes], ...] = (
    ("the mark and no base64", b"not base64!"),
    ("the mark and one byte", b"AA=="),
    ("a line longer than any message", OVERSIZE),
    ("a message longer than a frame", base64.b64encode(b"\xa1\x82\x30\x00" + bytes(12288))),
    ("no DER", base64.b64encode(b"\xa4\xff\xff")),
    (
        "bytes after the message",
        base64.b64encode(messages.write(messages.RENEW, 0, []) + b"\0"),
    ),
    ("an unknown kind", base64.b64encode(b"\xbe\x00")),
)


@pytest.mark.parametrize("said", [row[1] for row in GARBLED], ids=[row[0] for row in GARBLED])
def test_a_line_that_can_not_be_read_costs_that_line(plug: Plug, said: bytes) -> None:
    board, server = plug()
    board.answer(messages.WELCOME)
    board.put(b"\n~" + board.mark + said + b"\r\n")
    board.say(messages.RENEW, 0, [("lock", b"")])
    assert board.answer(messages.REFUSED) == ("lock", "not-assigned")
    assert server.counted("triseal_garbled_lines_total") == 1
    assert server.lines.nodes == {board.port: "shed"}


# What a service may print: it knows no mark, but all else.
HELLO = messages.write(messages.HELLO, messages.PROTOCOL, "hall", NONCE, 0, NONCE, 0, "", [])
GONE = messages.write(messages.STATUS, NONCE, "shed", 0, 1, 0, [])
PRINTED: tuple[tuple[str, bytes], ...] = (
    ("degrees", b"~ 20 degrees"),
    ("that there is room", b"~\n~AAAAAAAA"),
    ("base64 of nothing", b"~" + b"A" * 20),
    ("more than a message", b"~" + OVERSIZE),
    ("messages as they were before marks", b"~" + base64.b64encode(GONE)),
    ("a mark of its own", b"~" + base64.b64encode(b"marked" + GONE)),
    ("another node's HELLO", b"~" + base64.b64encode(bytes(6) + HELLO)),
    ("a word of the agent's", b"triseal: untrusted-signer: Shop"),
    ("no text", b"\xff\x00~\x1b[2J\xc3"),
)


@pytest.mark.parametrize("said", [row[1] for row in PRINTED], ids=[row[0] for row in PRINTED])
def test_what_a_service_prints_costs_nothing(plug: Plug, said: bytes) -> None:
    board, server = plug()
    for kind in (messages.PROVE, messages.WELCOME):
        values = board.answer(kind)
        board.put((b"\n" + said + b"\r\n") * 5)
        if kind == messages.PROVE:
            board.say(messages.PROOF, board.sign(values[0]))
    board.put((b"\n" + said + b"\r\n") * 5)
    board.say(messages.RENEW, 0, [("lock", b"")])
    assert board.answer(messages.REFUSED) == ("lock", "not-assigned")
    assert server.counted("triseal_garbled_lines_total") == 0
    assert server.lines.nodes == {board.port: "shed"}


def test_a_board_gets_nothing_of_another_nodes(world: LinkWorld, plug: Plug) -> None:
    board, _ = plug()
    board.answer(messages.WELCOME)
    board.say(messages.RENEW, 0, [("lock", b"")])
    assert board.answer(messages.REFUSED) == ("lock", "not-assigned")


def test_people_may_read_anything(plug: Plug) -> None:
    board, _ = plug()
    board.put(b"boot\r\n~half of a mess\n~" + OVERSIZE + b"\nno message at all\n" * 100)
    board.answer(messages.WELCOME)
    board.put(b"A" * 5 * messages.MAX_FRAME + b"\nx ~ y\n\n")
    board.hello()
    board.answer(messages.WELCOME)


BEFORE: list[tuple[str, str, str]] = [
    ("is a node of which it has no key", "hall", "bad-signature"),
    ("is no node of the site", "nobody", "unknown-node"),
    ("is retired", "gone", "node-retired"),
    ("was never enrolled", "added", "node-not-enrolled"),
]


@pytest.mark.parametrize(("name", "code"), [row[1:] for row in BEFORE], ids=[r[0] for r in BEFORE])
def test_a_board_that(plug: Plug, name: str, code: str, world: LinkWorld) -> None:
    board, server = plug(name, signer.generate("p256"))
    nonce = board.answer(messages.PROVE)[0]
    board.say(messages.PROOF, board.sign(nonce))
    ended(server, code)
    with database.reading(world.manager.engine) as connection:
        assert not holdings.serial(connection, Place(name, "invented"))


def test_an_old_proof_proves_nothing(plug: Plug) -> None:
    board, server = plug()
    board.answer(messages.PROVE)
    board.say(messages.PROOF, board.sign(bytes(16)))
    ended(server, "bad-signature")


def test_a_board_that_proves_nothing(plug: Plug) -> None:
    board, server = plug(limits=QUICK)
    board.answer(messages.PROVE)
    ended(server, "no-proof")


def test_a_board_without_an_agent(plug: Plug, world: LinkWorld) -> None:
    board, server = plug(limits=QUICK)
    board.put(b">>> \r\n")
    ended(server, "no-agent")
    still_serves(world, server)


def test_a_board_that_falls_silent(plug: Plug) -> None:
    board, server = plug(limits=QUICK)
    board.answer(messages.WELCOME)
    ended(server, "too-slow")


def test_a_board_that_loses_messages_begins_anew(plug: Plug) -> None:
    board, _ = plug(limits=QUICK)
    for _ in range(3):
        board.answer(messages.WELCOME)
        service, der, files = board.answer(messages.ASSIGN)
        assert (service, bool(der), len(files)) == ("thermo", True, 4)


def test_a_board_that_talks_without_end_costs_nobody_else(plug: Plug, world: LinkWorld) -> None:
    board, server = plug()
    board.answer(messages.WELCOME)
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        board.put(b"no end " * 1024)
    still_serves(world, server)


def test_a_node_at_two_lines_is_served_at_the_newer_one(plug: Plug, world: LinkWorld) -> None:
    board, server = plug()
    board.answer(messages.WELCOME)
    node = world.node("shed", server.port)
    node.hello()
    ended(server, "replaced")
