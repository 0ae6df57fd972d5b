"""The handler of ENROL: it gives a node that has a certificate a new one.

That is for the same key, unless a person has asked the node for another one (`site rekey`).
"""

from __future__ import annotations

import hashlib

from sealcore import identity, keys, messages, x509
from sealcore import proof as node_proof
from triseal import request
from triseal.errors import BadRequest
from triseal.site.errors import OtherKey, OtherNode
from triseal.site.manager import NODE_SECONDS
from triseal.site.records import ledger, rekeying
from triseal.site.records.rekeying import Rekeying
from triseal.site.server.handlers import seals
from triseal.site.server.signing.task import Answer, Snapshot

REKEYED = "rekeyed"  # counted in the answer to a node that uses its next key

_NONCE_BYTES = 16


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


def ask_for_key(snapshot: Snapshot, answer: Answer, node: str, known: Rekeying) -> None:
    """Add to an answer that the node must make another key, if a person wants it: no certificate.

    Args:
        snapshot: the state of the site.
        answer: the answer to add to.
        node: name of the node.
        known: how far the node is with another key.
    """
    if known.to_tell:
        answer.frames.append(messages.frame(messages.write(messages.ENROLLED, b"")))
        answer.writes.append(lambda connection: rekeying.told(connection, node, snapshot.now))


def use_key(node: str, spki: bytes, known: Rekeying) -> Answer | None:
    """Return the answer to a node that uses its next key for the first time; None for any other.

    Args:
        node: name of the node.
        spki: the key of its certificate, DER SubjectPublicKeyInfo.
        known: how far the node is with another key.
    """
    if not spki or spki != known.next_spki:
        return None
    answer = Answer(writes=[lambda connection: rekeying.used(connection, node, spki)])
    answer.count(REKEYED)
    return answer


def _check_next(snapshot: Snapshot, node: str, present: bytes, csr: bytes, proof: bytes) -> None:
    """Check that a person wants another key, and that the present one has signed the request."""
    if not proof or not rekeying.of(snapshot.connection, node).asked:
        raise OtherKey(f"node {node} has another key")
    digest = hashlib.sha256(csr).digest()[:_NONCE_BYTES]
    # No other proof is for a name like this.
    keys.parse(present).verify(node_proof.tbs(f"{node}/", digest), proof)


def enrol(snapshot: Snapshot, node: str, csr: bytes, proof: bytes) -> Answer:
    """Answer with ENROLLED and the node's next certificate.

    Unless a person asked for another key, only the same one counts: the holder of the old key must
    not be able to give the name of the node to somebody else. A request that is damaged or can't be
    read may come from a worn flash. The answer to it is REFUSED, and the node's services are still
    renewed.

    Args:
        snapshot: the state of the site.
        node: name of the node, from its certificate.
        csr: certification request, DER (PKCS #10, RFC 2986).
        proof: for another key, the signature of the present one; else empty. A board without a
            certificate proves a token instead, see `listeners.token_enrolment`.

    Raises:
        BadName, UnsupportedKey: the request is not acceptable.
        BadSignature: the present key has not signed the request for another one.
        OtherNode, OtherKey: the request is for another node or another key.
        UnknownNode, NodeRetired, NotEnrolled: the site does not serve this node.
    """
    try:
        wanted = request.parse(csr)
    except BadRequest as refusal:
        return Answer([seals.refused(node, refusal.code)], counts={refusal.code: 1})
    if wanted.name != node:
        raise OtherNode(f"the request names {wanted.name!r}, not {node}")
    present = snapshot.desired.of(snapshot.connection, node, snapshot.now).spki
    answer = Answer(services=frozenset())
    if wanted.spki != present:
        _check_next(snapshot, node, present, csr, proof)
        answer.writes.append(lambda connection: rekeying.made(connection, node, wanted.spki))
    answer.frames.append(_certify(snapshot, answer, node, wanted.spki))
    return answer
