"""The read side of the Store: files that any server of files can offer, and a USB stick as well.

    public/log/...                         checkpoint, tiles and bundles of the log
    public/v1/store.json                   name, certificate, fingerprint, key of the log
    public/v1/index.json                   the newest release of each service, and the checkpoint
    public/v1/services/NAME.json           all releases of a service
    public/v1/packages/SHA256.triseal      a package with its proof; this file never changes

A package that is held back lies in the folder `held` beside the public one meanwhile.

The name of a package is its SHA-256 without the proof, as the log has it. The index is written
last: it says how far the pages have come, so that whoever writes next also does what was cut off.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sealcore import names, x509
from triseal import notices, package, pem, request
from triseal.errors import FileTooLarge, NotAFile
from triseal.log.checkpoint import Checkpoint
from triseal.log.note import Key
from triseal.notices import Change
from triseal.package import SUFFIX, Package
from triseal.storage import Storage
from triseal.store.journal import PUBLIC
from triseal.store.records import Release, Service

VERSION = "v1"
STORE = f"{VERSION}/store.json"
INDEX = f"{VERSION}/index.json"
MAX_PAGE = 1 << 24
MOST = 100  # services in the index
FORM = 2  # of all pages; those of another form are written again
HELD = "held"  # beside the public folder
# The change that brought a release or a service into a state.
CAUSES = {
    "withdrawn": notices.WITHDRAWN,
    "quarantined": notices.QUARANTINED,
    "archived": notices.ARCHIVED,
}


@dataclass(frozen=True)
class Shown:
    """What the page of one service is made of.

    Attributes:
        service: the service.
        releases: all its releases, oldest first, with the hashes of their packages in hex.
        why: the last change of each kind about it, by kind and version.
        held: hashes of the packages that are held back; also those of former seals.
        free: hashes of the other packages, if one may have been held back before.
    """

    service: Service
    releases: Sequence[tuple[Release, str]]
    why: Mapping[tuple[str, str], Change]
    held: frozenset[str] = frozenset()
    free: frozenset[str] = frozenset()

    def facts(self) -> dict[str, Any]:
        """Return the page, for JSON."""
        known = self.service
        kind = CAUSES.get(known.state, "")
        if known.quarantined_at is not None:
            kind = notices.SERVICE_QUARANTINED
        about = {"service": known.name, "owner": known.owner, "state": known.state}
        rows = [self._row(release, digest) for release, digest in self.releases]
        return about | self._cause(kind, "") | {"releases": rows}

    def _row(self, release: Release, digest: str) -> dict[str, Any]:
        """One release, with the state that it has by its service too."""
        state, kind, version = release.state, CAUSES.get(release.state, ""), release.version
        if self.service.quarantined_at is not None:
            state, kind, version = "quarantined", notices.SERVICE_QUARANTINED, ""
        return _row(release, digest) | {"state": state} | self._cause(kind, version)

    def _cause(self, kind: str, version: str) -> dict[str, Any]:
        """Say since when, why and by whose decision something has its state."""
        change = self.why.get((kind, version))
        if change is None:
            return {}
        return {"since": change.time, "reason": change.reason, "who": change.who}


def package_path(digest: str) -> str:
    """Return the path of a package, relative to the public folder.

    Args:
        digest: SHA-256 of the package without its proof, hex.
    """
    return f"{VERSION}/packages/{digest}{SUFFIX}"


def service_path(service: str) -> str:
    """Return the path of a service's page, relative to the public folder.

    Args:
        service: name of the service.
    """
    return f"{VERSION}/services/{service}.json"


class Pages:
    """The public folder of one Store.

    Args:
        home: the Store's files.

    Attributes:
        files: the public ones.
    """

    def __init__(self, home: Storage) -> None:
        self.files = home.below(PUBLIC)
        self._held = home.below(HELD, private=True)
        self._packages = self.files.below(f"{VERSION}/packages")

    def have(self) -> int:
        """Return the number of entries of the log that the pages contain."""
        try:
            found = json.loads(self.files.read(INDEX, MAX_PAGE))
            return int(found["size"]) if found.get("form") == FORM else 0
        except (OSError, ValueError, KeyError, TypeError, AttributeError, NotAFile, FileTooLarge):
            return 0  # all pages are written again

    def package(self, digest: str) -> Package | None:
        """Return a package with its proof; None if its file is not there or damaged.

        Args:
            digest: SHA-256 of the package without its proof, hex.
        """
        return _package(self.files, package_path(digest), digest)

    def kept(self, digest: str) -> Package | None:
        """Return a package as `package` does, also if it is held back.

        Args:
            digest: SHA-256 of the package without its proof, hex.
        """
        return self.package(digest) or _package(self._held, digest + SUFFIX, digest)

    def has(self, digest: str) -> bool:
        """Tell whether there is a file of a package.

        Args:
            digest: SHA-256 of the package without its proof, hex.
        """
        return self.files.exists(package_path(digest))

    def hold(self, digest: str) -> None:
        """Take a package out of the public folder; nothing happens if it is not there.

        Args:
            digest: SHA-256 of the package without its proof, hex.
        """
        if self.has(digest):
            self._packages.move(digest + SUFFIX, self._held)

    def give_back(self, digest: str) -> None:
        """Undo `hold`; nothing happens if the package is not held.

        Args:
            digest: SHA-256 of the package without its proof, hex.
        """
        if self.held(digest):
            self._held.move(digest + SUFFIX, self._packages)

    def held(self, digest: str) -> bool:
        """Tell whether a package is held back.

        Args:
            digest: SHA-256 of the package without its proof, hex.
        """
        return self._held.exists(digest + SUFFIX)

    def holds(self) -> bool:
        """Tell whether any package is held back."""
        return self._held.any()

    def keep(self, sealed: Package) -> None:
        """Write a package with its proof.

        Args:
            sealed: the package.
        """
        self.files.write(package_path(sealed.digest().hex()), sealed.pieces())

    def about(self, certificate: x509.Certificate, key: Key, endorsement: str) -> None:
        """Write the page about the Store, if it is another one than before.

        Args:
            certificate: the Store's certificate.
            key: key of its log.
            endorsement: the key as the Store's key has signed it; "" if that is not yet done.
        """
        facts = {
            "name": str(names.common_name(certificate.subject)),
            "certificate": pem.encode(pem.CERTIFICATE, bytes(certificate.der)).decode(),
            "fingerprint": request.fingerprint(bytes(certificate.spki)),
            "log": str(key),
            "log_endorsement": endorsement,
        }
        try:
            known = self.files.read(STORE, MAX_PAGE)
        except FileNotFoundError:
            known = b""
        if known != _json(facts):
            self._write(STORE, _json(facts))

    def service(self, shown: Shown) -> None:
        """Write the page of a service.

        Args:
            shown: what is on it.
        """
        if shown.releases:
            name = shown.service.name  # a label, as every seal is held to
            self._write(service_path(name), _json(shown.facts()))

    def index(self, newest: Iterable[tuple[Release, str]], made: Checkpoint) -> None:
        """Write the index, after everything that it names.

        Args:
            newest: the newest release of each service with the hash of its package, newest first.
            made: the checkpoint that contains them.
        """
        rows = [_row(one, digest) for one, digest in newest]
        text = made.note.data().decode()
        self._write(
            INDEX, _json({"form": FORM, "size": made.size, "checkpoint": text, "services": rows})
        )

    def _write(self, path: str, data: bytes) -> None:
        self.files.write(path, [data])


def _package(files: Storage, path: str, digest: str) -> Package | None:
    try:
        found = package.parse(files.read(path, package.MAX_SIZE))
    except Exception:  # whatever is wrong with it: it is made again from what the Store keeps
        return None
    return found if found.digest().hex() == digest else None


@functools.lru_cache(maxsize=4096)  # with each submission the rows of a page are the same but one
def _row(release: Release, digest: str) -> dict[str, Any]:
    return {
        "service": release.service,
        "version": release.version,
        "security_version": release.security_version,
        "developer": release.developer,
        "state": release.state,
        "submitted_at": release.submitted_at,
        "valid_to": release.ends[0],
        "package": digest,
        "path": f"/{package_path(digest)}",
    }


def _json(facts: object) -> bytes:
    return json.dumps(facts, ensure_ascii=False, indent=1).encode() + b"\n"
