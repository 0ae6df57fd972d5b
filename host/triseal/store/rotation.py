"""The replacement of a Store's signing key, in steps that sites can follow.

1. `prepare`: a new key is made, and the root names it beside the old one. Sites that read the
   notices trust both.
2. `activate`: the new key signs, and all releases are countersigned again with it.
3. `revoke`: the root names the new key alone. Sites that read the notices drop the old one.

Each step can be interrupted, and the same call again completes it. The old key is needed for none
of them, so that a lost one can be replaced too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sealcore import names, x509
from triseal import certificate, files, folder, keyfile, keyplaces, notices, pem, storekeys
from triseal.certificate import Validity
from triseal.errors import AlreadyExists, NoRoot, WrongState
from triseal.keysource import NewKey
from triseal.notices import Change
from triseal.request import fingerprint
from triseal.signer import Signer
from triseal.store import authority, changes
from triseal.store.changes import Why
from triseal.store.records import Release
from triseal.store.store import Store

PREPARED = "prepared"
IN_USE = "in use"
FORMER = "former"


@dataclass(frozen=True)
class KeyState:
    """One signing key of a Store.

    Attributes:
        fingerprint: SHA-256 of the key, hex.
        state: PREPARED, IN_USE or FORMER.
        not_after: end of its certificate, Unix seconds.
        spki: the key, DER SubjectPublicKeyInfo.
        place: its folder.
    """

    fingerprint: str
    state: str
    not_after: int
    spki: bytes
    place: Path


def states(home: Path) -> list[KeyState]:
    """Return the signing keys of a Store, in the order of their making.

    Args:
        home: the Store's folder.

    Raises:
        NotInitialised, DamagedStore, BadStoreKeys: as `authority`.
    """
    own = authority.load_certificate(home)
    listed = authority.load_list(home)
    order = listed.keys if listed else (bytes(own.spki),)
    by_key = {bytes(one.spki): (place, one) for place, one in authority.certificates(home).items()}
    used = order.index(bytes(own.spki))
    found = []
    for at, spki in enumerate(order):
        if spki in by_key:
            place, one = by_key[spki]
            state = IN_USE if at == used else FORMER if at < used else PREPARED
            found.append(KeyState(fingerprint(spki), state, one.not_after, spki, place))
    return found


def make_root(store: Store, new: NewKey) -> Signer:
    """Make the root of a Store that has none. Its key in use gets a certificate that names it.

    Args:
        store: the Store.
        new: what is to become the key of the root.

    Returns: the root.

    Raises:
        AlreadyExists: the Store has a root.
        Failure: as `NewKey.create`, or as `authority.unlock`.
    """
    home = store.home
    with keyplaces.alone(home):
        if authority.load_list(home) is not None:
            raise AlreadyExists(f"the Store at {home} has a root")
        key = store.signer()
        own = store.certificate
        (home / authority.ROOT_KEY).unlink(missing_ok=True)  # of a call that was interrupted
        root = new.create(home / authority.ROOT_KEY)
        valid = Validity(own.not_before, own.not_after)
        listed = storekeys.make(root, _name(store), 1, (key.spki,))
        der = certificate.self_signed_ca(key, _name(store), valid, listed.root_mark)
        authority.replace_certificate(home, der)
        authority.replace_list(home, listed)
        store.certificate = x509.parse(der)
    return root


def prepare(store: Store, root: Signer, new: NewKey, valid: Validity, why: Why) -> KeyState:
    """Make a new signing key, which the root names beside the present one.

    Args:
        store: the Store.
        root: the Store's root.
        new: what is to become the key.
        valid: validity of its certificate.
        why: the reason.

    Raises:
        WrongState: a key is prepared already.
        Failure: as `NewKey.create`.
    """
    home = store.home
    with keyplaces.alone(home):
        ready = _prepared(home)
        if ready is not None and _recorded(store, notices.KEY_PREPARED, ready.spki):
            raise WrongState("a key is prepared already: activate it or revoke it")
        _remove_strays(home)
        spki = ready.spki if ready else _make_key(store, new, valid)
        with store.changing() as connection:
            made = Change(notices.KEY_PREPARED, _name(store), key=spki)
            changes.record(connection, store.time(), why, made)
            if ready is None:
                _name_keys(store, root, (*_list(home).keys, spki))
    return _state_of(home, spki)


def _make_key(store: Store, new: NewKey, valid: Validity) -> bytes:
    """Make a signing key and its certificate, which nobody knows yet."""
    home = store.home
    with folder.fresh(home / "new") as fresh:
        key = new.create(fresh / authority.KEY)
        if any(one.spki == key.spki for one in states(home)):
            raise AlreadyExists("the token has this key in use already; give another object")
        der = certificate.self_signed_ca(key, _name(store), valid, _list(home).root_mark)
        text = pem.encode(pem.CERTIFICATE, der)
        files.write(fresh / authority.CERTIFICATE, text, files.PRIVATE)
        folder.settle(fresh, keyplaces.of(home, fingerprint(key.spki)))
    return key.spki


def activate(store: Store, ask: keyfile.Ask, why: Why) -> tuple[KeyState, list[Release]]:
    """Sign with the prepared key from now on, and countersign all releases again with it.

    Args:
        store: the Store.
        ask: returns the passphrase of the prepared key.
        why: the reason.

    Returns: the key, and the releases with their new seals.

    Raises:
        WrongState: no key is prepared.
        Failure: as `authority.unlock_at`.
    """
    home = store.home
    with keyplaces.alone(home):
        new = _prepared(home) or _half_activated(store)
        if new is None:
            raise WrongState("no key is prepared: triseal store key prepare makes one")
        order = _list(home).keys
        before = order[order.index(new.spki) - 1]
        key = authority.unlock_at(new.place, ask)
        own = authority.certificates(home)[new.place]
        with store.changing() as connection:
            sealed, _ = store.seal_again(connection, key, own)
            made = Change(notices.KEY_ACTIVATED, _name(store), key=new.spki, former=before)
            changes.record(connection, store.time(), why, made)
            # If the process ends after this line, the key is in use, and old seals stay, which are
            # good until the old key is revoked; `_half_activated` finds that out.
            keyplaces.use(home, new.place)
            store.use(key)
    return _state_of(home, new.spki), sealed


def revoke(store: Store, root: Signer, why: Why) -> list[KeyState]:
    """Let the root name the key in use alone, and remove all others.

    Args:
        store: the Store.
        root: the Store's root.
        why: the reason.

    Returns: the keys that were removed.

    Raises:
        WrongState: there is only one key.
    """
    home = store.home
    with keyplaces.alone(home):
        own = bytes(authority.load_certificate(home).spki)
        gone = [one for one in states(home) if one.spki != own]
        left = [spki for spki in _list(home).keys if spki != own]
        if not gone and not left:
            raise WrongState("the Store has one key only: prepare and activate another one first")
        if _half_activated(store) is not None:
            raise WrongState("a key is half activated: run `triseal store key activate` again")
        told = [spki for spki in left if not _recorded(store, notices.KEY_REVOKED, spki)]
        with store.changing() as connection:
            for spki in told:
                made = Change(notices.KEY_REVOKED, _name(store), former=spki)
                changes.record(connection, store.time(), why, made)
        _name_keys(store, root, (own,))
        _remove_strays(home)
    return gone


def _prepared(home: Path) -> KeyState | None:
    return next((one for one in states(home) if one.state == PREPARED), None)


def _half_activated(store: Store) -> KeyState | None:
    """Return the key in use if its activation was interrupted."""
    (used,) = [one for one in states(store.home) if one.state == IN_USE]
    begun = _recorded(store, notices.KEY_PREPARED, used.spki)
    done = _recorded(store, notices.KEY_ACTIVATED, used.spki)
    return used if begun and not done else None


def _recorded(store: Store, kind: str, spki: bytes) -> bool:
    return any(one.kind == kind and spki == (one.key or one.former) for one in store.changes())


def _remove_strays(home: Path) -> None:
    """Remove the keys that the root does not name: they are revoked, or were never finished."""
    named = _list(home).keys
    for place, one in authority.certificates(home).items():
        if one.spki not in named:
            keyplaces.remove(home, place, (authority.KEY,))


def _name_keys(store: Store, root: Signer, signing: tuple[bytes, ...]) -> None:
    version = _list(store.home).version + 1
    listed = storekeys.make(root, _name(store), version, signing)
    authority.replace_list(store.home, listed)


def _list(home: Path) -> storekeys.StoreKeys:
    listed = authority.load_list(home)
    if listed is None:
        raise NoRoot(f"the Store at {home} has no root")
    return listed


def _state_of(home: Path, spki: bytes) -> KeyState:
    return next(one for one in states(home) if one.spki == spki)


def _name(store: Store) -> str:
    return str(names.common_name(store.certificate.subject))
