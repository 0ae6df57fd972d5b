"""Seals as messages: a delta where that is enough, else the whole seal with its files."""

from __future__ import annotations

from sealcore import messages
from triseal.site.records.ledger import serial_octets
from triseal.site.server.signing.desired_state import Plan
from triseal.site.server.signing.task import Draft, Look
from triseal.site.slca.authority import SignedSeal

# What a RENEWED message has around its deltas: two headers of up to 4 octets each.
_ROOM = messages.MAX_FRAME - 8
# And a delta around name and signature: headers, serial, two times.
_DELTA = 4 + 2 + 18 + 2 * 7 + 4

Delta = tuple[str, bytes, int, int, bytes]


def issue(look: Look, draft: Draft, plan: Plan) -> SignedSeal:
    """Sign a new seal for a place, to be recorded with the draft.

    Raises: NotYetValid, Expired; see `Plan.validity`.
    """
    validity = plan.validity(look.now, look.plans.lifetime)
    one = look.authority.seal(plan.template, validity)
    draft.seals.append((plan.place, one))
    draft.held[plan.place.service] = serial_octets(one.serial)
    return one


def assign(plan: Plan, one: SignedSeal) -> bytes:
    """The ASSIGN frame of a whole seal."""
    service = plan.place.service
    return messages.frame(messages.write(messages.ASSIGN, service, one.der, list(plan.files)))


def delta(service: str, one: SignedSeal) -> Delta:
    """What a renewal changes."""
    validity = one.validity
    return (
        service,
        serial_octets(one.serial),
        validity.not_before,
        validity.not_after,
        one.signature,
    )


def renewed(deltas: list[Delta]) -> list[bytes]:
    """RENEWED frames, as few as the size of a frame allows."""
    frames = []
    pending: list[Delta] = []
    left = _ROOM
    for one in deltas:
        size = _DELTA + len(one[0]) + len(one[4])
        if pending and (size > left or len(pending) == messages.MAX_LIST):
            frames.append(messages.frame(messages.write(messages.RENEWED, pending)))
            pending, left = [], _ROOM
        pending.append(one)
        left -= size
    if pending:
        frames.append(messages.frame(messages.write(messages.RENEWED, pending)))
    return frames


def refused(service: str, code: str) -> bytes:
    """The REFUSED frame."""
    return messages.frame(messages.write(messages.REFUSED, service, code))
