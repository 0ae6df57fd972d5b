"""The Store's own keys and certificates, its root, and the Store seal.

The first signing key is in the home, a later one in a folder of its own, see `keyplaces`. The list
of signing keys that the root has signed (`storekeys`) is in the home. The root's key is made there,
and can be moved elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sealcore import errors, keys, names, seal, sealwriter, timetext, x509
from sealcore.compat import sha256
from triseal import (
    certificate,
    files,
    folder,
    keyfile,
    keyplaces,
    keysource,
    pem,
    request,
    storekeys,
)
from triseal.certificate import Validity
from triseal.errors import (
    AlreadyExists,
    DamagedStore,
    NoRoot,
    NotAKey,
    NotInitialised,
    NotRecognised,
    SeveralInFile,
    ShorterValidity,
    StoreEnded,
)
from triseal.keysource import NewKey
from triseal.signer import Signer
from triseal.storekeys import StoreKeys

KEY = "store.key"
CERTIFICATE = "store.crt"
ROOT_KEY = "root.key"
KEYS = "store.keys.pem"


def init(
    home: Path,
    name: str,
    new: NewKey,
    valid: Validity,
    new_root: NewKey | None = None,
    fill: Callable[[Path], None] | None = None,
) -> bytes:
    """Create the Store's key and self-signed certificate, and its root.

    Args:
        home: the folder; it must not exist, or be empty.
        name: name of the Store, 1 to 64 bytes.
        new: what is to become the Store's key.
        valid: validity of the certificate.
        new_root: what is to become the key of the root; None makes no root.
        fill: writes what else belongs into the home, which has another path until all is there.

    Returns: the certificate, DER.

    Raises:
        AlreadyExists: the folder holds a Store's key or something else, which stays as it is.
        BadName: the name is not allowed.
        Failure: as `NewKey.create` or `fill` raises it.
    """
    request.check_name(name)
    new.check()
    if new_root is not None:
        new_root.check()
    check_vacant(home)
    with folder.fresh(home) as fresh:
        key, mark = new.create(fresh / KEY), b""
        if new_root is not None:
            root = new_root.create(fresh / ROOT_KEY)
            mark = replace_list(fresh, storekeys.make(root, name, 1, (key.spki,))).root_mark
        der = certificate.self_signed_ca(key, name, valid, mark)
        replace_certificate(fresh, der)
        if fill is not None:
            fill(fresh)
        folder.settle(fresh, home)
    return der


def check_vacant(home: Path) -> None:
    """Check that a Store can be made in a folder.

    Args:
        home: the folder; it must not exist, or be empty.

    Raises:
        AlreadyExists: the folder holds a Store's key or something else.
    """
    if (home / KEY).exists():  # the most frequent reason gets a message of its own
        raise AlreadyExists(f"there is a key at {home / KEY}")
    folder.check_vacant(home)


def load_list(home: Path) -> StoreKeys | None:
    """Load the list of signing keys that the Store's root has signed.

    Args:
        home: the Store's folder.

    Returns: None if the Store has no root.

    Raises:
        BadStoreKeys: the file is damaged.
    """
    try:
        return storekeys.parse(files.read(home / KEYS, 2 * storekeys.MAX_SIZE))
    except FileNotFoundError:
        return None


def replace_list(home: Path, listed: StoreKeys) -> StoreKeys:
    """Write a new list of signing keys in place of the old one.

    Args:
        home: the Store's folder.
        listed: the list.

    Returns: the list.
    """
    files.write(home / KEYS, pem.encode(pem.STORE_KEYS, listed.der), files.PRIVATE)
    return listed


def certificates(home: Path) -> dict[Path, x509.Certificate]:
    """Load the certificates of all signing keys of a Store, by their folders.

    Args:
        home: the Store's folder.

    Raises:
        DamagedStore: a file is not a certificate.
    """
    places = [path for path in keyplaces.every(home) if (path / CERTIFICATE).exists()]
    return {place: _load_certificate(place) for place in places}


def first_key(home: Path) -> bytes:
    """Return the key with which a Store began, DER SubjectPublicKeyInfo.

    Its certificate stays in the home when the key is revoked, since it names the Store's log.

    Args:
        home: the Store's folder.

    Raises:
        NotInitialised: there is no Store.
        DamagedStore: the file is not a certificate.
    """
    try:
        return bytes(_load_certificate(home).spki)
    except FileNotFoundError:
        raise NotInitialised(f"there is no Store at {home}") from None


def load_certificate(home: Path) -> x509.Certificate:
    """Load the certificate of the Store's key in use.

    Args:
        home: the Store's folder.

    Raises:
        NotInitialised: there is no Store.
        DamagedStore: the file is not a certificate.
    """
    try:
        return _load_certificate(keyplaces.in_use(home))
    except FileNotFoundError:
        raise NotInitialised(f"there is no Store at {home}") from None


def _load_certificate(place: Path) -> x509.Certificate:
    data = files.read(place / CERTIFICATE, pem.MAX_SIZE)
    try:
        return x509.parse(pem.expect(data, pem.CERTIFICATE))
    except (NotRecognised, SeveralInFile, errors.SealError):
        raise DamagedStore(f"{place / CERTIFICATE} is not a certificate") from None


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
    name = str(names.common_name(own.subject))
    return certificate.self_signed_ca(key, name, valid, storekeys.root_of(own))


def replace_certificate(home: Path, der: bytes) -> None:
    """Write a new certificate of the key in use in place of the old one.

    Args:
        home: the Store's folder.
        der: the certificate, DER.
    """
    place = keyplaces.in_use(home)
    files.write(place / CERTIFICATE, pem.encode(pem.CERTIFICATE, der), files.PRIVATE)


def unlock(home: Path, ask: keyfile.Ask) -> Signer:
    """Open the Store's key in use.

    Args:
        home: the Store's folder.
        ask: returns the passphrase if one is needed.

    Raises:
        NotInitialised: there is no Store.
        NotAKey: the file is not the key of the Store's certificate.
        Failure: as keysource.load raises it.
    """
    load_certificate(home)
    return unlock_at(keyplaces.in_use(home), ask)


def unlock_at(place: Path, ask: keyfile.Ask) -> Signer:
    """Open one of the Store's signing keys.

    Args:
        place: its folder.
        ask: returns the passphrase if one is needed.

    Raises:
        NotAKey: the file is not the key of the certificate beside it.
        Failure: as keysource.load raises it.
    """
    known = _load_certificate(place)
    key = keysource.load(place / KEY, ask)
    if key.spki != known.spki:
        raise NotAKey(f"{place / KEY} is not the key of {place / CERTIFICATE}")
    return key


def unlock_root(home: Path, where: str, ask: keyfile.Ask) -> Signer:
    """Open the key of the Store's root.

    Args:
        home: the Store's folder.
        where: path or URI of the key; "" for the file in the home.
        ask: returns the passphrase if one is needed.

    Raises:
        NoRoot: the Store has none.
        NotAKey: it is not the key of the root.
        Failure: as keysource.open_uri raises it.
    """
    listed = load_list(home)
    if listed is None:
        raise NoRoot(f"the Store at {home} has no root")
    key = keysource.open_uri(where or str(home / ROOT_KEY), ask)
    if key.spki != listed.root:
        raise NotAKey(f"{where or home / ROOT_KEY} is not the key of the Store's root")
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
