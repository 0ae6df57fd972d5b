"""The SLCA: the only part of a site that touches the site key.

It signs these and nothing else, and none of them can pass for another: certificates of nodes and
of the SLSM, site seals (each a certificate whose one URI says what it is for), trust bundles and
times, which begin with a label each. What may be issued is the SLSM's decision; that it was issued
is in the ledger before it leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sealcore import identity, sealwriter, signedtime, x509
from sealcore.seal import Seal
from triseal import certificate
from triseal.certificate import Validity, new_serial
from triseal.signer import Signer
from triseal.site.slca import template
from triseal.site.slca.template import SealTemplate

CA_SECONDS = 20 * 365 * 86400

_MAX_NAME = 64  # octets, all of them ASCII
_MAX_SIGNATURE = 512  # of RSA-4096

Entry = tuple[bytes, bytes]  # name and SubjectPublicKeyInfo, both DER


@dataclass(frozen=True)
class Certified:
    """A certificate that was issued.

    Attributes:
        serial: as in the certificate.
        uri: the SPIFFE ID of its holder.
        validity: first and last second.
        der: the certificate.
    """

    serial: int
    uri: str
    validity: Validity
    der: bytes


@dataclass(frozen=True)
class SignedSeal:
    """A site seal in the parts that the ledger keeps."""

    template: SealTemplate
    serial: int
    validity: Validity
    signature: bytes

    @property
    def der(self) -> bytes:
        """The seal itself. It may leave once the ledger has it."""
        return self.template.assemble(self.serial, self.validity, self.signature)


def self_signed(signer: Signer, site: str, now: int) -> bytes:
    """The CA certificate of a new site, DER."""
    # Unlike any label: OpenSSL takes a certificate whose subject is its issuer for self-signed, and
    # a node or a service may be called as its site is.
    name = f"SLCA of {site}"[:_MAX_NAME]
    return certificate.self_signed_ca(signer, name, Validity(now, now + CA_SECONDS))


class Issuer:
    """What is public of a site's authority: enough to lay seals out, not to sign them.

    Args:
        ca_certificate: the site's own, DER.
        site: the site's name.
    """

    def __init__(self, ca_certificate: bytes, site: str) -> None:
        parsed = x509.parse(ca_certificate)
        self.name = bytes(parsed.subject)
        self.spki = bytes(parsed.spki)
        self.algorithm = bytes(parsed.algorithm)
        self.site = site

    def prepare(
        self, node: str, spki: bytes, store: Seal, predecessor: bytes, grants: Sequence[str]
    ) -> SealTemplate:
        """What all site seals of one service on one node have in common.

        Args:
            node, spki: the node's name and key (DER).
            store: the package's Store seal.
            predecessor: SHA-256 of that seal.
            grants: what the site gives the service on this node.

        Raises:
            TooLarge: no node would take such a seal.
        """
        uri = identity.service(self.site, node, store.service)
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
        made = template.from_tbs(tbs)
        made.content()  # what a node would refuse for its form is refused before it is signed
        return made


class Authority:
    """Signs with the site key.

    Args:
        signer: over the site key.
        issuer: of the same key.

    Raises:
        ValueError: it is of another key.
    """

    def __init__(self, signer: Signer, issuer: Issuer) -> None:
        if (signer.spki, signer.algorithm) != (issuer.spki, issuer.algorithm):
            raise ValueError("the CA certificate is of another key")
        self.issuer = issuer
        self._signer = signer

    def certify_node(self, node: str, spki: bytes, validity: Validity) -> Certified:
        """The TLS certificate that names a node.

        Args:
            node: its name.
            spki: its key, DER, possession of which it has proved.
            validity: first and last second.
        """
        return self._certify(node, identity.node(self.issuer.site, node), spki, validity)

    def certify_slsm(self, spki: bytes, validity: Validity) -> Certified:
        """The TLS certificate of the site's manager; arguments as `certify_node`."""
        site = self.issuer.site
        return self._certify(site, identity.slsm(site), spki, validity)

    def seal(self, prepared: SealTemplate, validity: Validity) -> SignedSeal:
        """A new site seal, or a renewal, from what `Issuer.prepare` gave."""
        serial = new_serial()
        signature = prepared.sign(self._signer, serial, validity)
        return SignedSeal(prepared, serial, validity, signature)

    def sign_bundle(
        self,
        version: int,
        issued_at: int,
        site_keys: Sequence[Entry],
        store_keys: Sequence[Entry],
        developers: Sequence[Entry],
    ) -> bytes:
        """A trust bundle, DER; the lists hold (name, SubjectPublicKeyInfo)."""
        tbs = sealwriter.bundle_tbs(
            version, self.issuer.site, issued_at, site_keys, store_keys, developers
        )
        return sealwriter.signed(tbs, self._signer.algorithm, self._signer.sign(tbs))

    def sign_time(self, nonce: bytes, now: int) -> bytes:
        """The site's word on the time (DER) for a nonce that a node has drawn."""
        tbs = signedtime.tbs(self.issuer.site, nonce, now)
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
