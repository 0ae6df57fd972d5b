"""A node that is asked for another key: what counts as proof, and when the old key ends."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from sealcore import identity, messages, proof
from tests.worlds.link_world import LinkWorld, Node, Serving, client_context, close_nodes, serving
from tests.worlds.site_world import code_of, make_request
from triseal.signer import KeySigner, PrivateKey


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LinkWorld]:
    with LinkWorld(tmp_path) as made:
        made.deploy("kitchen", "thermo")
        yield made
    close_nodes()


@pytest.fixture
def site(world: LinkWorld) -> Iterator[Serving]:
    with serving(world) as running:
        yield running


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def connected(world: LinkWorld, site: Serving) -> Node:
    """The node after HELLO, with everything read that it gets at once."""
    node = world.node("kitchen", site.port)
    node.hello()
    node.expect(messages.ASSIGN)
    return node


def enrol(node: Node, key: PrivateKey, signer: PrivateKey, name: str = "kitchen/") -> None:
    """Ask for a certificate of a key, which another one proves."""
    csr = make_request(key, "kitchen")
    digest = hashlib.sha256(csr).digest()[:16]
    node.send(messages.ENROL, csr, KeySigner(signer).sign(proof.tbs(name, digest)))


def with_key(world: LinkWorld, site: Serving, der: bytes, key: PrivateKey) -> Node:
    context: ssl.SSLContext = client_context(world, world.scratch, der, key)
    return Node(world, "kitchen", site.port, context)


def ended(site: Serving, code: str) -> float:
    return site.counted("triseal_closed_connections_total", code=code)


def test_the_new_key_takes_the_place_of_the_old_one_once_it_is_used(
    world: LinkWorld, site: Serving
) -> None:
    before = world.manager.rekey(["kitchen"])
    node = connected(world, site)
    assert node.expect(messages.ENROLLED) == (b"",)
    key = new_key()
    enrol(node, key, world.node_keys["kitchen"])
    (der,) = node.expect(messages.ENROLLED)
    assert bytes(identity.parse(der).spki) == KeySigner(key).spki
    assert world.manager.node_keys() == before, "the answer may be lost"
    again = connected(world, site)  # with the old key; it is not asked a second time
    again.send(messages.ASK_TIME, bytes(16), 0)
    again.expect(messages.TIME)
    again.close()
    fresh = with_key(world, site, der, key)
    assert code_of(fresh.hello) == repr(EOFError())
    assert ended(site, "key-changed") == 1
    assert world.manager.node_keys() == {"kitchen": KeySigner(key).spki}
    fresh.hello()
    _, seal, _ = fresh.expect(messages.ASSIGN)
    assert KeySigner(key).spki in seal
    assert code_of(world.node("kitchen", site.port).hello) == repr(EOFError())
    assert ended(site, "other-node-key") >= 1, "one that was connected before may count as well"


REFUSED = (
    ("nobody has asked", False, True, "kitchen/", "other-node-key"),
    ("another key proves it", True, False, "kitchen/", "bad-signature"),
    ("a proof for a serial line", True, True, "kitchen", "bad-signature"),
)


@pytest.mark.parametrize(("sentence", "asked", "own", "name", "code"), REFUSED)
def test_a_key_that_is_refused(
    world: LinkWorld,
    site: Serving,
    sentence: str,
    asked: bool,
    own: bool,
    name: str,
    code: str,
) -> None:
    if asked:
        world.manager.rekey([])
    before = world.manager.node_keys()
    node = connected(world, site)
    enrol(node, new_key(), world.node_keys["kitchen"] if own else new_key(), name)
    assert node.closed(), sentence
    assert ended(site, code) == 1, sentence
    assert world.manager.node_keys() == before


def test_a_connected_node_is_asked_at_once(world: LinkWorld, site: Serving) -> None:
    node = connected(world, site)
    world.manager.rekey([])
    assert node.expect(messages.ENROLLED) == (b"",)


@pytest.mark.parametrize(
    ("name", "code"), [("attic", "unknown-node"), ("hall", "node-not-enrolled")]
)
def test_who_can_not_be_asked(world: LinkWorld, name: str, code: str) -> None:
    world.manager.add_node("hall")
    assert code_of(lambda: world.manager.rekey(["kitchen", name])) == code
