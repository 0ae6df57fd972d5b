"""The SLCA: the only part of a site that uses the site key.

It signs only these things: certificates of nodes and of the SLSM, site seals and times. None of
them can be mistaken for another: each certificate has one URI that says what it is for, and times
begin with a label. The SLSM decides what is issued, and the ledger records it before it leaves.
Trust bundles are signed by the site's roots, see `rules.roots`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sealcore import identity, sealwriter, settings, signedtime, timetext, x509
from sealcore.bundle import TrustBundle
from sealcore.seal import Seal
from triseal import bundles, certificate
from triseal.bundles import Roots, Signature
from triseal.certificate import CLOCK_SKEW, Validity, new_serial
from triseal.signer import Signer
from triseal.site.errors import CertificateNotValid, SecretLost
from triseal.site.slca import template
from triseal.site.slca.template import SealTemplate

CA_SECONDS = 20 * 365 * 86400

_MAX_NAME = 64  # bytes, all of them ASCII
_MAX_SIGNATURE = 512  # bytes, of RSA-4096


@dataclass(frozen=True)
class Certified:
    """A certificate that was issued.

    Attributes:
        serial: serial number of the certificate.
        uri: the SPIFFE ID of its holder.
        validity: first and last second.
        der: the certificate, DER.
    """

    serial: int
    uri: str
    validity: Validity
    der: bytes


@dataclass(frozen=True)
class SignedSeal:
    """A site seal in the parts that the ledger keeps.

    Attributes:
        template: the part that stays the same over renewals.
        serial: serial number of the seal.
        validity: first and last second.
        tbs: the bytes that were signed, a TBSCertificate.
        signature: the signature, bytes.
    """

    template: SealTemplate
    serial: int
    validity: Validity
    tbs: bytes
    signature: bytes

    @property
    def der(self) -> bytes:
        """The seal, DER. It may leave after the ledger has recorded it."""
        return sealwriter.signed(self.tbs, self.template.algorithm, self.signature)


def self_signed(signer: Signer, site: str, now: int, number: int = 1) -> bytes:
    """Make the CA certificate of a key of a site (RFC 5280).

    Args:
        signer: signs with the key.
        site: name of the site.
        now: the time, Unix seconds.
        number: number of the key; 1 for the first one of a new site.

    Returns: the certificate, DER.
    """
    # The name must differ from every label: OpenSSL regards a certificate as self-signed if subject
    # and issuer are equal, and a node or a service may have the same name as its site.
    # Each key has a name of its own, so that a node tries only the key that signed.
    name = f"SLCA{'' if number == 1 else f' {number}'} of {site}"[:_MAX_NAME]
    return certificate.self_signed_ca(signer, name, Validity(_begin(now), now + CA_SECONDS))


def _begin(now: int) -> int:
    """Return when a certificate begins that is made now: some minutes ago, for late clocks."""
    return max(0, now - CLOCK_SKEW)


@dataclass(frozen=True)
class Term:
    """When a key of the site counts.

    Attributes:
        number: number of the key.
        since: version of the first trust bundle with the key.
        until: version of the first trust bundle without it again; None while it is in the bundle.
        renews: whether its seals must be replaced now.
        signs: whether it may have signed anything: it is, or was, the active one.
    """

    number: int = 1
    since: int = 1
    until: int | None = None
    renews: bool = False
    signs: bool = True


class Issuer:
    """The public part of a site's authority: it can lay seals out, but not sign them.

    Args:
        ca_certificate: the CA certificate of the key, DER.
        site: name of the site.
        term: when the key counts.
        others: the public parts of the site's other keys, which are not active.
        first: the first bundle of the site's roots; None for a site of an older program, which has
            no roots yet.

    Attributes:
        term, others: as given.
        certificate: the CA certificate, DER.
        name: subject of the CA certificate, DER.
        spki: public key of the site, DER SubjectPublicKeyInfo.
        algorithm: algorithm of its signatures, DER AlgorithmIdentifier.
        site: name of the site.
        validity: first and last second of the CA certificate.
        first: the first bundle of the site's roots.
    """

    def __init__(
        self,
        ca_certificate: bytes,
        site: str,
        term: Term | None = None,
        others: Sequence[Issuer] = (),
        first: TrustBundle | None = None,
    ) -> None:
        self.term = term or Term()
        self.others = tuple(others)
        parsed = x509.parse(ca_certificate)
        self.validity = Validity(parsed.not_before, parsed.not_after)
        self.certificate = ca_certificate
        self.name = bytes(parsed.subject)
        self.spki = bytes(parsed.spki)
        self.algorithm = bytes(parsed.algorithm)
        self.site = site
        self.first = first

    @property
    def roots(self) -> Roots:
        """The roots that the first bundle names; the site's first key, if there are none yet."""
        return self.old_roots if self.first is None else bundles.roots_of(self.first)

    @property
    def old_roots(self) -> Roots:
        """The signer of bundles of version 1: the key that the site was made with."""
        return 1, (self.all[0].spki,)

    @property
    def entry(self) -> bundles.Entry:
        """Its entry in a trust bundle."""
        return self.name, self.spki

    @property
    def all(self) -> tuple[Issuer, ...]:
        """This one and the others, by number."""
        return tuple(sorted((self, *self.others), key=lambda one: one.term.number))

    def check_valid(self, now: int) -> None:
        """Check that the CA certificate is valid: otherwise TLS turns every node away.

        Args:
            now: the time, Unix seconds.

        Raises:
            CertificateNotValid: it is not valid yet or not any more.
        """
        own = self.validity
        if not own.not_before <= now <= own.not_after:
            begin, end, moment = map(timetext.iso, (own.not_before, own.not_after, now))
            raise CertificateNotValid(
                f"the site's certificate is valid from {begin} to {end}, and now it is {moment}"
            )

    def lasting(self, now: int, seconds: int) -> Validity:
        """Compute the validity of a certificate of a node or of the SLSM that is issued now.

        It begins some minutes ago, since other clocks may be behind, and stays within the validity
        of the CA certificate.

        Args:
            now: the time, Unix seconds.
            seconds: validity from now on, seconds.
        """
        own = self.validity
        return Validity(max(_begin(now), own.not_before), min(now + seconds, own.not_after))

    def prepare(
        self,
        node: str,
        spki: bytes,
        store: Seal,
        predecessor: bytes,
        grants: Sequence[str],
        kind: str = "service",
    ) -> SealTemplate:
        """Lay out the part that all site seals of one service on one node have in common.

        Args:
            node: name of the node.
            spki: the node's public key, DER SubjectPublicKeyInfo.
            store: the package's Store seal.
            predecessor: SHA-256 of the Store seal.
            grants: the grants of the service on this node.
            kind: the kind that the package's metadata states.

        Returns: the template; its `content` raises TooLarge if no node would accept such a seal.
        """
        uri = identity.service(self.site, node, store.service, kind)
        service_seal = sealwriter.service_seal(store.core, predecessor, grants)
        tbs = certificate.tbs(
            self.algorithm,
            self.name,
            bytes(store.subject),
            spki,
            template.VALIDITY,
            template.SERIAL,
            certificate.site_seal_extensions(self.spki, service_seal, uri),
        )
        return template.from_tbs(tbs)


