"""Put services on the node at a cable, renew them and remove them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boards import provision
from boards.board import Board
from boards.errors import DeviceFailed
from boards.provision import Report
from triseal import loadable
from triseal.site.cable import dialogue
from triseal.site.cable.agent import NodeStatus
from triseal.site.deployment import Deployment

if TYPE_CHECKING:
    from triseal.site.manager import Manager

_SERVICES = "/triseal/services"
_FACTS = ("ms", "heap")


@dataclass(frozen=True)
class Accepted:
    """A deployment that a board has checked and installed.

    Attributes:
        deployment: what was put on the board.
        check_ms, heap: what the check took there: milliseconds, octets in use.
    """

    deployment: Deployment
    check_ms: int
    heap: int


def deploy(
    site: Manager, board: Board, node: str, services: Sequence[str], report: Report
) -> tuple[list[Accepted], NodeStatus]:
    """Seal services for the node at the cable, put them there and see them checked and started.

    Args:
        site: assigns the services to the node, unless it has.
        board: the node itself.
        node, services: names.
        report: told of each step and piece.

    Returns: what the board accepted, and what it says after its restart.
    Raises:
        OtherBoard: the board is another node.
        BadExecutable: this board does not load what others do.
        SealError: what the site or the board refuses; that service is then as before.
    """
    with dialogue.back_to_work(site, board):
        dialogue.check_is(site, board, node)
        for one in services:
            site.assign(node, one)
        with dialogue.board_refusals():
            dialogue.update_bundle(site, board, report)
        accepted = [_install(site, board, node, one, report) for one in services]
    status = _restart(site, board, node, report)
    if not {*services} <= {one.name for one in status.services}:
        raise DeviceFailed("the board says nothing of what it has just installed")
    return accepted, status


def remove(
    site: Manager, board: Board, node: str, services: Sequence[str], report: Report
) -> NodeStatus:
    """Remove services from the node at the cable. Raises: OtherBoard."""
    with dialogue.back_to_work(site, board), dialogue.board_refusals():
        dialogue.check_is(site, board, node)
        for one in services:
            report("remove", 0, 0)
            board.call(f"{dialogue.INSTALL}.remove", one, timeout=dialogue.CHECK_SECONDS)
    return _restart(site, board, node, report)


def renew(site: Manager, board: Board, node: str, report: Report) -> NodeStatus:
    """Bring the node at the cable to what the site assigns to it: all renewed, the rest removed."""
    assigned = site.assigned(node)
    with dialogue.back_to_work(site, board), dialogue.board_refusals():
        dialogue.check_is(site, board, node)
        there = board.tree(_SERVICES)
        held = {path.removeprefix(_SERVICES + "/").partition("/")[0] for path in there}
        for one in sorted(held - set(assigned)):
            board.call(f"{dialogue.INSTALL}.remove", one, timeout=dialogue.CHECK_SECONDS)
    return deploy(site, board, node, assigned, report)[1]


def prepare(site: Manager, board: Board, report: Report) -> None:
    """Bring a node's trust up to date and tell it the time, so that it can check what comes."""
    with dialogue.board_refusals():
        dialogue.update_bundle(site, board, report)
        dialogue.tell_installer(site, board, report)


def offer(
    board: Board, service: str, contents: Mapping[str, bytes], report: Report
) -> dict[str, Any]:
    """Put a service's files on a node that `prepare` has prepared, and have it check them.

    Returns: what nlsm.install.accept says: `ms` and `heap` among it.
    Raises:
        SealError: the node refuses; what it had of this service stays.
    """
    with dialogue.board_refusals():
        _deliver(board, service, contents, report)
        return _have_checked(board, service, report)


def _install(site: Manager, board: Board, node: str, service: str, report: Report) -> Accepted:
    report("seal", 0, 0)
    made = site.deployment(node, service)
    loadable.check_fits(made.package.name, made.package.executable, board.facts().target)
    with dialogue.board_refusals():
        _deliver(board, service, made.files(), report)
        # Behind the transfer, so that the check has the heap for itself.
        dialogue.tell_installer(site, board, report)
        facts = _have_checked(board, service, report)
    return Accepted(made, facts["ms"], facts["heap"])


def _deliver(board: Board, service: str, contents: Mapping[str, bytes], report: Report) -> None:
    folder = f"{provision.INCOMING}/{service}"
    board.remove_tree(folder)  # what a cut left of an earlier try
    files = [(f"{folder}/{name}", data) for name, data in contents.items()]
    provision.deliver(board, files, report)


def _have_checked(board: Board, service: str, report: Report) -> dict[str, Any]:
    report("check", 0, 0)
    facts = board.call(f"{dialogue.INSTALL}.accept", service, timeout=dialogue.CHECK_SECONDS)
    if type(facts) is not dict or [type(facts.get(key)) for key in _FACTS] != [int, int]:
        raise DeviceFailed("what the board says of its check is nothing that nodes say")
    return facts


def _restart(site: Manager, board: Board, node: str, report: Report) -> NodeStatus:
    report("restart", 0, 0)
    board.soft_reset()
    status = dialogue.tell_time(site, board)
    dialogue.note(site, node, status)
    return status
