"""The answer to HELLO: the time, a newer trust bundle, and what should change on the node."""

from __future__ import annotations

from sqlalchemy import Connection, select

from sealcore import messages
from sealcore.errors import SealError
from triseal.site.records import holdings, nodes, restarts, tables
from triseal.site.records.ledger import Place
from triseal.site.server.handlers import seals
from triseal.site.server.signing.desired_state import NodePlan, Plan
from triseal.site.server.signing.task import Draft, Look

NONE = b""
Held = dict[str, bytes]  # serials by service
Told = list[tuple[str, bytes, int]]  # service, serial, index of the state


def welcome(look: Look, node: str, nonce: bytes, bundle_version: int, told: Told) -> Draft:
    """Everything that a node should know after it has said what it holds.

    Args:
        node: as its certificate names it.
        nonce: fresh, 16 octets.
        bundle_version: of the trust bundle that it has.
        told: its services.

    Raises: UnknownNode, NodeRetired, NotEnrolled.
    """
    plan = look.plans.of(look.connection, node, look.now)
    newest = look.plans.bundle
    bundle = newest.der if newest.version > bundle_version else b""
    time = look.authority.sign_time(nonce, look.now)
    draft = Draft([messages.frame(messages.write(messages.WELCOME, time, bundle))])
    draft.gave_up = node
    draft.writes.append(lambda connection: nodes.heard(connection, node, look.now, bundle_version))
    assigned = set(plan.services)
    draft.writes.append(lambda connection: _take_down(connection, node, told, assigned, look.now))
    held = {service: serial for service, serial, _ in told}
    draft.held.update(held)
    change(look, draft, node, held, now_due=True)
    return draft


def changes(look: Look, node: str, held: Held) -> Draft:
    """What should change on a connected node, after something changed in the site.

    Args:
        node: its name.
        held: what it holds, or will once it has taken what was sent.

    Raises: UnknownNode, NodeRetired, NotEnrolled.
    """
    draft = Draft()
    change(look, draft, node, held, now_due=False)
    return draft


def change(look: Look, draft: Draft, node: str, held: Held, *, now_due: bool) -> None:
    """Add to a draft: seals to assign, services to renew now, services to remove.

    Args:
        now_due: also replace seals that have expired.
    """
    plan = look.plans.of(look.connection, node, look.now)
    renew = []
    for service in plan.services:
        one = _allowed(look, draft, plan, service)
        if one is None:
            continue
        serial = held.get(service, NONE)
        if look.known.template_of(look.connection, one.place, serial) == one.digest:
            if now_due and _expired(look, serial):
                _assign(look, draft, one)
        elif serial == NONE or now_due:
            _assign(look, draft, one)
        else:
            renew.append(service)
    gone = [service for service in held if service not in plan.services]
    again = [one for one in restarts.pending(look.connection, node) if one in held]
    lists = ((messages.RENEWNOW, renew), (messages.REMOVE, gone), (messages.RESTART, again))
    for kind, services in lists:
        for start in range(0, len(services), messages.MAX_LIST):
            part = services[start : start + messages.MAX_LIST]
            draft.frames.append(messages.frame(messages.write(kind, part)))
    for service in gone:
        draft.held[service] = None


def assign(look: Look, draft: Draft, plan: NodePlan, service: str) -> None:
    """Add a new seal for one service to a draft, or the refusal if it can't be sealed now."""
    one = _allowed(look, draft, plan, service)
    if one is not None:
        _assign(look, draft, one)


def _allowed(look: Look, draft: Draft, plan: NodePlan, service: str) -> Plan | None:
    """The plan of a service; None, and a refusal in the draft, if it can't be sealed now."""
    try:
        one = plan.get(service)
        if one is not None:
            one.validity(look.now, look.plans.lifetime)
        return one
    except SealError as refusal:
        draft.frames.append(seals.refused(service, refusal.code))
        draft.count(refusal.code)
        return None


def _assign(look: Look, draft: Draft, plan: Plan) -> None:
    draft.frames.append(seals.assign(plan, seals.issue(look, draft, plan)))
    draft.count("assigned")


def _expired(look: Look, serial: bytes) -> bool:
    """Whether a seal that this site issued has expired, or expires in this second."""
    ends = select(tables.seals.c.not_after).where(tables.seals.c.serial == serial)
    return int(look.connection.execute(ends).scalar_one()) <= look.now


def _take_down(connection: Connection, node: str, told: Told, assigned: set[str], now: int) -> None:
    """Record what a node says that it holds; it is all that it holds."""
    holds = {service: (serial, number) for service, serial, number in told if serial}
    recorded = _recorded(connection, node)
    for service in recorded - holds.keys():
        holdings.gone(connection, Place(node, service))
    # A name that the site never gave this node takes no room here.
    for service in holds.keys() & (recorded | assigned):
        serial, number = holds[service]
        place = Place(node, service)
        holdings.confirm(connection, place, serial, messages.STATES[number], now)


def _recorded(connection: Connection, node: str) -> set[str]:
    table = tables.holdings.c
    return set(connection.scalars(select(table.service).where(table.node == node)))
