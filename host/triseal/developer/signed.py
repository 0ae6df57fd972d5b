"""A record of what a developer has sealed: one version of a service means one content forever.

Two developer seals of one version with different contents are evidence against their signer
(triseal.evidence), even if the reason was only a second build. The home therefore remembers them.
It also remembers when each seal ends, to point it out ahead.

    signed/VERSION-SERVICE    the digest of the content in hex, a blank, the end in Unix seconds;
                              older releases of Triseal wrote the digest alone
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from boards import interrupts
from sealcore import seal, sealwriter
from sealcore.compat import sha256
from triseal import files, version
from triseal.errors import AlreadySigned, BadVersion
from triseal.package import Package

FOLDER = "signed"

_SIZE = 128


@dataclass(frozen=True)
class Ending:
    """A developer seal that ends soon.

    Attributes:
        service, version: what it is for.
        not_after: its last second, Unix seconds.
    """

    service: str
    version: str
    not_after: int


@contextlib.contextmanager
def remembered(
    home: Path,
    package: Package,
    told: contextlib.ExitStack,
    *,
    again: bool = False,
    kept: bool = False,
) -> Iterator[None]:
    """Record the content of a package's version; in the block the package leaves.

    If the block fails, nobody has got the package, and the record is again what it was. Others who
    sign here wait meanwhile: a record that is taken back may otherwise be theirs.

    Ctrl-C ends the program before anything is recorded, or it comes too late: then the user is told
    that the package was signed.

    Args:
        home: the developer's folder.
        package: the package with its developer seal.
        told: ends when the user was told. Until then, signals that end the program are held back.
        again: whether this content may replace another one that was sealed as this version.
        kept: whether the record stays even then, because the reader of a pipe may have the seal.
            Signals are not held back then, because the reader may never come.

    Raises:
        AlreadySigned: this version was sealed with other content; nothing has changed.
    """
    path = _place(home, package)
    files.make_folder(path.parent, files.PRIVATE)
    with files.alone(path.parent):
        if not kept:
            told.enter_context(interrupts.held(final=True))
        try:
            before = files.read(path, _SIZE)
        except FileNotFoundError:
            before = None
        remember(home, package, again=again)
        try:
            yield
        except BaseException:
            if kept:
                raise
            with contextlib.suppress(OSError):  # the reason why the block failed may be the reason
                path.unlink() if before is None else files.write(path, before, files.PRIVATE)
            raise


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
    data = digest + b" %d" % said.not_after
    # There is a file for each release, and `create` lets only one of two signers succeed.
    path = _place(home, package)
    if again:
        files.write(path, data, files.PRIVATE)
        return
    try:
        files.create(path, data, files.PRIVATE)
    except FileExistsError:
        known, end = _read(path)
        if known != digest:
            raise AlreadySigned(f"{said.service} {number} was sealed with other content") from None
        if end < said.not_after:
            files.write(path, data, files.PRIVATE)


def has(home: Path, package: Package) -> bool:
    """Tell whether this content was sealed here as the version of a package.

    Args:
        home: the developer's folder.
        package: the package with its developer seal.
    """
    said = seal.parse(package.developer_seal, seal.DEVELOPER)
    try:
        number = ".".join(map(str, version.parse(str(said.service_version))))
        known, _ = _read(_place(home, package))
    except (FileNotFoundError, BadVersion):
        return False
    return known == _content(said, number)


def services(home: Path) -> set[str]:
    """Return the names of the services of which releases were sealed here.

    Args:
        home: the developer's folder.
    """
    return {path.name.partition("-")[2] for path in (home / FOLDER).glob("[0-9]*-*")}


def ending(home: Path, before: int) -> list[Ending]:
    """Return the seals that end soon, of the newest version of each service, sorted by service.

    Args:
        home: the developer's folder.
        before: a seal that ends earlier is returned; Unix seconds.
    """
    newest: dict[str, tuple[tuple[int, ...], Path]] = {}
    for path in (home / FOLDER).glob("[0-9]*-*"):
        number, _, service = path.name.partition("-")
        with contextlib.suppress(BadVersion):  # somebody else's file
            newest[service] = max(newest.get(service, ((), path)), (version.parse(number), path))
    found = []
    for service, (_, path) in sorted(newest.items()):
        _, end = _read(path)
        if 0 < end < before:
            found.append(Ending(service, path.name.partition("-")[0], end))
    return found


def _place(home: Path, package: Package) -> Path:
    """Return the file of a package's release; a version never contains "-"."""
    said = seal.parse(package.developer_seal, seal.DEVELOPER)
    number = ".".join(map(str, version.parse(str(said.service_version))))
    return home / FOLDER / f"{number}-{said.service}"


def _read(path: Path) -> tuple[bytes, int]:
    """Return the digest of the content, and the end; 0 if it is not known."""
    digest, _, end = files.read(path, _SIZE).partition(b" ")
    return digest, int(end) if end.isdigit() else 0


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
