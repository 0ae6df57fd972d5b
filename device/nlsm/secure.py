"""TLS of the node, and whom it takes for its site's server."""

import tls

from sealcore import identity

from . import keystore, trust


def context(seen: list):
    """TLS as the node, or as nobody before it is one, with a peer that `check_peer` judges: the
    port does not know the SLCA, and checks no validity.

    Args:
        seen: takes the peer's certificate, DER, during the handshake.
    """

    def take_certificate(der, depth) -> int:
        if depth == 0:
            seen.append(bytes(der))
        return 0

    made = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    made.verify_mode = tls.CERT_OPTIONAL
    made.verify_callback = take_certificate
    certificate = keystore.read(keystore.ROOT + "/node.crt")
    if certificate:
        made.load_cert_chain(certificate, keystore.read(keystore.ROOT + "/node.key"))
    return made


def check_peer(node, der) -> identity.Identity:
    """The server's certificate is the SLSM's of this site, and valid if the time is known; before,
    it must not have expired at the floor.

    TLS has made sure that the server has its key.
    """
    own = _believed() if "enrol" in node.settings else trust.load()
    peer = identity.parse(der)
    now = node.clock.now() if node.clock.trusted else max(peer.not_before, node.clock.floor)
    identity.check(peer, own.site_keys, identity.slsm(own.site), now)
    return peer


def _believed():
    from . import identify

    return identify.believed()
