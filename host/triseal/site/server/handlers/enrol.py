"""ENROL: a new certificate for a node that has one, for the same key."""

from __future__ import annotations

from sealcore import errors, messages
from triseal import request
from triseal.certificate import Validity
from triseal.errors import BadRequest
from triseal.site.errors import OtherKey, OtherNode
from triseal.site.manager import NODE_SECONDS
from triseal.site.records import ledger
from triseal.site.server.handlers import seals
from triseal.site.server.signing.task import Draft, Look


def enrol(look: Look, node: str, csr: bytes, proof: bytes) -> Draft:
    """ENROLLED, with the node's next certificate.

    Another key is for `triseal node provision`: whoever holds the old one must not be able to pass
    the node's name on. A request that can't be read, or was changed, is what a worn flash has left
    of it: that is REFUSED, and the node's services are renewed all the same.

    Args:
        node: as its certificate names it.
        csr: PKCS #10, DER.
        proof: empty; only a board without a certificate has a token to prove, see `newcomers`.

    Raises: BadMessage, BadName, UnsupportedKey, OtherNode, OtherKey, UnknownNode, NodeRetired,
        NotEnrolled.
    """
    if proof:
        raise errors.BadMessage("proof of a token")
    try:
        wanted = request.parse(csr)
    except BadRequest as refusal:
        return Draft([seals.refused(node, refusal.code)], counts={refusal.code: 1})
    if wanted.name != node:
        raise OtherNode(f"the request is of {wanted.name!r}, not of {node}")
    if wanted.spki != look.plans.of(look.connection, node, look.now).spki:
        raise OtherKey(f"node {node}")
    validity = Validity(look.now, look.now + NODE_SECONDS)
    issued = look.authority.certify_node(node, wanted.spki, validity)
    return Draft(
        [messages.frame(messages.write(messages.ENROLLED, issued.der))],
        writes=[lambda connection: ledger.record_certificate(connection, issued)],
        counts={"certificate": 1},
    )
