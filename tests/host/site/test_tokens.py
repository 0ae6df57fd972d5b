"""One-time tokens of a site: one board each, whatever happens on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from sealcore import errors, identity, names, onetime
from tests.worlds.site_world import World, make_request
from triseal import database, signer
from triseal.certificate import CLOCK_SKEW
from triseal.errors import BadRequest, Failure
from triseal.site.errors import (
    BadToken,
    NodeRetired,
    OtherKey,
    TokenExpired,
    TokenUsed,
    UnknownNode,
)
from triseal.site.manager import NODE_SECONDS
from triseal.site.records import pruning, tables, tokens
from triseal.site.views import overview

SECONDS = 1000


class Board:
    """A board from a production line: a token, and a key that it has just made."""

    def __init__(self, token: bytes, name: str = "kitchen") -> None:
        self.token = token
        self.key = signer.generate("p256")
        self.csr = make_request(self.key, name)
        self.proof = onetime.prove(token, self.csr)

    @property
    def spki(self) -> bytes:
        return signer.KeySigner(self.key).spki


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "site") as made:
        made.manager.add_node("kitchen")
        yield made


def image(world: World, node: str = "kitchen", *, replace: bool = False) -> bytes:
    """What making an image does at the site."""
    token = tokens.draw()
    world.manager.expect(node, token, SECONDS, replace=replace)
    return token


def state_of(world: World, node: str = "kitchen") -> str:
    with database.reading(world.manager.engine) as connection:
        every = overview.all_nodes(connection, world.manager.issuer)
        return next(one.state for one in every if one.name == node)


def facts(world: World) -> tuple[object, ...]:
    """All that a refusal could have changed."""
    with database.reading(world.manager.engine) as connection:
        certificates = connection.execute(select(func.count()).select_from(tables.certificates))
        spki = select(tables.nodes.c.spki).where(tables.nodes.c.name == "kitchen")
        rows = connection.execute(select(tables.tokens)).all()
        return certificates.scalar_one(), connection.execute(spki).scalar_one(), *map(tuple, rows)


def test_a_token_gets_its_node_a_certificate(world: World) -> None:
    assert state_of(world) == "added"
    board = Board(image(world))
    world.manager.add_node("hall")
    other = Board(image(world, "hall"), "hall")
    assert state_of(world) == "awaiting enrolment"
    world.now += SECONDS  # the last one in which it serves
    own = identity.parse(world.manager.redeem(board.csr, board.proof))
    keys = world.manager.bundle().site_keys
    identity.check(own, keys, identity.node("house", "kitchen"), world.now)
    assert (names.common_name(own.subject), bytes(own.spki)) == ("kitchen", board.spki)
    assert state_of(world) == "enrolled"
    assert state_of(world, "hall") == "awaiting enrolment"
    assert bytes(identity.parse(world.manager.redeem(other.csr, other.proof)).spki) == other.spki


def test_of_a_token_the_site_keeps_nothing_that_would_let_anybody_in(
    world: World, tmp_path: Path
) -> None:
    token = image(world)
    for path in (tmp_path / "site").iterdir():
        data = path.read_bytes()
        assert token not in data, path
        assert token.hex().encode() not in data, path


def test_a_lost_certificate_is_given_again_to_the_same_key(world: World) -> None:
    board = Board(image(world))
    first = world.manager.redeem(board.csr, board.proof)
    world.now += SECONDS + 1  # the token's time counts until it is used, not after
    before = facts(world)
    for _ in range(3):
        assert world.manager.redeem(board.csr, board.proof) == first
    assert facts(world) == before
    world.now += NODE_SECONDS + 2 * pruning.DAY
    assert pruning.prune(world.manager.engine, world.now, 1).certificates
    again = identity.parse(world.manager.redeem(board.csr, board.proof))
    assert again.not_before == world.now - CLOCK_SKEW


def spoilt(proof: bytes) -> bytes:
    return proof[:-1] + bytes((proof[-1] ^ 1,))


Case = tuple[bytes, bytes, type[Exception]]


def used(world: World) -> Case:
    token = image(world)
    first = Board(token)
    world.manager.redeem(first.csr, first.proof)
    other = Board(token)
    return other.csr, other.proof, TokenUsed


def used_by_cable(world: World) -> Case:
    token = image(world)
    world.manager.enrol("kitchen", Board(token).csr)
    other = Board(token)
    return other.csr, other.proof, TokenUsed


def late(world: World) -> Case:
    board = Board(image(world))
    world.now += SECONDS + 1
    return board.csr, board.proof, TokenExpired


def replaced(world: World) -> Case:
    board = Board(image(world))
    image(world)
    return board.csr, board.proof, BadToken


def retired(world: World) -> Case:
    board = Board(image(world))
    world.manager.retire("kitchen")
    return board.csr, board.proof, BadToken


def retired_after_use(world: World) -> Case:
    board = Board(image(world))
    world.manager.redeem(board.csr, board.proof)
    world.manager.retire("kitchen")
    return board.csr, board.proof, BadToken


def guessed(world: World) -> Case:
    image(world)
    board = Board(tokens.draw())
    return board.csr, board.proof, BadToken


def nobody_awaited(world: World) -> Case:
    board = Board(tokens.draw())
    return board.csr, board.proof, BadToken


def of_another_node(world: World) -> Case:
    world.manager.add_node("hall")
    image(world, "hall")
    board = Board(image(world), "hall")
    return board.csr, board.proof, BadToken


def of_no_node(world: World) -> Case:
    board = Board(image(world), "cellar")
    return board.csr, board.proof, BadToken


def overheard(world: World) -> Case:
    """The proof of another board's request, which somebody saw pass, with the own request."""
    token = image(world)
    return Board(tokens.draw()).csr, Board(token).proof, BadToken