def _no_secret(_: bytes, purpose: str) -> bytes:
    raise SecretLost(purpose)


class Authority:
    """The SLCA: signs with the site key.

    Args:
        signer: signs with the active key of the site.
        issuer: the public part of the same key.
        others: the same with the other keys of the site that are in the trust bundle.

    Attributes:
        open_secret: opens a secret of the settings, see `vault`.

    Raises:
        ValueError: `issuer` has another key.
    """

    def __init__(self, signer: Signer, issuer: Issuer, others: Sequence[Authority] = ()) -> None:
        if (signer.spki, signer.algorithm) != (issuer.spki, issuer.algorithm):
            raise ValueError("the CA certificate has another key")
        self.issuer = issuer
        self.open_secret: Callable[[bytes, str], bytes] = _no_secret
        self._signer = signer
        self._others = tuple(others)

    def known_to(self, version: int) -> Authority:
        """Return the authority whose key a node trusts: the active one, or one before it.

        Args:
            version: version of the trust bundle that the node has.
        """
        usable = (self, *self._others)
        return next((one for one in usable if one.issuer.term.since <= version), self)

    @property
    def oldest(self) -> Authority:
        """The authority whose key every node trusts that has any bundle with a key of this site.

        Nodes check the server's certificate before the server knows which bundle they have.
        """
        signed = (one for one in (self, *self._others) if one.issuer.term.signs)
        return min(signed, key=lambda one: one.issuer.term.number)

    def self_signed(self, now: int) -> bytes:
        """Make a CA certificate for the active key that ends later than the present one.

        Args:
            now: the time, Unix seconds.

        Returns: the certificate, DER.
        """
        return self_signed(self._signer, self.issuer.site, now, self.issuer.term.number)

    def certify_node(self, node: str, spki: bytes, validity: Validity) -> Certified:
        """Issue the TLS certificate of a node.

        Args:
            node: name of the node.
            spki: its public key, DER SubjectPublicKeyInfo; the node has proved that it has the
                private key.
            validity: first and last second.
        """
        return self._certify(node, identity.node(self.issuer.site, node), spki, validity)

    def certify_slsm(self, spki: bytes, validity: Validity) -> Certified:
        """Issue the TLS certificate of the SLSM.

        Args:
            spki: its public key, DER SubjectPublicKeyInfo.
            validity: first and last second.
        """
        site = self.issuer.site
        return self._certify(site, identity.slsm(site), spki, validity)

    def seal(self, prepared: SealTemplate, validity: Validity) -> SignedSeal:
        """Sign a new site seal or a renewal.

        Args:
            prepared: the template, from `Issuer.prepare`.
            validity: first and last second.
        """
        serial = new_serial()
        tbs = prepared.fill(serial, validity)
        return SignedSeal(prepared, serial, validity, tbs, self._signer.sign(tbs))

    def appoint(self, tbs: bytes) -> Signature:
        """Sign the first bundle that has roots, once: nodes with a bundle of version 1 trust
        nothing else.

        Args:
            tbs: the part of the bundle that is signed.
        """
        return bundles.signature(self._signer, tbs)

    def sign_time(self, nonce: bytes, now: int) -> bytes:
        """Sign the time.

        Args:
            nonce: random bytes from a node, 16 bytes.
            now: the time, Unix seconds.

        Returns: the signed time, DER.
        """
        tbs = signedtime.tbs(self.issuer.site, nonce, now)
        return sealwriter.signed(tbs, self._signer.algorithm, self._signer.sign(tbs))

    def sign_settings(self, node: str, version: int, now: int, values: bytes) -> bytes:
        """Sign settings of a node.

        Args:
            node: name of the node.
            version: their version.
            now: the time, Unix seconds.
            values: the settings, a JSON object.

        Returns: the signed settings, DER.

        Raises:
            TooLarge: they are too long.
        """
        tbs = settings.tbs(self.issuer.site, node, version, now, values)
        return sealwriter.signed(tbs, self._signer.algorithm, self._signer.sign(tbs))

    def _certify(self, name: str, uri: str, spki: bytes, validity: Validity) -> Certified:
        serial = new_serial()
        der = certificate.issue(
            self._signer,
            self.issuer.name,
            sealwriter.name(name),
            spki,
            validity,
            serial,
            certificate.identity_extensions(self._signer.spki, uri),
        )
        return Certified(serial, uri, validity, der)
