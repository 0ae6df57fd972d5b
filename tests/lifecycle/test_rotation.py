"""The site's key is changed while all services run and one node is away; then a thief tries it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sealcore import bundle, errors, identity, names, signedtime
from sealcore.bundle import TrustBundle
from tests.lifecycle.parameters import Parameters
from tests.lifecycle.stage import Stage
from triseal import bundles, database
from triseal.site.records import ledger
from triseal.site.records.placement import Place
from triseal.site.slca.authority import Authority

SIZE = Parameters(nodes=3, services=2, lifetime=15, installing=15, bad=0, steps=0)
AWAY = "node02"
SECONDS = 90.0
NONCE = bytes(16)


def watch(stage: Stage, done: Callable[[], bool], what: str) -> None:
    """Look until something is so, and check all the while that no service stops."""
    end = time.monotonic() + SECONDS
    while not done():
        if time.monotonic() > end:
            words = {name: board.lines[-4:] for name, board in stage.boards.items()}
            raise AssertionError(f"never: {what}; {words}")
        stage.look()
        for (node, service), last in stage.observer.last.items():
            if not stage.observer.health[node].disturbed:
                assert time.time() - last < SIZE.silence, f"{service} on {node} has stopped"
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
