"""The conversation with a board at a cable that every task there needs.

The board checks all that it gets by itself. This side only carries bytes, and reports the outcome.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

from boards import provision
from boards.board import Board
from boards.errors import (
    BoardError,
    BoardGone,
    BoardTimeout,
    DeviceFailed,
    FileMissing,
    NoAnswer,
)
from boards.provision import Report
from sealcore import bundle, errors, identity, names
from triseal.site.cable import agent, refusals
from triseal.site.cable.agent import NodeStatus
from triseal.site.errors import NoAgent, OtherBoard

if TYPE_CHECKING:
    from triseal.site.manager import Manager

CERTIFICATE = "/triseal/node.crt"
INSTALL = "nlsm.install"
CHECK_SECONDS = 120.0  # three RSA checks and a large executable on a slow board
SOON = 5.0  # seconds for the answer of an agent that ran before
_BUNDLE = "/triseal/bundle.der"
_NONCE_OCTETS = 16
_OVERTAKEN = 2  # times that the time is told again


def tell_time(site: Manager, board: Board) -> NodeStatus:
    """Give a running agent the time, so that it starts what waits for it; what it says then.

    Raises:
        NoAgent: nothing answers.
        Rollback: the node has heard of a later time than it is here.
    """
    for _ in range(_OVERTAKEN):
        # While this second is on its way, the site's server may tell the node the next one.
        with contextlib.suppress(errors.Rollback):
            return agent.set_time(board, site.sign_time(agent.ask(board).nonce))
    return agent.set_time(board, site.sign_time(agent.ask(board).nonce))


def note(site: Manager, node: str, status: NodeStatus) -> None:
    """Keep what a node said of itself.

    Raises:
        OtherBoard: it calls itself otherwise; nobody may speak for another node.
    """
    if status.node != node:
        raise OtherBoard(f"the agent says that it is {status.node!r}, not {node}")
    states = {one.name: one.state for one in status.services}
    told = {
        name: (serial, states[name])
        for name, serial in status.serials.items()
        if serial and name in states
    }
    site.heard(node, told, status.bundle_version, status.time)


def check_is(site: Manager, board: Board, node: str) -> None:
    """Raises OtherBoard unless the board was provisioned as this node, and has its key.

    What it says of itself is noted as the node's word, and a certificate is no secret.
    """
    found = node_of(board)
    if found != node:
        is_what = "no node yet, or its certificate is damaged" if found is None else found
        raise OtherBoard(f"the board at {board.port} is {is_what}, not {node}")
    nonce = secrets.token_bytes(_NONCE_OCTETS)
    signature = board.call("nlsm.enrol.prove", node, nonce, timeout=provision.KEY_SECONDS)
    try:
        site.check_has_key(node, nonce, signature if type(signature) is bytes else b"")
    except errors.BadSignature:
        raise OtherBoard(f"the board at {board.port} does not have the key of {node}") from None
    board.clear()  # what it took to sign


def node_of(board: Board) -> str | None:
    """The node that a board is; None if it is none, or its certificate can't be read."""
    try:
        certificate = identity.parse(board.read(CERTIFICATE))
    except (FileMissing, errors.SealError):
        return None
    return str(names.common_name(certificate.subject))


def update_bundle(site: Manager, board: Board, report: Report) -> None:
    """Give the board the site's newest trust bundle, unless it has it."""
    newest = site.bundle()
    if bundle.parse(board.read(_BUNDLE)).version < newest.version:
        report("trust", 0, 0)
        provision.deliver(board, [(f"{provision.INCOMING}/bundle.der", newest.der)])
        provision.activate(board)


def tell_installer(site: Manager, board: Board, report: Report) -> None:
    """Tell the time to a board whose agent is stopped, so that it can check what was delivered."""
    report("time", 0, 0)
    board.clear()
    nonce = board.call(f"{INSTALL}.challenge", timeout=CHECK_SECONDS)
    if type(nonce) is not bytes or len(nonce) != _NONCE_OCTETS:
        raise DeviceFailed("the board's nonce is none")
    board.call(f"{INSTALL}.set_time", site.sign_time(nonce), timeout=CHECK_SECONDS)


@contextlib.contextmanager
def back_to_work(site: Manager, board: Board) -> Iterator[None]:
    """After a failure, let the node run again what it ran before: work at its line stops it."""
    try:
        yield
    except (BoardGone, BoardTimeout, NoAnswer):
        raise
    except BaseException:
        with contextlib.suppress(BoardError, errors.SealError, NoAgent):
            board.soft_reset()
            agent.set_time(board, site.sign_time(agent.ask(board, SOON).nonce), SOON)
        raise


@contextlib.contextmanager
def board_refusals() -> Iterator[None]:
    """Makes of a refusal that a board raised the same refusal here, with its code."""
    try:
        yield
    except DeviceFailed as error:
        name, _, said = error.detail.partition(":")
        refusal = refusals.named(name)
        if refusal is None:
            raise
        said = said.strip()
        raise refusal(f"says the board: {said}" if said else "says the board") from None
