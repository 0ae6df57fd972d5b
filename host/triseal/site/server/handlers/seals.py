"""Site seals as messages: a delta if only validity and signature are new, else the whole seal."""

from __future__ import annotations

import functools

from sealcore import encode, messages
from triseal.site.records.ledger import serial_bytes
from triseal.site.server.signing.desired_state import File, Plan
from triseal.site.server.signing.task import Answer, Snapshot
from triseal.site.slca.authority import SignedSeal

# The bytes of a RENEWED message that are left for deltas: two headers of up to 4 bytes, two times.
_ROOM = messages.MAX_FRAME - 8 - 2 * 7
# The bytes of a delta besides name and signature: headers, serial.
_DELTA = 4 + 2 + 18 + 4

Renewal = tuple[str, SignedSeal]  # service and its new seal


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
    service = encode.text(plan.place.service)
    values = service, encode.octets(seal.der), _listed(plan.files)
    return messages.frame(encode.explicit(messages.ASSIGN, *values))


@functools.lru_cache(maxsize=1024)
def _listed(files: tuple[File, ...]) -> bytes:
    """Encode the files of an ASSIGN, which are the same for all nodes and seals of a package."""
    return encode.sequence(
        *(
            encode.sequence(encode.text(name), encode.integer(size), encode.octets(digest))
            for name, size, digest in files
        )
    )


def renewed(renewals: list[Renewal]) -> list[bytes]:
    """Make RENEWED frames, as few as the size of a frame allows.

    A frame states the validity once, for all its seals. Seals that are issued for one request have
    the same.

    Args:
        renewals: the seals of which only the serial, the validity and the signature are new.
    """
    frames: list[bytes] = []
    pending: list[Renewal] = []
    left = _ROOM
    for service, seal in renewals:
        size = _DELTA + len(service) + len(seal.signature)
        full = size > left or len(pending) == messages.MAX_LIST
        if pending and (full or seal.validity != pending[0][1].validity):
            frames.append(_renewed(pending))
            pending, left = [], _ROOM
        pending.append((service, seal))
        left -= size
    if pending:
        frames.append(_renewed(pending))
    return frames


def _renewed(renewals: list[Renewal]) -> bytes:
    validity = renewals[0][1].validity
    deltas = [(name, serial_bytes(seal.serial), seal.signature) for name, seal in renewals]
    values = validity.not_before, validity.not_after, deltas
    return messages.frame(messages.write(messages.RENEWED, *values))


def refused(service: str, code: str) -> bytes:
    """Make a REFUSED frame.

    Args:
        service: name of the service, or of the node for its certificate.
        code: the stable code of the refusal.
    """
    return messages.frame(messages.write(messages.REFUSED, service, code))
