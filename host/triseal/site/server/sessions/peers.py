"""The identity of the other end of a connection: the node that its certificate or key names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sealcore import errors, identity, keys, proof
from triseal.site.errors import OtherKey
from triseal.site.server.signing.task import Snapshot

Check = Callable[[Snapshot], None]
"""Raises the reason if the site does not want to talk to a peer."""


@dataclass(frozen=True)
class Peer:
    """The other end of a connection, which has proved that it has the key of a node.

    Attributes:
        node: name of the node.
        admit: the full check, for each HELLO and whenever the site has changed.
        recheck: the part of that check whose result can change for an admitted node. It runs for
            each message: the site may have retired the node since the message before.
        may_start_over: whether the node may say HELLO again, because a message may have been lost.
        issuer: name of the key of the site that signed its certificate, DER; b"" if it showed none.
        spki: the key of its certificate, DER SubjectPublicKeyInfo; b"" if it showed none.
    """

    node: str
    admit: Check
    recheck: Check
    may_start_over: bool = False
    issuer: bytes = b""
    spki: bytes = b""


def by_certificate(certificate: bytes, site: str) -> Peer:
    """Make the peer of a TLS connection.

    Args:
        certificate: the node's TLS certificate, DER.
        site: name of the site.

    Raises:
        MalformedDER, UnsupportedCertificate, ProfileViolation: not a certificate of a node.
        SealError: as `name_of`.
    """
    parsed = identity.parse(certificate)
    node = name_of(parsed, site)
    return Peer(
        node,
        partial(admit, node=node, peer=parsed),
        partial(_recheck, node=node, peer=parsed),
        issuer=bytes(parsed.issuer),
        spki=bytes(parsed.spki),
    )


def by_proof(snapshot: Snapshot, node: str, nonce: bytes, signature: bytes) -> Peer:
    """Make the peer of a serial line, after checking that it has the node's key.

    Args:
        snapshot: the state of the site.
        node: name of the node, as the board at the line gives it.
        nonce: the random bytes that the site sent to the board, 16 bytes.
        signature: the board's signature over node and nonce.

    Raises:
        UnknownNode, NodeRetired, NotEnrolled: the site does not serve this node.
        MalformedDER, BadSignature: the board does not have the node's key.
    """
    spki = snapshot.desired.of(snapshot.connection, node, snapshot.now).spki
    keys.parse(spki).verify(proof.tbs(node, nonce), signature)
    check = partial(_check_key, node=node, spki=spki)
    return Peer(node, check, check, may_start_over=True)


def _check_key(snapshot: Snapshot, node: str, spki: bytes) -> None:
    if spki != snapshot.desired.of(snapshot.connection, node, snapshot.now).spki:
        raise OtherKey(f"node {node} has another key")


def _recheck(snapshot: Snapshot, node: str, peer: identity.Identity) -> None:
    keys.check_time(peer, snapshot.now)
    _check_key(snapshot, node, bytes(peer.spki))


def name_of(certificate: identity.Identity, site: str) -> str:
    """Return the name of the node that a TLS certificate is for, from its SPIFFE ID.

    A site seal is signed by the same authority, and TLS accepts it as a certificate. It names a
    service and not a node, so that it is refused here.

    Args:
        certificate: the certificate.
        site: name of the site.

    Raises:
        WrongSite, WrongNode: the certificate names something else than a node of this site.
    """
    uri = str(certificate.uri)
    name = uri.rpartition("/")[2]
    if uri == identity.node(site, name):
        return name
    raise errors.WrongNode(uri)


def admit(snapshot: Snapshot, node: str, peer: identity.Identity) -> None:
    """Check a node's certificate against the present state of the site.

    It may be signed by a key that the site has revoked: the node was away. Whoever has a copy of
    that key gains nothing, because the node's own key must be the one that the site knows.

    Args:
        snapshot: the state of the site.
        node: name of the node.
        peer: its TLS certificate.

    Raises:
        UntrustedSigner, BadSignature, Expired, NotYetValid: the certificate is not valid now.
        UnknownNode, NodeRetired, NotEnrolled: the site does not serve this node.
        OtherKey: the node has another key by now.
    """
    expected = identity.node(snapshot.desired.bundle.site, node)
    keys_of_site = [one.entry for one in snapshot.slca.issuer.all if one.term.signs]
    identity.check(peer, keys_of_site, expected, snapshot.now)
    _recheck(snapshot, node, peer)
