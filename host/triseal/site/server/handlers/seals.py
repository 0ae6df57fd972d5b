"""Site seals as messages: a delta if only validity and signature are new, else the whole seal."""

from __future__ import annotations

from sealcore import messages
from triseal.site.records.ledger import serial_bytes
from triseal.site.server.signing.desired_state import Plan
from triseal.site.server.signing.task import Answer, Snapshot
from triseal.site.slca.authority import SignedSeal

# The bytes of a RENEWED message that are left for deltas: two headers take up to 4 bytes each.
_ROOM = messages.MAX_FRAME - 8
# The bytes of a delta besides name and signature: headers, serial, two times.
_DELTA = 4 + 2 + 18 + 2 * 7 + 4

Delta = tuple[str, bytes, int, int, bytes]  # service, serial, notBefore, notAfter, signature


def issue(snapshot: Snapshot, answer: Answer, plan: Plan) -> SignedSeal:
    """Sign a new seal for a place, and add it to an answer, with which it is recorded.

    Args:
        snapshot: the state of the site.
        answer: the answer to add to.
        plan: the desired state of the service.

    Raises:
        NotYetValid, Expired: an upstream seal is not valid now.
        ClockDoubted: the server's clock is in doubt.
    """
    validity = plan.validity(snapshot.now, snapshot.desired.lifetime)
    seal = snapshot.authority.seal(plan.template, validity)
    answer.seals.append((plan.place, seal))
    answer.held[plan.place.service] = serial_bytes(seal.serial)
    return seal


def assign(plan: Plan, seal: SignedSeal) -> bytes:
    """Make the ASSIGN frame of a whole seal.

    Args:
        plan: the desired state of the service.
        seal: the seal.
    """
    service = plan.place.service
    return messages.frame(messages.write(messages.ASSIGN, service, seal.der, list(plan.files)))


def delta(service: str, seal: SignedSeal) -> Delta:
    """Return the values that a renewal changes.

    Args:
        service: name of the service.
        seal: the new seal.
    """
    validity = seal.validity
    return (
        service,
        serial_bytes(seal.serial),
        validity.not_before,
        validity.not_after,
        seal.signature,
    )


def renewed(deltas: list[Delta]) -> list[bytes]:
    """Make RENEWED frames, as few as the size of a frame allows.

    Args:
        deltas: the renewed seals.
    """
    frames = []
    pending: list[Delta] = []
    left = _ROOM
    for renewal in deltas:
        size = _DELTA + len(renewal[0]) + len(renewal[4])
        if pending and (size > left or len(pending) == messages.MAX_LIST):
            frames.append(messages.frame(messages.write(messages.RENEWED, pending)))
            pending, left = [], _ROOM
        pending.append(renewal)
        left -= size
    if pending:
        frames.append(messages.frame(messages.write(messages.RENEWED, pending)))
    return frames


def refused(service: str, code: str) -> bytes:
    """Make a REFUSED frame.

    Args:
        service: name of the service, or of the node for its certificate.
        code: the stable code of the refusal.
    """
    return messages.frame(messages.write(messages.REFUSED, service, code))
