"""What a submission must be before the Store countersigns it. Decides only; `store` acts.

1. The steps of `sealcore.upstream.verify_submission`: sizes and form, an approved developer's
   signature, validity, security version, metadata and executable.
2. The metadata is complete and speaks of this service and this executable, and MicroPython can
   load that.
3. The service's name is free or belongs to this developer.
4. The version is newer than the newest one that the Store has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sealcore import errors, seal, upstream
from triseal import loadable, metadata, version
from triseal.errors import ServiceTaken
from triseal.package import Package


@dataclass(frozen=True)
class Newest:
    """What the Store has of a service already.

    Attributes:
        owner: the SubjectPublicKeyInfo (DER) of the developer to whom the name belongs.
        version: of the newest release.
        security_version: of the newest release.
    """

    owner: bytes
    version: str
    security_version: int


def service_of(package: Package) -> str:
    """The name that a submission claims, before anything of it is believed."""
    return str(seal.parse(package.developer_seal, seal.DEVELOPER).service)


def check(
    package: Package,
    approved: Sequence[tuple[bytes, bytes]],
    newest: Newest | None,
    now: int,
) -> seal.Seal:
    """Check one submission.

    Args:
        package: its Store seal, if it has one, is not looked at.
        approved: (name, SubjectPublicKeyInfo) of the developers that a person has approved.
        newest: None if the service is new.
        now: Unix seconds.

    Returns: the developer seal.

    Raises:
        ServiceTaken, BadVersion, BadMetadata, BadExecutable, or a leaf of SealError.
    """
    # Before the versions: who has no right to the name learns nothing about them.
    developer = upstream.verify_submission(package.opened(), approved, now)  # 1
    _check_metadata(package, developer)  # 2
    loadable.check(package.name, package.executable)  # 2
    if newest is None:
        version.parse(developer.service_version)
        return developer
    if newest.owner != developer.spki:  # 3
        raise ServiceTaken(f"{developer.service} belongs to another developer")
    if developer.security_version < newest.security_version:  # 1, step 9
        raise errors.Rollback(
            f"security version {developer.security_version}, had {newest.security_version}"
        )
    if version.parse(developer.service_version) <= version.parse(newest.version):  # 4
        raise errors.Rollback(f"version {developer.service_version}, had {newest.version}")
    return developer


def _check_metadata(package: Package, developer: seal.Seal) -> None:
    found = metadata.parse(package.metadata)
    if found.name != developer.service:
        raise errors.MetadataMismatch(f"it speaks of the service {found.name}")
    if found.entry != package.name:
        raise errors.MetadataMismatch(f"its entry is {found.entry}, the package has {package.name}")
