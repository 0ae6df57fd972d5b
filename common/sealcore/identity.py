"""Identities: the holder that a site's certificate names by the SPIFFE ID in its only URI name.

    spiffe://SITE/slsm                          the site's manager
    spiffe://SITE/node/NODE                     a node
    spiffe://SITE/node/NODE/service/SERVICE     a service on a node: a site seal
    spiffe://SITE/node/NODE/agent/NAME          the node's agent: a site seal
    spiffe://SITE/node/NODE/firmware/NAME       its MicroPython: a site seal

Each name between the slashes is a label (`names.check_label`).
"""

from . import errors, keys, names, profile
from .certificate import Certificate
from .compat import const

_MAX_SIZE = const(4096)
_EC_KEY_OCTETS = const(91)  # of a SubjectPublicKeyInfo; an RSA key that is long enough has more
_EC_POINT = const(26)  # where its point begins


class Identity(Certificate):
    """The TLS certificate of a node or of the SLSM. It has everything that a Certificate has, and

    uri    its SPIFFE ID
    name   the common name of its subject
    """

    def __init__(self, der):
        if len(der) > _MAX_SIZE:
            raise errors.TooLarge
        Certificate.__init__(self, der)
        self.name = profile.check(self)
        if len(self.spki) == _EC_KEY_OCTETS:
            # Not by `keys.parse`: a node needs no P-256 code to read its own certificate.
            from . import eckeys

            eckeys.coordinates(self.spki[_EC_POINT:])
        else:
            keys.parse(self.spki)

    def read(self, reader) -> None:
        """Read what follows the subject's key, from the `der.Reader` that is `reader`."""
        self.uri, _ = profile.read(reader, False, True)


def slsm(site: str) -> str:
    """Return the SPIFFE ID of the manager of `site`."""
    return "spiffe://" + names.check_label(site) + "/slsm"


def node(site: str, name: str) -> str:
    """Return the SPIFFE ID of the node `name` of `site`."""
    return "spiffe://" + names.check_label(site) + "/node/" + names.check_label(name)


def service(site: str, node_name: str, name: str, kind: str = "service") -> str:
    """Return the SPIFFE ID of the service `name` on the node `node_name` of `site`.

    Args:
        site: name of the site.
        node_name: name of the node.
        name: name of the service.
        kind: "service", "agent" or "firmware".
    """
    return node(site, node_name) + "/" + kind + "/" + names.check_label(name)


parse = Identity


def check(peer: Identity, site_keys, uri: str, now: int) -> None:
    """Check that a site key issued this certificate to `uri`, and that it is valid.

    Args:
        peer: from `parse`.
        site_keys: the (name, SubjectPublicKeyInfo) pairs of a trust bundle, both DER.
        uri: the SPIFFE ID that the peer must have.
        now: trusted time, Unix seconds.

    Raises: UntrustedSigner, BadSignature, NotYetValid, Expired or WrongNode.
    """
    keys.check_signed(peer, site_keys, now)
    if peer.uri != uri:
        raise errors.WrongNode(peer.uri)
