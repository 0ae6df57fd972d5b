"""Sign trust bundles, and describe the keys in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sealcore import errors, limits, sealwriter
from sealcore.bundle import TrustBundle
from sealcore.compat import sha256
from triseal.signer import Signer

Entry = tuple[bytes, bytes]  # name and SubjectPublicKeyInfo, both DER
Developer = tuple[bytes, int]  # hash of an Entry, and what the developer may sign
Roots = tuple[int, tuple[bytes, ...]]  # threshold, and SubjectPublicKeyInfo of each root
Signature = tuple[bytes, bytes, bytes]  # hash of the signer's key, algorithm, signature


def signature(signer: Signer, tbs: bytes) -> Signature:
    """Sign a bundle with one key.

    Args:
        signer: signs.
        tbs: from `sealwriter.bundle_tbs`.
    """
    return sha256(signer.spki), signer.algorithm, signer.sign(tbs)


def signed(tbs: bytes, *signers: Signer) -> bytes:
    """Sign a bundle with several keys, and return it, DER.

    Args:
        tbs: from `sealwriter.bundle_tbs`.
        signers: the roots that sign.
    """
    return bytes(sealwriter.signed_bundle(tbs, [signature(one, tbs) for one in signers]))


def listed(entries: Iterable[Entry], kinds: int = limits.SERVICE) -> list[Developer]:
    """Return developers as a bundle lists them.

    Args:
        entries: name and key of each.
        kinds: what they may sign, as in `sealwriter.kinds`.
    """
    return [(sealwriter.entry_hash(name, key), kinds) for name, key in entries]


def one_root(signer: Signer) -> Roots:
    """Return the roots of a site that has one.

    Args:
        signer: signs with the root's key.
    """
    return 1, (signer.spki,)


def roots_of(trusted: TrustBundle) -> Roots:
    """Return the roots in a bundle.

    Args:
        trusted: the bundle.
    """
    threshold, keys = trusted.roots
    return threshold, tuple(bytes(key) for key in keys)


def developers_of(trusted: TrustBundle) -> tuple[Developer, ...]:
    """Return the developers in a bundle.

    Args:
        trusted: the bundle.
    """
    data, size = bytes(trusted.developers), limits.DEVELOPER
    return tuple((data[at : at + 32], data[at + 32]) for at in range(0, len(data), size))


def simple(
    signer: Signer,
    version: int,
    site: str,
    now: int,
    keys: Sequence[Iterable[Entry]],
) -> bytes:
    """Make and sign a bundle whose only root is `signer`; all developers may sign services.

    Args:
        signer: the root.
        version: its version.
        site: the site's name.
        now: the time, Unix seconds.
        keys: keys of the site, of Stores, and of developers.
    """
    site_keys, stores, developers = keys
    tbs = sealwriter.bundle_tbs(
        version, site, now, one_root(signer), site_keys, stores, listed(developers)
    )
    return signed(tbs, signer)


_WORDS = ((limits.SERVICE, "service"), (limits.AGENT, "agent"), (limits.FIRMWARE, "firmware"))


def words(kinds: int) -> str:
    """Say what a developer may sign.

    Args:
        kinds: as in `sealwriter.kinds`.
    """
    return " ".join(word for bit, word in _WORDS if kinds & bit)


def kinds_of(wanted: Iterable[str]) -> int:
    """Return the kinds that these words name.

    Args:
        wanted: words as `words` returns them.

    Raises:
        KeyError: a word is none of them.
    """
    known = {word: bit for bit, word in _WORDS}
    return sum(known[word] for word in set(wanted))


def signers_of(trusted: TrustBundle, roots: Roots) -> list[bytes]:
    """Return the keys of the roots whose signature on a bundle holds.

    Args:
        trusted: the bundle.
        roots: the roots that count.
    """
    found = []
    for spki in roots[1]:
        try:
            trusted.check_signed((1, [spki]))
        except errors.SealError:
            continue
        found.append(spki)
    return found


def missing(trusted: TrustBundle, held: TrustBundle | None) -> int:
    """Return how many more signatures a bundle needs at least.

    Args:
        trusted: the bundle.
        held: the bundle before it; None for the first.
    """
    wanted = [roots_of(one) for one in (trusted, held) if one is not None]
    return max(0, *(roots[0] - len(signers_of(trusted, roots)) for roots in wanted), 0)
