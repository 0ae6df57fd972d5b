"""The server's own TLS certificate: issued by the Store's key, which clients know already."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sealcore import sealwriter, x509
from triseal import certificate, files, pem
from triseal.certificate import Validity
from triseal.signer import KeySigner, Signer

FILE = "tls.pem"
_SECONDS = 365 * 86400


def make(home: Path, key: Signer, own: x509.Certificate, names: list[str], now: int) -> Path:
    """Make a key and a certificate for a year, or as long as the Store's own one is valid.

    Args:
        home: the Store's folder.
        key: the Store's key.
        own: its certificate.
        names: host names and addresses of the server.
        now: the time, Unix seconds.

    Returns: a file with the key and both certificates, PEM, which only its owner can read.
    """
    private = ec.generate_private_key(ec.SECP256R1())
    der = certificate.issue(
        key,
        bytes(own.subject),
        sealwriter.name(names[0][:64]),
        KeySigner(private).spki,
        Validity(
            max(now - certificate.CLOCK_SKEW, own.not_before), min(now + _SECONDS, own.not_after)
        ),
        certificate.new_serial(),
        certificate.server_extensions(key.spki, names),
    )
    secret = private.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    blocks = (pem.PRIVATE_KEY, secret), (pem.CERTIFICATE, der), (pem.CERTIFICATE, bytes(own.der))
    data = b"".join(pem.encode(label, one) for label, one in blocks)
    files.write(home / FILE, data, files.PRIVATE)
    return home / FILE
