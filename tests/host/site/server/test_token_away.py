"""The token of the site's key is pulled out and put back while nodes renew and the key changes."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sealcore import errors, keys, messages, seal
from tests.full import rows
from tests.host.site.server.test_rotated import Board
from tests.worlds import softhsm
from tests.worlds.link_world import LinkWorld, Serving, close_nodes, serving
from tests.worlds.site_world import Founded, make_developer, make_store
from tests.worlds.waiting import looks
from triseal import tokensigner
from triseal.errors import TokenMissing
from triseal.site import home
from triseal.site.home import Founding
from triseal.site.manager import Manager
from triseal.site.rules import rotation
from triseal.site.server.sessions import session

pytestmark = pytest.mark.skipif(bool(softhsm.missing()), reason=softhsm.missing())

PIN = softhsm.PIN.encode()
SERVICE = "thermo"
PATIENCE = 60.0  # seconds for anything that is waited for: a loaded computer
STEPS = (rotation.PREPARE, rotation.ACTIVATE, rotation.TAINT, rotation.REVOKE)
_numbers = itertools.count()


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[softhsm.Token]:
    with softhsm.plugged_in(tmp_path_factory.mktemp("hsm")) as made:
        yield made


class TokenWorld(LinkWorld):
    """A site whose key is on a token."""

    def __init__(self, folder: Path, token: softhsm.Token) -> None:
        self.number = next(_numbers)
        self.uri = token.uri(f"slca{self.number}")
        self.next_uri = token.uri(f"slca{self.number}-next")
        super().__init__(folder)

    def _copy(self) -> Founded:
        """Found the site, and copy none: each has another key on the token."""
        store, developer = make_store(began=self.now - self.age), make_developer()
        founding = Founding(self.name, self.algorithm, key=self.uri)
        home.init(self.folder, founding, PIN, self.now - self.age)
        with self.open() as manager:
            manager.trust_store(store.certificate)
            manager.trust_developer(developer.name, developer.signer.spki)
        return Founded(self.folder, self.now, store, developer, in_use=True)

    def open(self) -> Manager:
        return Manager(self.folder, lambda: PIN, lambda: self.now)


class Renewing:
    """A node that renews its seal as fast as the site answers, and comes back whenever it must."""

    def __init__(self, world: TokenWorld, port: int, name: str) -> None:
        self.board = Board(world, port, name)
        self.renewed = 0
        self.failure: BaseException | None = None
        self.stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self.stopped.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self.board.node.close()

    def _run(self) -> None:
        try:
            while not self.stopped.is_set():
                try:
                    self._visit()
                except (EOFError, OSError):  # the site has closed, or gave no certificate
                    self.stopped.wait(0.05)
        except BaseException as error:
            self.failure = error

    def _visit(self) -> None:
        board = self.board
        board.connect()
        while not board.greeted or SERVICE not in board.node.seals:
            board.take()
        while not self.stopped.is_set():
            held = board.node.serial(SERVICE)
            board.node.send(messages.RENEW, 0, [(SERVICE, held)])
            while board.node.serial(SERVICE) == held:
                board.take()
            self._check()
            self.renewed += 1

    def _check(self) -> None:
        """Its new seal is signed by a key that the node trusts."""
        made = seal.parse(self.board.node.seals[SERVICE], seal.SITE)
        keys.check_signed(made, self.board.trusted.site_keys, made.not_before)

    def has_only(self, spki: bytes) -> bool:
        """Whether the node trusts this key of the site alone, and has its seal from it."""
        trusted = [bytes(key) for _, key in self.board.trusted.site_keys]
        made = seal.parse(self.board.node.seals[SERVICE], seal.SITE)
        try:
            keys.check_signed(made, [(made.issuer, spki)], made.not_before)
        except errors.SealError:
            return False
        return trusted == [spki]


@dataclasses.dataclass
class Load:
    """Nodes that renew without a pause."""

    nodes: list[Renewing]

    def goes_on(self, what: str) -> None:
        """Wait until each of them has got new seals from now on."""
        before = [one.renewed for one in self.nodes]

        def all_renewed() -> bool:
            pairs = zip(self.nodes, before, strict=True)
            return all(one.renewed >= had + 2 for one, had in pairs)

        self.wait(all_renewed, what)

    def wait(self, true: Callable[[], bool], what: str) -> None:
        for _ in looks(PATIENCE):
            for one in self.nodes:
                if one.failure is not None:
                    raise one.failure
            if true():
                return
        raise AssertionError(f"never: {what}")


@pytest.fixture
def world(
    tmp_path: Path, token: softhsm.Token, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TokenWorld]:
    monkeypatch.setattr(session, "_STORING_SECONDS", 0.5)
    monkeypatch.setattr(tokensigner, "PAUSE", 0.1)
    with TokenWorld(tmp_path, token) as made:
        yield made
    close_nodes()


@pytest.fixture
def site(world: TokenWorld) -> Iterator[Serving]:
    with serving(world) as running:
        yield running


def take(world: TokenWorld, step: str) -> None:
    """One step of the change of the key, however many nodes wait."""
    steps: dict[str, Callable[[], object]] = {
        rotation.PREPARE: lambda: world.manager.prepare_key(uri=world.next_uri),
        rotation.ACTIVATE: lambda: world.manager.activate_key(force=True),
        rotation.TAINT: world.manager.taint_key,
        rotation.REVOKE: lambda: world.manager.revoke_key(force=True),
    }
    steps[step]()


def take_without(world: TokenWorld, step: str) -> bool:
    """Try a step while the token is away: it is taken, or nothing has changed."""
    before = world.manager.key_progress(), world.manager.bundle().version
    try:
        take(world, step)
    except TokenMissing:
        assert (world.manager.key_progress(), world.manager.bundle().version) == before
        return False
    return True


@pytest.mark.parametrize("away", rows([((rotation.ACTIVATE,),), (STEPS,)], 0), ids=["once", "each"])
def test_a_token_that_is_pulled_out_during_a_change_of_the_key(
    world: TokenWorld, site: Serving, token: softhsm.Token, away: tuple[str, ...]
) -> None:
    names = [f"node{number}" for number in range(2 if len(away) == 1 else 5)]
    for name in names:
        world.deploy(name, SERVICE)
    load = Load([Renewing(world, site.port, name) for name in names])
    try:
        load.goes_on("with the first key")
        for step in STEPS:
            assert world.manager.key_progress().next == step
            taken = False
            if step in away:
                token.pull_out()
                try:
                    taken = take_without(world, step)
                    refused = [one.board.visits for one in load.nodes]
                    load.wait(
                        lambda refused=refused: all(  # type: ignore[misc]
                            one.board.visits > had + 1
                            for one, had in zip(load.nodes, refused, strict=True)
                        ),
                        "they come back in vain",
                    )
                finally:
                    token.put_back()
            for _ in looks(PATIENCE):
                if taken or take_without(world, step):
                    break
            load.goes_on(f"after {step}")
        new = world.manager.issuer.spki
        load.wait(lambda: all(one.has_only(new) for one in load.nodes), "the new key alone counts")
    finally:
        for one in load.nodes:
            one.stop()
