"""What a site does with a board at the end of a cable: enrol it, deploy to it, tell it the time.

The board checks whatever it gets by itself; this side only carries, and says what became of it.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boards import provision
from boards.errors import (
    BoardError,
    BoardGone,
    BoardTimeout,
    DeviceFailed,
    FileMissing,
    NoAnswer,
)
from boards.inventory import Foreign
from boards.link import Board
from boards.provision import Provisioned, Report
from sealcore import bundle, errors, identity, names
from triseal import loadable
from triseal.site import console, refusals, watchdog
from triseal.site.console import NodeStatus
from triseal.site.deployment import Deployment
from triseal.site.errors import AlreadyNode, NoAgent, OtherBoard

if TYPE_CHECKING:
    from triseal.site.manager import Manager

_CERTIFICATE = "/triseal/node.crt"
_BUNDLE = "/triseal/bundle.der"
_SERVICES = "/triseal/services"
_INSTALL = "nlsm.install"
_NONCE_OCTETS = 16
_FACTS = ("ms", "heap")
_OVERTAKEN = 2  # times that the time is told again
_SOON = 5.0  # for an agent that was there before
_SECONDS = 120.0  # three RSA checks and a large executable on a slow board


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

    with _back_to_work(site, board), _refusals():
        facts = board.facts()
        provision.require_supported(facts)
        watchdog.check(facts.platform, settings)
        if not replace:
            _check_not_another(board, node)
        done = provision.provision(board, node, issue, report, foreign)
    site.allow_grace(node, grace, in_force=True)
    return done, tell_time(site, board)


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
        Board(port, patience=_SOON) as board,
        _back_to_work(site, board),
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
    with _back_to_work(site, board), _refusals():
        if _CERTIFICATE not in board.hashes([_CERTIFICATE]):
            _redeem(site, board, report)
        own = identity.parse(board.read(_CERTIFICATE))
        report("restart", 0, 0)
        board.soft_reset()
    return names.common_name(own.subject), tell_time(site, board)


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
    with _back_to_work(site, board):
        check_is(site, board, node)
        for one in services:
            site.assign(node, one)
        with _refusals():
            _update_bundle(site, board, report)
        accepted = [_install(site, board, node, one, report) for one in services]
    status = _restart(site, board, node, report)
    if not {*services} <= {one.name for one in status.services}:
        raise DeviceFailed("the board says nothing of what it has just installed")
    return accepted, status


def remove(
    site: Manager, board: Board, node: str, services: Sequence[str], report: Report
) -> NodeStatus:
    """Remove services from the node at the cable. Raises: OtherBoard."""
    with _back_to_work(site, board), _refusals():
        check_is(site, board, node)
        for one in services:
            report("remove", 0, 0)
            board.call(f"{_INSTALL}.remove", one, timeout=_SECONDS)
    return _restart(site, board, node, report)


def renew(site: Manager, board: Board, node: str, report: Report) -> NodeStatus:
    """Bring the node at the cable to what the site assigns to it: all renewed, the rest removed."""
    assigned = site.assigned(node)
    with _back_to_work(site, board), _refusals():
        check_is(site, board, node)
        there = board.tree(_SERVICES)
        held = {path.removeprefix(_SERVICES + "/").partition("/")[0] for path in there}
        for one in sorted(held - set(assigned)):
            board.call(f"{_INSTALL}.remove", one, timeout=_SECONDS)
    return deploy(site, board, node, assigned, report)[1]


def prepare(site: Manager, board: Board, report: Report) -> None:
    """Bring a node's trust up to date and tell it the time, so that it can check what comes."""
    with _refusals():
        _update_bundle(site, board, report)
        _tell_installer(site, board, report)


def offer(
    board: Board, service: str, contents: Mapping[str, bytes], report: Report
) -> dict[str, Any]:
    """Put a service's files on a node that `prepare` has prepared, and have it check them.

    Returns: what nlsm.install.accept says: `ms` and `heap` among it.
    Raises:
        SealError: the node refuses; what it had of this service stays.
    """
    with _refusals():
        _deliver(board, service, contents, report)
        return _have_checked(board, service, report)


