"""Services that the site follows: it takes each new release of a Store by itself, and checks it.

The folder `follows` of the site's home has one file for each service. A new release is held until
a person rolls it out, or is rolled out in waves: to a tenth of the nodes, to a third, to all. The
next wave begins when the release has run for a minute on the nodes before it without a fall. If it
falls, or the Store withdraws it or holds it back meanwhile, the nodes go back.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from triseal import database, files, label, version, words
from triseal.choices import SOAK
from triseal.copies import history, storesource, storeview
from triseal.copies.history import History
from triseal.copies.storefiles import Source
from triseal.copies.storeview import View
from triseal.errors import Failure, FileTooLarge, NotAFile, UnknownService
from triseal.log.errors import LogStale, UnknownLog
from triseal.site import obtaining
from triseal.site.errors import NoWayBack
from triseal.site.manager import Manager
from triseal.site.records import releases, reports, services
from triseal.site.records.placement import Place
from triseal.site.rules import review
from triseal.site.views import rollout_status
from triseal.site.witness import Witness
from triseal.stop import Stop

if TYPE_CHECKING:
    from triseal.storelink import Link

FOLDER = "follows"
HOLD, ROLLOUT = "hold", "rollout"
SHARES = (10, 33, 100)  # percent of the nodes in each wave
_MAX_FILE = 1 << 22
_TRIES = 3
LONGEST = 300.0  # seconds for one look at a Store: the rollouts of others wait meanwhile


class BadFollow(Failure):
    """The file about a service that the site follows can't be read."""

    code = "bad-follow"
    advice = "Follow the service again: triseal site unfollow, then site follow."


@dataclass
class Wave:
    """A rollout that goes on.

    Attributes:
        version: what is rolled out.
        number: position in SHARES.
        nodes: the nodes that have it.
        report: number of the newest report when the wave began.
        falls: how often the service had fallen on each node when it was first seen to run.
        since: since when it runs on all of them, Unix seconds; 0 if it does not yet.
    """

    version: str
    number: int = 0
    nodes: list[str] = field(default_factory=list)
    report: int = 0
    falls: dict[str, int] = field(default_factory=dict)
    since: int = 0


@dataclass
class Follow:
    """A service that the site follows.

    Attributes:
        service: its name.
        store: where the Store's files are, see `storesource`.
        auto: HOLD or ROLLOUT.
        log: origin of the Store's log.
        checked: when the Store was asked last, Unix seconds; 0 for never.
        version: the newest release that was taken.
        state: what goes on, for people.
        witness: "cosigned", or the code with which the Store has refused the cosignature.
        trouble: code and detail of the last failure; "" if there was none.
        wave: the rollout that goes on, None if none does.
        history: what the log says of the service.
    """

    service: str
    store: str
    auto: str = HOLD
    log: str = ""
    checked: int = 0
    version: str = ""
    state: str = ""
    trouble: str = ""
    witness: str = ""
    wave: Wave | None = None
    history: History = field(default_factory=History)


class Follows:
    """The services that a site follows.

    Args:
        home: the site's home.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER

    def names(self) -> list[str]:
        """Return the names of the services, sorted."""
        if not self._folder.is_dir():
            return []
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def get(self, service: str) -> Follow:
        """Return what is known of a service.

        Args:
            service: its name.

        Raises:
            UnknownService: the site does not follow it.
            BadFollow: its file can't be read.
        """
        path = self._path(service)
        try:
            found = files.read_json(path, _MAX_FILE)
            wave = found.pop("wave")
            known = History(**found.pop("history"))
            return Follow(wave=Wave(**wave) if wave else None, history=known, **found)
        except FileNotFoundError:
            raise UnknownService(f"the site does not follow {service}") from None
        except (ValueError, TypeError, KeyError, NotAFile, FileTooLarge):
            raise BadFollow(str(path)) from None

    def every(self) -> list[Follow]:
        """Return all services that can be read."""
        found = []
        for name in self.names():
            try:
                found.append(self.get(name))
            except (BadFollow, UnknownService):
                continue  # `site follow` and the server name it
        return found

    def put(self, follow: Follow) -> None:
        """Keep what is known of a service.

        Args:
            follow: the service.

        Raises:
            BadFollow: it is too large; what was kept before stays.
        """
        data = json.dumps(dataclasses.asdict(follow), indent=1).encode()
        if len(data) > _MAX_FILE:  # `get` would refuse it from then on
            raise BadFollow(f"{follow.service}: {len(data)} bytes, at most {_MAX_FILE} are kept")
        files.write(self._path(follow.service), data, files.PRIVATE)

    def drop(self, service: str) -> None:
        """Follow a service no longer.

        Args:
            service: its name.

        Raises:
            UnknownService: the site does not follow it.
        """
        try:
            self._path(service).unlink()
        except FileNotFoundError:
            raise UnknownService(f"the site does not follow {service}") from None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from doing the same meanwhile."""
        files.make_folder(self._folder, files.PRIVATE)
        with files.alone(self._folder):
            yield

    def _path(self, service: str) -> Path:
        label.check(service, "service")
        return self._folder / f"{service}.json"


