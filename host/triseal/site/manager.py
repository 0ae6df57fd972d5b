"""The SLSM: everything that people and nodes ask of a site. Each decision is a module of its own.

Each call is one transaction. If it fails, it has had no effect.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, select

from sealcore import keys, limits, proof
from sealcore.bundle import TrustBundle
from sealcore.seal import Seal
from triseal import database
from triseal.bundlerequest import BundleRequest
from triseal.choices import MAX_LIFETIME, MIN_LIFETIME
from triseal.errors import AlreadyExists
from triseal.keysource import NewKey
from triseal.notices import Notices
from triseal.package import Package
from triseal.signer import Signer
from triseal.site import clock, home, keyfacts
from triseal.site.deployment import Deployment
from triseal.site.errors import Changed, NodesWaiting, NoNodeMatches, NoSiteRoot
from triseal.site.logs import Logs
from triseal.site.records import (
    holdings,
    labels,
    ledger,
    node_clocks,
    nodes,
    nodesettings,
    rekeying,
    releases,
    restarts,
    services,
    sitekeys,
    tables,
    tokens,
    told,
)
from triseal.site.records.placement import Place
from triseal.site.records.sitekeys import SiteKey
from triseal.site.rules import (
    agents,
    configuring,
    deploying,
    ending,
    grants,
    guarantee,
    intake,
    restore,
    review,
    rollout,
    roots,
    rotation,
    selector,
    trust,
)
from triseal.site.rules.configuring import Configured
from triseal.site.rules.deploying import Applied, Standing
from triseal.site.rules.guarantee import Guarantee
from triseal.site.rules.intake import Choices, Taken
from triseal.site.rules.restore import Accepted
from triseal.site.rules.review import Review
from triseal.site.rules.rotation import Progress
from triseal.site.rules.sealing import Preparer, Sealer, check_fits
from triseal.site.rules.trust import Difference, Keys
from triseal.site.slca.authority import Authority, Certified, Issuer
from triseal.site.vault import Vault
from triseal.watermark import Watermark

NODE_SECONDS = 365 * 86400

Clock = Callable[[], int]
Ask = Callable[[], bytes]
Show = Callable[[list[Difference]], None]


def now() -> int:
    """Return this computer's time, Unix seconds."""
    return int(time.time())


def _silent(_: list[Difference]) -> None:
    """Show nothing."""


class _Keys:
    """The keys of a site as they were read last; another object takes its place after a change."""

    def __init__(self, issuer: Issuer, known: tuple[SiteKey, ...]) -> None:
        self.known = known
        self.preparer = Preparer(issuer)
        self.authority: Authority | None = None