def _install(site: Manager, board: Board, node: str, service: str, report: Report) -> Accepted:
    report("seal", 0, 0)
    made = site.deployment(node, service)
    loadable.check_fits(made.package.name, made.package.executable, board.facts().target)
    with _refusals():
        _deliver(board, service, made.files(), report)
        # Behind the transfer, so that the check has the heap for itself.
        _tell_installer(site, board, report)
        facts = _have_checked(board, service, report)
    return Accepted(made, facts["ms"], facts["heap"])


def _deliver(board: Board, service: str, contents: Mapping[str, bytes], report: Report) -> None:
    folder = f"{provision.INCOMING}/{service}"
    board.remove_tree(folder)  # what a cut left of an earlier try
    files = [(f"{folder}/{name}", data) for name, data in contents.items()]
    provision.deliver(board, files, report)


def _tell_installer(site: Manager, board: Board, report: Report) -> None:
    report("time", 0, 0)
    board.clear()
    nonce = board.call(f"{_INSTALL}.challenge", timeout=_SECONDS)
    if type(nonce) is not bytes or len(nonce) != _NONCE_OCTETS:
        raise DeviceFailed("the board's nonce is none")
    board.call(f"{_INSTALL}.set_time", site.sign_time(nonce), timeout=_SECONDS)


def _have_checked(board: Board, service: str, report: Report) -> dict[str, Any]:
    report("check", 0, 0)
    facts = board.call(f"{_INSTALL}.accept", service, timeout=_SECONDS)
    if type(facts) is not dict or [type(facts.get(key)) for key in _FACTS] != [int, int]:
        raise DeviceFailed("what the board says of its check is nothing that nodes say")
    return facts


def _restart(site: Manager, board: Board, node: str, report: Report) -> NodeStatus:
    report("restart", 0, 0)
    board.soft_reset()
    status = tell_time(site, board)
    note(site, node, status)
    return status


def tell_time(site: Manager, board: Board) -> NodeStatus:
    """Give a running agent the time, so that it starts what waits for it; what it says then.

    Raises:
        NoAgent: nothing answers.
        Rollback: the node has heard of a later time than it is here.
    """
    for _ in range(_OVERTAKEN):
        # While this second is on its way, the site's server may tell the node the next one.
        with contextlib.suppress(errors.Rollback):
            return console.set_time(board, site.sign_time(console.ask(board).nonce))
    return console.set_time(board, site.sign_time(console.ask(board).nonce))


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
    found = _name_of(board)
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


def _check_not_another(board: Board, node: str) -> None:
    found = _name_of(board)
    if found not in (None, node):
        raise AlreadyNode(f"the board at {board.port} is {found}")


def _name_of(board: Board) -> str | None:
    """The node that a board is; None if it is none, or its certificate can't be read."""
    try:
        certificate = identity.parse(board.read(_CERTIFICATE))
    except (FileMissing, errors.SealError):
        return None
    return str(names.common_name(certificate.subject))


def _update_bundle(site: Manager, board: Board, report: Report) -> None:
    newest = site.bundle()
    if bundle.parse(board.read(_BUNDLE)).version < newest.version:
        report("trust", 0, 0)
        provision.deliver(board, [(f"{provision.INCOMING}/bundle.der", newest.der)])
        provision.activate(board)


@contextlib.contextmanager
def _back_to_work(site: Manager, board: Board) -> Iterator[None]:
    """After a failure, let the node run again what it ran before: work at its line stops it."""
    try:
        yield
    except (BoardGone, BoardTimeout, NoAnswer):
        raise
    except BaseException:
        with contextlib.suppress(BoardError, errors.SealError, NoAgent):
            board.soft_reset()
            console.set_time(board, site.sign_time(console.ask(board, _SOON).nonce), _SOON)
        raise


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
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
