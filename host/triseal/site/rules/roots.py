"""The next trust bundle: made, signed by the roots whose keys are here, and kept once enough have.

Nothing else that the site does needs a root. If signatures are missing, the bundle waits in a
request file, see `bundlerequest`.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from sealcore import bundle, der, errors, keys, limits, messages, rsa, sealwriter, signedtime
from sealcore.bundle import TrustBundle
from triseal import bundles
from triseal.bundlerequest import BundleRequest
from triseal.signer import Signer
from triseal.site.errors import Changed, SignaturesWanted
from triseal.site.records import tables
from triseal.site.rules import trust
from triseal.site.rules.trust import Keys
from triseal.site.slca.authority import Authority, Issuer

_ECDSA = 72  # most bytes of a signature
_FRAME = 64


def make(issuer: Issuer, wanted: Keys, version: int, now: int) -> bytes:
    """Return the part of a new bundle that is signed.

    Args:
        issuer: the public part of the SLCA.
        wanted: the keys that it holds.
        version: its version.
        now: the time, Unix seconds.

    Raises:
        TooLarge: a bundle can't hold so many keys.
    """
    lists = wanted.site, wanted.stores, wanted.developers
    if max(len(wanted.site), len(wanted.stores)) > limits.MAX_BUNDLE_KEYS:
        raise errors.TooLarge("trust bundle")
    if len(wanted.roots[1]) > limits.MAX_ROOTS:
        raise errors.TooLarge("trust bundle")
    return bytes(sealwriter.bundle_tbs(version, issuer.site, now, wanted.roots, *lists))


def ask(
    issuer: Issuer, held: TrustBundle, wanted: Keys, tbs: bytes, signers: Iterable[Signer]
) -> BundleRequest:
    """Sign a new bundle with each root at hand, and return it with what it replaces.

    Args:
        issuer: the public part of the SLCA.
        held: the newest bundle.
        wanted: the keys that it holds.
        tbs: from `make`.
        signers: the keys at hand; those of no root are ignored.

    Raises:
        TooLarge: a node can't receive the bundle.
    """
    due = (*bundles.roots_of(held)[1], *wanted.roots[1])
    made = [bundles.signature(one, tbs) for one in signers if one.spki in due]
    signed = bytes(sealwriter.signed_bundle(tbs, made))
    # A node receives it together with the signed time in one frame.
    time = sealwriter.signed(
        signedtime.tbs(issuer.site, bytes(16), held.issued_at),
        issuer.algorithm,
        bytes(_signature_size(issuer.spki)),
    )
    # Room for the signatures that are still missing, with their frame.
    others = due[len(made) : max(held.roots[0], wanted.roots[0])]
    room = sum(_signature_size(spki) + _FRAME for spki in others)
    if len(messages.write(messages.WELCOME, time, signed)) + room > messages.MAX_FRAME:
        raise errors.TooLarge("trust bundle")
    return BundleRequest(held, bundle.parse(signed), wanted.known)


def _signature_size(spki: bytes) -> int:
    key = keys.parse(spki)
    return (key.n.bit_length() + 7) // 8 if isinstance(key, rsa.PublicKey) else _ECDSA


def next_bundle(
    connection: Connection,
    issuer: Issuer,
    held: TrustBundle,
    wanted: Keys,
    signers: Iterable[Signer],
    now: int,
) -> BundleRequest:
    """Make the next bundle, and sign it with each root at hand.

    Args:
        connection: any transaction.
        issuer: the public part of the SLCA.
        held: the newest bundle.
        wanted: the keys of the next one.
        signers: the keys at hand.
        now: the time, Unix seconds.

    Raises:
        TooLarge: as `make` and `ask`.
    """
    # A node accepts new roots only in the very next version.
    same = bundles.roots_of(held) == wanted.roots
    version = trust.next_version(connection, held.version) if same else held.version + 1
    return ask(issuer, held, wanted, make(issuer, wanted, version, now), signers)


def accept(connection: Connection, issuer: Issuer, asked: BundleRequest) -> TrustBundle:
    """Check that enough roots have signed a new bundle, and keep it.

    Args:
        connection: a writing transaction.
        issuer: the public part of the SLCA.
        asked: the bundle, with the one that it replaces.

    Raises:
        SignaturesWanted: more roots must sign it.
        Changed: another bundle is the newest meanwhile.
    """
    newest = trust.current(connection, issuer)
    if newest.digest != asked.held.digest:
        raise Changed("somebody else changed the trust at the same time")
    if asked.missing:
        raise SignaturesWanted(f"{asked.missing} more of the site's roots must sign", asked)
    asked.asked.check_update(newest)
    keep(connection, asked.asked, trust.keys_of(asked.asked, asked.known), newest)
    return asked.asked


def keep(
    connection: Connection, new: TrustBundle, wanted: Keys, before: TrustBundle | None
) -> None:
    """Keep a bundle that was checked, and the names of its developers.

    Args:
        connection: a writing transaction.
        new: the bundle.
        wanted: its keys, with names.
        before: the bundle that it replaces; None for the first.
    """
    changes = before is not None and bundles.roots_of(before) != wanted.roots
    table = tables.bundles
    # Rows of this version or a later one are not signed by the roots, see `trust.current`.
    connection.execute(table.delete().where(table.c.version >= new.version))
    row = {"version": new.version, "der": bytes(new.der), "changes_roots": changes}
    connection.execute(table.insert().values(row))
    listed = {entry for entry, _ in wanted.developers}
    trust.keep_names(connection, {k: v for k, v in wanted.known.items() if k in listed})


def found(connection: Connection, issuer: Issuer, root: Signer, now: int) -> TrustBundle:
    """Make the first bundle of a new site.

    Args:
        connection: a writing transaction.
        issuer: the public part of the SLCA.
        root: the only root.
        now: the time, Unix seconds.
    """
    wanted = trust.founding_keys(issuer, root.spki)
    first = bundle.parse(bundles.signed(make(issuer, wanted, 1, now), root))
    first.check_signed()
    keep(connection, first, wanted, None)
    return first


def appoint(connection: Connection, authority: Authority, root: Signer, now: int) -> TrustBundle:
    """Make the first bundle of version 2 for a site of an older program.

    Its nodes have bundles that the site's key has signed. So this key signs once more, together
    with the new root; it is the last bundle that it signs.

    Args:
        connection: a writing transaction.
        authority: the SLCA.
        root: the only root from now on.
        now: the time, Unix seconds.
    """
    newest = trust.current(connection, authority.issuer)
    known = trust.known(connection)
    before = trust.keys_of(newest, known)
    wanted = Keys((1, (root.spki,)), before.site, before.stores, before.developers, known)
    tbs = make(authority.issuer, wanted, newest.version + 1, now)
    signed = [bundles.signature(root, tbs), authority.appoint(tbs)]
    first = bundle.parse(bytes(sealwriter.signed_bundle(tbs, signed)))
    first.check_update(newest)
    keep(connection, first, wanted, newest)
    return first


def tbs_of(trusted: TrustBundle) -> bytes:
    """Return the signed part of a bundle.

    Args:
        trusted: the bundle.
    """
    return bytes(der.single(trusted.der).element())


def is_old(trusted: TrustBundle) -> bool:
    """Tell whether a bundle is of version 1, so that the site has no root yet.

    Args:
        trusted: the newest bundle.
    """
    return bool(der.single(tbs_of(trusted)).text(1, 63) == limits.OLD_BUNDLE_LABEL)
