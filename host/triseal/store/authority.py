"""The Store's own key and certificate, and the Store seal."""

from __future__ import annotations

from pathlib import Path

from sealcore import errors, keys, names, seal, sealwriter, timetext, x509
from sealcore.compat import sha256
from triseal import certificate, files, folder, keyfile, keysource, pem, request
from triseal.certificate import Validity
from triseal.errors import (
    AlreadyExists,
    DamagedStore,
    NotAKey,
    NotInitialised,
    NotRecognised,
    SeveralInFile,
    ShorterValidity,
    StoreEnded,
)
from triseal.keysource import NewKey
from triseal.signer import Signer

KEY = "store.key"
CERTIFICATE = "store.crt"


def init(home: Path, name: str, new: NewKey, valid: Validity) -> bytes:
    """Create the Store's key and self-signed certificate.

    Args:
        home: the folder; it must not exist, or be empty.
        name: name of the Store, 1 to 64 bytes.
        new: what is to become the Store's key.
        valid: validity of the certificate.

    Returns: the certificate, DER.

    Raises:
        AlreadyExists: the folder holds a Store's key or something else, which stays as it is.
        BadName: the name is not allowed.
        Failure: as `NewKey.create` raises it.
    """
    request.check_name(name)
    new.check()
    if (home / KEY).exists():  # the most frequent reason gets a message of its own
        raise AlreadyExists(f"there is a key at {home / KEY}")
    folder.check_vacant(home)
    with folder.fresh(home) as fresh:
        der = certificate.self_signed_ca(new.create(fresh / KEY), name, valid)
        replace_certificate(fresh, der)
        folder.settle(fresh, home)
    return der


def load_certificate(home: Path) -> x509.Certificate:
    """Load the Store's certificate.

    Args:
        home: the Store's folder.

    Raises:
        NotInitialised: there is no Store.
        DamagedStore: the file is not a certificate.
    """
    try:
        data = files.read(home / CERTIFICATE, pem.MAX_SIZE)
    except FileNotFoundError:
        raise NotInitialised(f"there is no Store at {home}") from None
    try:
        return x509.parse(pem.expect(data, pem.CERTIFICATE))
    except (NotRecognised, SeveralInFile, errors.SealError):
        raise DamagedStore(f"{home / CERTIFICATE} is not a certificate") from None


def renewed(key: Signer, own: x509.Certificate, valid: Validity) -> bytes:
    """Make a new certificate with the same key and name. Nothing is written.

    Args:
        key: the Store's key.
        own: the present certificate.
        valid: validity of the new one.

    Returns: the new certificate, DER.

    Raises:
        ShorterValidity: it would not be valid for longer.
    """
    if valid.not_after <= own.not_after:
        end = timetext.iso(own.not_after)
        raise ShorterValidity(f"the Store's certificate is valid to {end} already")
    return certificate.self_signed_ca(key, str(names.common_name(own.subject)), valid)


def replace_certificate(home: Path, der: bytes) -> None:
    """Write the Store's new certificate in place of the old one.

    Args:
        home: the Store's folder.
        der: the certificate, DER.
    """
    files.write(home / CERTIFICATE, pem.encode(pem.CERTIFICATE, der), files.PRIVATE)


def unlock(home: Path, ask: keyfile.Ask) -> Signer:
    """Open the Store's key.

    Args:
        home: the Store's folder.
        ask: returns the passphrase if one is needed.

    Raises:
        NotInitialised: there is no Store.
        NotAKey: the file is not the key of the Store's certificate.
        Failure: as keysource.load raises it.
    """
    known = load_certificate(home)
    key = keysource.load(home / KEY, ask)
    if key.spki != known.spki:
        raise NotAKey(f"{home / KEY} is not the key of {home / CERTIFICATE}")
    return key


def countersign(key: Signer, own: x509.Certificate, developer: seal.Seal, now: int) -> seal.Seal:
    """Make the Store seal over a developer seal that `intake` has accepted.

    Args:
        key: the Store's key.
        own: the Store's certificate.
        developer: the developer seal.
        now: the time, Unix seconds.

    Returns: the Store seal, valid from shortly before now to the end of the Store's certificate.

    Raises:
        NotYetValid: the Store's certificate is not valid yet.
        StoreEnded: it is no longer valid.
    """
    if now > own.not_after:
        raise StoreEnded(f"the Store's certificate was valid to {timetext.iso(own.not_after)}")
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