def changed(world: World) -> Case:
    board = Board(image(world))
    return board.csr, spoilt(board.proof), BadToken


def empty(world: World) -> Case:
    return Board(image(world)).csr, b"", BadToken


def the_token_itself(world: World) -> Case:
    board = Board(image(world))
    return board.csr, board.token, BadToken


def not_its_key(world: World) -> Case:
    """A request for a key of which possession isn't proved."""
    token = image(world)
    csr = spoilt(Board(token).csr)
    return csr, onetime.prove(token, csr), BadRequest


REFUSED: tuple[Callable[[World], Case], ...] = (
    used,
    used_by_cable,
    late,
    replaced,
    retired,
    retired_after_use,
    guessed,
    nobody_awaited,
    of_another_node,
    of_no_node,
    overheard,
    changed,
    empty,
    the_token_itself,
    not_its_key,
)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.__name__)
def test_who_is_refused_changes_nothing(case: Callable[[World], Case], world: World) -> None:
    csr, proof, kind = case(world)
    before = facts(world)
    with pytest.raises(kind):
        world.manager.redeem(csr, proof)
    assert facts(world) == before


def test_of_two_boards_with_one_token_one_wins(world: World) -> None:
    token = image(world)
    boards = [Board(token) for _ in range(4)]
    start = threading.Barrier(len(boards))
    got: list[bytes] = []
    refused: list[str] = []

    def come(board: Board) -> None:
        start.wait()
        try:
            got.append(world.manager.redeem(board.csr, board.proof))
        except Failure as failure:
            refused.append(failure.code)

    racing = [threading.Thread(target=come, args=(board,)) for board in boards]
    for thread in racing:
        thread.start()
    for thread in racing:
        thread.join()
    assert len(got) == 1
    assert refused == ["token-used"] * 3
    (winner,) = [one for one in boards if one.spki == bytes(identity.parse(got[0]).spki)]
    assert world.manager.redeem(winner.csr, winner.proof) == got[0]


def test_a_server_that_dies_before_it_is_recorded_has_used_nothing_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = Board(image(world))
    before = facts(world)
    with monkeypatch.context() as broken:
        broken.setattr(tokens, "use", lambda *_: 1 / 0)  # the last step of the transaction
        with pytest.raises(ZeroDivisionError):
            world.manager.redeem(board.csr, board.proof)
    assert facts(world) == before
    assert world.manager.redeem(board.csr, board.proof)


def test_a_board_is_awaited_for_nodes_that_may_have_one(world: World) -> None:
    with pytest.raises(UnknownNode):
        image(world, "attic")
    world.add_node("hall")
    with pytest.raises(OtherKey):
        image(world, "hall")
    board = Board(image(world, "hall", replace=True), "hall")
    assert state_of(world, "hall") == "enrolled"  # the board that it has works until then
    world.manager.redeem(board.csr, board.proof)
    with pytest.raises(OtherKey):
        world.manager.enrol("hall", make_request(world.node_keys["hall"], "hall"))
    world.manager.retire("hall")
    with pytest.raises(NodeRetired):
        image(world, "hall", replace=True)


def test_a_token_is_sixteen_octets(world: World) -> None:
    with pytest.raises(errors.UnsupportedKey):
        world.manager.expect("kitchen", b"short", SECONDS)
