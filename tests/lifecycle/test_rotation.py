"""The site's key is changed while all services run and one node is away; then a thief tries it."""

from __future__ import annotations

import calendar
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sealcore import bundle, errors, identity, names, seal, signedtime
from sealcore.bundle import TrustBundle
from tests.lifecycle.parameters import Parameters
from tests.lifecycle.stage import Stage, longest_wait
from triseal import bundles, database
from triseal.site.records import ledger
from triseal.site.records.placement import Place
from triseal.site.slca.authority import Authority

SIZE = Parameters(nodes=3, services=2, lifetime=15, installing=15, bad=0, steps=0)
AWAY = "node02"
SECONDS = 90.0
WINDOW = 10.0  # seconds before a seal ends, in which it is renewed
NONCE = bytes(16)


class Troubled(Stage):
    """A stage where faults go on: the network of one node is cut, another one is reset, and so on.

    Attributes:
        troubled: the nodes to which that happens; only the observer checks their services.
        done: how many faults there were.
    """

    EVERY = 7.0  # seconds between two faults
    LASTS = 4.0  # seconds

    troubled: tuple[str, ...] = ()
    done = 0
    _due = 0.0
    _cut = ""

    def look(self) -> None:
        """Do the fault that is due, and check all that does not announce itself."""
        if self.troubled and time.monotonic() >= self._due:
            if self._cut:
                self.relieve()
            else:
                self._fault(self.troubled[self.done % len(self.troubled)])
        super().look()

    def relieve(self) -> None:
        """Let the network of the node that has none be back."""
        if self._cut:
            self.network.mend(self._cut, drop=True)
            self.calm(self._cut)
        self._cut = ""
        self._due = time.monotonic() + self.EVERY

    def _fault(self, node: str) -> None:
        self.done += 1
        self.disturb(node)
        if self.done % 2:
            self.network.cut(node)
            self._cut = node
            self._due = time.monotonic() + self.LASTS
        else:
            self.boards[node].cut()
            self.boards[node].start()
            self.calm(node)
            self._due = time.monotonic() + self.EVERY


def watch(stage: Stage, done: Callable[[], bool], what: str, more: float = 0.0) -> None:
    """Look until something is so, and check all the while that no service stops.

    Args:
        stage: the site.
        done: whether it is so.
        what: says what is waited for.
        more: seconds beside those for anything, as a node needs that was away.
    """
    end = time.monotonic() + SECONDS + more
    while not done():
        if time.monotonic() > end:
            words = {name: board.lines[-4:] for name, board in stage.boards.items()}
            raise AssertionError(f"never: {what}; {words}")
        stage.look()
        troubled = stage.troubled if isinstance(stage, Troubled) else ()
        for (node, service), last in stage.observer.last.items():
            if (
                node not in troubled
                and not stage.observer.health[node].disturbed
                and ((silent := time.time() - last) > SIZE.silence)
            ):
                starved = stage.waits.of(node, last - WINDOW)
                assert silent < SIZE.silence + starved, f"{service} on {node} has stopped"
        time.sleep(0.2)


def rotate(stage: Stage, seconds: int, *more: str) -> tuple[int, str]:
    """`triseal site key rotate` in a process of its own; its status and its words."""
    for node, health in stage.observer.health.items():
        if not health.disturbed:
            stage.calm(node)  # it connects again for each trust bundle
    command = [sys.executable, "-m", "triseal", "site", "key", "rotate", "--wait", str(seconds)]
    process = subprocess.Popen(
        [*command, *more, "--home", str(stage.site.home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)},
    )
    watch(stage, lambda: process.poll() is not None, "the end of rotate")
    out, _ = process.communicate()
    return process.returncode, out.decode()


def ended(stage: Stage, node: str) -> bool:
    """Whether all seals of a node have ended."""
    with database.reading(stage.site.manager.engine) as connection:
        places = [Place(node, service) for service in stage.services]
        newest = max(ledger.newest_expiry(connection, place)[0] for place in places)
    return newest < time.time()


def believed(stage: Stage, node: str) -> TrustBundle:
    """The bundle on a node's flash."""
    flash = stage.boards[node].flash / "triseal"
    return bundle.parse((flash / "bundle.der").read_bytes())


def signed_by(stage: Stage, node: str) -> str:
    """The name of the key that signed the certificate on a node's flash."""
    flash = stage.boards[node].flash / "triseal"
    return str(names.common_name(identity.parse((flash / "node.crt").read_bytes()).issuer))


