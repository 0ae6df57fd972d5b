"""The handler of HELLO, and the reconciliation of a node with its desired state."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass

from sealcore import messages
from sealcore.bundle import TrustBundle
from sealcore.errors import SealError
from triseal.site.records import holdings, losses, nodes, restarts
from triseal.site.records.nodes import Bundle
from triseal.site.records.placement import Place
from triseal.site.rules import trust
from triseal.site.server.handlers import seals
from triseal.site.server.signing.desired_state import NodePlan, Plan
from triseal.site.server.signing.task import GONE, Answer, Snapshot, Told

Held = dict[str, bytes]  # serials by service
Says = list[tuple[str, bytes, int]]  # service, serial, index of the state


def bundle_for(snapshot: Snapshot, version: int, holder: bytes) -> TrustBundle | None:
    """Choose the trust bundle that a node gets now.

    Args:
        snapshot: the state of the site.
        version: version of the bundle that the node has.
        holder: name of the key of the site that signed the node's certificate, DER, or b"".

    Returns: nearly always the newest, or None if the node has it. A node that has slept through a
        change of the roots takes one step after the other; one whose certificate an old key of the
        site has signed may need a new certificate first.
    """
    newest = snapshot.desired.bundle
    if not version or newest.version <= version:  # nearly always: without asking the database
        return newest if newest.version > version else None
    return trust.next_for(snapshot.connection, snapshot.slca.issuer, version, holder)


@dataclass(frozen=True)
class Greeting:
    """What a node says in HELLO.

    Attributes:
        nonce: random bytes from the node, 16 bytes.
        bundle: version and mark of the trust bundle that the node has.
        cause: why it was last reset.
        told: the services that the node holds: name, serial, index of the state.
    """

    nonce: bytes
    bundle: Bundle
    cause: str
    told: Says


def welcome(
    snapshot: Snapshot,
    node: str,
    said: Greeting,
    newer: TrustBundle | None,
    *,
    step: bool = False,
) -> Answer:
    """Answer HELLO with everything that the node must know: time, trust bundle, changed services.

    Args:
        snapshot: the state of the site.
        node: name of the node, from its certificate.
        said: what the node says.
        newer: the trust bundle that it gets, from `bundle_for`.
        step: whether it gets nothing else, since it must say HELLO again for the next bundle.

    Raises:
        UnknownNode, NodeRetired, NotEnrolled: the site does not serve this node.
    """
    plan = snapshot.desired.of(snapshot.connection, node, snapshot.now)
    time = snapshot.authority.known_to(said.bundle[0]).sign_time(said.nonce, snapshot.now)
    given = newer.der if newer else b""
    answer = Answer([messages.frame(messages.write(messages.WELCOME, time, given))])
    answer.gave_up = node
    answer.writes.append(
        lambda connection: nodes.greeted(connection, node, snapshot.now, said.bundle, said.cause)
    )
    if step:
        return answer
    assigned: Set[str] = plan.services.keys()
    told = said.told
    holds = {service: (serial, messages.STATES[state]) for service, serial, state in told if serial}
    if losses.may_be_held(snapshot.connection, snapshot.now):
        assigned |= holds.keys()  # the database may have lost that it was assigned
    answer.writes.append(
        lambda connection: holdings.take_down(connection, node, holds, assigned, snapshot.now)
    )
    answer.told += _changes(snapshot, node, told, assigned)
    held = {service: serial for service, serial, _ in told}
    answer.held.update(held)
    reconcile(snapshot, answer, node, held, now_due=True)
    return answer


def changes(snapshot: Snapshot, node: str, held: Held) -> Answer:
    """Tell a connected node what to change after the site has changed.

    Args:
        snapshot: the state of the site.
        node: name of the node.
        held: serials by service that the node holds as soon as it has received all frames.

    Raises:
        UnknownNode, NodeRetired, NotEnrolled: the site does not serve this node.
    """
    answer = Answer()
    reconcile(snapshot, answer, node, held, now_due=False)
    return answer


def reconcile(snapshot: Snapshot, answer: Answer, node: str, held: Held, *, now_due: bool) -> None:
    """Reconcile a node: add to an answer all frames that bring it to its desired state.

    It is level-triggered: it compares what the node holds with what it should hold, and does not
    ask what has changed. The frames assign seals, ask the node to renew now, restart or remove
    services.

    Args:
        snapshot: the state of the site.
        answer: the answer to add to.
        node: name of the node.
        held: serials by service, as the node holds them.
        now_due: whether to send new seals in place of old or expired ones at once. Otherwise the
            node is asked to renew them.

    Raises:
        UnknownNode, NodeRetired, NotEnrolled: the site does not serve this node.
    """
    plan = snapshot.desired.of(snapshot.connection, node, snapshot.now)
    renew = []
    known = snapshot.issue_cache.find(snapshot.connection, node, held)
    for service in plan.services:
        wanted = _allowed(snapshot, answer, node, plan, service)
        if wanted is None:
            continue
        seal = known.get(service)
        if seal is not None and wanted.is_met_by(seal.template):
            if now_due and seal.not_after <= snapshot.now:  # it has ended or ends in this second
                _assign(snapshot, answer, wanted)
        elif now_due or not held.get(service):
            _assign(snapshot, answer, wanted)
        else:
            renew.append(service)
    gone = [service for service in held if service not in plan.services]
    pending = restarts.pending(snapshot.connection, node)
    again = [service for service in pending if service in held]
    lists = ((messages.RENEWNOW, renew), (messages.REMOVE, gone), (messages.RESTART, again))
    for kind, services in lists:
        for start in range(0, len(services), messages.MAX_LIST):
            part = services[start : start + messages.MAX_LIST]
            answer.frames.append(messages.frame(messages.write(kind, part)))
    for service in gone:
        answer.held[service] = None


def assign(snapshot: Snapshot, answer: Answer, node: str, service: str) -> None:
    """Add a new seal for one service to an answer, or the refusal if it can't be sealed now.

    Args:
        snapshot: the state of the site.
        answer: the answer to add to.
        node: name of the node.
        service: name of the service.
    """
    plan = snapshot.desired.of(snapshot.connection, node, snapshot.now)
    wanted = _allowed(snapshot, answer, node, plan, service)
    if wanted is not None:
        _assign(snapshot, answer, wanted)


def _allowed(
    snapshot: Snapshot, answer: Answer, node: str, plan: NodePlan, service: str
) -> Plan | None:
    """Return the plan of a service, or add the refusal to the answer if it can't be sealed now."""
    try:
        wanted = plan.get(service)
        if wanted is not None:
            wanted.validity(snapshot.now, snapshot.desired.lifetime)
        return wanted
    except SealError as refusal:
        answer.frames.append(seals.refused(service, refusal.code))
        answer.count(refusal.code)
        answer.refused.append((Place(node, service), refusal.code))
        return None


def _assign(snapshot: Snapshot, answer: Answer, plan: Plan) -> None:
    answer.frames.append(seals.assign(plan, seals.issue(snapshot, answer, plan)))
    answer.count("assigned")


def _changes(snapshot: Snapshot, node: str, told: Says, assigned: Set[str]) -> Iterator[Told]:
    """Compare what a node says with the recorded states of its services."""
    before = holdings.states(snapshot.connection, node)
    now = {service: messages.STATES[number] for service, serial, number in told if serial}
    for service in sorted((now.keys() & assigned) | before.keys()):
        after = now.get(service, GONE)
        known = before.get(service)
        # A seal that was sent and that the node does not hold is on its way, or was lost.
        if after != known and (known, after) != (holdings.SENT, GONE):
            yield Told(Place(node, service), known, after)
