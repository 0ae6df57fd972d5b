"""ASK_TIME, and what time nodes say that they have: kept, for it bounds when they stop."""

from __future__ import annotations

from sealcore import messages
from triseal.site.records import node_clocks
from triseal.site.server.signing.task import Draft, Look


def tell(look: Look, node: str, nonce: bytes, told: int) -> Draft:
    """The time, signed for a node's nonce.

    Args:
        node: as its certificate names it.
        nonce: fresh, 16 octets.
        told: what time it has, Unix seconds, or 0.

    Raises: ClockDoubted.
    """
    signed = look.authority.sign_time(nonce, look.now)
    draft = Draft([messages.frame(messages.write(messages.TIME, signed))], counts={"time": 1})
    note(look, draft, node, told)
    return draft


def note(look: Look, draft: Draft, node: str, told: int) -> None:
    """Record with a draft what time a node has; arguments as `tell`."""
    draft.writes.append(lambda connection: node_clocks.note(connection, node, told, look.now))
