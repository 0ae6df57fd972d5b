"""Who is at the other end: the node that its certificate names, whatever it may say."""

from __future__ import annotations

from sealcore import errors, identity
from triseal.site.errors import OtherKey
from triseal.site.link.drafts import Draft, Look


def name_of(certificate: bytes, site: str) -> str:
    """The node that a TLS certificate is for, by its SPIFFE ID.

    A site seal is a certificate for TLS too, and of the same authority: it names a service, and
    gets nobody in.

    Raises: MalformedDER, UnsupportedCertificate, ProfileViolation, WrongSite, WrongNode.
    """
    uri = identity.parse(certificate).uri
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
    recheck(look, node, peer)
    return Draft()


def recheck(look: Look, node: str, peer: identity.Identity) -> None:
    """What can change for a node that was admitted: for each message, since it may be the last that
    the holder of a certificate gets an answer to.

    Raises: Expired, NotYetValid, UnknownNode, NodeRetired, NotEnrolled, OtherKey.
    """
    peer.check_time(look.now)
    if bytes(peer.spki) != look.plans.of(look.connection, node, look.now).spki:
        raise OtherKey(f"node {node}")
