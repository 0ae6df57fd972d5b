"""Packages from the server of a Store: the log is looked at first, and then the package is read."""

from __future__ import annotations

from typing import Any

from triseal import package
from triseal.errors import UnknownService
from triseal.log import tiles
from triseal.package import Package
from triseal.site.logs import Logs
from triseal.storelink import BadAnswer, Link, key_of


def obtain(logs: Logs, url: str, wanted: str) -> Package:
    """Get a package, which the site must still check.

    Args:
        logs: what the site knows of the logs of its Stores.
        url: URL of the Store's server.
        wanted: name of the service, or SERVICE@VERSION for another release than the newest.

    Raises:
        UnknownService: the Store has no such release.
        LogForked: the Store has another history than the site has seen.
        LogStale: the Store shows an older history.
        StoreUnreachable, StoreRefused, BadAnswer: as `Link`.
    """
    service, _, version = wanted.partition("@")
    with Link(url) as link:
        spki = key_of(str(link.about().get("certificate")))
        if logs.policy(spki) is not None:
            head = link.read(f"log/{tiles.CHECKPOINT}", tiles.MAX_BUNDLE)
            logs.follow(spki, head, lambda path: link.read(f"log/{path}", tiles.MAX_BUNDLE))
        row = _choose(link.facts(f"v1/services/{service}.json"), service, version)
        data = link.read(str(row.get("path")), package.MAX_SIZE)
    found = package.parse(data)
    if found.digest().hex() != row.get("package"):
        raise BadAnswer(f"the package of {wanted} is not the one that the page names")
    return found


def _choose(page: dict[str, Any], service: str, version: str) -> dict[str, Any]:
    rows = page.get("releases")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadAnswer("the page of the service can't be read")
    if version:
        rows = [row for row in rows if row.get("version") == version]
    else:
        rows = [row for row in rows if row.get("state") == "listed"]
    if not rows:
        raise UnknownService(f"the Store has no {service} {version}".rstrip())
    chosen: dict[str, Any] = rows[-1]
    return chosen
