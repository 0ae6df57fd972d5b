"""The enrolment of a board at a cable: it becomes a node of the site."""

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
from triseal.site.rules import settings as settings_rules
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
        site: the site, which already has a node of this name.
        board: the board.
        node: name of the node.
        settings: the contents of the agent's settings.json.
        report: called for each step and piece.
        replace: whether another key may replace the known one, and the board may be another node.
        foreign: what to do with unknown files on the board.

    Returns: what was provisioned, and the node's state.

    Raises:
        AlreadyNode: the board is another node.
        BadAddress: no node can connect to the server of the settings.
        WatchdogTooLong: the board's watchdog can't count so long.
        BoardError: as boards.provision raises it.
        Failure: as Manager.enrol raises it.
        SealError: the board refuses something.
    """
    settings_rules.check(settings)
    grace = int(str(settings.get("grace", 0)))
    chosen: dict[str, object] = {}

    def issue(request: bytes) -> dict[str, bytes]:
        issued = site.enrol(node, request, replace=replace)
        site.allow_grace(node, grace, in_force=False)
        made = json.dumps({"node": node, **chosen, **site.provisioned(node)}).encode()
        return {"node.crt": issued.der, "bundle.der": site.bundle().der, "settings.json": made}

    with dialogue.back_to_work(site, board), dialogue.board_refusals():
        facts = board.facts()
        provision.require_supported(facts)
        chosen.update(watchdog.chosen(facts.platform, settings))
        if not replace:
            _check_not_another(board, node)
        done = provision.provision(board, node, issue, report, foreign)
        site.allow_grace(node, grace, in_force=True)
        return done, dialogue.tell_time(site, board)


def check_erasable(site: Manager, port: str, node: str) -> None:
    """Refuse to erase a board that is another node. A board that does not answer counts as blank.

    Args:
        site: the site that signs the time.
        port: name of the board's port.
        node: name of the node that the board is to become.

    Raises:
        AlreadyNode: the board is another node; it runs its services again.
    """
    with (
        contextlib.suppress(BoardError),
        Board(port, patience=dialogue.SOON) as board,
        dialogue.back_to_work(site, board),
    ):
        _check_not_another(board, node)


def redeem(site: Manager, board: Board, report: Report) -> tuple[str, NodeStatus]:
    """Enrol a board from a production line, which proves its node with a one-time token.

    Args:
        site: the site, which expects the board.
        board: the board with the image that was made for it.
        report: called for each step and piece.

    Returns: name of the node, and its state.

    Raises:
        AlreadyNode: the board is a node already; nothing has changed.
        Failure: as Manager.redeem raises it.
        BoardError: the board does not work as expected.
        SealError: the board refuses something.
    """
    with dialogue.back_to_work(site, board), dialogue.board_refusals():
        if dialogue.CERTIFICATE in board.hashes([dialogue.CERTIFICATE]):
            raise AlreadyNode(f"the board at {board.port} is {dialogue.node_of(board)}")
        _redeem(site, board, report)
        own = identity.parse(board.read(dialogue.CERTIFICATE))
        report("restart", 0, 0)
        board.soft_reset()
        return names.common_name(own.subject), dialogue.tell_time(site, board)


def _redeem(site: Manager, board: Board, report: Report) -> None:
    report("key", 0, 0)
    made = board.call("nlsm.newcomer.request", timeout=provision.KEY_SECONDS)
    if type(made) is not tuple or [type(part) for part in made] != [bytes, bytes]:
        raise DeviceFailed("the board returned something else than a request")
    csr, proof = made
    report("issue", 0, 0)
    issued = {"node.crt": site.redeem(csr, proof), "bundle.der": site.bundle().der}
    files = [(f"{provision.INCOMING}/{name}", data) for name, data in issued.items()]
    provision.deliver(board, files, report)
    provision.activate(board, report)


def _check_not_another(board: Board, node: str) -> None:
    actual = dialogue.node_of(board)
    if actual not in (None, node):
        raise AlreadyNode(f"the board at {board.port} is {actual}")
