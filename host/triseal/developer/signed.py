"""What a developer has sealed already: one version of a service means one content for ever.

Two developer seals of one version with different content are evidence against whoever signed them
(triseal.evidence), also where somebody only built twice. So the home remembers.
"""

from __future__ import annotations

from pathlib import Path

from sealcore import seal, sealwriter
from sealcore.compat import sha256
from triseal import files, version
from triseal.errors import AlreadySigned
from triseal.package import Package

FOLDER = "signed"

_SIZE = 64


def remember(home: Path, package: Package, *, again: bool = False) -> None:
    """Note what a package says of its version; call it before the package leaves.

    Args:
        home: the developer's folder.
        package: with its developer seal.
        again: let it take the place of other content that was sealed as this version.

    Raises:
        AlreadySigned: this version was sealed with other content; nothing has changed.
    """
    said = seal.parse(package.developer_seal, seal.DEVELOPER)
    number = ".".join(map(str, version.parse(str(said.service_version))))
    digest = _content(said, number)
    # A file for each release: `create` lets one of two that sign at once win. No version has a "-".
    path = home / FOLDER / f"{number}-{said.service}"
    if again:
        files.write(path, digest)
        return
    try:
        files.create(path, digest, 0o644)
    except FileExistsError:
        if files.read(path, _SIZE) != digest:
            raise AlreadySigned(f"{said.service} {number} was sealed with other content") from None


def _content(said: seal.Seal, number: str) -> bytes:
    """SHA-256 in hex over the seal's core with the version in its one shortest spelling."""
    core = sealwriter.core(
        bytes(said.executable_hash),
        said.executable_size,
        bytes(said.metadata_hash),
        number,
        said.security_version,
    )
    return sha256(core).hex().encode()
