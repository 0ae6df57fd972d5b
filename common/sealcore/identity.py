"""Who a certificate of a site speaks for: the SPIFFE ID in its one URI name.

    spiffe://SITE/slsm                          the site's manager
    spiffe://SITE/node/NODE                     a node
    spiffe://SITE/node/NODE/service/SERVICE     a service on a node: a site seal
"""

from . import errors, keys, names
from .profile import TLS_BOTH_SIDES, ProfileCertificate


def slsm(site: str) -> str:
    return "spiffe://" + names.check_label(site) + "/slsm"


def node(site: str, name: str) -> str:
    return "spiffe://" + names.check_label(site) + "/node/" + names.check_label(name)


def service(site: str, node_name: str, name: str) -> str:
    return node(site, node_name) + "/service/" + names.check_label(name)


def parse(der) -> ProfileCertificate:
    """Parse the TLS certificate of a node or of the SLSM.

    Raises MalformedDER, UnsupportedCertificate or ProfileViolation.
    """
    return ProfileCertificate(der, TLS_BOTH_SIDES, {b"\x55\x1d\x11": None})


def check(peer: ProfileCertificate, site_keys, uri: str, now: int) -> None:
    """Raise unless a site key issued this certificate to `uri` and it is valid.

    Args:
        peer: from `parse`.
        site_keys: the (name, SubjectPublicKeyInfo) pairs of a trust bundle.
        uri: the SPIFFE ID that the peer must have.
        now: trusted time, Unix seconds.
    """
    known = [entry for entry in site_keys if entry[0] == peer.issuer]
    if not known:
        raise errors.UntrustedSigner("of the peer's certificate")
    keys.verify_any(known, peer.algorithm, peer.tbs, peer.signature)
    peer.check_time(now)
    if peer.uri != uri:
        raise errors.WrongNode(peer.uri)