def begin(site: Manager, follows: Follows, follow: Follow) -> Follow:
    """Begin to follow a service: ask its Store once. If that fails, nothing is kept.

    Args:
        site: the site.
        follows: where it is kept.
        follow: the service.

    Raises:
        Failure, SealError: the Store can't be asked, or its release is refused.
    """
    with follows.alone():
        check(site, follow)
        follows.put(follow)
    return follow


def check(site: Manager, follow: Follow, stop: Stop | None = None) -> str:
    """Ask the Store for new releases, and take the newest one.

    Args:
        site: the site.
        follow: the service, which is changed.
        stop: ends the calls to the Store, from another thread.

    Returns: the version that was taken; "" if there was nothing new.

    Raises:
        UnknownLog: the site trusts the Store without a log.
        PageDiffers: the Store's page is not what its log says.
        LogStale: the witnesses that the policy wants have not yet cosigned the newest entries.
        UnknownService: the Store has no release of the service.
        StoreUnreachable: it took longer than LONGEST. What was read of its log is kept.
        Failure, SealError: as `obtaining.take` and `Manager.take_in`.
    """
    with storesource.opened(follow.store, LONGEST, stop) as source:
        view, rows = _looked(site, source, follow)
        follow.log, follow.checked, follow.trouble = view.head.origin, site.time(), ""
        _stop_what_is_gone(site, follow)
        if follow.store.startswith("https:"):
            mine = Witness(site.folder, site.time)
            trusted = site.bundle().store_keys
            follow.witness = obtaining.send(site.logs, cast("Link", source), trusted, mine)
        listed = [row for row in rows if row.get("state") == history.LISTED]
        if not follow.history.packages:
            raise UnknownService(f"the Store has no {follow.service}")
        if not listed or follow.wave is not None:
            return ""
        newest = max(listed, key=lambda row: version.parse(str(row.get("version"))))
        wanted = str(newest.get("version"))
        if not _is_newer(site, follow.service, wanted):
            return ""
        package = view.package(newest)
        storeview.check_is(package, follow.service, newest)
    site.take_in(package, hold=True)
    follow.version = wanted
    follow.state = f"{wanted} taken"
    if follow.auto == ROLLOUT and _is_held(site, follow.service):  # the first one never is
        follow.wave = Wave(wanted, -1)
    return wanted


def _looked(site: Manager, source: Source, follow: Follow) -> tuple[View, list[dict[str, Any]]]:
    """Look at the log and the page, which may be newer than the log: then look again."""
    for number in range(1, _TRIES + 1):
        view = obtaining.look(site.logs, source, site.bundle().store_keys)
        if view is None:
            raise UnknownLog("the site trusts this Store without its log")
        if follow.log not in ("", view.head.origin):
            follow.history = History()  # another Store
        entries = view.entries(follow.history.size)
        follow.history.add(entries, follow.service, history.MOST_KEPT)
        rows = view.rows(follow.service)
        try:
            follow.history.check(rows)
        except history.PageDiffers:
            if number == _TRIES and view.behind:
                raise LogStale("the witnesses have not yet cosigned its newest entries") from None
            if number == _TRIES:
                raise
        else:
            return view, rows
    raise AssertionError("the last try has returned or raised")


