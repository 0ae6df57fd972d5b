"""What a log says of one service: its releases, and which of them were withdrawn or held back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from triseal import notices
from triseal.copies import storeview
from triseal.copies.storeview import RELEASES, Found, View
from triseal.errors import Failure
from triseal.log.entry import Entry
from triseal.log.errors import BadLogData

LISTED = "listed"
WITHDRAWN = "withdrawn"
QUARANTINED = "quarantined"
MOST_KEPT = 1 << 14  # entries of a service that a site keeps, in its memory and in its file
_MOST_SAID = 100  # characters of a page
_OF_SERVICE = {notices.SERVICE_QUARANTINED: True, notices.SERVICE_CLEARED: False}
_OF_RELEASE = {notices.QUARANTINED: True, notices.CLEARED: False}


class PageDiffers(Failure):
    """The page of a service is not what the Store's log says."""

    code = "page-differs"
    advice = "Ask the Store itself instead of a mirror; if it stays so, the Store hides something."


@dataclass
class History:
    """The history of one service.

    Attributes:
        size: number of entries of the log that were read.
        packages: digests of the packages by version, hex, oldest first.
        withdrawn: reasons by version.
        quarantined: reasons by version; that of the whole service by "".
    """

    size: int = 0
    packages: dict[str, list[str]] = field(default_factory=dict)
    withdrawn: dict[str, str] = field(default_factory=dict)
    quarantined: dict[str, str] = field(default_factory=dict)

    def add(self, entries: Iterable[Found], service: str, most: int | None = None) -> None:
        """Add entries that follow those that were read.

        Args:
            entries: the entries of the log.
            service: name of the service.
            most: how many entries may be kept; None for all.

        Raises:
            BadLogData: there are more of the service.
        """
        kept = sum(map(len, self.packages.values())) + len(self.withdrawn) + len(self.quarantined)
        for found in entries:
            if found.said.service == service:
                kept += 1
                if most is not None and kept > most:
                    raise BadLogData(f"the log has more than {most} entries of {service}")
                said = found.said
                self.take(said.kind, said.version, said.package.hex(), reason_of(said))
            self.size = found.position + 1

    def take(self, kind: str, version: str, digest: str, reason: str) -> None:
        """Add one entry of the service.

        Args:
            kind: its kind.
            version: of the release.
            digest: of its package, hex.
            reason: see `reason_of`.
        """
        begins = holds(kind)
        if kind in RELEASES:
            self.packages.setdefault(version, []).append(digest)
        elif kind == notices.WITHDRAWN:
            self.withdrawn[version] = reason
        elif begins is not None:
            about = "" if kind in _OF_SERVICE else version
            self.quarantined.pop(about, None)
            if begins:
                self.quarantined[about] = reason

    def state(self, version: str) -> str:
        """Return the state of a release: LISTED, WITHDRAWN or QUARANTINED.

        Args:
            version: its version.
        """
        if "" in self.quarantined or version in self.quarantined:
            return QUARANTINED
        return WITHDRAWN if version in self.withdrawn else LISTED

    def rows(self) -> list[dict[str, Any]]:
        """Return version, state and package of all releases, as a page has them, oldest first."""
        return [
            {"version": version, "state": self.state(version), "package": digests[-1]}
            for version, digests in self.packages.items()
        ]

    def why(self, version: str) -> str:
        """Return the reason for the state of a release, "" if it is listed.

        Args:
            version: its version.
        """
        for reasons in (self.quarantined, self.withdrawn):
            for name in ("", version):
                if name in reasons:
                    return reasons[name]
        return ""

    def check(self, rows: list[dict[str, Any]]) -> None:
        """Check that the page of the service shows all releases, in the states of the log.

        Args:
            rows: the releases on the page.

        Raises:
            PageDiffers: it does not.
        """
        shown = {str(row.get("version")): row for row in rows}
        if len(shown) != len(rows):  # a reader could take the row that is not compared
            raise PageDiffers("it has one version twice")
        for version, digests in self.packages.items():
            row = shown.pop(version, None)
            if row is None:
                raise PageDiffers(f"it lacks {version}, which the log has")
            if row.get("package") != digests[-1]:
                raise PageDiffers(f"{version} is another package than in the log")
            if row.get("state") != self.state(version):
                said, true = str(row.get("state"))[:_MOST_SAID], self.state(version)
                raise PageDiffers(f"{version} is {said} on the page and {true} in the log")
        if shown:
            more = ", ".join(sorted(shown))[:_MOST_SAID]
            raise PageDiffers(f"it has {more}, which the log lacks")


def chosen(view: View, wanted: str) -> dict[str, Any]:
    """Choose a release as the log has it. Pages are not read: any mirror can change them.

    Args:
        view: what a Store shows.
        wanted: SERVICE for the newest release that is listed, or SERVICE@VERSION.

    Returns: its version, state and package, as the page of the service has them.

    Raises:
        UnknownService: there is no such release.
        BadLogData: the entries are not of the checkpoint, or more than MOST_KEPT of the service.
        Failure: they can't be read.
    """
    told = History()
    told.add(view.entries(), wanted.partition("@")[0], MOST_KEPT)
    return storeview.chosen(told.rows(), wanted)


def holds(kind: str) -> bool | None:
    """Tell whether a kind of entry begins a quarantine or ends it; None if neither.

    Args:
        kind: the kind.
    """
    return _OF_SERVICE.get(kind, _OF_RELEASE.get(kind))


def version_of(said: Entry) -> str:
    """Return the version that an entry about a quarantine names; "" for the whole service.

    Args:
        said: the entry.
    """
    return "" if said.kind in _OF_SERVICE else said.version


def reason_of(said: Entry) -> str:
    """Return the reason for a state that an entry begins, "" if it begins none.

    Args:
        said: the entry.
    """
    if said.kind != notices.WITHDRAWN and not holds(said.kind):
        return ""
    try:
        found = json.loads(said.detail)
    except (ValueError, RecursionError):
        found = None
    reason = str(found.get("reason", "")) if isinstance(found, dict) else ""
    return reason.encode(errors="replace").decode()  # JSON may name halves of characters
