"""The TLS context of the server, with the SLSM's own short-lived certificate."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import ssl
from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import Connection

from sealcore import renewal
from triseal import pem
from triseal.choices import TLS_SECONDS
from triseal.signer import KeySigner, PrivateKey
from triseal.site.records import ledger
from triseal.site.server.signing.task import Answer, Snapshot
from triseal.site.slca.authority import Authority

# With AES-GCM or ChaCha20 and ephemeral keys only; MicroPython's mbedTLS has the first.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class Identity:
    """The SLSM's TLS certificate. It is renewed before it ends, without a restart.

    Args:
        seconds: validity of a certificate.

    Attributes:
        context: the TLS context for the next connection; it exists after the first `issue`.
        renew_at: when to issue the next certificate, Unix seconds.
        not_after: last second of the present certificate, Unix seconds; 0 before the first.
        made_with: the SLCA with which the context was made; None before the first.
    """

    def __init__(self, seconds: int = TLS_SECONDS) -> None:
        self._seconds = seconds
        self.context: ssl.SSLContext
        self.renew_at = self.not_after = 0
        self.made_with: Authority | None = None

    def issue(self, snapshot: Snapshot) -> Answer:
        """Issue the next certificate for a fresh key: a task for the signing pipeline.

        Args:
            snapshot: the state of the site.

        Raises:
            ClockDoubted: the server's clock is in doubt.
        """
        signer = KeySigner(key := ec.generate_private_key(ec.SECP256R1()))
        slca, now = snapshot.authority, snapshot.now
        # A node that slept while the site changed its key must know who the server is.
        signing = slca.oldest
        validity = signing.issuer.lasting(now, self._seconds)
        issued = signing.certify_slsm(signer.spki, validity)
        # A node may come with a certificate that any key of the site has signed: `peers.admit`
        # compares its key with the one that the site knows.
        accepted = b"".join(one.certificate for one in slca.issuer.all)
        context = server_context(issued.der, key, accepted)

        def record(connection: Connection) -> None:
            ledger.record_certificate(connection, issued)
            self.context = context
            self.made_with = slca
            drawn = secrets.randbits(32)
            self.renew_at = renewal.draw(now, validity.not_after, drawn)
            self.not_after = validity.not_after

        return Answer(writes=[record])


def server_context(der: bytes, key: ec.EllipticCurvePrivateKey, authority: bytes) -> ssl.SSLContext:
    """Make a TLS context for the SLSM.

    Args:
        der: its certificate, DER.
        key: the private key of the certificate.
        authority: the CA certificates, DER, of which one must have issued a node's certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    # A resumed session would not prove a key. TLS 1.2 can resume sessions without a ticket, which
    # can't be switched off here: `Server` refuses those. A second handshake could prove another
    # key than the first one.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    # A board without a certificate goes to `token_enrolment`. A certificate that is sent must be
    # valid.
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=authority)
    load_own(context, der, key)
    return context


def load_own(context: ssl.SSLContext, der: bytes, key: PrivateKey) -> None:
    """Give a TLS context its certificate and key.

    OpenSSL reads them from files only. The two files are pipes, so that the key is never on a disk,
    and a full disk does not matter.

    Args:
        context: the context.
        der: the certificate, DER.
        key: the private key.

    Raises:
        OSError: too many files are open, or the system has no /dev/fd.
    """
    secret = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with (
        _piped(pem.encode(pem.CERTIFICATE, der)) as first,
        _piped(pem.encode(pem.PRIVATE_KEY, secret)) as second,
    ):
        context.load_cert_chain(first, second)


@contextlib.contextmanager
def _piped(content: bytes) -> Iterator[str]:
    """Put a few kilobytes into a pipe, and return the path from which they can be read, once."""
    reader, writer = os.pipe()
    try:
        try:
            os.set_blocking(writer, False)  # what a pipe has no room for is an error, not a wait
            if os.write(writer, content) < len(content):
                raise OSError(errno.EFBIG, "the key is larger than a pipe")
        finally:
            os.close(writer)
        yield f"/dev/fd/{reader}"
    finally:
        os.close(reader)
