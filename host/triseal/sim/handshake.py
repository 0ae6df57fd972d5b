"""The size of a mutual TLS handshake between a node and its SLSM, measured in memory.

The SLSM's side is the server's own code. Both sides use the OpenSSL of this Python, whose first
messages grow with its version: 3.5 names more algorithms than 3.0.
"""

from __future__ import annotations

import ssl
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec

from triseal.certificate import Validity
from triseal.sim import specimen
from triseal.site.server.listeners import certificate
from triseal.site.slca.authority import self_signed

_YEARS = Validity(1577836800, 2524607999)  # 2020 to 2049: only this process uses the certificates
_HANDSHAKES = 129
_CIPHERS = "ECDHE+AESGCM"  # those of the SLSM's ciphers that MicroPython's mbedTLS has


class _Party:
    """One end of a connection in memory: its TLS object and its two pipes."""

    def __init__(self, context: ssl.SSLContext, *, server: bool) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=server)
        self.done = False

    def step(self) -> bytes:
        """Continue the handshake as far as possible. Returns the bytes to send."""
        try:
            self.tls.do_handshake()
            self.done = True
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()


def node_context(authority: bytes) -> ssl.SSLContext:
    """Make a TLS 1.2 context like that of a node with MicroPython, without a certificate.

    Args:
        authority: the site's certificate, DER, which must have issued the SLSM's certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_TICKET  # a board keeps no session
    context.check_hostname = False  # a site's certificates have SPIFFE IDs, not host names
    context.load_verify_locations(cadata=authority)
    return context


@cache
def _contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make the contexts of a node and of the SLSM, each with a new P-256 key and a certificate."""
    authority = specimen.authority()
    root = self_signed(specimen.signer("site"), authority.issuer.site, specimen.NOW)
    node, key = node_context(root), ec.generate_private_key(ec.SECP256R1())
    certified = authority.certify_node(specimen.NODE, specimen.spki(key), _YEARS)
    certificate.load_own(node, certified.der, key)
    key = ec.generate_private_key(ec.SECP256R1())
    certified = authority.certify_slsm(specimen.spki(key), _YEARS)
    return node, certificate.server_context(certified.der, key, root)


def connect() -> tuple[_Party, _Party, int]:
    """Do one handshake.

    Returns: the node's end, the SLSM's end, and the number of bytes that both sent together.
    """
    ours = _contexts()
    node, slsm = _Party(ours[0], server=False), _Party(ours[1], server=True)
    size = 0
    while not (node.done and slsm.done):
        flight = node.step()
        slsm.incoming.write(flight)
        answer = slsm.step()
        node.incoming.write(answer)
        size += len(flight) + len(answer)
    return node, slsm, size


@cache
def size() -> int:
    """Measure the bytes of a handshake in both directions, the median of many.

    The size of an ECDSA signature varies by a byte or two, and a handshake has two of them. With
    the median, equal seeds give equal results.
    """
    return sorted(connect()[2] for _ in range(_HANDSHAKES))[_HANDSHAKES // 2]
