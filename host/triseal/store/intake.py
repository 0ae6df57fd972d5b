"""The checks of a submission before the Store countersigns it. They only decide; `store` acts.

1. The steps of `sealcore.upstream.verify_submission`: sizes and form, the signature of an approved
   developer, validity, security version, metadata and executable. Nothing bars the key.
2. The metadata is complete and describes this service and this executable, and MicroPython can
   load the executable.
3. The service's name is free or belongs to this developer.
4. The version is newer than the newest one that the Store has, or it is this one with the same
   content, and its developer seal is valid for longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sealcore import errors, names, seal, upstream
from triseal import loadable, metadata, request, version
from triseal.errors import Archived, Failure, Quarantined, ServiceTaken, Withdrawn
from triseal.package import Package


@dataclass(frozen=True)
class Newest:
    """The newest release of a service that the Store has.

    Attributes:
        owner: name of the developer to whom the service's name belongs.
        version: its version.
        security_version: its security version.
        developer_seal: its developer seal, DER.
        withdrawn: whether the Store has withdrawn it.
        quarantined: whether the Store holds it back.
        service_state: state of the service, see `records.Service`.
    """

    owner: str
    version: str
    security_version: int
    developer_seal: bytes
    withdrawn: bool = False
    quarantined: bool = False
    service_state: str = "active"


def service_of(package: Package) -> str:
    """Return the name of the service that a submission claims, before anything was checked.

    Args:
        package: the submission.
    """
    return str(seal.parse(package.developer_seal, seal.DEVELOPER).service)


def key_of(package: Package) -> bytes:
    """Return the developer's key that a submission claims, before anything was checked.

    Args:
        package: the submission.

    Returns: DER SubjectPublicKeyInfo.
    """
    return bytes(seal.parse(package.developer_seal, seal.DEVELOPER).spki)


def check(
    package: Package,
    approved: Sequence[tuple[bytes, bytes]],
    newest: Newest | None,
    now: int,
    barred: Failure | None = None,
) -> seal.Seal:
    """Check one submission.

    Args:
        package: the submission; a Store seal in it is ignored.
        approved: name (DER) and SubjectPublicKeyInfo of the developers whom a person has approved,
            or the one of them that has the key in the seal.
        newest: the newest release of the service; None if the service is new.
        now: the time, Unix seconds.
        barred: why the Store seals nothing more for the key in the seal; None if it does.

    Returns: the developer seal.

    Raises:
        KeyReplaced, DeveloperSuspended: as `barred` says.
        Withdrawn: it renews a release that the Store has withdrawn.
        Quarantined: it renews a release that the Store holds back, or the service is held back.
        Archived: the Store takes no new releases of the service.
        ServiceTaken: the name belongs to another developer.
        BadVersion, BadMetadata, BadExecutable: see `triseal.version`, `metadata` and `loadable`.
        SealError: a seal is refused; Rollback for an old version.
    """
    # This comes first: without the right to the name a developer must not learn its versions.
    developer = _verified(package, approved, now)  # 1
    if barred is not None:  # only who has the key learns it
        raise barred
    said = _check_metadata(package, developer)  # 2
    loadable.check(package.name, package.executable, kind=said.kind, chip=said.chip)  # 2
    if newest is None:
        version.parse(developer.service_version)
        return developer
    if newest.owner != str(names.common_name(developer.issuer)):  # 3
        raise ServiceTaken(f"{developer.service} belongs to another developer")
    _check_open(str(developer.service), newest)
    if developer.security_version < newest.security_version:  # 1, step 9
        raise errors.Rollback(
            f"security version {developer.security_version}, had {newest.security_version}"
        )
    if renews(developer, newest):  # 4
        _check_offered(f"{developer.service} {developer.service_version}", newest)
        return developer
    if version.parse(developer.service_version) <= version.parse(newest.version):  # 4
        raise errors.Rollback(f"version {developer.service_version}, had {newest.version}")
    return developer


def _verified(package: Package, approved: Sequence[tuple[bytes, bytes]], now: int) -> seal.Seal:
    try:
        return upstream.verify_submission(package.opened(), approved, now)
    except errors.UntrustedSigner:
        raise errors.UntrustedSigner(_signer(package)) from None


def _signer(package: Package) -> str:
    """Return the name and the key that a developer seal claims, for a refusal."""
    claimed = seal.parse(package.developer_seal, seal.DEVELOPER)
    key = request.fingerprint(bytes(claimed.spki))
    return (
        f"no approved developer has the name {names.common_name(claimed.issuer)} and the key {key}"
    )


def _check_offered(release: str, newest: Newest) -> None:
    if newest.withdrawn:
        raise Withdrawn(release)
    if newest.quarantined:
        raise Quarantined(release)


def _check_open(service: str, newest: Newest) -> None:
    if newest.service_state == "quarantined":
        raise Quarantined(service)
    if newest.service_state == "archived":
        raise Archived(service)


def renews(developer: seal.Seal, newest: Newest) -> bool:
    """Tell whether a developer seal says the same as that of the newest release, for longer.

    The developer may have another key now.

    Args:
        developer: the developer seal.
        newest: the newest release of the service.
    """
    known = seal.parse(newest.developer_seal, seal.DEVELOPER)
    same = (developer.issuer, developer.core) == (known.issuer, known.core)
    return same and developer.not_after > known.not_after


def _check_metadata(package: Package, developer: seal.Seal) -> metadata.Metadata:
    parsed = metadata.parse(package.metadata)
    if parsed.name != developer.service:
        raise errors.MetadataMismatch(f"it describes the service {parsed.name}")
    if parsed.entry != package.name:
        raise errors.MetadataMismatch(
            f"its entry is {parsed.entry}, the package has {package.name}"
        )
    return parsed
