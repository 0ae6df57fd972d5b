"""The server's side of TLS: the SLSM's own certificate, short-lived, and whom it lets in."""

from __future__ import annotations

import os
import secrets
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import Connection, select

from sealcore import renewal
from triseal.certificate import Validity
from triseal.signer import KeySigner, PrivateKey
from triseal.site.records import ledger, tables
from triseal.site.server.signing.task import Draft, Look

SECONDS = 86400

# With AES-GCM or ChaCha20 and ephemeral keys only; MicroPython's mbedTLS has the first.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class Identity:
    """The SLSM's TLS certificate, renewed before it ends, without a restart.

    Args:
        seconds: for which a certificate is valid.

    Attributes:
        context: for the next connection; there is one once `issue` has been done at the desk.
        renew_at: when to issue the next one, Unix seconds.
    """

    def __init__(self, seconds: int = SECONDS) -> None:
        self._seconds = seconds
        self.context: ssl.SSLContext
        self.renew_at = 0

    def issue(self, look: Look) -> Draft:
        """A task: the next certificate, for a fresh key."""
        signer = KeySigner(key := ec.generate_private_key(ec.SECP256R1()))
        validity = Validity(look.now, look.now + self._seconds)
        issued = look.authority.certify_slsm(signer.spki, validity)
        found = look.connection.scalars(select(tables.authorities.c.certificate)).all()
        context = server_context(issued.der, key, list(found))

        def record(connection: Connection) -> None:
            ledger.record_certificate(connection, issued)
            self.context = context
            drawn = secrets.randbits(32)
            self.renew_at = renewal.draw(validity.not_before, validity.not_after, drawn)

        return Draft(writes=[record])


def server_context(
    der: bytes, key: ec.EllipticCurvePrivateKey, authorities: list[bytes]
) -> ssl.SSLContext:
    """TLS as the SLSM speaks it.

    Args:
        der: its certificate.
        key: that of the certificate.
        authorities: the certificates, DER, under which the nodes' own have to be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    # A resumed session would prove no key (`Server` refuses those that TLS 1.2 resumes without a
    # ticket, which this module can't switch off), a second handshake might prove another one.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    # None at all is for `newcomers`; one that is shown has to be right.
    context.verify_mode = ssl.CERT_OPTIONAL
    for one in authorities:
        context.load_verify_locations(cadata=one)
    load_own(context, der, key)
    return context


def load_own(context: ssl.SSLContext, der: bytes, key: PrivateKey) -> None:
    """Give a context its certificate and key. OpenSSL takes them from a file only: one that nobody
    else may read, for a moment."""
    certificate = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    descriptor, name = tempfile.mkstemp(suffix=".pem")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(certificate + pem)
        context.load_cert_chain(name)
    finally:
        Path(name).unlink()