@pytest.mark.long
def test_a_rotation_with_a_node_that_is_away_and_a_thief(tmp_path: Path) -> None:
    stage = Stage(tmp_path, SIZE, verbose=False)
    with stage:
        site = stage.site.manager
        old = site.authority  # the thief's copy
        everything = len(stage.observer.wishes)
        watch(stage, lambda: len(stage.observer.last) == everything, "all services run")
        stage.disturb(AWAY)
        stage.network.cut(AWAY)
        watch(stage, lambda: ended(stage, AWAY), "the end of its seals")
        status, said = rotate(stage, 10)
        assert status == 1, said
        assert f"nodes-waiting: 1 of them: {AWAY};" in said
        assert site.key_progress().next == "revoke", "it has not lost its way"
        stage.network.mend(AWAY, drop=True)
        status, said = rotate(stage, 60)
        assert status == 0, said
        every = tuple(sorted(stage.boards))
        after = site.key_progress()
        watch(
            stage, lambda: site.guarantee_of_key(after).confirmed == every, "all refuse the old key"
        )
        watch(
            stage,
            lambda: stage.observer.last[AWAY, stage.services[0]] > time.time() - 2,
            "the services of the node that was away run",
        )
        stage.calm(AWAY)
        for node in every:
            assert signed_by(stage, node).startswith("SLCA 2 of ")
            refuses(old, believed(stage, node))
        the_server_is_stolen(stage)
    assert stage.observer.violations == []


def by_old_key(stage: Stage) -> dict[str, int]:
    """When the last seal ends that the first key has signed, by node; of the seals on their flash.

    A node without such a seal is left out.
    """
    found: dict[str, int] = {}
    for node, board in stage.boards.items():
        for service in stage.services:
            data = (board.flash / "triseal/services" / service / "site.der").read_bytes()
            made = seal.parse(data, seal.SITE)
            if not str(names.common_name(made.issuer)).startswith("SLCA 2 of "):
                found[node] = max(found.get(node, 0), made.not_after)
    return found


def bound(said: str) -> int:
    """The last time that `rotate` has named as a bound, Unix seconds."""
    text = re.findall(r"by (\S+Z) at the latest", said)[-1]
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


# (nodes, lifetime of seals in seconds, nodes with faults meanwhile, seconds that a step may wait)
SITES = ((5, 15, 0, 10), (15, 45, 4, 60))


@pytest.mark.long
@pytest.mark.parametrize(("nodes", "lifetime", "troubled", "wait"), SITES)
def test_a_rotation_with_two_nodes_away_and_one_that_slept_through_three_roots(
    nodes: int, lifetime: int, troubled: int, wait: int, tmp_path: Path
) -> None:
    stage = Troubled(tmp_path, sized(nodes, lifetime), verbose=False)
    away, sleeper = ("node02", "node03"), "node04"
    with stage:
        site = stage.site.manager
        old = site.authority  # the thief's copy
        everything = len(stage.observer.wishes)
        watch(stage, lambda: len(stage.observer.last) == everything, "all services run")
        first = believed(stage, sleeper)
        go(stage, away, sleeper)
        roots = three_roots(stage, tmp_path)
        stage.troubled = tuple(sorted(stage.boards)[nodes - troubled :])
        watch(stage, lambda: all(ended(stage, node) for node in away), "the end of their seals")
        status, said = rotate(stage, wait, *roots)
        assert status == 1, said
        assert f"nodes-waiting: 3 of them: {', '.join((*away, sleeper))};" in said
        old_ones = by_old_key(stage)
        assert {*away, sleeper} <= old_ones.keys() <= {*away, sleeper, *stage.troubled}
        assert max(old_ones.values()) <= bound(said), "the bound that was printed"
        for node in away:
            stage.network.mend(node, drop=True)
        more = max(longest_wait(stage.boards[node].failures) for node in away)
        watch(stage, lambda: site.key_waits_for() == [sleeper], "the two are back", more)
        watch(stage, lambda: all(runs(stage, node) for node in away), "their services run")
        for node in away:
            stage.calm(node)
        assert believed(stage, sleeper).version == first.version
        stage.boards[sleeper].start()
        status, said = rotate(stage, 60, *roots)
        assert status == 0, said
        assert stage.done >= troubled, "each of them had its fault"
        stage.relieve()
        stage.troubled = ()
        every = tuple(sorted(stage.boards))
        after = site.key_progress()
        watch(
            stage, lambda: site.guarantee_of_key(after).confirmed == every, "all refuse the old key"
        )
        watch(stage, lambda: all(runs(stage, node) for node in every), "all services run")
        assert by_old_key(stage) == {}
        stage.calm(sleeper)
        for node in every:
            follows(stage, node, old)
        threshold, keys = bundles.roots_of(believed(stage, sleeper))
        assert (threshold, len(keys)) == (2, 2)
        assert not set(keys) & set(bundles.roots_of(first)[1])
    assert stage.observer.violations == []


def sized(nodes: int, lifetime: int) -> Parameters:
    """A site of so many nodes, with the time that a node may need which had a fault while all
    others follow the change of the key."""
    size = replace(SIZE, nodes=nodes, lifetime=lifetime, installing=lifetime)
    return replace(size, reconnect=max(SIZE.reconnect, 2.0 * lifetime), settle=2.0 * lifetime)


def go(stage: Stage, away: tuple[str, ...], sleeper: str) -> None:
    """Cut the networks of some nodes, and the power of one."""
    stage.disturb(sleeper)
    stage.boards[sleeper].cut()
    for node in away:
        stage.disturb(node)
        stage.network.cut(node)