class Manager:
    """A site that exists. It is a context manager; several threads and processes may use a site.

    Args:
        folder: the site's home.
        ask: returns the passphrase of the site key; called when something must be signed.
        clock: returns the time, Unix seconds.
        ask_root: returns the passphrase of the root's key, called when the trust changes; None for
            `ask`.

    Attributes:
        engine: the site's database.
        name: name of the site.
        mark: the file that remembers how far the database has come, see `restore`.
        logs: what the site knows of the logs of its Stores.

    Raises:
        NotInitialised: the folder holds no site.
        Incomplete: something is missing in the folder.
        DatabaseUnusable: the database can't be opened.
    """

    # --- Opening and closing ----------------------------------------------------------------

    def __init__(
        self, folder: Path, ask: Ask, clock: Clock = now, ask_root: Ask | None = None
    ) -> None:
        self._folder = folder
        self._ask = ask
        self._ask_root = ask_root or ask
        self._signers: list[Signer] | None = None
        self._more: list[Signer] = []
        self._clock = clock
        self.engine, issuer, _ = home.open_site(folder)
        self.name = issuer.site
        with database.reading(self.engine) as connection:
            self._keys = _Keys(issuer, sitekeys.all_keys(connection))
        self.mark = Watermark(folder / restore.FILE)
        self.logs = Logs(folder, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database. All threads that use the site must have ended."""
        self.engine.dispose()

    @property
    def lifetime(self) -> int:
        """The lifetime of the seals that the site issues now, seconds."""
        with database.reading(self.engine) as connection:
            return self._lifetime(connection)

    def _lifetime(self, connection: Connection) -> int:
        return int(connection.execute(select(tables.site.c.lifetime)).scalar_one())

    @property
    def folder(self) -> Path:
        """The site's home."""
        return self._folder

    @property
    def issuer(self) -> Issuer:
        """The public part of the SLCA."""
        return self._keys.preparer.issuer

    @property
    def preparer(self) -> Preparer:
        """Makes the templates of seals."""
        return self._keys.preparer

    @property
    def authority(self) -> Authority:
        """The SLCA. Asks for the passphrase the first time."""
        keys = self._keys
        if keys.authority is None:
            keys.authority = home.unlock(self._folder, keys.preparer.issuer, self._ask)
            keys.authority.open_secret = self.vault.open
        return keys.authority

    @property
    def vault(self) -> Vault:
        """Encrypts the secrets of settings."""
        return home.vault(self._folder, self._keys.preparer.issuer, self._ask)

    def authority_now(self, connection: Connection) -> Authority:
        """Return the SLCA after the keys of the site may have changed.

        Args:
            connection: any transaction.

        Raises:
            Incomplete, NotAKey: the new key is not in the folder of the site.
            Failure: as `home.unlock` raises it.
        """
        self._read_keys(connection)
        return self.authority

    def _read_keys(self, connection: Connection) -> None:
        known = sitekeys.all_keys(connection)
        if known != self._keys.known:
            self._keys = _Keys(home.issuer_of(self._folder, self.name, known), known)

    def unlock(self) -> None:
        """Ask for the passphrase before the work begins. Raises as `keyfile.load`."""
        _ = self.authority

    # --- The clock --------------------------------------------------------------------------

    def time(self) -> int:
        """Return the time of the clock that the site was opened with, Unix seconds."""
        return self._clock()

    def check_clock(self) -> None:
        """Check that the site can sign with this computer's time.

        Raises:
            ClockDoubted: the time does not continue from a noted one.
            CertificateNotValid: the site's certificate is not valid at this time.
            DatabaseBehind: the database was restored from a backup.
        """
        with self.reading() as connection:
            self._check_may_sign(connection, self._clock())

    def _check_may_sign(self, connection: Connection, moment: int) -> None:
        clock.check(connection, moment)
        self.issuer.check_valid(moment)
        restore.check(connection, self.issuer, self.mark, moment)

    def _time_to_sign(self) -> int:
        with self.reading() as connection:
            self._check_may_sign(connection, self._clock())
            return clock.to_sign(connection, self._clock())

    def accept_clock(self) -> None:
        """Accept this computer's time, whatever was noted before."""
        with self._changing(restored=True) as connection:
            clock.accept(connection, self._clock())
            clock.note(connection, self._clock(), doubted=False)

    # --- Restored databases -----------------------------------------------------------------

    def check_complete(self) -> None:
        """Check that the database has everything that the site has changed and sealed.

        Raises:
            DatabaseBehind: it was restored from a backup.
            MarkDamaged: the file that remembers it can't be read.
        """
        with self.reading() as connection:
            restore.check(connection, self.issuer, self.mark, self._clock())

    def accept_restored(self, signed: BundleRequest | None = None) -> Accepted:
        """Go on with a database that was restored from a backup: a person has looked at it.

        The trust bundle gets a version above all others. For one lifetime each bound includes
        seals that the database may have lost.

        Args:
            signed: the bundle of `SignaturesWanted`, signed by roots elsewhere; None makes one.

        Returns: what was done.

        Raises:
            ClockDoubted, CertificateNotValid: the site can't sign now.
            MarkDamaged: the file that remembers what the site has signed can't be read.
            NoSiteRoot, SignaturesWanted: as `change_trust`.
            Changed: the signed bundle is not what is wanted now.
        """
        signers = [] if signed else self.signers
        with self._changing(restored=True) as connection:
            moment = self._clock()
            clock.check(connection, moment)
            self.issuer.check_valid(moment)
            lifetime = self._lifetime(connection)
            return restore.accept(
                connection, self.issuer, signers, self.mark, lifetime, moment, signed
            )

    # --- What the site signs at once --------------------------------------------------------

    def sign_time(self, nonce: bytes, version: int = 0) -> bytes:
        """Sign the time for a node.

        Args:
            nonce: random bytes from the node, 16 bytes.
            version: version of the trust bundle that the node has; 0 if it surely knows the active
                key.

        Returns: the signed time, DER.

        Raises:
            ClockDoubted: the site can't sign now.
        """
        moment = self._time_to_sign()  # first, because it also sees that the key was changed
        return self.authority.known_to(version).sign_time(nonce, moment)

    # --- Trust ------------------------------------------------------------------------------

    def bundle(self) -> TrustBundle:
        """Return the newest trust bundle."""
        with self.reading() as connection:
            return trust.current(connection, self.issuer)

    def next_bundle(self, version: int) -> TrustBundle | None:
        """Return the trust bundle that a node is given after the one that it has.

        Args:
            version: version of the bundle that it has.
        """
        with self.reading() as connection:
            return trust.next_for(connection, self.issuer, version)

    def known_developers(self) -> dict[bytes, tuple[bytes, bytes]]:
        """Return name and key of developers by the hashes in trust bundles, all DER."""
        with self.reading() as connection:
            return trust.known(connection)

    def trust_store(self, certificate: bytes, show: Show = _silent) -> tuple[str, TrustBundle]:
        """Trust a Store, or keep the renewed certificate of one that is trusted.

        Args:
            certificate: the Store's CA certificate, DER.
            show: called with what the new bundle adds and removes, before it is signed.

        Returns: the Store's name, and the trust bundle that includes it.

        Raises:
            BadAuthority, NameTaken: as `trust.check_authority` and `trust.with_store`.
            OtherRoot: as `review.check_root`.
            TooLarge: the bundle has no room for another key.
            Changed: somebody else changed the trust at the same time.
            ClockDoubted: the site can't sign now.
        """
        name, spki = trust.check_authority(certificate, self._clock())
        trusted = self.bundle().store_keys
        with self.reading() as connection:
            review.check_root(connection, trusted, certificate)
        return name, self.change_trust(trust.with_store(name, spki), show, certificate)

    def trust_developer(
        self, name: str, spki: bytes, show: Show = _silent, kinds: int = limits.SERVICE
    ) -> TrustBundle:
        """Trust a developer's key.

        Args:
            name: name of the developer, which is the issuer in its seals.
            spki: the public key, DER SubjectPublicKeyInfo.
            show: as in `trust_store`.
            kinds: what she may sign, see `bundles.kinds_of`; she keeps what she may sign already.

        Returns: the trust bundle that includes the key.

        Raises:
            BadName: as `trust.with_developer`.
            TooLarge, Changed, ClockDoubted: as `trust_store`.
        """
        return self.change_trust(trust.with_developer(name, spki, kinds), show)

    def distrust_store(self, name: str, show: Show = _silent) -> TrustBundle:
        """Stop trusting a Store. From now on the site seals nothing that it has countersigned.

        Args:
            name: name of the Store.
            show: as in `trust_store`.

        Returns: the trust bundle without it.

        Raises:
            UnknownKey: the site trusts no such Store.
            Changed, ClockDoubted: as `trust_store`.
        """
        return self.change_trust(trust.without_store(name), show)

    def distrust_developer(self, name: str, show: Show = _silent) -> TrustBundle:
        """Stop trusting all keys of a developer. From now on the site seals none of its services.

        Args:
            name: name of the developer.
            show: as in `trust_store`.

        Returns: the trust bundle without them.

        Raises:
            UnknownKey: the site trusts no such developer.
            Changed, ClockDoubted: as `trust_store`.
        """
        return self.change_trust(trust.without_developer(name), show)

    def review(self, file: Notices, *, anew: bool = False) -> Review:
        """Verify what a Store has told, keep it, and find out what it means here.

        The trust stays as it is.

        Args:
            file: the parsed file.
            anew: whether a person takes the Store's history anew.

        Raises:
            Failure: as `review.read`; nothing was kept.
        """
        with self._changing() as connection:
            trusted = self._trusted(connection)
            made = review.read(connection, trusted, file, self._clock(), anew=anew)
            if anew:
                told.forget(connection, made.store)
            told.keep(connection, made.store, made.new, made.listed)
        return made

    def follow(
        self, made: Review, fingerprints: Sequence[str], show: Show = _silent, *, drop: bool = False
    ) -> TrustBundle:
        """Change the trust as a review says.

        Args:
            made: the review.
            fingerprints: as in `review.change`.
            show: as in `trust_store`.
            drop: as in `review.change`.

        Returns: the new trust bundle, or the present one if nothing changes.

        Raises:
            FingerprintWanted: as `review.change`.
            TooLarge, Changed, ClockDoubted: as `trust_store`.
        """
        change = review.change(made, fingerprints, drop=drop)
        for one in made.stores:
            self.logs.carry(one.instead_of, one.spki)
        published = self.change_trust(change, show)
        with self._changing() as connection:
            for one in made.stores:
                trust.keep_certificate(connection, one.certificate)
        return published

    def change_trust(
        self, change: trust.Changed, show: Show = _silent, certificate: bytes = b""
    ) -> TrustBundle:
        """Make the next trust bundle, signed by the roots whose keys are here.

        Args:
            change: returns the keys in the new bundle.
            show: as in `trust_store`.
            certificate: CA certificate of a Store to keep, DER.

        Returns: the new bundle; the newest one if nothing changes.

        Raises:
            SignaturesWanted: more roots must sign; the error holds the request for them.
            NoSiteRoot: the site was made by an older program and has no root.
            TooLarge, Changed, ClockDoubted: as `trust_store`.
            Failure: as keysource.load raises it.
        """
        with self.reading() as connection:
            before = self._trusted(connection)
            shown = trust.differences(before, change(before))
            newest = trust.current(connection, self.issuer)
            if shown:
                self._check_may_sign(connection, self._clock())
        if certificate:  # it may also have been renewed
            with self._changing() as connection:
                trust.keep_certificate(connection, certificate)
        if not shown:
            return newest
        signers = self.signers
        show(shown)
        with self._changing() as connection:
            newest = trust.current(connection, self.issuer)
            before = self._trusted(connection)
            after = change(before)
            if trust.differences(before, after) != shown:
                raise Changed("somebody else changed the trust at the same time")
            return self._next(connection, after, signers)

    def _next(self, connection: Connection, wanted: Keys, signers: list[Signer]) -> TrustBundle:
        """Make and keep the next bundle with these keys."""
        moment = self._clock()
        self._check_may_sign(connection, moment)
        held = trust.current(connection, self.issuer)
        asked = roots.next_bundle(connection, self.issuer, held, wanted, signers, moment)
        return roots.accept(connection, self.issuer, asked)

    def accept_bundle(self, asked: BundleRequest) -> TrustBundle:
        """Make a change of trust that roots elsewhere have signed.

        Args:
            asked: the new bundle, with the one that it replaces.

        Raises:
            SignaturesWanted, Changed: as `roots.accept`.
            ClockDoubted: the site can't sign now.
        """
        with self._changing() as connection:
            moment = self._clock()
            self._check_may_sign(connection, moment)
            before = rotation.progress(connection, self.issuer)
            made = roots.accept(connection, self.issuer, asked)
            self._note_step(connection, before, made, moment)
            return made

    def _note_step(
        self, connection: Connection, before: Progress, made: TrustBundle, moment: int
    ) -> None:
        """Note the step of a change of the site's key that a new bundle is."""
        has = {bytes(spki) for _, spki in made.site_keys}
        if before.next == rotation.PREPARE:
            for left in home.left_keys(self._folder, self.name, before.keys[-1].number + 1):
                if left.spki in has:
                    self._note_prepared(connection, before, left, made.version, moment)
        elif before.concerned_spki not in has:
            rotation.revoke(connection, before, made.version, moment)

    def _note_prepared(
        self, connection: Connection, before: Progress, made: Issuer, version: int, moment: int
    ) -> None:
        key = SiteKey(made.term.number, made.spki, sitekeys.PREPARED, version, prepared_at=moment)
        rotation.prepared(connection, before, key)

    def _trusted(self, connection: Connection) -> Keys:
        return trust.keys_of(trust.current(connection, self.issuer), trust.known(connection))

    @property
    def signers(self) -> list[Signer]:
        """The roots whose keys are here: that in the site's folder, and those of `use_roots`.

        Asks for the passphrase the first time.

        Raises:
            NoSiteRoot: the site was made by an older program and has no root.
        """
        if self.issuer.first is None:
            raise NoSiteRoot(f"the site {self.name} has no root")
        if self._signers is None:
            own = home.root(self._folder, self._ask_root)
            self._signers = [] if own is None else [own]
        return [*self._signers, *self._more]

    def use_roots(self, signers: Iterable[Signer]) -> None:
        """Sign trust bundles with these keys too.

        Args:
            signers: keys of roots.
        """
        self._more.extend(signers)

    def found_roots(self, new: NewKey) -> TrustBundle:
        """Give a site of an older program its first root, whose key is put into its folder.

        Args:
            new: the key of the root.

        Returns: the first bundle that the root signs. The site's key signs it too, once: nodes
            have no root yet and accept no other.

        Raises:
            AlreadyExists: the site has roots.
            Failure: as keysource.NewKey.create raises it.
        """
        if self.issuer.first is not None:
            raise AlreadyExists(f"the site {self.name} has roots")
        new.check()
        slca = self.authority
        root = home.new_root(self._folder, new, self._ask_root)
        with self._changing() as connection:
            moment = self._clock()
            self._check_may_sign(connection, moment)
            first = roots.appoint(connection, slca, root, moment)
        home.keep_first(self._folder, first)  # if it is lost, this can be done again
        self.issuer.first = first
        return first

    # --- The site's own keys ----------------------------------------------------------------

    def key_progress(self) -> Progress:
        """Return how far a change of the site's key has come."""
        with self.reading() as connection:
            return rotation.progress(connection, self.issuer)

    def site_keys(self) -> list[dict[str, object]]:
        """Return the keys of the site by number, with facts for people and programs."""
        progress = self.key_progress()
        return keyfacts.all_facts(self._folder, self.issuer, progress)

    def key_waits_for(self) -> list[str]:
        """Return the names of the nodes that hold up the next step of a change of the key."""
        with self.reading() as connection:
            return self._waits_for(connection, rotation.progress(connection, self.issuer))

    def prepare_key(self, algorithm: str = "", uri: str = "") -> int:
        """Make the next key of the site, and add it to the trust bundle. It signs nothing yet.

        Args:
            algorithm: one of choices.ALGORITHMS; "" for that of the active key.
            uri: URI of the key on a token; "" for a key file. The passphrase of the active key
                encrypts the file, or is the PIN of the token.

        Returns: version of the trust bundle.

        Raises:
            WrongStep: another key is on its way.
            TooLarge: the bundle has no room for another key.
            SignaturesWanted: roots elsewhere must sign; `accept_bundle` then takes the step.
            ClockDoubted: the site can't sign now.
            Failure: as `keysource.NewKey.create` raises it.
        """
        before = self.key_progress()
        before.check(rotation.PREPARE)
        self.check_clock()
        _ = self.signers
        new = home.next_key(self._folder, self.issuer, self._ask, algorithm, uri)
        moment = self._clock()
        made = home.make_key(self._folder, self.name, new, before.keys[-1].number + 1, moment)
        with self._changing() as connection:
            before = rotation.progress(connection, self.issuer)
            before.check(rotation.PREPARE)
            version = self._publish(connection, trust.with_site_key(made.entry))
            self._note_prepared(connection, before, made, version, moment)
        return version

    def activate_key(self, *, force: bool = False) -> None:
        """Let the prepared key sign from now on.

        Args:
            force: whether also nodes may be left behind that don't know the key yet.

        Raises:
            WrongStep: no key is prepared.
            NodesWaiting: a node that runs services does not know the key.
            Incomplete, NotAKey: the key is not in the folder of the site.
            ClockDoubted: the site can't sign now.
        """
        with self._changing() as connection:
            before = rotation.progress(connection, self.issuer)
            before.check(rotation.ACTIVATE)
            moment = self._clock()
            self._check_may_sign(connection, moment)
            if not force:
                self._check_no_node_waits(connection, before)
            rotation.activate(connection, before, moment)
            self.authority_now(connection)  # a key that can't be opened must not become active

    def taint_key(self) -> None:
        """Let all nodes replace the seals of the old key now.

        Raises:
            WrongStep: there is no old key.
        """
        with self._changing() as connection:
            before = rotation.progress(connection, self.issuer)
            before.check(rotation.TAINT)
            rotation.taint(connection, before, self._clock())

    def revoke_key(self, *, force: bool = False) -> int:
        """Remove the tainted key from the trust bundle.

        Args:
            force: whether nodes may be cut off that don't know the active key, and services be
                stopped whose seals the old key has signed.

        Returns: version of the trust bundle.

        Raises:
            WrongStep: no key is tainted.
            NodesWaiting: a node does not know the active key, or holds seals of the tainted one.
            SignaturesWanted: roots elsewhere must sign; `accept_bundle` then takes the step.
            ClockDoubted: the site can't sign now.
        """
        _ = self.signers
        with self._changing() as connection:
            before = rotation.progress(connection, self.issuer)
            before.check(rotation.REVOKE)
            if not force:
                self._check_no_node_waits(connection, before)
            return self._drop_key(connection, before)

    def cancel_key(self) -> int:
        """Remove the prepared key, which has signed nothing, from the trust bundle.

        Returns: version of the trust bundle.

        Raises:
            WrongStep: no key is prepared.
            SignaturesWanted: roots elsewhere must sign; `accept_bundle` then takes the step.
            ClockDoubted: the site can't sign now.
        """
        _ = self.signers
        with self._changing() as connection:
            before = rotation.progress(connection, self.issuer)
            before.check(rotation.CANCEL)
            return self._drop_key(connection, before)

    def _drop_key(self, connection: Connection, before: Progress) -> int:
        version = self._publish(connection, trust.without_site_key(before.concerned_spki))
        rotation.revoke(connection, before, version, self._clock())
        return version

    def renew_certificate(self) -> int:
        """Let the CA certificate of the active key end later: its key and name stay the same.

        It may have ended already. Nodes need nothing, because they trust the key.

        Returns: the new last second, Unix time.

        Raises:
            ClockDoubted, DatabaseBehind: the site can't sign now.
        """
        self.unlock()
        with self._changing() as connection:
            moment = self._clock()
            clock.check(connection, moment)
            rotation.renewed(connection, rotation.progress(connection, self.issuer), moment)
            home.renew_certificate(self._folder, self.authority, moment)
        return self.issuer.validity.not_after

    def guarantee_of_key(self, progress: Progress) -> Guarantee:
        """Compute what the next step of a change of the site's key waits for.

        Args:
            progress: how far the change has come.

        Returns: for ACTIVATE, which nodes know the prepared key; for TAINT and REVOKE, which nodes
            hold no seal of the old one any more; after REVOKE, which nodes refuse what it signs.
        """
        with self.reading() as connection:
            return self._of_key(connection, progress)

    def _of_key(self, connection: Connection, progress: Progress) -> Guarantee:
        moment = self._clock()
        step = clock.step_since(connection, moment)
        return rotation.of_next(connection, self.issuer, progress, moment, step)

    def _check_no_node_waits(self, connection: Connection, before: Progress) -> None:
        missing = self._waits_for(connection, before)
        if missing:
            listed = ", ".join(missing[:8]) + (", ..." if len(missing) > 8 else "")
            raise NodesWaiting(f"{len(missing)} of them: {listed}")

    def _waits_for(self, connection: Connection, before: Progress) -> list[str]:
        if before.next in (rotation.PREPARE, rotation.TAINT):
            return []
        missing = set(self._of_key(connection, before).waiting)
        if before.next == rotation.REVOKE:
            active = next(key for key in before.keys if key.state == sitekeys.ACTIVE)
            missing |= rotation.lacking(connection, self.issuer, active.since)
        return sorted(missing)

    def _publish(self, connection: Connection, change: trust.Changed) -> int:
        return self._next(connection, change(self._trusted(connection)), self.signers).version

    # --- Nodes ------------------------------------------------------------------------------

    def check_node(self, node: str) -> None:
        """Check that the site has a node.

        Args:
            node: name of the node.

        Raises:
            UnknownNode: there is no such node.
            NodeRetired: the node is retired.
        """
        with self.reading() as connection:
            nodes.get(connection, node)

    def heard_at(self, node: str) -> int | None:
        """Return when a node was last heard, Unix seconds; None if it never was.

        Args:
            node: name of the node.

        Raises:
            UnknownNode, NodeRetired: as `check_node`.
        """
        with self.reading() as connection:
            found: int | None = nodes.get(connection, node).heard_at
        return found

    def check_has_key(self, node: str, nonce: bytes, signature: bytes) -> None:
        """Check a signature with a node's key, see `sealcore.proof`.

        Args:
            node: name of the node.
            nonce: the random bytes that were signed, 16 bytes.
            signature: the signature.

        Raises:
            BadSignature: the signature was made with another key.
            UnknownNode, NodeRetired, NotEnrolled: the site does not know a key of this node.
        """
        with self.reading() as connection:
            key = keys.parse(nodes.key_of(connection, node))
        key.verify(proof.tbs(node, nonce), signature)

    def add_node(self, node: str) -> None:
        """Add a node.

        Args:
            node: name of the node.

        Raises:
            BadLabel, NameTaken: as `nodes.add`.
        """
        with self._changing() as connection:
            nodes.add(connection, node, self._clock())
            deploying.apply(connection, self._clock(), [node])

    def add_enrolled(self, node: str, csr: bytes) -> Certified:
        """Add a node and issue its certificate; both or neither.

        Idempotent for the same key: call again if the answer was lost.

        Args:
            node: name of the node.
            csr: certification request (PKCS #10), DER or PEM.

        Returns: the certificate.

        Raises: as `nodes.add` and `enrol`.
        """
        self.unlock()
        with self._changing() as connection:
            if not nodes.is_known(connection, node, csr):
                nodes.add(connection, node, self._clock())
            return self._enrol(connection, node, csr, replace=False)

    def enrol(self, node: str, csr: bytes, *, replace: bool = False) -> Certified:
        """Issue and record the certificate of a node.

        Args:
            node: name of the node.
            csr: certification request (PKCS #10), DER or PEM.
            replace: whether another key may replace the known one.

        Returns: the certificate.

        Raises:
            UnknownNode, NodeRetired, BadRequest, UnsupportedKey, OtherNode, OtherKey: as
                `nodes.enrol`.
            ClockDoubted: the site can't sign now.
        """
        self.unlock()
        with self._changing() as connection:
            return self._enrol(connection, node, csr, replace=replace)

    def allow_grace(self, node: str, seconds: int, *, in_force: bool) -> None:
        """Note how long a node may run services before it knows the time, for the guarantees.

        Args:
            node: name of the node.
            seconds: 0 for never.
            in_force: whether the node surely has this setting now, see `nodes.allow_grace`.

        Raises:
            UnknownNode, NodeRetired: as `check_node`.
        """
        with self._changing() as connection:
            nodes.allow_grace(connection, node, seconds, in_force=in_force)

    def rekey(self, names: Sequence[str]) -> dict[str, bytes]:
        """Ask nodes for another key. Each one makes it and proves it with the present one.

        Args:
            names: names of the nodes; empty for all that are enrolled.

        Returns: the present keys by node, DER SubjectPublicKeyInfo; see `node_keys`.

        Raises:
            UnknownNode, NodeRetired, NotEnrolled: there is no such node, or it has no key.
        """
        with self._changing() as connection:
            chosen = {name: nodes.key_of(connection, name) for name in names}
            chosen = chosen or nodes.all_keys(connection)
            rekeying.ask(connection, list(chosen), self._clock())
        return chosen

    def node_keys(self) -> dict[str, bytes]:
        """Return the key of each enrolled node, DER SubjectPublicKeyInfo."""
        with self.reading() as connection:
            return nodes.all_keys(connection)

    def retire(self, node: str) -> Guarantee:
        """Cut a node off forever.

        Args:
            node: name of the node.

        Returns: when the node runs nothing any more.

        Raises:
            UnknownNode, NodeRetired: as `check_node`.
        """
        with self._changing() as connection:
            nodes.retire(connection, node, self._clock())
            tokens.void(connection, node)
        return self.guarantee(node=node)

    def forget(self, node: str) -> None:
        """Delete a retired node, whose name is free afterwards.

        Args:
            node: name of the node.

        Raises:
            UnknownNode, NotRetired: as `ending.forget`.
            MayRun: services may still run there.
        """
        with self._changing() as connection:
            places = guarantee.places_of(connection, node=node)
            ending.check_ended(self._guarantee(connection, places, [node]), "a service")
            ending.forget(connection, node)

    def rename(self, old: str, new: str) -> Guarantee:
        """Give what a node has to a new name. An enrolled node is retired under the old one.

        Args:
            old: name of the node.
            new: the new name.

        Returns: when nothing runs any more under the old name.

        Raises:
            UnknownNode, NodeRetired, BadLabel, NameTaken: as `ending.rename`.
        """
        with self._changing() as connection:
            moment = self._clock()
            ending.rename(connection, old, new, moment)
            deploying.apply(connection, moment, [old, new])
        return self.guarantee(node=old)

    # --- Labels, selectors, and the rules that deploy by them ---------------------------------

    def label(self, node: str, given: Mapping[str, str | None]) -> tuple[dict[str, str], Applied]:
        """Give labels to a node, and take others away.

        Args:
            node: name of the node.
            given: values by key; None takes the label away.

        Returns: all its labels, and what rules have changed for this reason.

        Raises:
            UnknownNode, NodeRetired, BadSelector: as `deploying.label`.
        """
        with self._changing() as connection:
            has = deploying.label(connection, node, given)
            return has, deploying.apply(connection, self._clock(), [node])

    def matching(self, wanted: str) -> list[str]:
        """Return the names of the nodes that match a selector now, sorted.

        Args:
            wanted: the selector, see `selector`.

        Raises:
            BadSelector, NoNodeMatches: as `selector.parse` and `deploying.matching`.
        """
        with self.reading() as connection:
            return deploying.matching(connection, selector.parse(wanted))

    def matching_with(self, service: str, wanted: str) -> list[str]:
        """Return the names of the nodes that match a selector and have a service, sorted.

        Args:
            service: name of the service.
            wanted: the selector.

        Raises:
            UnknownService: there is no such service.
            BadSelector, NoNodeMatches: as `matching`.
        """
        with self.reading() as connection:
            services.get(connection, service)
            found = deploying.matching(connection, selector.parse(wanted))
            have = services.nodes_of(connection, service)
        if not set(have) & set(found):
            raise NoNodeMatches(f"{wanted} and has {service}")
        return [node for node in found if node in have]

    def rules(self) -> list[Standing]:
        """Return the rules that deploy by selectors, each with the nodes that it means now."""
        with self.reading() as connection:
            return deploying.standing(connection)

    def told_at(self) -> int:
        """Return when a node said something new about itself last, Unix seconds; 0 for never."""
        with database.reading(self.engine) as connection:
            return labels.newest(connection)

    def apply_rules(self) -> Applied:
        """Assign what rules want, and take away what they want no more. Writes only if needed."""
        with self.reading() as connection:
            if not deploying.differs(connection):
                return Applied()
        with self._changing() as connection:
            return deploying.apply(connection, self._clock())

    def tell(self, node: str, told: Mapping[str, str]) -> Applied:
        """Keep what a node has said about itself.

        Args:
            node: name of the node.
            told: values by key.

        Returns: what rules have changed for this reason.
        """
        with self._changing() as connection:
            labels.tell(connection, node, told, self._clock())
            return deploying.apply(connection, self._clock(), [node])

    def add_rule(self, service: str, wanted: str) -> Applied:
        """Assign a service to all nodes that match a selector, now or later.

        Args:
            service: name of the service.
            wanted: the selector.

        Returns: what has changed.

        Raises:
            BadSelector: as `selector.parse`.
            UnknownService: there is no such service.
            UntrustedSigner: the site does not trust the developer or the Store of its package.
            TooLarge: a seal can't hold the grants.
        """
        with self._changing() as connection:
            newest = services.get(connection, service).package
            trust.check_package(connection, self.issuer, newest)
            done = deploying.add(connection, service, selector.parse(wanted), self._clock())
            check_fits(connection, self.preparer, service, {place.node for place in done.given})
        return done

    def remove_rule(self, service: str, wanted: str) -> Applied:
        """End a rule, and take away what it alone has assigned.

        Args:
            service: name of the service.
            wanted: its selector.

        Returns: what has changed.

        Raises:
            BadSelector, NoSuchRule: as `selector.parse` and `deploying.remove`.
        """
        with self._changing() as connection:
            return deploying.remove(connection, service, selector.parse(wanted), self._clock())

    def guarantee_of(self, done: Applied) -> Guarantee:
        """Compute when what rules have changed is in force.

        Args:
            done: what they have changed.
        """
        return self._guarantee_of(done.changed)

    # --- Settings of nodes ------------------------------------------------------------------

    def change_settings(self, on: Sequence[str], changes: Mapping[str, object]) -> dict[str, int]:
        """Change settings of nodes: of all of these or of none.

        A node tries them when it hears of them, and returns to those before if it does not reach
        the site with them.

        Args:
            on: names of the nodes.
            changes: new values by key, as for `configuring.prepare`; all others stay.

        Returns: the new version by node.

        Raises:
            UnknownNode, NodeRetired: as `check_node`.
            BadAddress, BadSettings: a node could not use them.
            TooLarge: the settings of a node would be too long.
            Failure: the key of the vault can't be made.
        """
        configuring.check(changes)
        vault = self.vault
        made = {node: configuring.prepare(node, changes, vault.seal) for node in on}
        with self._changing() as connection:
            return {
                node: configuring.change(connection, node, new, self._clock())
                for node, new in made.items()
            }

    def provisioned(self, node: str) -> dict[str, int]:
        """Note that a node gets all of its settings at a cable, in place of those of the site.

        Args:
            node: name of the node.

        Returns: their `version`; nothing if the site never changed any.

        Raises:
            UnknownNode, NodeRetired: as `check_node`.
        """
        with self._changing() as connection:
            nodes.get(connection, node)
            version = nodesettings.start_over(connection, node, self._clock())
        return {"version": version} if version else {}

    def settings(self) -> list[Configured]:
        """Return the settings that the site has changed, and how far each node is with them."""
        with self.reading() as connection:
            return configuring.every(connection)

    # --- Boards that enrol by a one-time token ----------------------------------------------

    def check_free(self, node: str, *, replace: bool = False) -> None:
        """Refuse a node that is enrolled already, unless its key may be replaced.

        Args:
            node: name of the node.
            replace: whether a board with another key may become the node.

        Raises:
            UnknownNode, NodeRetired: as `check_node`.
            OtherKey: the node is enrolled.
        """
        with self.reading() as connection:
            tokens.check_free(connection, node, replace=replace)

    def expect(
        self, node: str, token: bytes, seconds: int, *, grace: int = 0, replace: bool = False
    ) -> None:
        """Expect a board with a one-time token. Older tokens of the node become void.

        Args:
            node: name of the node.
            token: the token.
            seconds: how long the token can be used.
            grace: how long the board's settings let it run services before it knows the time,
                seconds.
            replace: whether a board with another key may become the node.

        Raises: as `check_free`.
        """
        with self._changing() as connection:
            tokens.check_free(connection, node, replace=replace)
            nodes.allow_grace(connection, node, grace, in_force=False)
            tokens.expect(connection, node, token, self._clock() + seconds)

    def redeem(self, csr: bytes, proof: bytes) -> bytes:
        """Issue the certificate of a board that proves its one-time token, and use the token up.

        Idempotent for the same key: call again if the answer was lost.

        Args:
            csr: certification request (PKCS #10), DER.
            proof: the proof of the token for this request.

        Returns: the certificate, DER.

        Raises:
            BadRequest, BadName, UnsupportedKey, BadToken, TokenUsed, TokenExpired: as
                `tokens.check`.
            ClockDoubted: the site can't sign now.
        """
        with self.reading() as connection:  # without a token nobody gets a write lock
            tokens.check(connection, csr, proof, self._clock())
        self.unlock()
        with self._changing() as connection:
            proven = tokens.check(connection, csr, proof, self._clock())
            if proven.certificate is not None:
                return proven.certificate
            return self._enrol(connection, proven.node, csr, replace=True).der

    # --- Services and their releases --------------------------------------------------------

    def add_service(
        self, package: Package, *, other_developer: bool = False, hold: bool = False
    ) -> Seal:
        """Take in a package. All nodes of its service get it, unless it is held back.

        Args:
            package: the package.
            other_developer: whether the service may pass to another developer, with its grants.
            hold: whether no node gets the package until `rollout`.

        Returns: the Store seal.

        Raises: as `take_in`, but for ManyNodes.
        """
        return self.take_in(package, other_developer=other_developer, hold=hold).store

    def take_in(
        self,
        package: Package,
        *,
        other_developer: bool = False,
        hold: bool = False,
        most: int | None = None,
    ) -> Taken:
        """Take in a package, unless too many nodes would get it at once.

        Args:
            package: the package.
            other_developer: as for `add_service`.
            hold: as for `add_service`.
            most: number of nodes that may get it at once in place of another version; None for any
                number.

        Returns: the Store seal and the nodes that get the package now.

        Raises:
            SealError, BadMetadata, BadExecutable, OtherDeveloper, ManyNodes: as `intake.add`.
            NotInLog, UnknownLog, LogForked, BadLogData: as `Logs.check`.
            TooLarge: the package could not be sealed where the service is assigned.
        """
        with self._changing() as connection:
            trusted = trust.current(connection, self.issuer)
            choices = Choices(other_developer, hold, most)
            taken = intake.add(connection, trusted, package, self._clock(), choices)
            self.logs.check(package, taken.store, trusted.store_keys)
            check_fits(connection, self.preparer, taken.store.service)
            return taken

    def wave(self, service: str, share: int) -> list[str]:
        """Choose nodes for a rollout to a share of them, see `rollout.wave`.

        Args:
            service: name of the service.
            share: percent of the enrolled nodes that have the service, 1 to 100.

        Returns: names of nodes.

        Raises:
            UnknownService: there is no such service.
        """
        with self.reading() as connection:
            return rollout.wave(connection, service, share)

    def rollout(
        self, service: str, on: Sequence[str] | None = None, *, version: str = ""
    ) -> Guarantee:
        """Move nodes to the newest release of a service.

        Args:
            service: name of the service.
            on: names of nodes that have the service; None for all nodes, also later ones.
            version: the version that the newest release must have; "" for any.

        Returns: when these nodes have it.

        Raises:
            UnknownService, OtherVersion, UnknownNode, NodeRetired, NotAssigned, SealError: as
                `rollout.forward`.
            TooLarge: a node's seal can't hold its grants.
        """
        with self._changing() as connection:
            trusted = trust.current(connection, self.issuer)
            places = rollout.forward(connection, trusted, service, on, version, self._clock())
            check_fits(connection, self.preparer, service, {place.node for place in places})
        return self._guarantee_of(places)

    def roll_back(self, service: str, on: Sequence[str] | None = None) -> Guarantee:
        """Move nodes back to the release that is held.

        Args:
            service: name of the service.
            on: names of nodes that have the service; None for all nodes that were moved on.

        Returns: when these nodes have it.

        Raises:
            NothingHeld, NoWayBack: as `rollout.back`.
            UnknownService, UnknownNode, NodeRetired, NotAssigned, SealError, TooLarge: as
                `rollout`.
        """
        with self._changing() as connection:
            trusted = trust.current(connection, self.issuer)
            places = rollout.back(connection, trusted, service, on, self._clock())
            check_fits(connection, self.preparer, service, {place.node for place in places})
        return self._guarantee_of(places)

    # --- Grants -----------------------------------------------------------------------------

    def grant(
        self, service: str, wanted: Sequence[str], on: Sequence[str] = (), *, force: bool = False
    ) -> Guarantee:
        """Give grants to a service.

        The guarantee holds even if a node can't be told of the change.

        Args:
            service: name of the service.
            wanted: the grants, in the form of `sealcore.grants`.
            on: names of nodes; empty for all nodes, also later ones.
            force: whether to give grants too that the service's metadata does not ask for.

        Returns: where the grants are in force, and when they will be elsewhere.

        Raises:
            UnknownService, UnknownNode, NodeRetired, BadGrant, NotRequested: as `grants.grant`.
            TooLarge: a node's seal can't hold all grants.
        """
        with self._changing() as connection:
            for node in on or (tables.EVERY_NODE,):
                grants.grant(connection, service, wanted, node, force=force)
            check_fits(connection, self.preparer, service, set(on) or None)
        return self.guarantee(service=service)

    def revoke(self, service: str, unwanted: Sequence[str], on: Sequence[str] = ()) -> Guarantee:
        """Take grants from a service.

        Args:
            service: name of the service.
            unwanted: the grants, in the form in which they were given.
            on: names of nodes; empty to take them from everywhere.

        Returns: where the grants have ended, and when they will elsewhere.

        Raises:
            UnknownService, NoSuchGrant, GrantedEverywhere: as `grants.revoke`.
        """
        with self._changing() as connection:
            for node in on or (tables.EVERY_NODE,):
                grants.revoke(connection, service, unwanted, node)
        return self.guarantee(service=service)

    # --- Assignments ------------------------------------------------------------------------

    def assigned(self, node: str) -> list[str]:
        """Return the names of the services of a node, sorted.

        Args:
            node: name of the node.

        Raises:
            UnknownNode, NodeRetired: as `check_node`.
        """
        with self.reading() as connection:
            nodes.get(connection, node)
            return services.assigned(connection, node)

    def assign(self, node: str, service: str) -> None:
        """Assign a service to a node, which may then get seals for it.

        Args:
            node: name of the node.
            service: name of the service.

        Raises:
            UnknownNode, NodeRetired, UnknownService: there is no such node or service.
            UntrustedSigner: the site does not trust the developer or the Store of its package.
            TooLarge: the node has too many services, or the seal can't hold the grants.
        """
        self.assign_all([node], service)

    def assign_all(self, on: Sequence[str], service: str) -> None:
        """Assign a service to several nodes; to all of them or to none.

        Args:
            on: names of the nodes.
            service: name of the service.

        Raises: as `assign`.
        """
        with self._changing() as connection:
            for node in on:
                nodes.get(connection, node)
                place = Place(node, service)
                newest = services.get(connection, service).package
                due = releases.due(connection, place, newest)
                trust.check_package(connection, self.issuer, due)
                agents.check(connection, due, [node])
                services.assign(connection, place, self._clock())
            check_fits(connection, self.preparer, service, set(on))

    def undeploy(self, node: str, service: str) -> Guarantee:
        """Take a service from a node.

        Args:
            node: name of the node.
            service: name of the service.

        Returns: when the service has stopped there.

        Raises:
            NotAssigned, ByRule: as `deploying.undeploy`.
        """
        return self.undeploy_all([node], service)

    def undeploy_all(self, on: Sequence[str], service: str) -> Guarantee:
        """Take a service from several nodes; from all of them or from none.

        Args:
            on: names of the nodes.
            service: name of the service.

        Returns: when the service has stopped there.

        Raises:
            NotAssigned, ByRule: as `deploying.undeploy`.
        """
        with self._changing() as connection:
            deploying.undeploy(connection, on, service)
        return self.guarantee_among(on, service)

    def guarantee_among(self, on: Sequence[str], service: str) -> Guarantee:
        """Compute as `guarantee` for those of some nodes that have or had a service.

        Args:
            on: names of the nodes.
            service: name of the service.
        """
        with self.reading() as connection:
            every = guarantee.places_of(connection, service=service)
            return self._guarantee(connection, [one for one in every if one.node in on], on)

    def remove_service(self, service: str) -> None:
        """Delete a service that is assigned to no node and runs nowhere.

        Args:
            service: name of the service.

        Raises:
            UnknownService, StillNeeded: as `ending.remove_service`.
            MayRun: it may still run somewhere.
        """
        with self._changing() as connection:
            ending.check_unwanted(connection, service)
            places = guarantee.places_of(connection, service=service)
            on = [place.node for place in places]
            ending.check_ended(self._guarantee(connection, places, on), service)
            ending.remove_service(connection, service)

    def set_lifetime(self, seconds: int) -> int | None:
        """Change the lifetime of the seals that the site issues from now on.

        Args:
            seconds: MIN_LIFETIME to MAX_LIFETIME.

        Returns: the last second in which a seal with a longer lifetime is valid, Unix time; None
            if there is none.

        Raises:
            ValueError: the lifetime is out of its range.
        """
        if not MIN_LIFETIME <= seconds <= MAX_LIFETIME:
            raise ValueError(f"lifetime {seconds}")
        with self._changing() as connection:
            ending.set_lifetime(connection, seconds)
            last = ending.last_longer(connection, seconds)
        return last if last is not None and last >= self._clock() else None

    def package_for(self, node: str, service: str) -> Package:
        """Return the package of a service that a node gets, also before it is assigned.

        Args:
            node: name of the node.
            service: name of the service.

        Raises:
            UnknownService: there is no such service.
        """
        with self.reading() as connection:
            newest = services.get(connection, service).package
            due = releases.due(connection, Place(node, service), newest)
            return services.load(connection, due)

    def deployment(self, node: str, service: str) -> Deployment:
        """Issue a new seal for an assigned service, and return it with the package that it seals.

        Args:
            node: name of the node.
            service: name of the service.

        Raises:
            UnknownNode, NodeRetired, NotEnrolled, UnknownService, NotAssigned, NotYetValid,
            Expired,
                TooLarge, Changed: as `sealing.Sealer.issue`.
            ClockDoubted: the site can't sign now.
        """
        place = Place(node, service)
        moment = self._time_to_sign()  # first, because it also sees that the key was changed
        sealer = Sealer(self.engine, self.authority, self.preparer, self.lifetime)
        (signed,) = sealer.issue([place], moment)
        self.mark.rise({restore.SEALED: signed.seal.validity.not_after})
        with self.reading() as connection:
            return Deployment(place, services.load(connection, signed.package), signed.seal)

    def restart(self, node: str, service: str) -> None:
        """Ask a node to restart a service, also one that the node has quarantined.

        The request is kept until the node has done it, however long the node is away.

        Args:
            node: name of the node.
            service: name of the service.

        Raises:
            UnknownNode, NodeRetired, NotAssigned: the node does not have this service.
        """
        with self._changing() as connection:
            nodes.get(connection, node)
            restarts.ask(connection, Place(node, service), self._clock())

    def restarting(self, node: str, service: str) -> bool:
        """Tell whether a requested restart is still to be done, see `restart`.

        Args:
            node: name of the node.
            service: name of the service.
        """
        with self.reading() as connection:
            return service in restarts.pending(connection, node)

    # --- Observed state ---------------------------------------------------------------------

    def heard(
        self,
        node: str,
        told: Mapping[str, tuple[bytes, str]],
        bundle_version: int,
        time_told: int = 0,
        bundle_mark: bytes | None = None,
    ) -> None:
        """Record the observed state of a node: everything that the node has said it holds.

        A service that the node did not name is recorded as gone. A name that the site never gave to
        this node is not recorded: nodes must not fill the disk.

        Args:
            node: name of the node.
            told: serial of the seal (16 bytes) and state, by service.
            bundle_version: version of the node's trust bundle.
            time_told: the time that the node has, Unix seconds; 0 if it does not know the time.
            bundle_mark: mark of the node's trust bundle; None if it is not known.
        """
        with database.writing(self.engine) as connection:
            moment = self._clock()
            nodes.heard(connection, node, moment, (bundle_version, bundle_mark))
            node_clocks.note(connection, [node_clocks.Said(node, time_told, moment)])
            for place in guarantee.places_of(connection, node=node):
                if place.service in told:
                    holdings.confirm(connection, place, *told[place.service], moment)
                else:
                    holdings.gone(connection, place)

    # --- Guarantees -------------------------------------------------------------------------

    def guarantee(self, *, service: str = "", node: str = "") -> Guarantee:
        """Compute where the desired state is in force, and when it will be elsewhere.

        Args:
            service: name of a service, to look at only its places; "" for all.
            node: name of a node, to look at only places on it; "" for all.
        """
        with self.reading() as connection:
            places = guarantee.places_of(connection, service=service, node=node)
            return self._guarantee(connection, places, [node] if node else None)

    def guarantee_at(self, service: str, on: Iterable[str]) -> Guarantee:
        """Compute the same for a service on some nodes.

        Args:
            service: name of the service.
            on: names of the nodes.
        """
        return self._guarantee_of([Place(node, service) for node in on])

    def guarantee_of_bundle(self, version: int) -> Guarantee:
        """Compute which nodes have a trust bundle, and until when the others can run services that
        it does not trust.

        Args:
            version: the version of the bundle, or a later one.
        """
        with self.reading() as connection:
            moment = self._clock()
            step = clock.step_since(connection, moment)
            return guarantee.of_bundle(connection, self.preparer, version, moment, step)

    # --- Common parts -----------------------------------------------------------------------

    def _guarantee_of(self, places: Iterable[Place]) -> Guarantee:
        concerned = list(places)
        with self.reading() as connection:
            return self._guarantee(connection, concerned, [place.node for place in concerned])

    def _guarantee(
        self, connection: Connection, places: Iterable[Place], on: Sequence[str] | None
    ) -> Guarantee:
        moment = self._clock()
        step = clock.step_since(connection, moment)
        return guarantee.of(connection, self.preparer, places, moment, step, on)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that only reads, with the keys that the site has now."""
        with database.reading(self.engine) as connection:
            self._read_keys(connection)
            yield connection

    @contextlib.contextmanager
    def _changing(self, *, restored: bool = False) -> Iterator[Connection]:
        """Open a transaction that changes the site, which a restored database must not do.

        Args:
            restored: whether the change is possible also then.
        """
        with database.writing(self.engine) as connection:
            tables.lock(connection)
            self._read_keys(connection)
            if not restored:
                restore.check(connection, self.issuer, self.mark, self._clock())
            yield connection
            self._read_keys(connection)
            have = restore.present(connection, self.issuer)
        if not restored or have[restore.REVISION] >= self.mark.get(restore.REVISION):
            self.mark.rise(have)

    def _enrol(self, connection: Connection, node: str, csr: bytes, *, replace: bool) -> Certified:
        spki = nodes.enrol(connection, node, csr, replace=replace)
        begin = self._clock()
        self._check_may_sign(connection, begin)
        issued = self.authority.certify_node(node, spki, self.issuer.lasting(begin, NODE_SECONDS))
        ledger.record_certificate(connection, issued)
        tokens.use(connection, node, issued)
        deploying.apply(connection, begin, [node])
        return issued
