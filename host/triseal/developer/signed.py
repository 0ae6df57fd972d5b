"""A record of what a developer has sealed: one version of a service means one content forever.

Two developer seals of one version with different contents are evidence against their signer
(triseal.evidence), even if the reason was only a second build. The home therefore remembers them.
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
    """Record the content of a package's version. Call this before the package leaves.

    Args:
        home: the developer's folder.
        package: the package with its developer seal.
        again: whether this content may replace another one that was sealed as this version.

    Raises:
        AlreadySigned: this version was sealed with other content; nothing has changed.
    """
    said = seal.parse(package.developer_seal, seal.DEVELOPER)
    number = ".".join(map(str, version.parse(str(said.service_version))))
    digest = _content(said, number)
    # There is a file for each release, and `create` lets only one of two signers succeed. A version
    # never contains "-".
    path = home / FOLDER / f"{number}-{said.service}"
    if again:
        files.write(path, digest, files.PRIVATE)
        return
    try:
        files.create(path, digest, files.PRIVATE)
    except FileExistsError:
        if files.read(path, _SIZE) != digest:
            raise AlreadySigned(f"{said.service} {number} was sealed with other content") from None


def _content(said: seal.Seal, number: str) -> bytes:
    """Compute SHA-256 in hex over the seal's core, with the version in its shortest form."""
    core = sealwriter.core(
        bytes(said.executable_hash),
        said.executable_size,
        bytes(said.metadata_hash),
        number,
        said.security_version,
    )
    return sha256(core).hex().encode()
