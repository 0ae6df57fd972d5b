"""A deployment: everything that one node needs to run one service, as files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from triseal.package import Package
from triseal.site.slca.authority import SignedSeal

if TYPE_CHECKING:
    from triseal.site.records.placement import Place

METADATA = "metadata.json"
DEVELOPER_SEAL = "developer.der"
STORE_SEAL = "store.der"
SITE_SEAL = "site.der"


@dataclass(frozen=True)
class Deployment:
    """A package together with the site seal for one node, which is recorded in the ledger.

    Attributes:
        place: the service and its node.
        package: the package.
        seal: the site seal.
    """

    place: Place
    package: Package
    seal: SignedSeal

    def files(self) -> dict[str, bytes]:
        """Return contents by file name on the node; the executable, the largest one, comes last."""
        return {
            METADATA: self.package.metadata,
            DEVELOPER_SEAL: self.package.developer_seal,
            STORE_SEAL: self.package.store_seal,
            SITE_SEAL: self.seal.der,
            self.package.name: self.package.executable,
        }
