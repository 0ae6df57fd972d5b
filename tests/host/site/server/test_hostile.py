"""What a hostile, broken or lying node gets: its connection closed with a code, nothing else."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import func, select

from sealcore import encode, messages
from tests.worlds.link_world import (
    SECONDS,
    LinkWorld,
    Node,
    Serving,
    client_context,
    parsed,
    serving,
    until,
)
from tests.worlds.site_world import make_request
from triseal import database, signer
from triseal.certificate import Validity
from triseal.serving.door import origin
from triseal.signer import KeySigner
from triseal.site.records import tables
from triseal.site.server.handlers import hello
from triseal.site.server.limits import Allowance, Limits
from triseal.site.server.listeners.handshakes import Handshakes
from triseal.site.server.sessions.connection import Carrier, Connection
from triseal.site.server.sessions.peers import Peer
from triseal.site.server.signing.pipeline import Pipeline
from triseal.site.server.signing.task import Answer, Snapshot, Task
from triseal.site.slca.authority import Authority, Issuer, self_signed

NONCE = bytes(16)
DIGEST = bytes(32)
OTHER_KEY = make_request(signer.generate("p256"), "kitchen")
FLOOD = 64 << 20  # bytes: far more than sockets hold


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinkWorld]:
    with LinkWorld(tmp_path_factory.mktemp("hostile")) as made:
        made.deploy("kitchen", "thermo")
        made.deploy("hall", "thermo", "lock")
        yield made


@pytest.fixture(scope="module")
def site(world: LinkWorld) -> Iterator[Serving]:
    with serving(world) as running:
        yield running


@pytest.fixture
def kitchen(world: LinkWorld, site: Serving) -> Node:
    return world.node("kitchen", site.port)


def message(kind: int, *values: Any) -> bytes:
    return messages.frame(messages.write(kind, *values))


def hello_of(node: str = "kitchen", protocol: int = messages.PROTOCOL) -> bytes:
    return message(messages.HELLO, protocol, node, NONCE, 0, NONCE, 0, "", [])


def raw(kind: int, *parts: bytes) -> bytes:
    return messages.frame(encode.explicit(kind, *parts))


def many(count: int) -> bytes:
    record = encode.sequence(encode.text("thermo"), encode.octets(b""))
    return encode.sequence(*[record] * count)


def file_of(service: str) -> Callable[[LinkWorld], bytes]:
    def fetch(world: LinkWorld) -> bytes:
        with database.reading(world.manager.engine) as connection:
            which = tables.packages.c.service == service
            der = connection.execute(select(tables.packages.c.store_seal).where(which)).scalar_one()
        return message(messages.FETCH, hashlib.sha256(der).digest(), 0, 100)

    return fetch


# What is said, whether a right HELLO goes before, and the code with which the connection ends.
SAID: tuple[tuple[str, bytes, bool, str], ...] = (
    ("a frame of no bytes", bytes(4), True, "bad-message"),
    ("a frame of one byte", b"\0\0\0\1\xa4", True, "bad-message"),
    ("a frame that is too long", b"\0\0\x20\x01", True, "bad-message"),
    ("a length of 4 GiB", b"\xff\xff\xff\xff", True, "bad-message"),
    ("an HTTP request", b"GET / HTTP/1.1\r\n\r\n", False, "bad-message"),
    ("noise in a frame", messages.frame(bytes(range(200))), True, "bad-message"),
    ("a kind that does not exist", raw(30, b""), True, "bad-message"),
    ("a message with bytes behind it", messages.frame(b"\xa0\x00\x00"), True, "malformed-der"),
    ("a message that ends in the middle", messages.frame(b"\xa4\x10"), True, "malformed-der"),
    ("RENEW before HELLO", message(messages.RENEW, 0, [("thermo", b"")]), False, "bad-message"),
    ("LOG before HELLO", message(messages.LOG, "thermo", "x"), False, "bad-message"),
    ("HELLO twice", hello_of(), True, "bad-message"),
    ("HELLO in another's name", hello_of("hall"), False, "wrong-node"),
    ("HELLO of another protocol", hello_of(protocol=1), False, "bad-message"),
    ("what only a site says", message(messages.REMOVE, ["thermo"]), True, "bad-message"),
    ("a seal for the site", message(messages.ASSIGN, "thermo", b"0", []), True, "bad-message"),
    (
        "text that PostgreSQL does not keep",
        message(messages.REPORT, "thermo", b"", 5, "a", "b\0c", 0, []),
        True,
        "bad-message",
    ),
    ("RENEW of 65 services", raw(messages.RENEW, encode.integer(0), many(65)), True, "bad-message"),
    (
        "a serial of 17 bytes",
        message(messages.RENEW, 0, [("thermo", bytes(17))]),
        True,
        "malformed-der",
    ),
    (
        "a state that does not exist",
        message(messages.REPORT, "thermo", b"", 99, "", "", 0, []),
        True,
        "malformed-der",
    ),
    ("a file of nobody", message(messages.FETCH, DIGEST, 0, 100), True, "not-assigned"),
    ("ENROL of another key", message(messages.ENROL, OTHER_KEY, b"token"), True, "other-node-key"),
)


@pytest.mark.parametrize(
    ("sentence", "sent", "greets", "code"), SAID, ids=[sentence for sentence, *_ in SAID]
)
def test_the_connection_ends_with_a_code(
    sentence: str,
    sent: bytes,
    greets: bool,
    code: str,
    site: Serving,
    world: LinkWorld,
    kitchen: Node,
) -> None:
    before = closed(site, code)
    if greets:
        kitchen.hello()
        kitchen.expect(messages.ASSIGN)
    else:
        kitchen.connect()
    issued = seals(world)
    kitchen.tls.sendall(sent)
    assert kitchen.closed(), sentence
    until(lambda: closed(site, code) == before + 1, f"closed with {code}: {sentence}")
    assert seals(world) == issued


def test_what_is_another_nodes_stays_there(world: LinkWorld, kitchen: Node) -> None:
    kitchen.hello()
    kitchen.expect(messages.ASSIGN)
    kitchen.tls.sendall(file_of("lock")(world))
    assert kitchen.closed()


def test_a_service_that_is_not_assigned_is_refused(world: LinkWorld, kitchen: Node) -> None:
    kitchen.hello()
    kitchen.expect(messages.ASSIGN)
    for service in ("lock", "no-such-service"):
        kitchen.send(messages.RENEW, 0, [(service, b"")])
        assert kitchen.expect(messages.REFUSED) == (service, "not-assigned")


def test_another_nodes_serial_gets_only_ones_own_seal(
    world: LinkWorld, site: Serving, kitchen: Node
) -> None:
    hall = world.node("hall", site.port)
    hall.hello()
    hall.expect(messages.ASSIGN)
    hall.expect(messages.ASSIGN)
    kitchen.hello()
    kitchen.expect(messages.ASSIGN)
    kitchen.send(messages.RENEW, 0, [("thermo", hall.serial("thermo"))])
    kitchen.expect(messages.ASSIGN)
    assert parsed(kitchen.seals["thermo"]).uri == "spiffe://house/node/kitchen/service/thermo"


def test_a_name_that_the_site_never_gave_takes_no_room(world: LinkWorld, kitchen: Node) -> None:
    kitchen.hello()
    kitchen.expect(messages.ASSIGN)
    kitchen.send(messages.REPORT, "invented", bytes(16), 2, "", "", 0, [])
    kitchen.send(messages.RENEW, 0, [("thermo", b"")])
    kitchen.expect(messages.ASSIGN)
    with database.reading(world.manager.engine) as connection:
        found = connection.scalars(select(tables.holdings.c.service).distinct()).all()
    assert "invented" not in found


def strangers(world: LinkWorld) -> dict[str, tuple[bytes, signer.PrivateKey]]:
    """Certificates that let nobody in, with their keys."""
    key = signer.generate("p256")
    spki = KeySigner(key).spki
    validity = Validity(world.now - 10, world.now + 1000)
    mallory = KeySigner(signer.generate("p256"))
    issuer = Issuer(self_signed(mallory, "house", world.now), "house")
    old = (world.certificate("kitchen"), world.node_keys["kitchen"])
    seal = world.manager.deployment("kitchen", "thermo").seal.der
    slca = world.manager.authority
    return {
        "another authority's": (
            Authority(mallory, issuer).certify_node("kitchen", spki, validity).der,
            key,
        ),
        "expired": (
            slca.certify_node("kitchen", spki, Validity(world.now - 99, world.now - 9)).der,
            key,
        ),
        "of another key than the site knows": (
            slca.certify_node("kitchen", spki, validity).der,
            key,
        ),
        "of a node that the site does not know": (
            slca.certify_node("cellar", spki, validity).der,
            key,
        ),
        "of the site's manager": (slca.certify_slsm(spki, validity).der, key),
        "a site seal": (seal, old[1]),
    }


def test_certificates_that_let_nobody_in(world: LinkWorld, site: Serving, tmp_path: Path) -> None:
    for sentence, (der, key) in strangers(world).items():
        node = Node(world, "kitchen", site.port, client_context(world, tmp_path, der, key))
        issued = seals(world)
        try:
            node.connect()
            node.tls.sendall(hello_of("cellar" if "not know" in sentence else "kitchen"))
        except OSError:
            continue  # TLS itself has refused it
        assert node.closed(), sentence
        assert not node.seals, sentence
        assert seals(world) == issued, sentence


def test_no_certificate_no_connection(world: LinkWorld, site: Serving) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(world.folder / "site.crt")
    answer = b""
    plain = socket.create_connection(("127.0.0.1", site.port))
    with plain, suppress(OSError), context.wrap_socket(plain) as tls:
        tls.sendall(hello_of())
        answer = tls.recv(1)  # with TLS 1.3 the refusal comes here
    assert answer == b""


def test_a_resumed_session_proves_nothing(world: LinkWorld, site: Serving, kitchen: Node) -> None:
    kitchen.context.maximum_version = ssl.TLSVersion.TLSv1_2
    kitchen.hello()
    kitchen.expect(messages.ASSIGN)
    session = kitchen.tls.session
    before = closed(site, "bad-message")
    plain = socket.create_connection(("127.0.0.1", site.port), SECONDS)
    again = world.node("kitchen", site.port)
    again.tls = kitchen.context.wrap_socket(plain, session=session)
    assert again.tls.session_reused
    with suppress(OSError):
        again.tls.sendall(hello_of())
    assert again.closed()
    assert not again.seals
    until(lambda: closed(site, "bad-message") == before + 1, "refused")
    assert site.identity.context.options & ssl.OP_NO_RENEGOTIATION


def test_a_retired_node_is_cut_off_while_connected(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    world.deploy("attic", "thermo")
    with serving(world) as site:
        attic = world.node("attic", site.port)
        attic.hello()
        attic.expect(messages.ASSIGN)
        world.manager.retire("attic")
        assert attic.closed()
        until(lambda: closed(site, "node-retired") == 1, "cut off")
        again = world.node("attic", site.port)
        again.connect()
        again.tls.sendall(hello_of("attic"))
        assert again.closed()


def test_slow_and_half_open_connections_give_way(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    world.deploy("kitchen", "thermo")
    limits = Limits(handshakes=8, handshake_seconds=30, hello_seconds=2, frame_seconds=2)
    with serving(world, limits) as site:
        flood = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(40)]
        kitchen = world.node("kitchen", site.port)
        kitchen.hello()
        kitchen.expect(messages.ASSIGN)
        kitchen.tls.sendall(b"\0\0\1")
        assert kitchen.closed()
        until(lambda: closed(site, "too-slow") == 1, "a frame that does not end")
        kitchen.connect()
        assert kitchen.closed()
        until(lambda: closed(site, "too-slow") == 2, "no HELLO")
        until(lambda: closed(site, "evicted") >= 32, "half-open ones")
        for one in flood:
            one.close()


def test_who_has_a_network_of_addresses_takes_one_place_after_the_other() -> None:
    async def crowd() -> set[str]:
        left: set[str] = set()

        async def serve(address: str) -> None:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                left.add(address)

        doors = Handshakes(4, lambda _: None)
        addresses = ["2001:db8:1::7", "192.0.2.9", *(f"2001:db8:2::{n:x}" for n in range(50))]
        tasks = []
        for address in addresses:
            tasks.append(doors.begin(address, serve(address)))
            await asyncio.sleep(0)
        found = set(left)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return found

    assert asyncio.run(crowd()) == {f"2001:db8:2::{n:x}" for n in range(48)}
    assert origin("::ffff:192.0.2.9") == origin("192.0.2.9")
    assert origin("fe80::1%eth0") == origin("fe80::2")


def test_a_node_that_does_not_read_is_dropped(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    world.deploy("kitchen", "thermo")
    many = 100000
    limits = Limits(write_seconds=0.5, write_bytes=1024, burst=many, rate=1e6, kept_burst=many)
    with serving(world, limits) as site:
        kitchen = world.node("kitchen", site.port)
        kitchen.hello()
        kitchen.expect(messages.ASSIGN)
        kitchen.tls.setblocking(False)
        request = message(messages.RENEW, 0, [("thermo", b"")])
        end = time.monotonic() + 20
        while closed(site, "too-slow") == 0 and time.monotonic() < end:
            try:
                kitchen.tls.send(request)
            except ssl.SSLWantWriteError:
                time.sleep(0.01)
            except OSError:
                break
        until(lambda: closed(site, "too-slow") == 1, "dropped")


def test_a_newer_connection_replaces_the_older(world: LinkWorld, site: Serving) -> None:
    first, second = world.node("kitchen", site.port), world.node("kitchen", site.port)
    first.hello()
    first.expect(messages.ASSIGN)
    second.hello()
    second.expect(messages.ASSIGN)
    assert first.closed()
    second.send(messages.RENEW, 0, [("thermo", second.serial("thermo"))])
    second.expect(messages.RENEWED)


def test_no_more_nodes_than_allowed(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    world.deploy("kitchen", "thermo")
    world.deploy("hall", "thermo")
    with serving(world, Limits(connections=1)) as site:
        kitchen, hall = world.node("kitchen", site.port), world.node("hall", site.port)
        kitchen.hello()
        hall.connect()
        hall.tls.sendall(hello_of("hall"))
        assert hall.closed()
        until(lambda: closed(site, "server-full") == 1, "full")
        kitchen.expect(messages.ASSIGN)


def test_a_flooding_node_waits_and_others_do_not(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    world.deploy("kitchen", "thermo")
    world.deploy("hall", "thermo")
    with serving(world, Limits(burst=20, rate=5)) as site:
        kitchen, hall = world.node("kitchen", site.port), world.node("hall", site.port)
        kitchen.hello()
        kitchen.expect(messages.ASSIGN)
        for _ in range(200):
            kitchen.send(messages.RENEW, 0, [("thermo", b"")])
        hall.hello()
        hall.expect(messages.ASSIGN)
        hall.send(messages.RENEW, 0, [("thermo", hall.serial("thermo"))])
        hall.expect(messages.RENEWED)
        assert seals(world) < 150, "hall did not wait until kitchen's 200 were answered"
        hall.close()


def test_what_follows_a_broken_frame_is_not_kept(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    world.deploy("kitchen", "thermo")
    with serving(world, Limits(burst=2, rate=0.01)) as site:
        node = world.node("kitchen", site.port)
        node.hello()
        node.expect(messages.ASSIGN)
        allowance, _ = site.server.registry.allowance("kitchen")
        node.send(messages.RENEW, 0, [("thermo", b"")])
        until(lambda: allowance._left < 0, "the site holds the node up")
        node.tls.sendall(bytes(4))
        node.tls.settimeout(1)
        taken = 0
        with suppress(OSError):
            while taken < FLOOD:
                taken += node.tls.send(bytes(65536))
        assert taken < FLOOD


def test_what_came_before_a_broken_frame_is_answered_once(
    world: LinkWorld, site: Serving, kitchen: Node
) -> None:
    kitchen.hello()
    kitchen.expect(messages.ASSIGN)
    before = seals(world), closed(site, "bad-message")
    kitchen.tls.sendall(message(messages.RENEW, 0, [("thermo", b"")]) + bytes(4) + bytes(9))
    assert kitchen.closed()
    until(lambda: closed(site, "bad-message") > before[1], "closed")
    assert seals(world) == before[0] + 1


def test_seals_for_a_hello_and_certificates_are_paid_for(tmp_path: Path, stack: ExitStack) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    world.deploy("kitchen", *(f"s{number}" for number in range(8)))
    with serving(world, Limits(burst=64, rate=20)) as site:
        node = world.node("kitchen", site.port)
        start = time.monotonic()
        for _ in range(10):  # 9 units each, so that 26 are still to come back
            node.hello()
        assert time.monotonic() - start > 1
        for _ in range(8):
            node.expect(messages.ASSIGN)
        node.send(messages.ENROL, make_request(world.node_keys["kitchen"], "kitchen"), b"")
        node.expect(messages.ENROLLED)
        # 64 units more, of which some came back meanwhile if this machine is busy.
        assert time.monotonic() - start > 4.4


def test_a_node_fills_no_disk_with_seals_and_hears_of_changes_all_the_same(
    tmp_path: Path, stack: ExitStack
) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    world.deploy("kitchen", "thermo", "lock")
    limits = Limits(kept_burst=3, kept_rate=0.001, hello_seconds=3)
    with serving(world, limits) as site:
        node = world.node("kitchen", site.port)
        node.hello()
        for _ in range(2):
            node.expect(messages.ASSIGN)
        for _ in range(2):
            node.send(messages.RENEW, 0, [("thermo", b""), ("lock", b"")])
        for _ in range(2):
            node.expect(messages.ASSIGN)
        world.manager.undeploy("kitchen", "lock")
        assert node.expect(messages.REMOVE) == (["lock"],)
        node.close()
        until(lambda: not len(site.server.registry), "nobody waits for who has left")
        node.connect()  # as somebody who has paid for nothing
        node.tls.sendall(hello_of())
        until(lambda: closed(site, "too-slow") == 1, "closed")
        assert seals(world) == 4
    assert limits.for_lifetime(512).kept_rate == 2


def test_who_leaves_before_the_answer_pays_for_it(world: LinkWorld, site: Serving) -> None:
    kept = Allowance(1, 0.001, time.monotonic())
    snapshot, peer = cast(Snapshot, None), Peer("kitchen", lambda _: None, lambda _: None)

    class Slow(Pipeline):
        async def answer(self, task: Task, *_: object, **__: object) -> Answer:
            await asyncio.to_thread(task, snapshot)
            raise asyncio.CancelledError

    async def leave() -> None:
        pipeline = Slow(world.manager.engine, world.manager.authority)
        one = Connection(cast(Carrier, None), peer, pipeline, Limits(), site.metrics, (kept, kept))
        with pytest.raises(asyncio.CancelledError):
            await one.answer(lambda _: Answer(counts={"certificate": 1}), "kitchen", 0.0)

    asyncio.run(leave())
    assert kept.wait(0, time.monotonic()) > 0


def test_a_defect_in_what_a_node_is_told_ends_its_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stack: ExitStack
) -> None:
    world = stack.enter_context(LinkWorld(tmp_path))
    world.deploy("kitchen", "thermo")
    with serving(world) as site:
        node = world.node("kitchen", site.port)
        node.hello()
        node.expect(messages.ASSIGN)
        monkeypatch.setattr(hello, "changes", lambda *_: 1 // 0)
        world.manager.undeploy("kitchen", "thermo")
        until(lambda: closed(site, "defect") == 1, "closed")
        monkeypatch.undo()
        node.hello(thermo=node.serial("thermo"))
        assert node.expect(messages.REMOVE) == (["thermo"],)


def test_an_allowance_comes_back_with_time() -> None:
    allowance = Allowance(10, 2.0, 100.0)
    assert [allowance.wait(5, 100.0) for _ in range(3)] == [0, 0, 2.5]
    assert allowance.wait(1, 110.0) == 0
    assert allowance.wait(1000, 120.0) == pytest.approx(495.0)


def test_enrolment_over_the_link(world: LinkWorld, site: Serving, kitchen: Node) -> None:
    kitchen.hello()
    kitchen.expect(messages.ASSIGN)
    kitchen.send(messages.ENROL, make_request(world.node_keys["kitchen"], "kitchen"), b"")
    (der,) = kitchen.expect(messages.ENROLLED)
    kitchen.close()
    kitchen.context = client_context(world, world.scratch, der, world.node_keys["kitchen"])
    kitchen.hello()
    for key, name, code in (
        (signer.generate("p256"), "kitchen", "other-node-key"),
        (world.node_keys["kitchen"], "hall", "other-node"),
    ):
        before = closed(site, code)
        node = world.node("kitchen", site.port)
        node.hello()
        node.expect(messages.ASSIGN)
        node.send(messages.ENROL, make_request(key, name), b"")
        assert node.closed()
        until(lambda c=code, b=before: closed(site, c) == b + 1, code)  # type: ignore[misc]


def test_a_request_that_a_worn_flash_has_changed_ends_nothing(
    world: LinkWorld, site: Serving, kitchen: Node
) -> None:
    kitchen.hello()
    kitchen.expect(messages.ASSIGN)
    issued = certificates(world)
    good = make_request(world.node_keys["kitchen"], "kitchen")
    for worn in (good[:100], good.replace(b"kitchen", b"kitcheN")):
        kitchen.send(messages.ENROL, worn, b"")
        assert kitchen.expect(messages.REFUSED) == ("kitchen", "bad-request")
    kitchen.send(messages.RENEW, 0, [("thermo", kitchen.serial("thermo"))])
    kitchen.expect(messages.RENEWED)
    assert certificates(world) == issued


def certificates(world: LinkWorld) -> int:
    with database.reading(world.manager.engine) as connection:
        count = select(func.count()).select_from(tables.certificates)
        return int(connection.execute(count).scalar_one())


def closed(site: Serving, code: str) -> float:
    return site.counted("triseal_closed_connections_total", code=code)


def seals(world: LinkWorld) -> int:
    with database.reading(world.manager.engine) as connection:
        return int(connection.execute(select(func.count()).select_from(tables.seals)).scalar_one())
