"""The handler of RENEW: it answers with a delta, a whole seal or a refusal for each service."""

from __future__ import annotations

from sealcore.errors import SealError
from triseal.loadable import SERVICE
from triseal.site.errors import NotAssigned
from triseal.site.records.placement import Place
from triseal.site.server.handlers import ask_time, seals
from triseal.site.server.signing.desired_state import NodePlan
from triseal.site.server.signing.issue_cache import Known
from triseal.site.server.signing.task import Answer, Snapshot

Held = tuple[str, bytes]  # service, and serial of its seal or b""


def renew(snapshot: Snapshot, node: str, told: int, wanted: list[Held]) -> Answer:
    """Renew seals of one node.

    The contents of the seals depend on the desired state alone. The seals that the node reports
    decide only whether it gets a delta or a whole seal.

    Args:
        snapshot: the state of the site.
        node: name of the node, from its certificate.
        told: the time that the node has, Unix seconds, or 0 for none.
        wanted: the services to renew, with the serial of the seal that the node holds (empty:
            none). A service that is named twice counts once.

    Raises:
        UnknownNode, NodeRetired, NotEnrolled: the site does not serve this node.
    """
    plan = snapshot.desired.of(snapshot.connection, node, snapshot.now)
    held = dict(wanted)
    answer = Answer(services=held.keys())
    ask_time.note(snapshot, answer, node, told)
    known = snapshot.issue_cache.find(snapshot.connection, node, held)
    renewals: list[seals.Renewal] = []
    for service in held:
        try:
            _renew(snapshot, answer, plan, service, known.get(service), renewals)
        except (NotAssigned, SealError) as refusal:
            answer.frames.append(seals.refused(service, refusal.code))
            answer.count(refusal.code)
            answer.refused.append((Place(node, service), refusal.code))
    answer.frames.extend(seals.renewed(renewals))
    return answer


def _renew(
    snapshot: Snapshot,
    answer: Answer,
    node: NodePlan,
    service: str,
    known: Known | None,
    renewals: list[seals.Renewal],
) -> None:
    plan = node.get(service)
    if plan is None:
        raise NotAssigned(service)
    seal = seals.issue(snapshot, answer, plan)
    # A node builds a seal from a delta and the one that its service has. It has those of an agent
    # and of a firmware elsewhere.
    same = known is not None and known.template == plan.digest
    if same and plan.kind == SERVICE:
        renewals.append((service, seal))
        answer.count("delta")
    else:
        answer.frames.append(seals.assign(plan, seal))
        answer.count("whole")
