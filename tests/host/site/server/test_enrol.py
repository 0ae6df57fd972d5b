"""Boards without a certificate at the site's door: one ENROL that proves a token, nothing else."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import func, select

from sealcore import encode, errors, identity, messages, onetime
from sealcore.der import single
from tests.worlds.link_world import LinkWorld, Node, Serving, serving, until
from tests.worlds.site_world import make_request
from triseal import database, signer
from triseal.errors import BadRequest
from triseal.request import parse
from triseal.site.records import tables, tokens
from triseal.site.server.limits import Limits
from triseal.site.server.listeners.token_enrolment import Newcomers


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinkWorld]:
    with LinkWorld(tmp_path_factory.mktemp("newcomers")) as made:
        made.deploy("kitchen", "thermo")
        yield made


@pytest.fixture(scope="module")
def site(world: LinkWorld) -> Iterator[Serving]:
    with serving(world) as running:
        yield running


def anonymous(world: LinkWorld, port: int, version: ssl.TLSVersion | None = None) -> Node:
    """Somebody without a certificate, connected."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(world.folder / "site.crt")
    if version is not None:
        context.maximum_version = version
    node = Node(world, "nobody", port, context)
    node.connect()
    return node


def awaited(world: LinkWorld, name: str) -> tuple[bytes, bytes]:
    """A node of this name, and the request and the proof of the board that is awaited."""
    world.manager.add_node(name)
    token = tokens.draw()
    world.manager.expect(name, token, 1000)
    csr = make_request(signer.generate("p256"), name)
    return csr, onetime.prove(token, csr)


def certificates(world: LinkWorld) -> int:
    with database.reading(world.manager.engine) as connection:
        count = select(func.count()).select_from(tables.certificates)
        return connection.execute(count).scalar_one()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_it_enrols_and_leaves(world: LinkWorld, site: Serving, version: ssl.TLSVersion) -> None:
    name = f"new-{version.value}"
    csr, proof = awaited(world, name)
    board = anonymous(world, site.port, version)
    board.send(messages.ENROL, csr, proof)
    (der,) = board.expect(messages.ENROLLED)
    assert identity.parse(der).uri == identity.node("house", name)
    board.close()
    again = anonymous(world, site.port)
    again.send(messages.ENROL, csr, proof)
    assert again.expect(messages.ENROLLED) == (der,)


NONCE, DIGEST, SERIAL = bytes(16), bytes(32), bytes(16)
# What a node with a certificate may say, and what nobody may.
FORBIDDEN: tuple[tuple[Any, ...], ...] = (
    (messages.HELLO, messages.PROTOCOL, "kitchen", NONCE, 0, NONCE, 0, "", []),
    (messages.WELCOME, b"", b""),
    (messages.ASSIGN, "thermo", b"", []),
    (messages.REMOVE, []),
    (messages.RENEW, 0, [("thermo", b"")]),
    (messages.RENEWED, 0, 5000, [("thermo", SERIAL, b"")]),
    (messages.REFUSED, "thermo", "expired"),
    (messages.RENEWNOW, []),
    (messages.FETCH, DIGEST, 0, 100),
    (messages.CHUNK, DIGEST, 0, b""),
    (messages.REPORT, "thermo", SERIAL, 2, "", "", 0, []),
    (messages.ENROLLED, b""),
    (messages.FOLLOW, 1),
    (messages.LOG, "thermo", "x"),
    (messages.ASK, NONCE),
    (messages.STATUS, NONCE, "kitchen", 0, 0, 0, []),
    (messages.TIME, b""),
    (messages.PROVE, NONCE),
    (messages.PROOF, b""),
    (messages.ASK_TIME, NONCE, 0),
    (messages.REJECTED, "defect", "x"),
    (messages.RESTART, []),
    (messages.FACTS, 0, 0, 0, 0, 0, 0, []),
    (messages.SETTINGS, b""),
    (messages.DIFFER, DIGEST, 0, DIGEST),
    (messages.PIECES, DIGEST, 0, []),
)


