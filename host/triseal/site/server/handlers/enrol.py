"""The handler of ENROL: it gives a node that has a certificate a new one for the same key."""

from __future__ import annotations

from sealcore import errors, identity, messages, x509
from triseal import request
from triseal.errors import BadRequest
from triseal.site.errors import OtherKey, OtherNode
from triseal.site.manager import NODE_SECONDS
from triseal.site.records import ledger
from triseal.site.server.handlers import seals
from triseal.site.server.signing.task import Answer, Snapshot


def push(snapshot: Snapshot, answer: Answer, node: str, at: int) -> None:
    """Give a node its next certificate without being asked: another key of the site signs now.

    Args:
        snapshot: the state of the site.
        answer: the answer to add to.
        node: name of the node.
        at: where among the frames.

    Raises:
        UnknownNode, NodeRetired, NotEnrolled: the site does not serve this node.
    """
    spki = snapshot.desired.of(snapshot.connection, node, snapshot.now).spki
    answer.frames.insert(at, _certify(snapshot, answer, node, spki))


def certifier(snapshot: Snapshot, node: str) -> bytes:
    """Return the name of the key of the site that signed the newest certificate of a node, DER.

    Args:
        snapshot: the state of the site.
        node: name of the node.

    Returns: the name; b"" if the ledger has no certificate of the node.
    """
    issuer = snapshot.slca.issuer
    newest = ledger.newest_certificates(snapshot.connection, identity.node(issuer.site, node))
    names = [bytes(x509.parse(der).issuer) for der in newest]
    return issuer.name if issuer.name in names else next(iter(names), b"")


def _certify(snapshot: Snapshot, answer: Answer, node: str, spki: bytes) -> bytes:
    """Add the records of a new certificate to an answer, and return its frame."""
    slca = snapshot.authority
    issued = slca.certify_node(node, spki, slca.issuer.lasting(snapshot.now, NODE_SECONDS))
    answer.writes.append(lambda connection: ledger.record_certificate(connection, issued))
    answer.count("certificate")
    return messages.frame(messages.write(messages.ENROLLED, issued.der))


def enrol(snapshot: Snapshot, node: str, csr: bytes, proof: bytes) -> Answer:
    """Answer with ENROLLED and the node's next certificate.

    Only `triseal node provision` accepts another key: the holder of the old key must not be able to
    give the name of the node to somebody else. A request that is damaged or can't be read may come
    from a worn flash. The answer to it is REFUSED, and the node's services are still renewed.

    Args:
        snapshot: the state of the site.
        node: name of the node, from its certificate.
        csr: certification request, DER (PKCS #10, RFC 2986).
        proof: must be empty; only a board without a certificate proves a token, see
            `listeners.token_enrolment`.

    Raises:
        BadMessage, BadName, UnsupportedKey: the message or the request is not acceptable.
        OtherNode, OtherKey: the request is for another node or another key.
        UnknownNode, NodeRetired, NotEnrolled: the site does not serve this node.
    """
    if proof:
        raise errors.BadMessage("only a board without a certificate may prove a token")
    try:
        wanted = request.parse(csr)
    except BadRequest as refusal:
        return Answer([seals.refused(node, refusal.code)], counts={refusal.code: 1})
    if wanted.name != node:
        raise OtherNode(f"the request names {wanted.name!r}, not {node}")
    if wanted.spki != snapshot.desired.of(snapshot.connection, node, snapshot.now).spki:
        raise OtherKey(f"node {node} has another key")
    answer = Answer(services=frozenset())
    answer.frames.append(_certify(snapshot, answer, node, wanted.spki))
    return answer