def _is_newer(site: Manager, service: str, wanted: str) -> bool:
    with site.reading() as connection:
        known = services.find(connection, service)
    return known is None or version.parse(wanted) > version.parse(known.service_version)


def _stop_what_is_gone(site: Manager, follow: Follow) -> None:
    """Take a release back that the Store has withdrawn or holds back while it is rolled out."""
    wave = follow.wave
    if wave is None or follow.history.state(wave.version) == history.LISTED:
        return
    why = follow.history.why(wave.version)
    _back(site, follow, f"{follow.history.state(wave.version)} by the Store: {why}")


def advance(site: Manager, follow: Follow) -> bool:
    """Go on with a rollout in waves.

    Args:
        site: the site.
        follow: the service, which is changed.

    Returns: whether anything changed.

    Raises:
        Failure, SealError: a node can't be moved.
    """
    wave = follow.wave
    if wave is None:
        return False
    before = dataclasses.replace(wave, falls=dict(wave.falls))
    bad = _look(site, follow.service, wave)
    if bad:
        _back(site, follow, bad)
    elif wave.number < 0 or (wave.since and site.time() - wave.since >= SOAK):
        _next(site, follow, wave)
    return follow.wave != before


def _look(site: Manager, service: str, wave: Wave) -> str:
    """Look at the nodes of a wave. Returns why the release must go back, "" if it need not."""
    with database.reading(site.engine) as connection:
        seen = {
            node: rollout_status.of(connection, site.preparer, Place(node, service), wave.report)
            for node in wave.nodes
        }
    for node, outcome in seen.items():
        if outcome.runs:
            wave.falls.setdefault(node, outcome.falls)
        if outcome.broken or outcome.falls != wave.falls.get(node, outcome.falls):
            return f"{node}: {outcome.text}"
    if not all(outcome.runs for outcome in seen.values()):
        wave.since = 0
    elif not wave.since:
        wave.since = site.time()
    return ""


def _next(site: Manager, follow: Follow, wave: Wave) -> None:
    number = wave.number + 1
    nodes = site.wave(follow.service, SHARES[number]) if number < len(SHARES) else []
    if not nodes:  # no node is left
        site.rollout(follow.service, version=wave.version)  # also on nodes that come later
        follow.state, follow.wave = f"{wave.version} on all nodes", None
        return
    with database.reading(site.engine) as connection:
        report = reports.last(connection)
    site.rollout(follow.service, nodes, version=wave.version)
    follow.wave = Wave(wave.version, number, nodes, report, wave.falls)
    follow.state = f"{wave.version} goes to {words.count(len(nodes), 'node')} ({SHARES[number]} %)"


def _back(site: Manager, follow: Follow, why: str) -> None:
    wave = follow.wave
    follow.wave = None
    if wave is None:
        return
    follow.state = f"{wave.version} taken back: {why}"
    try:
        if _is_held(site, follow.service):
            site.roll_back(follow.service)
    except NoWayBack as error:
        follow.state = f"{wave.version} stopped: {why}; {error.detail}"


def _is_held(site: Manager, service: str) -> bool:
    with site.reading() as connection:
        return releases.held(connection, service) is not None


def concerns(site: Manager, follows: Follows) -> list[str]:
    """Return a line for each release that runs here and that its Store has withdrawn or holds back.

    Args:
        site: the site.
        follows: the services that it follows.
    """
    known = {one.service: one for one in follows.every()}
    if not known:
        return []
    with site.reading() as connection:
        runs = review.running(connection)
    lines = []
    for one in runs:
        told = known.get(one.service)
        if told is not None and told.history.state(one.version) != history.LISTED:
            state, why = told.history.state(one.version), told.history.why(one.version)
            where = ", ".join(one.nodes)
            lines.append(f"{one.service} {one.version} on {where}: {state} at {told.store}: {why}")
    return lines
