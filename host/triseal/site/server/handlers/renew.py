"""The answer to RENEW: deltas, whole seals where more changed, or refusals."""

from __future__ import annotations

from sealcore.errors import SealError
from triseal.site.errors import NotAssigned
from triseal.site.server.handlers import ask_time, seals
from triseal.site.server.signing.desired_state import NodePlan
from triseal.site.server.signing.task import Draft, Look

Held = tuple[str, bytes]  # service and serial; an empty serial for none


def renew(look: Look, node: str, told: int, wanted: list[Held]) -> Draft:
    """Renew seals of one node.

    What a node may have is decided by its plan alone; what it says that it holds decides only in
    which form it gets it.

    Args:
        node: as its certificate names it.
        told: what time it has, or 0.
        wanted: what it asks for; a service named twice counts once.

    Raises: UnknownNode, NodeRetired, NotEnrolled.
    """
    plan = look.plans.of(look.connection, node, look.now)
    draft = Draft()
    ask_time.note(look, draft, node, told)
    deltas: list[seals.Delta] = []
    for service, serial in dict(wanted).items():
        try:
            _renew(look, draft, plan, service, serial, deltas)
        except (NotAssigned, SealError) as refusal:
            draft.frames.append(seals.refused(service, refusal.code))
            draft.count(refusal.code)
    draft.frames.extend(seals.renewed(deltas))
    return draft


def _renew(
    look: Look,
    draft: Draft,
    node: NodePlan,
    service: str,
    serial: bytes,
    deltas: list[seals.Delta],
) -> None:
    plan = node.get(service)
    if plan is None:
        raise NotAssigned(service)
    one = seals.issue(look, draft, plan)
    if look.known.template_of(look.connection, plan.place, serial) == plan.digest:
        deltas.append(seals.delta(service, one))
        draft.count("delta")
    else:
        draft.frames.append(seals.assign(plan, one))
        draft.count("whole")
