"""Work on the services of the node at a cable: deploy, renew and remove them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boards import provision
from boards.board import Board
from boards.errors import DeviceFailed
from boards.provision import Report
from triseal import loadable, metadata
from triseal.loadable import SERVICE
from triseal.site.cable import dialogue
from triseal.site.cable.agent import NodeStatus
from triseal.site.errors import OverCable

if TYPE_CHECKING:
    from triseal.site.deployment import Deployment
    from triseal.site.manager import Manager

_SERVICES = "/triseal/services"
_FACTS = ("ms", "heap")


@dataclass(frozen=True)
class Accepted:
    """A deployment that a board has checked and installed.

    Attributes:
        deployment: what was put on the board.
        check_ms: duration of the board's check, milliseconds.
        heap: heap in use by the check, bytes.
    """

    deployment: Deployment
    check_ms: int
    heap: int


def deploy(
    site: Manager, board: Board, node: str, services: Sequence[str], report: Report
) -> tuple[list[Accepted], NodeStatus]:
    """Seal services for the node at the cable, deliver them, and let the node check and start them.

    Args:
        site: the site; it assigns the services to the node unless they are assigned.
        board: the node's board.
        node: name of the node.
        services: names of the services.
        report: called for each step and piece.

    Returns: what the board has accepted, and the node's state after its restart.

    Raises:
        OtherBoard: the board is not this node.
        BadExecutable: this board can't load an executable that other boards can.
        SealError: the site or the board refuses a service, which then stays as it was before.
        BoardError: the board does not work as expected.
    """
    with dialogue.back_to_work(site, board):
        return _deploy(site, board, node, services, report)


def remove(
    site: Manager, board: Board, node: str, services: Sequence[str], report: Report
) -> NodeStatus:
    """Remove services from the node at the cable.

    Args:
        site: the site.
        board: the node's board.
        node: name of the node.
        services: names of the services.
        report: called for each step.

    Returns: the node's state after its restart.

    Raises:
        OtherBoard: the board is not this node.
        BoardError: the board does not work as expected.
    """
    with dialogue.back_to_work(site, board), dialogue.board_refusals():
        dialogue.check_is(site, board, node)
        for service in services:
            report("remove", 0, 0)
            board.call(f"{dialogue.INSTALL}.remove", service, timeout=dialogue.CHECK_SECONDS)
        return _restart(site, board, node, report)


def renew(site: Manager, board: Board, node: str, report: Report) -> NodeStatus:
    """Bring the node at the cable to its desired state: renew assigned services, remove others.

    Args:
        site: the site.
        board: the node's board.
        node: name of the node.
        report: called for each step and piece.

    Returns: the node's state after its restart.

    Raises: as `deploy`.
    """
    assigned = site.assigned(node)
    with dialogue.back_to_work(site, board):
        with dialogue.board_refusals():
            dialogue.check_is(site, board, node)
            there = board.tree(_SERVICES)
            held = {path.removeprefix(_SERVICES + "/").partition("/")[0] for path in there}
            for service in sorted(held - set(assigned)):
                board.call(f"{dialogue.INSTALL}.remove", service, timeout=dialogue.CHECK_SECONDS)
        return _deploy(site, board, node, assigned, report)[1]


def restart(site: Manager, board: Board, report: Report) -> NodeStatus:
    """Restart the agent of the node at the cable, and give it the time.

    Args:
        site: the site that signs the time.
        board: the board.
        report: called for each step.

    Returns: the node's state after its restart.

    Raises:
        NoAgent: the agent does not answer.
        BoardError: the board does not work as expected.
    """
    with dialogue.back_to_work(site, board):
        report("restart", 0, 0)
        board.soft_reset()
        return dialogue.tell_time(site, board)


def prepare(site: Manager, board: Board, report: Report) -> None:
    """Update a node's trust bundle and give it the time, so that it can check a delivery.

    Args:
        site: the site that signs the time.
        board: the node's board.
        report: called for each step.
    """
    with dialogue.board_refusals():
        dialogue.update_bundle(site, board, report)
        dialogue.tell_installer(site, board, report)


def offer(
    board: Board, service: str, contents: Mapping[str, bytes], report: Report
) -> dict[str, Any]:
    """Deliver a service's files to a node after `prepare`, and let the node check them.

    Args:
        board: the node's board.
        service: name of the service.
        contents: the files' contents by name.
        report: called for each step and piece.

    Returns: the facts that nlsm.install.accept returns, among them `ms` and `heap`.

    Raises:
        SealError: the node refuses the service, which then stays as it was before.
    """
    with dialogue.board_refusals():
        _deliver(board, service, contents, report)
        return _have_checked(board, service, report)


def _deploy(
    site: Manager, board: Board, node: str, services: Sequence[str], report: Report
) -> tuple[list[Accepted], NodeStatus]:
    packages = [site.package_for(node, service) for service in services]
    if any(metadata.parse(package.metadata).kind != SERVICE for package in packages):
        raise OverCable(", ".join(services))
    dialogue.check_is(site, board, node)
    target = board.facts().target
    for package in packages:
        loadable.check_fits(package.name, package.executable, target)
    for service in services:
        site.assign(node, service)
    with dialogue.board_refusals():
        dialogue.update_bundle(site, board, report)
    accepted = [_install(site, board, node, service, report) for service in services]
    status = _restart(site, board, node, report)
    if not {*services} <= {service.name for service in status.services}:
        raise DeviceFailed("the board says nothing of what it has just installed")
    return accepted, status


def _install(site: Manager, board: Board, node: str, service: str, report: Report) -> Accepted:
    report("seal", 0, 0)
    made = site.deployment(node, service)
    with dialogue.board_refusals():
        _deliver(board, service, made.files(), report)
        # After the transfer, so that the check has the whole heap.
        dialogue.tell_installer(site, board, report)
        facts = _have_checked(board, service, report)
    return Accepted(made, facts["ms"], facts["heap"])


def _deliver(board: Board, service: str, contents: Mapping[str, bytes], report: Report) -> None:
    folder = f"{provision.INCOMING}/{service}"
    board.remove_tree(folder)  # the rest of an interrupted attempt
    files = [(f"{folder}/{name}", data) for name, data in contents.items()]
    provision.deliver(board, files, report)


def _have_checked(board: Board, service: str, report: Report) -> dict[str, Any]:
    report("check", 0, 0)
    facts = board.call(f"{dialogue.INSTALL}.accept", service, timeout=dialogue.CHECK_SECONDS)
    if type(facts) is not dict or [type(facts.get(key)) for key in _FACTS] != [int, int]:
        raise DeviceFailed("the board returned something else than the facts of its check")
    return facts


def _restart(site: Manager, board: Board, node: str, report: Report) -> NodeStatus:
    report("restart", 0, 0)
    board.soft_reset()
    status = dialogue.tell_time(site, board)
    dialogue.note(site, node, status)
    return status
