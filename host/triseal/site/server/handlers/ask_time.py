"""The handler of ASK_TIME. It also records each node's own time, for the time bounds of changes."""

from __future__ import annotations

from sealcore import messages
from triseal.site.records import node_clocks
from triseal.site.server.signing.task import Answer, Snapshot


def tell(snapshot: Snapshot, node: str, nonce: bytes, told: int) -> Answer:
    """Answer with the site's time, signed together with the node's nonce.

    Args:
        snapshot: the state of the site.
        node: name of the node, from its certificate.
        nonce: random bytes from the node, 16 bytes.
        told: the time that the node has, Unix seconds, or 0 for none.

    Raises:
        ClockDoubted: the server's clock is in doubt.
    """
    signed = snapshot.authority.sign_time(nonce, snapshot.now)
    frames = [messages.frame(messages.write(messages.TIME, signed))]
    answer = Answer(frames, counts={"time": 1}, services=frozenset())
    note(snapshot, answer, node, told)
    return answer


def note(snapshot: Snapshot, answer: Answer, node: str, told: int) -> None:
    """Add to an answer the record of the time that a node has reported.

    Args:
        snapshot: the state of the site.
        answer: the answer to add the record to.
        node: name of the node, from its certificate.
        told: the time that the node has, Unix seconds, or 0 for none.
    """
    answer.clocks.append(node_clocks.Said(node, told, snapshot.now))
