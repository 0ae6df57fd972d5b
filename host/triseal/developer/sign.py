"""The first seal: a developer signs an executable and its metadata into a package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sealcore import limits, names, seal, sealwriter, timetext, upstream
from sealcore.compat import sha256
from sealcore.utctime import days_before
from triseal import certificate, label, metadata, version
from triseal.certificate import Validity
from triseal.developer.home import Developer
from triseal.errors import BadVersion, OtherSigner, ShorterValidity
from triseal.package import Package


@dataclass(frozen=True)
class Release:
    """A developer's statement about a service that will be sealed.

    Attributes:
        service: name of the service.
        version: version for people, see triseal.version.
        security_version: 0..2147483647; a node never accepts a lower one again.
        metadata: the developer's JSON, b"{}" for none.
    """

    service: str
    version: str
    security_version: int
    metadata: bytes = b"{}"


def sign(
    developer: Developer, release: Release, name: str, executable: bytes, validity: Validity
) -> Package:
    """Seal one release.

    Args:
        developer: the developer.
        release: the statement.
        name: file name of the executable, of executable.Executable.
        executable: its bytes.
        validity: validity of the seal, see `years`.

    Returns: a package without a Store seal.

    Raises:
        BadLabel: the service's name is not allowed.
        BadVersion: the version or security version is not allowed.
        BadMetadata: the metadata is not allowed.
    """
    sealed = check(release, name)
    core = sealwriter.core(
        sha256(executable),
        len(executable),
        sha256(sealed),
        release.version,
        release.security_version,
    )
    return Package(name, executable, sealed, _seal(developer, release.service, core, validity))


def renew(
    developer: Developer, package: Package, validity: Validity, former: Sequence[bytes] = ()
) -> Package:
    """Seal the content of a package again, for longer.

    Args:
        developer: the developer who has sealed it.
        package: the package; a Store seal in it is dropped.
        validity: validity of the new seal.
        former: keys of the developer that were replaced, DER SubjectPublicKeyInfo; what they have
            sealed is sealed again with the present key.

    Returns: a package without a Store seal. The Store takes it as its newest version again.

    Raises:
        OtherSigner: another developer, or another key, has sealed the package.
        ShorterValidity: the present seal is valid for as long.
        SealError: the package is damaged.
    """
    old = seal.parse(package.developer_seal, seal.DEVELOPER)
    name = sealwriter.name(developer.name)
    mine = [(name, spki) for spki in (developer.signer.spki, *former)]
    if (old.issuer, old.spki) not in mine:
        who = names.common_name(old.issuer)
        raise OtherSigner(f"{who} has sealed {old.service} {old.service_version} with another key")
    upstream.verify_submission(package.opened(), mine, old.not_after)
    if validity.not_after <= old.not_after:
        end = timetext.iso(old.not_after)
        raise ShorterValidity(f"{old.service} {old.service_version} is valid to {end} already")
    made = _seal(developer, str(old.service), bytes(old.core), validity)
    return Package(package.name, package.executable, package.metadata, made)


def check(release: Release, name: str) -> bytes:
    """Check a release as `sign` does, but without a key.

    Args:
        release: the statement.
        name: file name of the executable.

    Returns: the metadata as it will be sealed.

    Raises:
        BadLabel, BadVersion, BadMetadata: as `sign`.
    """
    label.check(release.service, "service")
    version.parse(release.version)
    if not 0 <= release.security_version <= limits.MAX_SECURITY_VERSION:
        raise BadVersion(f"the security version {release.security_version} is out of range")
    return metadata.complete(release.metadata, release.service, name)


def _seal(developer: Developer, service: str, core: bytes, validity: Validity) -> bytes:
    key = developer.signer
    der = certificate.issue(
        key,
        sealwriter.name(developer.name),
        sealwriter.name(service),
        key.spki,
        validity,
        certificate.new_serial(),
        certificate.code_seal_extensions(key.spki, sealwriter.service_seal(core)),
    )
    seal.parse(der, seal.DEVELOPER)  # raises here what a node would refuse later
    return der


def years(begin: int, count: int) -> Validity:
    """Compute a validity of whole years, less one second.

    Args:
        begin: first second, Unix seconds.
        count: number of years. A 29 February ends with the February of a year that has none.
    """
    year, month, day, *time = timetext.fields(begin)
    # A 29 February ends with the February of a year that has none.
    months = 12 * (year + count) + month - 1
    days = days_before(months) + min(day, days_before(months + 1) - days_before(months)) - 1
    end = days * 86400 + time[0] * 3600 + time[1] * 60 + time[2]
    return Validity(begin, end - 1)
