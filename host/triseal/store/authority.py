"""The Store's own key and certificate, and the seal that it sets."""

from __future__ import annotations

from pathlib import Path

from sealcore import errors, keys, seal, sealwriter, x509
from sealcore.compat import sha256
from triseal import certificate, files, folder, keyfile, pem, request, signer
from triseal.certificate import Validity
from triseal.errors import AlreadyExists, DamagedStore, NotAKey, NotInitialised, NotRecognised
from triseal.signer import KeySigner, Signer

KEY = "store.key"
CERTIFICATE = "store.crt"

_MAX_PEM = 32768


def init(home: Path, name: str, algorithm: str, passphrase: bytes | None, valid: Validity) -> bytes:
    """Make the Store's key and self-signed certificate.

    Args:
        home: folder; must not exist, or be empty.
        name: the Store's, 1 to 64 octets.
        algorithm: one of signer.ALGORITHMS.
        passphrase: encrypts the key; None leaves it in the clear.
        valid: validity of the certificate.

    Returns: the certificate, DER.

    Raises:
        AlreadyExists: there is a Store's key, or something else; it stays as it is.
        BadName: the name can't be one.
    """
    request.check_name(name)
    if (home / KEY).exists():  # the likely case, in plain words
        raise AlreadyExists(f"there is a key at {home / KEY}")
    folder.check_vacant(home)
    key = signer.generate(algorithm)
    der = certificate.self_signed_ca(KeySigner(key), name, valid)
    with folder.fresh(home) as fresh:
        keyfile.create(fresh / KEY, key, passphrase)
        files.write(fresh / CERTIFICATE, pem.encode(pem.CERTIFICATE, der))
        folder.settle(fresh, home)
    return der


def load_certificate(home: Path) -> x509.Certificate:
    """The Store's certificate; raises NotInitialised or DamagedStore."""
    try:
        data = files.read(home / CERTIFICATE, _MAX_PEM)
    except FileNotFoundError:
        raise NotInitialised(f"there is no Store at {home}") from None
    try:
        return x509.parse(pem.decode(data)[1])
    except (NotRecognised, errors.SealError):
        raise DamagedStore(f"{home / CERTIFICATE} is no certificate") from None


def unlock(home: Path, ask: keyfile.Ask) -> KeySigner:
    """The Store's key, open.

    Args:
        home: the Store's folder.
        ask: gives the passphrase if one is needed.

    Raises:
        NotInitialised, NotAKey, and what keyfile.load raises.
    """
    known = load_certificate(home)
    key = KeySigner(keyfile.load(home / KEY, ask))
    if key.spki != known.spki:
        raise NotAKey(f"{home / KEY} is not the key of {home / CERTIFICATE}")
    return key


def countersign(key: Signer, own: x509.Certificate, developer: seal.Seal, now: int) -> seal.Seal:
    """The Store seal over a developer seal that intake has accepted.

    Args:
        key: the Store's.
        own: the Store's certificate.
        developer: the developer seal.
        now: Unix seconds.

    Returns: the Store seal, valid from a little ago to the end of the Store's own certificate.

    Raises:
        NotYetValid, Expired: the Store's own certificate is not valid now.
    """
    keys.check_time(own, now)
    predecessor = sha256(developer.der)
    der = certificate.issue(
        key,
        bytes(own.subject),
        bytes(developer.subject),
        bytes(developer.spki),
        Validity(max(now - certificate.CLOCK_SKEW, own.not_before), own.not_after),
        certificate.new_serial(),
        certificate.code_seal_extensions(
            key.spki, sealwriter.service_seal(developer.core, predecessor)
        ),
    )
    return seal.parse(der, seal.STORE)
