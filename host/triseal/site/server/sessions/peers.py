"""Who is at the other end: the node that its certificate or its key names, whatever it may say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from sealcore import errors, identity, keys, proof
from triseal.site.errors import OtherKey
from triseal.site.server.signing.task import Draft, Look, Task


@dataclass(frozen=True)
class Peer:
    """The other end of a connection, which has shown that it has the key of a node.

    Attributes:
        node: its name.
        admit: a task that raises unless the site wants to talk to it: for each HELLO, and when
            something has changed.
        recheck: of that, what can change for a node that was admitted: for each message, since it
            may be the last that the holder of a key gets an answer to.
        anew: whether it may say HELLO again, since what was said may have been lost.
    """

    node: str
    admit: Task
    recheck: Task
    anew: bool = False


def by_certificate(certificate: bytes, site: str) -> Peer:
    """The peer of a TLS connection. Raises: see `name_of`."""
    node = name_of(certificate, site)
    return Peer(
        node,
        partial(admit, node=node, certificate=certificate),
        partial(_recheck, node=node, peer=identity.parse(certificate)),
    )


def by_proof(look: Look, node: str, nonce: bytes, signature: bytes) -> Peer:
    """The peer at a serial line.

    Args:
        node: who it says it is.
        nonce: that was drawn for it.
        signature: what it made of that.

    Raises: UnknownNode, NodeRetired, NotEnrolled; MalformedDER or BadSignature where it does not
        have the node's key.
    """
    spki = look.plans.of(look.connection, node, look.now).spki
    keys.parse(spki).verify(proof.tbs(node, nonce), signature)
    check = partial(_check_key, node=node, spki=spki)
    return Peer(node, check, check, anew=True)


def _check_key(look: Look, node: str, spki: bytes) -> Draft:
    if spki != look.plans.of(look.connection, node, look.now).spki:
        raise OtherKey(f"node {node}")
    return Draft()


def _recheck(look: Look, node: str, peer: identity.Identity) -> Draft:
    keys.check_time(peer, look.now)
    return _check_key(look, node, bytes(peer.spki))


def name_of(certificate: bytes, site: str) -> str:
    """The node that a TLS certificate is for, by its SPIFFE ID.

    A site seal is a certificate for TLS too, and of the same authority: it names a service, and
    gets nobody in.

    Raises: MalformedDER, UnsupportedCertificate, ProfileViolation, WrongSite, WrongNode.
    """
    uri = str(identity.parse(certificate).uri)
    name = uri.rpartition("/")[2]
    if uri == identity.node(site, name):
        return name
    raise errors.WrongNode(uri)


def admit(look: Look, node: str, certificate: bytes) -> Draft:
    """Check the certificate against what the site knows now.

    Raises: UntrustedSigner, BadSignature, Expired, NotYetValid, UnknownNode, NodeRetired,
        NotEnrolled; OtherKey where the node has another key by now.
    """
    peer = identity.parse(certificate)
    expected = identity.node(look.plans.bundle.site, node)
    identity.check(peer, look.plans.bundle.site_keys, expected, look.now)
    return _recheck(look, node, peer)
