"""Octets of one mutual TLS handshake between a node and its SLSM, by doing one in memory."""

from __future__ import annotations

import ssl
import tempfile
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from triseal.certificate import Validity
from triseal.signer import PrivateKey, generate
from triseal.sim import specimen
from triseal.site.authority import self_signed

_YEARS = Validity(1577836800, 2524607999)  # 2020 to 2049: nothing here outlives the process
_HANDSHAKES = 129
_CIPHERS = "ECDHE+AESGCM"  # what the SLSM and MicroPython's mbedTLS both have


class _Party:
    """One end of a connection in memory: its TLS object and its two pipes."""

    def __init__(self, context: ssl.SSLContext, *, server: bool) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=server)
        self.done = False

    def step(self) -> bytes:
        """Handshake as far as it goes; returns what to send."""
        try:
            self.tls.do_handshake()
            self.done = True
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()


def _context(*, server: bool) -> ssl.SSLContext:
    """TLS 1.2 as the SLSM and MicroPython speak it, trusting the site, without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_TICKET  # as the SLSM: a resumed session would skip a look
    context.check_hostname = False  # a site's certificates have SPIFFE IDs, not host names
    context.verify_mode = ssl.CERT_REQUIRED
    authority = specimen.authority()
    context.load_verify_locations(
        cadata=self_signed(specimen.signer("site"), authority.issuer.site, specimen.NOW)
    )
    return context


def _show(context: ssl.SSLContext, der: bytes, key: PrivateKey) -> None:
    """Give a context its certificate; `ssl` takes it from a file only."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "chain.pem"
        file.touch(mode=0o600)
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(ssl.DER_cert_to_PEM_cert(der).encode() + secret)
        context.load_cert_chain(file)


@cache
def _contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A node's and the SLSM's, each with a fresh P-256 key and the SLCA's certificate for it."""
    authority = specimen.authority()
    node, slsm = _context(server=False), _context(server=True)
    key = generate("p256")
    _show(node, authority.certify_node(specimen.NODE, specimen.spki(key), _YEARS).der, key)
    key = generate("p256")
    _show(slsm, authority.certify_slsm(specimen.spki(key), _YEARS).der, key)
    return node, slsm


def connect() -> tuple[_Party, _Party, int]:
    """Handshake once; returns node, SLSM and the octets that both sent together."""
    contexts = _contexts()
    node, slsm = _Party(contexts[0], server=False), _Party(contexts[1], server=True)
    total = 0
    while not (node.done and slsm.done):
        flight = node.step()
        slsm.incoming.write(flight)
        answer = slsm.step()
        node.incoming.write(answer)
        total += len(flight) + len(answer)
    return node, slsm, total


@cache
def octets() -> int:
    """Octets of a handshake in both directions: the median of many.

    Their two ECDSA signatures differ by an octet or two from one handshake to the next, and equal
    seeds are to give equal results.
    """
    return sorted(connect()[2] for _ in range(_HANDSHAKES))[_HANDSHAKES // 2]