def test_all_kinds_are_tried() -> None:
    assert len(FORBIDDEN) == len(messages._FIELDS.split()) - 1


@pytest.mark.parametrize("said", FORBIDDEN, ids=lambda said: f"kind-{said[0]}")
def test_nothing_but_enrol_is_heard(world: LinkWorld, site: Serving, said: tuple[Any, ...]) -> None:
    before = certificates(world)
    code = {"code": "bad-message"}
    refused = site.counted("triseal_closed_connections_total", **code)
    for behind_enrol in (False, True):
        stranger = anonymous(world, site.port)
        if behind_enrol:
            csr, proof = awaited(world, f"behind-{said[0]}")
            stranger.send(messages.ENROL, csr, proof)
            stranger.expect(messages.ENROLLED)
        stranger.send(*said)
        with pytest.raises((EOFError, OSError)):
            stranger.read()
    assert certificates(world) == before + 1
    until(
        lambda: site.counted("triseal_closed_connections_total", **code) == refused + 1,
        "that is why the first was left",
    )


def test_a_second_enrol_on_one_connection_is_not_heard(world: LinkWorld, site: Serving) -> None:
    stranger = anonymous(world, site.port)
    for name in ("first", "second"):
        stranger.send(messages.ENROL, *awaited(world, name))
    stranger.expect(messages.ENROLLED)
    assert stranger.closed()
    with database.reading(world.manager.engine) as connection:
        spki = select(tables.nodes.c.spki).where(tables.nodes.c.name == "second")
        assert connection.execute(spki).scalar_one() is None


