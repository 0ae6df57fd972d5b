"""Packages from the files of a Store: the log is looked at first, and then the package is read.

The files may be those of a server, a mirror or a stick.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sealcore.errors import UntrustedSigner
from triseal import request
from triseal.certificate import key_of
from triseal.copies import history, storefiles, storeview
from triseal.copies.storefiles import Source
from triseal.copies.storeview import View
from triseal.errors import BadAnswer, UnknownService
from triseal.log.errors import LogStale, UnknownLog
from triseal.package import Package
from triseal.site.logs import Logs, StoreKey
from triseal.site.witness import Witness

if TYPE_CHECKING:
    from triseal.storelink import Link

_LONGEST_NAME = 64  # characters


def obtain(logs: Logs, url: str, wanted: str, trusted: Sequence[StoreKey]) -> Package:
    """Get a package from a server, which the site must still check.

    Args:
        logs: what the site knows of the logs of its Stores.
        url: URL of the Store's server, or of a mirror.
        wanted: name of the service, or SERVICE@VERSION for another release than the newest.
        trusted: keys of the Stores that the site trusts, as in a trust bundle.

    Raises:
        StoreUnreachable, StoreRefused, BadAnswer: as `Link`.
        Failure: as `take`.
    """
    from triseal.storelink import Link  # HTTPS takes long to load, and few need it

    with Link(url, reading=True) as link:
        return take(logs, link, wanted, trusted)


def take(logs: Logs, source: Source, wanted: str, trusted: Sequence[StoreKey]) -> Package:
    """Get a package from the files of a Store, which the site must still check.

    Args:
        logs: what the site knows of the logs of its Stores.
        source: the files.
        wanted: as for `obtain`.
        trusted: as for `obtain`.

    Raises:
        UntrustedSigner: the site does not trust this Store.
        UnknownService: the Store has no such release.
        LogForked: the Store has another history than the site has seen.
        LogStale: the Store shows an older history, or an old checkpoint.
        NotInLog: the log does not have the package.
        BadAnswer: the log, or the page of the service, names another release.
        UnknownLog: the files claim to be those of a Store that the site trusts without its log, and
            the package is of another Store.
    """
    service = wanted.partition("@")[0]
    view = look(logs, source, trusted)
    if view is not None:
        row = _chosen(view, wanted)
        found = view.package(row)
    else:
        page = storefiles.facts(source, storefiles.service_path(service))
        row = storeview.chosen(storeview.releases_of(page), wanted)
        found = storeview.unproved(source, row)
        logs.check_unlogged(found, trusted)
    storeview.check_is(found, service, row)
    return found


def _chosen(view: View, wanted: str) -> dict[str, Any]:
    try:
        return history.chosen(view, wanted)
    except UnknownService:
        if view.behind:
            raise LogStale("the witnesses have not yet cosigned its newest entries") from None
        raise


def cosigned(
    logs: Logs, url: str, trusted: Sequence[StoreKey], witness: Witness
) -> tuple[View, list[str]]:
    """Cosign the newest checkpoint of a Store, and send that to the Store.

    Args:
        logs: what the site knows of the logs of its Stores.
        url: URL of the Store's server.
        trusted: as for `obtain`.
        witness: the site as a witness.

    Returns: what the Store shows, and the names of the witnesses that it has now.

    Raises:
        LogForked, LogStale: as `Witness.cosign`.
        UntrustedSigner, UnknownLog: as `send`.
        StoreUnreachable, StoreRefused, BadAnswer: as `Link`.
    """
    from triseal.storelink import Link

    with Link(url) as link:
        return _cosigned(logs, link, trusted, witness)


def _cosigned(
    logs: Logs, link: Link, trusted: Sequence[StoreKey], witness: Witness
) -> tuple[View, list[str]]:
    view = _unwitnessed(logs, link, trusted)
    return view, link.cosign(witness.cosign(view))


def _unwitnessed(logs: Logs, source: Source, trusted: Sequence[StoreKey]) -> View:
    """Look at the newest checkpoint of a log that the site trusts, without its witnesses.

    The policy may want other witnesses, who have not seen the newest checkpoint yet either.
    """
    view = View(source)
    _check_trusted(view.spki, trusted, view.about)
    wanted = logs.policy(view.spki)
    if wanted is None:
        raise UnknownLog("the site trusts this Store without its log")
    if view.key not in wanted.logs:
        raise UnknownLog(f"the site trusts other logs of this Store than {view.key.name}")
    return view


def send(logs: Logs, link: Link, trusted: Sequence[StoreKey], witness: Witness) -> str:
    """Cosign what a Store shows. It may not know this witness, or be a mirror that takes nothing.

    Args:
        logs: what the site knows of the logs of its Stores.
        link: the Store.
        trusted: as for `obtain`.
        witness: the site as a witness.

    Returns: "cosigned", or the code of the Store's refusal.

    Raises:
        UntrustedSigner: the site does not trust this Store.
        UnknownLog: the site trusts the Store without its log, or with other logs.
        LogForked, LogStale: as `Witness.cosign`.
    """
    from triseal.storelink import StoreRefused, StoreUnreachable

    data = witness.cosign(_unwitnessed(logs, link, trusted))
    try:
        link.cosign(data)
    except (StoreRefused, StoreUnreachable, BadAnswer) as error:
        return error.code
    return "cosigned"


def look(logs: Logs, source: Source, trusted: Sequence[StoreKey]) -> View | None:
    """Look at the log of a Store: it must continue what the site has seen of it.

    Args:
        logs: what the site knows of the logs of its Stores.
        source: the files of the Store.
        trusted: as for `obtain`.

    Returns: what it shows; None if the site trusted this Store without a log.

    Raises: as `take`.
    """
    wanted = logs.policy(spki := _trusted_key(source, trusted))
    if wanted is None:
        return None
    view = View(source, wanted)
    if view.spki != spki:
        marks = " and ".join(request.fingerprint(key) for key in (spki, view.spki))
        raise UntrustedSigner(f"the Store has shown two keys, {marks}")
    logs.follow(spki, view.head.note.data(), view.tile)
    return view


def _trusted_key(source: Source, trusted: Sequence[StoreKey]) -> bytes:
    about = storefiles.facts(source, storefiles.STORE)
    spki = key_of(str(about.get("certificate")))
    _check_trusted(spki, trusted, about)
    return spki


def _check_trusted(spki: bytes, trusted: Sequence[StoreKey], about: dict[str, Any]) -> None:
    if spki not in [bytes(key) for _, key in trusted]:
        name = str(about.get("name"))[:_LONGEST_NAME]
        who = f"the Store {name!r} with the key {request.fingerprint(spki)}"
        raise UntrustedSigner(f"the site does not trust {who}")