def follows(stage: Stage, node: str, old: Authority) -> None:
    """A node has the newest roots and a certificate of the new key, and refuses the old one."""
    trusted = believed(stage, node)
    assert bundles.roots_of(trusted) == bundles.roots_of(stage.site.manager.bundle())
    assert signed_by(stage, node).startswith("SLCA 2 of ")
    refuses(old, trusted)


def three_roots(stage: Stage, folder: Path) -> list[str]:
    """Two other roots take the place of the first one, in three steps; the options that name them.

    No step is signed by what signed the first bundle and by what signs the last one.
    """
    names = [str(folder / name) for name in ("bob", "carol")]
    made = []
    for name in names:
        created = triseal(stage, "root", "create", f"{name}.key", "--public", f"{name}.pem")
        made.append(str(json.loads(created)["fingerprint"]))
    (first,) = json.loads(triseal(stage, "root", "status"))["roots"]
    bob, carol = (f"{name}.key" for name in names)
    triseal(stage, "root", "add", f"{names[0]}.pem", "--fingerprint", made[0])
    triseal(stage, "root", "remove", first, "--key", bob)
    triseal(stage, "root", "add", f"{names[1]}.pem", "--fingerprint", made[1], "--key", bob)
    triseal(stage, "root", "threshold", "2", "--key", bob, "--key", carol)
    return ["--root-key", bob, "--root-key", carol]


def triseal(stage: Stage, *words: str) -> str:
    """What a command of the site prints, for programs; the services are watched meanwhile."""
    more = ["--algorithm", "p256", "--no-passphrase"] if "create" in words else []
    home = [] if more else ["--home", str(stage.site.home)]
    process = subprocess.Popen(
        [sys.executable, "-m", "triseal", "site", *words, *more, *home, "--json"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)},
    )
    for node, health in stage.observer.health.items():
        if not health.disturbed:
            stage.calm(node)  # it connects again for each trust bundle
    watch(stage, lambda: process.poll() is not None, "the end of a command")
    out, _ = process.communicate()
    assert process.returncode == 0, words
    return out.decode()


def runs(stage: Stage, node: str) -> bool:
    """Whether all services of a node have just shown a sign of life."""
    last = stage.observer.last
    return all(last[node, service] > time.time() - 2 for service in stage.services)


def the_server_is_stolen(stage: Stage) -> None:
    """The page of OPERATIONS.md of this name: the new key must go as well, and a node is away."""
    thief = stage.site.manager.authority
    stage.disturb(AWAY)
    stage.network.cut(AWAY)
    status, said = rotate(stage, 5, "--compromised")
    assert status == 0, said
    others = set(stage.boards) - {AWAY}
    site = stage.site.manager
    after = site.key_progress()
    watch(
        stage,
        lambda: set(site.guarantee_of_key(after).confirmed) == others,
        "the others refuse the stolen key",
    )
    for node in others:
        assert signed_by(stage, node).startswith("SLCA 3 of ")
        refuses(thief, believed(stage, node))
    # Its seals were valid when the command began. They end, and the site makes no others.
    watch(stage, lambda: ended(stage, AWAY), "the bound")
    assert site.guarantee_of_key(after).waiting.keys() <= {AWAY}


def refuses(thief: Authority, trusted: TrustBundle) -> None:
    """A node with this trust bundle takes no time, no server and no bundle of a revoked key."""
    now, site = int(time.time()), trusted.site
    with pytest.raises((errors.UntrustedSigner, errors.BadSignature)):
        signedtime.read(thief.sign_time(NONCE, now), trusted.site_keys, site, NONCE)
    forged = thief.certify_slsm(thief.issuer.spki, thief.issuer.lasting(now, 60))
    with pytest.raises(errors.UntrustedSigner):
        identity.check(identity.parse(forged.der), trusted.site_keys, identity.slsm(site), now)
    keys: tuple[list[tuple[bytes, bytes]], ...] = [thief.issuer.entry], [], []
    false = bundles.simple(thief._signer, trusted.version + 1, site, now, keys)
    with pytest.raises((errors.UntrustedSigner, errors.BadSignature)):
        bundle.parse(false).check_update(trusted)


def test_nodes_make_new_keys_while_their_services_run(tmp_path: Path) -> None:
    stage = Stage(tmp_path, replace(SIZE, nodes=1), verbose=False)
    with stage:
        site, (node,) = stage.site.manager, stage.boards
        everything = len(stage.observer.wishes)
        watch(stage, lambda: len(stage.observer.last) == everything, "all services run")
        flash = stage.boards[node].flash / "triseal"
        before = (flash / "node.key").read_bytes()
        stage.calm(node)
        asked = site.rekey([])
        watch(stage, lambda: site.node_keys() != asked, "the new key")
        after = (flash / "node.key").read_bytes()
        assert after != before
        assert site.node_keys()[node][-65:] == after[-65:]
        assert (flash / "node.csr").read_bytes().find(after[-65:]) > 0, "for its next certificate"
        watch(stage, lambda: not site.guarantee().waiting, "all seals are for the new key")
    assert stage.observer.violations == []
