"""Make a board at a cable a node of the site."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from boards import provision
from boards.board import Board
from boards.errors import BoardError, DeviceFailed
from boards.inventory import Foreign
from boards.provision import Provisioned, Report
from sealcore import identity, names
from triseal.site.cable import dialogue
from triseal.site.cable.agent import NodeStatus
from triseal.site.errors import AlreadyNode
from triseal.site.rules import watchdog

if TYPE_CHECKING:
    from triseal.site.manager import Manager


def enrol(
    site: Manager,
    board: Board,
    node: str,
    settings: Mapping[str, object],
    report: Report,
    *,
    replace: bool = False,
    foreign: Foreign = "refuse",
) -> tuple[Provisioned, NodeStatus]:
    """Make a board a node of the site: code, its own key, certificate, trust bundle, time.

    Args:
        site: it has a node of this name.
        board: which.
        node: the name.
        settings: what the agent reads of settings.json.
        report: told of each step and piece.
        replace: the node may come with another key, and the board may have been another node.
        foreign: what becomes of files on the board that nobody knows.

    Raises:
        AlreadyNode: the board is another node.
        See also boards.provision, nodes.enrol, and what the board itself refuses.
    """

    grace = int(str(settings.get("grace", 0)))

    def issue(request: bytes) -> dict[str, bytes]:
        issued = site.enrol(node, request, replace=replace)
        site.allow_grace(node, grace, in_force=False)
        chosen = json.dumps({"node": node, **settings}).encode()
        return {"node.crt": issued.der, "bundle.der": site.bundle().der, "settings.json": chosen}

    with dialogue.back_to_work(site, board), dialogue.board_refusals():
        facts = board.facts()
        provision.require_supported(facts)
        watchdog.check(facts.platform, settings)
        if not replace:
            _check_not_another(board, node)
        done = provision.provision(board, node, issue, report, foreign)
    site.allow_grace(node, grace, in_force=True)
    return done, dialogue.tell_time(site, board)


def check_erasable(site: Manager, port: str, node: str) -> None:
    """Whether nobody misses what a board holds that shall become a node.

    One that says nothing as MicroPython says it, is empty or broken, and is taken.

    Args:
        port: where the board is.
        node: the name that it gets.

    Raises:
        AlreadyNode: it is another node, and goes back to its work.
    """
    with (
        contextlib.suppress(BoardError),
        Board(port, patience=dialogue.SOON) as board,
        dialogue.back_to_work(site, board),
    ):
        _check_not_another(board, node)


def redeem(site: Manager, board: Board, report: Report) -> tuple[str, NodeStatus]:
    """Enrol a board that came from a production line: it proves by its one-time token who it is.

    Args:
        site: it awaits the board.
        board: with the image that was made for it; one that is a node already is told the time.
        report: told of each step and piece.

    Returns: the node's name, and what it says of itself.
    Raises: see tokens.check, and what the board itself refuses.
    """
    with dialogue.back_to_work(site, board), dialogue.board_refusals():
        if dialogue.CERTIFICATE not in board.hashes([dialogue.CERTIFICATE]):
            _redeem(site, board, report)
        own = identity.parse(board.read(dialogue.CERTIFICATE))
        report("restart", 0, 0)
        board.soft_reset()
    return names.common_name(own.subject), dialogue.tell_time(site, board)


def _redeem(site: Manager, board: Board, report: Report) -> None:
    report("key", 0, 0)
    made = board.call("nlsm.newcomer.request", timeout=provision.KEY_SECONDS)
    if type(made) is not tuple or [type(one) for one in made] != [bytes, bytes]:
        raise DeviceFailed("the board's request is none")
    csr, proof = made
    report("issue", 0, 0)
    issued = {"node.crt": site.redeem(csr, proof), "bundle.der": site.bundle().der}
    files = [(f"{provision.INCOMING}/{name}", data) for name, data in issued.items()]
    provision.deliver(board, files, report)
    provision.activate(board, report)


def _check_not_another(board: Board, node: str) -> None:
    found = dialogue.node_of(board)
    if found not in (None, node):
        raise AlreadyNode(f"the board at {board.port} is {found}")
