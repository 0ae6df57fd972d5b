"""REPORT: what became of a service on its node, kept with the evidence where there is some."""

from __future__ import annotations

from sealcore import errors, messages
from triseal.site.records import holdings, nodes, reports, restarts
from triseal.site.records.ledger import Place
from triseal.site.server.handlers import hello
from triseal.site.server.signing.task import Draft, Look

Report = tuple[str, bytes, int, str, str, int, list[bytes]]

_RUNS = "running"
_REMOVED = "stopped"  # what a node says of a service that it has removed, without a serial


def report(look: Look, node: str, told: Report) -> Draft:
    """Record a report. The answer is a new seal where one has expired on its way, REMOVE for what
    the site has taken away meanwhile, else nothing.

    Args:
        node: as its certificate names it.
        told: service, serial that it holds (empty: none), index of the state, code, detail, how
            often the node has started it again, seals.

    Raises: UnknownNode, NodeRetired, NotEnrolled; BadMessage for text that no node writes.
    """
    service, serial, number, code, detail, again, evidence = told
    if "\0" in service + code + detail:  # PostgreSQL keeps none, and takes nothing beside it
        raise errors.BadMessage("NUL")
    place = Place(node, service)
    plan = look.plans.of(look.connection, node, look.now)
    assigned = service in plan.services
    if not assigned and holdings.serial(look.connection, place) is None:
        return Draft(counts={"report-ignored": 1})  # a name that the site never gave this node
    became = messages.STATES[number]
    draft = Draft(counts={"report": 1})
    if serial:
        draft.held[service] = serial
        draft.writes.append(
            lambda connection: holdings.confirm(
                connection, place, serial, became, look.now, restarts=again
            )
        )
        if became == _RUNS and not assigned:  # it had its files and no more when REMOVE came
            draft.frames.append(messages.frame(messages.write(messages.REMOVE, [service])))
    elif not (assigned and became == _REMOVED):  # else a new seal may have crossed it on its way
        draft.held[service] = None
        draft.gave_up = node
        draft.writes.append(lambda connection: holdings.gone(connection, place))
    draft.writes.append(lambda connection: nodes.heard(connection, node, look.now))
    if not serial and code == errors.Expired.code and assigned:
        hello.assign(look, draft, plan, service)
    if code == restarts.CODE:
        draft.writes.append(lambda connection: restarts.done(connection, place))
    elif code:
        draft.writes.append(
            lambda connection: reports.keep(connection, place, code, detail, evidence, look.now)
        )
    return draft
