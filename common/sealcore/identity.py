"""Who a certificate of a site speaks for: the SPIFFE ID in its one URI name.

    spiffe://SITE/slsm                          the site's manager
    spiffe://SITE/node/NODE                     a node
    spiffe://SITE/node/NODE/service/SERVICE     a service on a node: a site seal

Each name between the slashes is a label (`names.check_label`).
"""

from . import errors, keys, names, profile
from .certificate import Certificate
from .compat import const

_MAX_SIZE = const(4096)
_EC_KEY_OCTETS = const(91)  # of a SubjectPublicKeyInfo; no RSA key that is long enough has so few
_EC_POINT = const(26)  # where its point begins


class Identity(Certificate):
    """The TLS certificate of a node or of the SLSM: a Certificate with

    uri    its SPIFFE ID
    name   its subject's
    """

    def __init__(self, der):
        if len(der) > _MAX_SIZE:
            raise errors.TooLarge
        Certificate.__init__(self, der)
        self.name = profile.check(self)
        if len(self.spki) == _EC_KEY_OCTETS:
            # Not by `keys.parse`: a node needs no P-256 to know whom its own certificate is for.
            from . import eckeys

            eckeys.coordinates(self.spki[_EC_POINT:])
        else:
            keys.parse(self.spki)

    def read(self, reader) -> None:
        self.uri, _ = profile.read(reader, False, True)


def slsm(site: str) -> str:
    return "spiffe://" + names.check_label(site) + "/slsm"


def node(site: str, name: str) -> str:
    return "spiffe://" + names.check_label(site) + "/node/" + names.check_label(name)


def service(site: str, node_name: str, name: str) -> str:
    return node(site, node_name) + "/service/" + names.check_label(name)


parse = Identity


def check(peer: Identity, site_keys, uri: str, now: int) -> None:
    """Raise unless a site key issued this certificate to `uri` and it is valid.

    Args:
        peer: from `parse`.
        site_keys: the (name, SubjectPublicKeyInfo) pairs of a trust bundle.
        uri: the SPIFFE ID that the peer must have.
        now: trusted time, Unix seconds.
    """
    keys.check_signed(peer, site_keys, now)
    if peer.uri != uri:
        raise errors.WrongNode(peer.uri)
