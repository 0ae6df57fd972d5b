"""A server while the site changes its key: what nodes get that were there, and that were not."""

from __future__ import annotations

import secrets
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from sealcore import bundle, identity, messages, names, signedtime
from tests.worlds.link_world import LinkWorld, Node, Serving, client_context, close_nodes, serving
from tests.worlds.site_world import code_of, make_developer
from triseal.signer import KeySigner
from triseal.site.server.sessions import session

RUNNING = messages.STATES.index("running")
OLD, NEW = "SLCA of house", "SLCA 2 of house"


class Board:
    """A node that checks everything as a board does, with its own bundle and certificate."""

    def __init__(self, world: LinkWorld, port: int, name: str = "kitchen") -> None:
        self.world, self.port, self.name = world, port, name
        self.trusted = world.manager.bundle()
        self.certificate = world.certificate(name)
        self.visits = 0
        self.asked: list[tuple[str, ...]] = []  # what it was told to renew now
        self.node: Node
        self.greeted = False

    def connect(self) -> None:
        """Connect, check the server, say HELLO."""
        key = self.world.node_keys[self.name]
        context = client_context(self.world, self.world.scratch, self.certificate, key)
        context.verify_mode = ssl.CERT_NONE
        seals = self.node.seals if self.visits else {}
        self.node = Node(self.world, self.name, self.port, context, seals)
        seen = self.node.connect().getpeercert(binary_form=True)
        assert seen is not None
        server = identity.slsm(self.trusted.site)
        identity.check(identity.parse(seen), self.trusted.site_keys, server, int(time.time()))
        self.visits += 1
        self.greeted = False
        self.nonce = secrets.token_bytes(16)
        held = [(name, self.node.serial(name), RUNNING) for name in seals]
        own = self.trusted.version, self.trusted.mark
        self.node.send(messages.HELLO, messages.PROTOCOL, self.name, self.nonce, *own, 0, "", held)

    def take(self) -> None:
        """Take one message; raises EOFError when the site has closed."""
        kind, values = self.node.read()
        if kind == messages.WELCOME:
            signed, newer = values
            trusted = self.trusted
            signedtime.read(signed, trusted.site_keys, trusted.site, self.nonce)
            if newer:
                self.believe(newer)
            self.greeted = True
        elif kind == messages.ENROLLED:
            self.check(values[0], self.trusted)
            self.certificate = values[0]
        elif kind == messages.RENEWNOW:
            self.asked.append(tuple(values[0]))

    def believe(self, newer: bytes) -> None:
        """Take a trust bundle, as nlsm.enrol.accept does."""
        new = bundle.parse(newer)
        new.check_signed()
        new.check_update(self.trusted)
        self.check(self.certificate, new)
        self.trusted = new

    def check(self, certificate: bytes, trusted: bundle.TrustBundle) -> None:
        """Check a certificate of its own."""
        parsed = identity.parse(certificate)
        uri = identity.node(trusted.site, self.name)
        identity.check(parsed, trusted.site_keys, uri, parsed.not_before)

    def signed_by(self) -> str:
        return str(names.common_name(identity.parse(self.certificate).issuer))

    def comes_back(self, signer: str) -> None:
        """Come as often as a board would, until it has the newest bundle and this certificate."""
        newest = self.world.manager.bundle().version
        self.connect()
        while not self.greeted or (self.trusted.version, self.signed_by()) != (newest, signer):
            try:
                self.take()
            except EOFError:
                assert self.visits < 5, (self.trusted.version, self.signed_by())
                self.connect()
        self.confirm()
        self.node.close()

    def confirm(self) -> None:
        """Say anything, which confirms the trust bundle."""
        self.node.send(messages.ASK_TIME, bytes(16), 0)
        while self.node.read()[0] != messages.TIME:
            pass

    def follows(self) -> None:
        """While it is connected: take what the site sends until it has taken a step."""
        before = self.trusted.version, self.signed_by(), len(self.asked)
        while before == (self.trusted.version, self.signed_by(), len(self.asked)):
            try:
                self.take()
            except EOFError:
                self.connect()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LinkWorld]:
    monkeypatch.setattr(session, "_STORING_SECONDS", 0.5)
    with LinkWorld(tmp_path) as made:
        made.deploy("kitchen", "thermo")
        yield made
    close_nodes()


