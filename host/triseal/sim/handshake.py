"""Octets of one mutual TLS handshake between a node and its SLSM, by doing one in memory."""

from __future__ import annotations

import ssl
import tempfile
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sealcore import identity, sealwriter
from triseal import certificate
from triseal.certificate import Validity
from triseal.signer import KeySigner, generate

_YEARS = Validity(1577836800, 2524607999)  # 2020 to 2049: nothing here outlives the process
_CIPHER = "ECDHE-ECDSA-AES128-GCM-SHA256"


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


def _context(folder: Path, server: bool, site: KeySigner, uri: str) -> ssl.SSLContext:
    """A TLS 1.2 context that shows a certificate of the profile with a fresh P-256 key."""
    key = ec.generate_private_key(ec.SECP256R1())
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    authority = certificate.self_signed_ca(site, "site", _YEARS)
    own = certificate.issue(
        site,
        sealwriter.name("site"),
        sealwriter.name(uri.rsplit("/", 1)[1]),
        spki,
        _YEARS,
        certificate.new_serial(),
        certificate.identity_extensions(site.spki, uri),
    )
    chain, secret = folder / "chain.pem", folder / "key.pem"
    chain.write_text(ssl.DER_cert_to_PEM_cert(own))
    secret.touch(mode=0o600)
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHER)
    context.check_hostname = False  # a site's certificates have SPIFFE IDs, not host names
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(chain, secret)
    context.load_verify_locations(cadata=authority)
    context.options |= ssl.OP_NO_TICKET  # as the SLSM: a resumed session would skip a look
    return context


def connect() -> tuple[_Party, _Party, int]:
    """Handshake once; returns node, SLSM and the octets that both sent together."""
    site = KeySigner(generate("rsa2048"))
    with tempfile.TemporaryDirectory() as folder:
        node = _Party(
            _context(Path(folder), False, site, identity.node("site", "node-07")), server=False
        )
    with tempfile.TemporaryDirectory() as folder:
        slsm = _Party(_context(Path(folder), True, site, identity.slsm("site")), server=True)
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
    """Octets of a handshake in both directions. Varies by a few: ECDSA signatures do."""
    return connect()[2]
