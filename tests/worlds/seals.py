"""Developers, a Store and their seals, made in memory for tests."""

from dataclasses import dataclass, field

from sealcore import seal, sealwriter, x509
from sealcore.compat import sha256
from triseal import certificate, signer
from triseal.certificate import Validity
from triseal.developer.home import Developer
from triseal.developer.sign import Release, sign
from triseal.package import Package
from triseal.signer import KeySigner, PrivateKey
from triseal.store import authority

NOW = 1_795_000_000
YEAR = 365 * 86400
LONG = Validity(NOW - YEAR, NOW + YEAR)
SOURCE = b"async def main(ctx):\n    pass\n"


def p256() -> KeySigner:
    return KeySigner(signer.generate("p256"))


def developer(name: str = "Ada", key: PrivateKey | None = None) -> Developer:
    return Developer(name, KeySigner(key) if key else p256())


def package(
    who: Developer,
    service: str = "blink",
    version: str = "1.0.0",
    security_version: int = 1,
    executable: bytes = SOURCE,
    validity: Validity = LONG,
) -> Package:
    release = Release(service, version, security_version)
    return sign(who, release, "app.py", executable, validity)


@dataclass
class Shop:
    """A Store's authority without its records: it signs whatever a test wants."""

    name: str = "Shop"
    signer: KeySigner = field(default_factory=p256)

    def __post_init__(self) -> None:
        self.certificate = x509.parse(certificate.self_signed_ca(self.signer, self.name, LONG))

    @property
    def entry(self) -> tuple[bytes, bytes]:
        return sealwriter.name(self.name), self.signer.spki

    def countersign(self, submitted: Package) -> bytes:
        """An honest Store seal."""
        one = seal.parse(submitted.developer_seal, seal.DEVELOPER)
        return bytes(authority.countersign(self.signer, self.certificate, one, NOW).der)

    def swap(self, submitted: Package, by: Package, **changed: bytes) -> bytes:
        """A Store seal that builds on one developer seal and says what another package is.

        `changed` may give another `spki`, `subject` or `predecessor`.
        """
        one = seal.parse(submitted.developer_seal, seal.DEVELOPER)
        other = seal.parse(by.developer_seal, seal.DEVELOPER)
        predecessor = changed.get("predecessor", sha256(one.der))
        return bytes(
            certificate.issue(
                self.signer,
                sealwriter.name(self.name),
                changed.get("subject", bytes(one.subject)),
                changed.get("spki", bytes(one.spki)),
                LONG,
                certificate.new_serial(),
                certificate.code_seal_extensions(
                    self.signer.spki, sealwriter.service_seal(other.core, predecessor)
                ),
            )
        )


def site_seal(key: KeySigner, site: str, store_seal: bytes, core: bytes, service: str) -> bytes:
    """A site seal for a node `n1` that builds on a Store seal and says what `core` says."""
    return bytes(
        certificate.issue(
            key,
            sealwriter.name(site),
            sealwriter.name(service),
            p256().spki,
            Validity(NOW, NOW + 5000),
            certificate.new_serial(),
            certificate.site_seal_extensions(
                key.spki,
                sealwriter.service_seal(core, sha256(store_seal), ("log",)),
                f"spiffe://{site}/node/n1/service/{service}",
            ),
        )
    )
