"""A trust bundle that waits for signatures of roots whose keys are elsewhere.

A file holds the bundle, the one before it, and the names of the developers: so the person who signs
on a computer without network sees what changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sealcore import bundle, der, encode, errors, sealwriter
from sealcore.bundle import TrustBundle
from triseal import bundles
from triseal.bundles import Entry
from triseal.errors import NotABundleRequest, NotARoot
from triseal.signer import Signer

LABEL = "triseal bundle request v1"
MAX_SIZE = 65536


@dataclass(frozen=True)
class BundleRequest:
    """A trust bundle that waits for signatures.

    Attributes:
        held: the bundle that it replaces.
        asked: the bundle, with the signatures that it has.
        known: name and key of developers by hash.
    """

    held: TrustBundle
    asked: TrustBundle
    known: Mapping[bytes, Entry]

    @property
    def missing(self) -> int:
        """How many more signatures it needs at least."""
        return bundles.missing(self.asked, self.held)

    @property
    def tells_all(self) -> bool:
        """Whether what changes between the two bundles is all that changes for the site.

        Nobody but the file says that the site has the older bundle now. A thief of the site's
        server can put one into it that he has made with roots of his own, or that the site had long
        ago. If the newer bundle has the same roots and the next version, neither is possible.
        """
        same = bundles.roots_of(self.held) == bundles.roots_of(self.asked)
        return same and self.asked.version == self.held.version + 1

    def der(self) -> bytes:
        """Return the content of its file."""
        listed = {entry for entry, _ in bundles.developers_of(self.held)}
        listed |= {entry for entry, _ in bundles.developers_of(self.asked)}
        entries = [self.known[entry] for entry in sorted(listed & self.known.keys())]
        return bytes(
            encode.sequence(
                encode.text(LABEL),
                self.held.der,
                self.asked.der,
                encode.sequence(*[encode.sequence(*entry) for entry in entries]),
            )
        )

    def signed(self, signer: Signer) -> BundleRequest:
        """Add the signature of one root.

        Args:
            signer: signs with the key of the root.

        Raises:
            NotARoot: the key is of no root of these bundles.
        """
        if signer.spki not in bundles.roots_of(self.held)[1] + bundles.roots_of(self.asked)[1]:
            raise NotARoot("the key is none of the site's roots")
        tbs = bytes(der.single(self.asked.der).element())
        return self._with([bundles.signature(signer, tbs)])

    def merged(self, other: BundleRequest) -> BundleRequest:
        """Add the signatures of another file for the same bundle.

        Args:
            other: the request in the other file.

        Raises:
            NotABundleRequest: it is for another bundle.
        """
        if (other.asked.digest, other.held.digest) != (self.asked.digest, self.held.digest):
            raise NotABundleRequest("the files are for different trust bundles")
        both = replace(self, known={**other.known, **self.known})
        return both._with(_plain(other.asked))

    def _with(self, more: list[bundles.Signature]) -> BundleRequest:
        """Add signatures; of two in the name of one key, keep one that holds."""
        tbs = bytes(der.single(self.asked.der).element())
        roots = dict.fromkeys(bundles.roots_of(self.held)[1] + bundles.roots_of(self.asked)[1])
        kept: dict[bytes, bundles.Signature] = {}
        for one in (*_plain(self.asked), *more):
            alone = bundle.parse(sealwriter.signed_bundle(tbs, [one]))
            if bundles.signers_of(alone, (1, tuple(roots))):
                kept[one[0]] = one
        signed = bytes(sealwriter.signed_bundle(tbs, list(kept.values())))
        return replace(self, asked=bundle.parse(signed))


def _plain(trusted: TrustBundle) -> list[bundles.Signature]:
    return [(bytes(a), bytes(b), bytes(c)) for a, b, c in trusted.signature]


def parse(data: bytes) -> BundleRequest:
    """Parse the content of a request file.

    Args:
        data: the content.

    Raises:
        NotABundleRequest: it is none, or its bundles do not follow each other.
    """
    try:
        return _parse(data)
    except errors.SealError as error:
        raise NotABundleRequest(f"{error.code} {error}".strip()) from None


def _parse(data: bytes) -> BundleRequest:
    if len(data) > MAX_SIZE:
        raise errors.TooLarge
    outer = der.single(data)
    if outer.text(1, len(LABEL)) != LABEL:
        raise errors.MalformedDER
    held, asked = (bundle.parse(bytes(outer.element())) for _ in range(2))
    listed = outer.enter()
    outer.end()
    known = {}
    while listed.peek() >= 0:
        entry = listed.enter()
        name, key = bytes(entry.element()), bytes(entry.element())
        entry.end()
        known[bytes(sealwriter.entry_hash(name, key))] = name, key
    held.check_signed()
    if asked.site != held.site:
        raise errors.WrongSite(asked.site)
    if asked.version <= held.version:
        raise errors.Rollback
    return BundleRequest(held, asked, known)
