"""The parts of a conversation with a board at a cable that every task needs.

The board itself checks everything that it gets. This side only transfers bytes and reports the
outcome.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

from boards import interrupts, provision
from boards.board import Board
from boards.errors import (
    BoardError,
    BoardGone,
    DeviceFailed,
    FileMissing,
    NoAnswer,
    NotReading,
)
from boards.provision import Report
from sealcore import bundle, errors, identity, names
from triseal.errors import Failure
from triseal.site.cable import agent, refusals
from triseal.site.cable.agent import NodeStatus
from triseal.site.errors import NoAgent, NodeStopped, OtherBoard

if TYPE_CHECKING:
    from triseal.site.manager import Manager

CERTIFICATE = "/triseal/node.crt"
INSTALL = "nlsm.install"
CHECK_SECONDS = 120.0  # time for three RSA checks and a large executable on a slow board
SOON = 5.0  # seconds for the answer of an agent that was running before
_BUNDLE = "/triseal/bundle.der"
_REQUEST = "/triseal/node.csr"
_SETTINGS = "/triseal/settings.json"
_UNWATCHED = "/triseal/unwatched"  # also in nlsm/keystore.py
_HAS_COME = "/agent/active"  # also in nlsm/swap.py
_NONCE_BYTES = 16
_OVERTAKEN = 2  # how often the time is sent again


def tell_time(site: Manager, board: Board) -> NodeStatus:
    """Give a running agent the time, so that it starts the services that wait for the time.

    Args:
        site: the site that signs the time.
        board: the board.

    Returns: the node's state after that.

    Raises:
        NoAgent: the agent does not answer.
        Rollback: the node already has a later time than this computer.
        SealError: the node refuses the time.
        ClockDoubted: the site can't sign now.
    """
    for _ in range(_OVERTAKEN):
        # Meanwhile the site's server may have told the node a later second.
        with contextlib.suppress(errors.Rollback):
            return _tell_time(site, board)
    return _tell_time(site, board)


def _tell_time(site: Manager, board: Board, patience: float = agent.PATIENCE) -> NodeStatus:
    found = agent.ask(board, patience)
    return agent.set_time(board, site.sign_time(found.nonce, found.bundle_version), patience)


def note(site: Manager, node: str, status: NodeStatus) -> None:
    """Record what a node has said about itself.

    Args:
        site: the site.
        node: name of the node.
        status: the node's state.

    Raises:
        OtherBoard: the board gives another name; no board may report for another node.
    """
    if status.node != node:
        raise OtherBoard(f"the agent says that it is {status.node!r}, not {node}")
    states = {service.name: service.state for service in status.services}
    told = {
        name: (serial, states[name])
        for name, serial in status.serials.items()
        if serial and name in states
    }
    site.heard(node, told, status.bundle_version, status.time, status.bundle_mark)


def check_is(site: Manager, board: Board, node: str) -> None:
    """Check that a board is a node: it was provisioned as this node and has its private key.

    What the board says is recorded as the node's report, and a certificate alone proves nothing,
    since it is not secret.

    Args:
        site: the site.
        board: the board.
        node: name of the node.

    Raises:
        OtherBoard: the board is not this node.
    """
    actual = node_of(board)
    if actual != node:
        is_what = "not a node yet, or its certificate is damaged" if actual is None else actual
        raise OtherBoard(f"the board at {board.port} is {is_what}, not {node}")
    nonce = secrets.token_bytes(_NONCE_BYTES)
    signature = board.call("nlsm.enrol.prove", node, nonce, timeout=provision.KEY_SECONDS)
    try:
        site.check_has_key(node, nonce, signature if type(signature) is bytes else b"")
    except errors.BadSignature:
        raise OtherBoard(f"the board at {board.port} does not have the key of {node}") from None
    board.clear()  # frees the memory that signing took


def node_of(board: Board) -> str | None:
    """Return the name of the node that a board is, or None if it has no readable certificate.

    Args:
        board: the board.
    """
    try:
        certificate = identity.parse(board.read(CERTIFICATE))
    except (FileMissing, errors.SealError):
        return None
    return str(names.common_name(certificate.subject))


def update_bundle(site: Manager, board: Board, report: Report) -> None:
    """Give the board the site's newest trust bundle, unless it has it, and each step to it that
    changed the roots.

    Args:
        site: the site.
        board: the board.
        report: called for each step.
    """
    held = bundle.parse(board.read(_BUNDLE)).version
    while (step := site.next_bundle(held)) is not None:
        report("trust", 0, 0)
        files = [(f"{provision.INCOMING}/bundle.der", bytes(step.der))]
        own = identity.parse(board.read(CERTIFICATE))
        if not any(name == own.issuer for name, _ in step.site_keys):
            # The site has revoked the key that signed it: the node takes both or neither.
            issued = site.enrol(str(names.common_name(own.subject)), board.read(_REQUEST))
            files.append((f"{provision.INCOMING}/node.crt", issued.der))
        provision.deliver(board, files)
        provision.activate(board)
        held = step.version


def tell_installer(site: Manager, board: Board, report: Report) -> None:
    """Give the time to a board whose agent is stopped, so that it can check what was delivered.

    Args:
        site: the site that signs the time.
        board: the board.
        report: called for each step.
    """
    report("time", 0, 0)
    board.clear()
    nonce = board.call(f"{INSTALL}.challenge", timeout=CHECK_SECONDS)
    if type(nonce) is not bytes or len(nonce) != _NONCE_BYTES:
        raise DeviceFailed("the board returned something else than a nonce")
    board.call(f"{INSTALL}.set_time", site.sign_time(nonce), timeout=CHECK_SECONDS)


@contextlib.contextmanager
def back_to_work(site: Manager, board: Board) -> Iterator[None]:
    """Hold off the watchdog; if the block fails or is interrupted, let the node run again.

    Work over the line of a node stops its agent, and nobody else feeds a watchdog.

    Args:
        site: the site that signs the time.
        board: the board.

    Raises:
        NodeStopped: the block was interrupted, and the node does not run.
    """
    try:
        _hold_off_watchdog(board)
        yield
    except (BoardGone, NoAnswer, NotReading):
        raise
    except BaseException as error:
        with interrupts.held():
            runs = _runs_again(site, board, error)
        if isinstance(error, Exception) or runs:
            raise
        raise NodeStopped(f"interrupted; the board at {board.port} does not run yet") from None


def _runs_again(site: Manager, board: Board, error: BaseException) -> bool:
    if board.program == "untouched":
        return True
    if board.program == "restarted" and isinstance(error, NoAgent):
        return False  # it would not answer now either
    try:
        is_node = True
        if board.program == "stopped":
            is_node = CERTIFICATE in board.hashes([CERTIFICATE])
            board.soft_reset()
        if is_node:
            _tell_time(site, board, SOON)
    except (BoardError, errors.SealError, Failure):
        return False
    return True


def _hold_off_watchdog(board: Board) -> None:
    """Reset a board whose agent may have started the hardware watchdog.

    Nothing but a reset stops a watchdog. The agent starts none after this reset, as long as the
    file is there. An agent or a firmware that came over the link may have started one for its
    trial, whatever the settings say.
    """
    if _may_be_watched(board):
        board.write(_UNWATCHED, b"")
        board.reset()
        # If the agent has not come that far, its next start has a watchdog again.
        board.remove(_UNWATCHED)


def _may_be_watched(board: Board) -> bool:
    with contextlib.suppress(FileMissing, ValueError):
        settings = json.loads(board.read(_SETTINGS))
        if isinstance(settings, dict) and settings.get("watchdog"):
            return True
    return _HAS_COME in board.hashes([_HAS_COME])


@contextlib.contextmanager
def board_refusals() -> Iterator[None]:
    """Raise a refusal of the board as the same refusal here, with its code."""
    try:
        yield
    except DeviceFailed as error:
        name, _, said = error.detail.partition(":")
        refusal = refusals.named(name)
        if refusal is None:
            raise
        said = said.strip()
        raise refusal(f"the board says: {said}" if said else "the board says so") from None