def test_who_is_refused_is_told_the_code_and_logged(
    world: LinkWorld, site: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    csr, proof = awaited(world, "attic")
    other = make_request(signer.generate("p256"), "attic")
    for sentence, request, shown in (
        ("a proof of another request", other, proof),
        ("none, as if it had a certificate", csr, b""),
        ("a node that nobody awaits", make_request(signer.generate("p256"), "kitchen"), proof),
        ("a name longer than any", make_request(signer.generate("p256"), "x" * 64), proof),
        ("a node that does not exist", make_request(signer.generate("p256"), "cellar"), proof),
    ):
        caplog.clear()
        before = certificates(world)
        refused = site.counted("triseal_closed_connections_total", code="bad-token")
        stranger = anonymous(world, site.port)
        with caplog.at_level("INFO"):
            stranger.send(messages.ENROL, request, shown)
            node, code = stranger.expect(messages.REFUSED)
            stranger.close()
            until(
                lambda was=refused: (
                    site.counted(  # type: ignore[misc]
                        "triseal_closed_connections_total", code="bad-token"
                    )
                    == was + 1
                ),
                sentence,
            )
        assert code == "bad-token", sentence
        found = [one for one in caplog.records if one.getMessage() == "not enrolled"]
        assert [(one.node, one.code) for one in found] == [(node, code)], sentence  # type: ignore[attr-defined]
        assert certificates(world) == before, sentence
    last = anonymous(world, site.port)
    last.send(messages.ENROL, csr, proof)
    last.expect(messages.ENROLLED)  # nobody's failures cost the right board its token


def test_a_request_that_is_none_ends_the_connection(world: LinkWorld, site: Serving) -> None:
    for request in (b"", b"0", bytes(8000)):
        stranger = anonymous(world, site.port)
        stranger.send(messages.ENROL, request, b"proof")
        assert stranger.closed()


def test_a_board_that_is_cut_off_in_the_middle_comes_again(world: LinkWorld, site: Serving) -> None:
    csr, proof = awaited(world, "cut")
    board = anonymous(world, site.port)
    board.send(messages.ENROL, csr, proof)
    board.close()  # whether it was recorded or not
    again = anonymous(world, site.port)
    again.send(messages.ENROL, csr, proof)
    (der,) = again.expect(messages.ENROLLED)
    assert identity.parse(der).uri == identity.node("house", "cut")


def test_who_is_silent_is_left_before_and_after(world: LinkWorld) -> None:
    request = awaited(world, "silent")
    with serving(world, Limits(hello_seconds=2)) as site:
        assert anonymous(world, site.port).closed()
        board = anonymous(world, site.port)
        board.send(messages.ENROL, *request)
        board.expect(messages.ENROLLED)
        assert board.closed()


def test_of_two_at_once_with_one_token_one_wins(world: LinkWorld, site: Serving) -> None:
    world.manager.add_node("raced")
    token = tokens.draw()
    world.manager.expect("raced", token, 1000)
    kinds: list[int] = []

    def come() -> None:
        csr = make_request(signer.generate("p256"), "raced")
        board = anonymous(world, site.port)
        board.send(messages.ENROL, csr, onetime.prove(token, csr))
        kinds.append(board.read()[0])

    racing = [threading.Thread(target=come) for _ in range(4)]
    for thread in racing:
        thread.start()
    for thread in racing:
        thread.join()
    assert sorted(kinds) == [messages.REFUSED] * 3 + [messages.ENROLLED]


def test_a_flood_of_strangers_costs_a_node_nothing(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    world.deploy("kitchen", "thermo")
    limits = Limits(handshakes=8, enrol_burst=1, enrol_rate=0.01)
    with serving(world, limits) as site:
        csr = make_request(signer.generate("p256"), "kitchen")
        flood = [anonymous(world, site.port) for _ in range(8)]
        for stranger in flood:
            stranger.send(messages.ENROL, csr, b"guess")
        kitchen = world.node("kitchen", site.port)
        kitchen.hello()
        kitchen.expect(messages.ASSIGN)
        answered = [one for one in flood if _answered(one)]
        assert len(answered) <= 1  # one in burst; the others wait in vain


def test_who_gives_up_leaves_the_others_no_debt() -> None:
    async def seconds() -> float:
        newcomers = Newcomers(lambda *_: b"", Limits(enrol_burst=1, enrol_rate=0.01))
        csr = make_request(signer.generate("p256"), "kitchen")
        waiting = [newcomers._in_turn(csr, b"", "192.0.2.1") for _ in range(9)]
        first, *rest = [asyncio.create_task(one) for one in waiting]
        await first
        for one in rest:
            one.cancel()
        await asyncio.wait(rest)
        return newcomers._allowance.wait(1, time.monotonic())

    assert asyncio.run(seconds()) <= 200  # its own turn, and at most that of the one before


def test_a_strangers_request_waits_for_its_turn_unread() -> None:
    """Even the check of its signature is work that strangers may not ask for without a limit."""

    async def left() -> int:
        newcomers = Newcomers(lambda *_: b"", Limits(enrol_burst=1, enrol_rate=0.001))
        waiting = [newcomers._in_turn(b"no request", b"", "192.0.2.1") for _ in range(5)]
        done, pending = await asyncio.wait(
            [asyncio.create_task(one) for one in waiting], timeout=0.5
        )
        for one in pending:
            one.cancel()
        await asyncio.wait(pending)
        assert [type(one.exception()) for one in done] == [BadRequest]
        return len(pending)

    assert asyncio.run(left()) == 4


@pytest.mark.parametrize("bits", [1024, 8192])
def test_a_key_that_no_node_may_have_costs_no_verification(bits: int) -> None:
    numbers = rsa.RSAPublicNumbers(65537, (1 << bits) - 1)
    spki = numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    plain = make_request(signer.generate("p256"), "kitchen")
    info, algorithm, signature = parts(plain)
    version, subject, _, attributes = parts(info)
    forged = encode.sequence(
        encode.sequence(version, subject, spki, attributes), algorithm, signature
    )
    with pytest.raises(errors.UnsupportedKey):
        parse(forged)


def parts(der: bytes) -> list[bytes]:
    """The elements of a SEQUENCE."""
    reader = single(der)
    found = []
    while reader.peek() >= 0:
        found.append(bytes(reader.element()))
    return found


def _answered(node: Node) -> bool:
    node.tls.settimeout(0.2)
    try:
        return bool(node.read()[0] == messages.REFUSED)
    except (OSError, EOFError):
        return False