@pytest.fixture
def site(world: LinkWorld) -> Iterator[Serving]:
    with serving(world) as running:
        yield running


def steps(world: LinkWorld, number: int) -> None:
    """The first steps of a change, however many nodes wait."""
    manager = world.manager
    every = (
        manager.prepare_key,
        lambda: manager.activate_key(force=True),
        manager.taint_key,
        lambda: manager.revoke_key(force=True),
    )
    for step in every[:number]:
        step()


@pytest.mark.parametrize("later", [0, 2], ids=["", "and trust was changed"])
@pytest.mark.parametrize(
    ("number", "signer"), [(1, OLD), (2, NEW), (3, NEW)], ids=["prepared", "activated", "tainted"]
)
def test_a_node_that_slept_comes_back_by_itself(
    world: LinkWorld, site: Serving, number: int, signer: str, later: int
) -> None:
    board = Board(world, site.port)
    steps(world, number)
    for name in range(later):
        world.manager.trust_developer(f"Bob {name}", make_developer().signer.spki)
    board.comes_back(signer)


def test_a_node_that_slept_since_the_key_was_prepared_comes_back_after_its_end(
    world: LinkWorld, site: Serving
) -> None:
    board = Board(world, site.port)
    steps(world, 1)
    board.comes_back(OLD)
    steps_left = world.manager
    steps_left.activate_key()
    steps_left.taint_key()
    steps_left.revoke_key(force=True)
    world.manager.trust_developer("Bob", make_developer().signer.spki)
    board.comes_back(NEW)
    assert [bytes(key) for _, key in board.trusted.site_keys] == [world.manager.issuer.spki]


def test_a_connected_node_is_told_of_each_step(world: LinkWorld, site: Serving) -> None:
    board = Board(world, site.port)
    board.comes_back(OLD)
    board.connect()
    while not board.greeted or "thermo" not in board.node.seals:
        board.take()
    manager = world.manager
    manager.prepare_key()
    board.follows()
    assert len(board.trusted.site_keys) == 2
    board.confirm()
    manager.activate_key()
    board.follows()
    assert (board.signed_by(), board.asked) == (NEW, []), "its seals live to their end"
    manager.taint_key()
    board.follows()
    assert board.asked == [("thermo",)]
    board.node.send(messages.RENEW, 0, [("thermo", board.node.serial("thermo"))])
    board.node.expect(messages.ASSIGN)
    assert bytes(world.manager.issuer.name) in board.node.seals["thermo"]
    visits = board.visits
    manager.revoke_key(force=True)
    board.follows()
    assert len(board.trusted.site_keys) == 1
    assert board.visits == visits + 1, "once, for the bundle"


def test_it_gets_one_certificate_for_each_key(world: LinkWorld, site: Serving) -> None:
    board = Board(world, site.port)
    steps(world, 2)
    board.comes_back(NEW)
    counted = "triseal_answers_total"
    site.check_counted(1, counted, outcome="certificate")
    board.comes_back(NEW)
    world.manager.grant("thermo", ["log"])
    site.check_counted(1, counted, outcome="certificate")


@pytest.mark.parametrize("number", [3, 4], ids=["tainted", "revoked"])
def test_a_thief_of_the_old_key_is_no_node(world: LinkWorld, site: Serving, number: int) -> None:
    thief = world.manager.authority
    board = Board(world, site.port)
    steps(world, number)
    key = ec.generate_private_key(ec.SECP256R1())
    validity = thief.issuer.lasting(int(time.time()), 3600)
    forged = thief.certify_node("kitchen", KeySigner(key).spki, validity)
    context = client_context(world, world.scratch, forged.der, key)
    context.verify_mode = ssl.CERT_NONE
    node = Node(world, "kitchen", site.port, context)
    node.connect()
    own = board.trusted.version, board.trusted.mark
    node.send(messages.HELLO, messages.PROTOCOL, "kitchen", bytes(16), *own, 0, "", [])
    assert code_of(node.read) == repr(EOFError())
    site.check_counted(1, "triseal_closed_connections_total", code="other-node-key")
