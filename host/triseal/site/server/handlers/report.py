"""The handler of REPORT: it records the state of a service on a node, and evidence if there is."""

from __future__ import annotations

from sealcore import errors, messages
from triseal.site.records import holdings, ledger, nodes, reports, restarts
from triseal.site.records.placement import Place
from triseal.site.server.handlers import hello
from triseal.site.server.signing.task import Answer, Snapshot, Told, Write

# Service, serial that the node holds (b"": none), index of the state, code, detail, number of
# restarts, seals.
Report = tuple[str, bytes, int, str, str, int, list[bytes]]

_RUNS = "running"
_MOST_RESTARTS = 64  # between two reports; more can't be, whatever a node says
_REMOVED = "stopped"  # with an empty serial, the state of a service that the node has removed


def report(snapshot: Snapshot, node: str, told: Report) -> Answer:
    """Record a report.

    The answer holds a new seal if the last one expired on its way, REMOVE if the service is no
    longer assigned, and nothing otherwise. A seal that is valid by the site's time is not replaced:
    the node's clock is ahead, and it asks for the time instead.

    Args:
        snapshot: the state of the site.
        node: name of the node, from its certificate.
        told: the values of the REPORT.

    Raises:
        UnknownNode, NodeRetired, NotEnrolled: the site does not serve this node.
        BadMessage: a text holds NUL, which no node writes.
    """
    service, serial, number, code, detail, again, _ = told
    if "\0" in service + code + detail:  # PostgreSQL stores no text with NUL
        raise errors.BadMessage("a text contains NUL")
    place = Place(node, service)
    plan = snapshot.desired.of(snapshot.connection, node, snapshot.now)
    assigned = service in plan.services
    if not assigned and holdings.serial(snapshot.connection, place) is None:
        return Answer(counts={"report-ignored": 1})  # a name that the site never gave this node
    became = messages.STATES[number]
    answer = Answer(counts={"report": 1}, services={service})
    if serial:
        answer.held[service] = serial
        answer.writes.append(
            lambda connection: holdings.confirm(
                connection, place, serial, became, snapshot.now, restarts=again
            )
        )
        if became == _RUNS and not assigned:  # it was still fetching the files when REMOVE came
            answer.frames.append(messages.frame(messages.write(messages.REMOVE, [service])))
    elif not (assigned and became == _REMOVED):  # else a new seal may be on its way to the node
        answer.held[service] = None
        answer.gave_up = node
        answer.writes.append(lambda connection: holdings.gone(connection, place))
    answer.writes.append(lambda connection: nodes.heard(connection, node, snapshot.now))
    expired = not serial and code == errors.Expired.code and assigned
    if expired and ledger.newest_expiry(snapshot.connection, place)[0] <= snapshot.now:
        hello.assign(snapshot, answer, node, service)
    if code == restarts.CODE:
        answer.writes.append(lambda connection: restarts.done(connection, place))
    elif code and not _is_repeated(snapshot, place, told):
        answer.writes.append(_keep(place, told, snapshot.now))
    answer.told.append(_told(snapshot, place, told))
    return answer


def _is_repeated(snapshot: Snapshot, place: Place, told: Report) -> bool:
    """Tell whether a node says again what it has said before: after each of its starts, it says why
    it gave up the last agent or firmware that it tried.

    If it refuses the same one because the site sends it again, that counts anew.
    """
    _, _, number, code, detail, _, _ = told
    again = code == errors.FellBack.code and messages.STATES[number] == _RUNS
    return again and reports.knows(snapshot.connection, place, code, detail)


def _keep(place: Place, told: Report, now: int) -> Write:
    """Make the function that records why a service is in its state."""
    _, _, _, code, detail, _, evidence = told
    return lambda connection: reports.keep(connection, place, code, detail, evidence, now)


def _told(snapshot: Snapshot, place: Place, told: Report) -> Told:
    """Compare a report with what the node has reported before."""
    _, serial, number, code, detail, again, _ = told
    known = holdings.find(snapshot.connection, place)
    before = known.restarts if known else 0
    return Told(
        place,
        known.state if known else None,
        messages.STATES[number],
        code,
        detail,
        min(max(0, again - before), _MOST_RESTARTS),  # a node that has booted counts from 0
        fell_back=bool(serial)
        and reports.is_of_seal(code)
        and not _is_repeated(snapshot, place, told),
    )
