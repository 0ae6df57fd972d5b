"""A live site without faults, recorded: `python -m tests.lifecycle.calm [--seconds 300]`.

The soak's nodes, server and checks. What goes over the wire in each second is written as JSON for
`triseal sim compare`, with the parameters that the simulation is to have. So the run begins as the
simulation does, with fresh seals of all services; and with `--churn` nodes drop out as there.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from sqlalchemy import func, select

from tests.lifecycle import parameters as soaked
from tests.lifecycle.soak import wait_for_all
from tests.lifecycle.stage import Stage
from triseal import database, files
from triseal.site.records import tables
from triseal.site.rules import grants

DATA = Path("build") / "calm.json"
_RESEALED_SECONDS = 60.0
_STEP = 0.1


@dataclass(frozen=True)
class Calm:
    """One run; but for `seconds`, the names and meanings are those of the simulation.

    Attributes:
        nodes, services: MicroPython nodes, and services on each.
        lifetime: of site seals, seconds.
        seconds: from the moment when all seals are fresh, to the end.
        churn: probability that a connected node loses its network, each second.
        offline_max: the longest that it then stays away, seconds; the shortest is 1.
        seed: of the outages.
    """

    nodes: int = 15
    services: int = 30
    lifetime: int = 60
    seconds: int = 300
    churn: float = 0.0
    offline_max: int = 30
    seed: int = 1


@dataclass
class Recording:
    """What came of a run.

    Attributes:
        content: for `triseal sim compare`.
        violations: a sentence each; see `observer`.
        renewals: of all services.
        outages: of all nodes.
    """

    content: dict[str, object]
    violations: list[str]
    renewals: int
    outages: int


def run(calm: Calm, folder: Path, *, verbose: bool) -> Recording:
    """One run, from the making of the site to the last second."""
    allowed = soaked.Parameters(
        calm.nodes,
        calm.services,
        calm.seconds,
        calm.lifetime,
        installing=calm.lifetime,  # they are sealed anew later, for another reason
        bad=0,
        steps=0,
    )
    if calm.churn:  # who comes back may have to wait for its next try, and then for its seals
        allowed = replace(allowed, settle=allowed.settle + calm.offline_max)
    stage = Stage(folder, allowed, verbose=verbose)
    with stage:
        wait_for_all(stage)
        start, said = _reseal(stage, calm.lifetime)
        outages = _Outages(stage, calm)
        _watch(stage, outages, start + calm.seconds)
        within = range(said + 1, start + calm.seconds)
        with database.reading(stage.site.manager.engine) as connection:
            lately = tables.seals.c.not_before.between(within[0], within[-1])
            renewals = connection.execute(select(func.count()).where(lately)).scalar_one()
    wire_bytes = {second: stage.network.wire_bytes[second] for second in within}
    told = asdict(calm) | {"start": start, "duration": calm.seconds, "renewals": renewals}
    content: dict[str, object] = {
        "seconds": list(wire_bytes),
        "bytes": list(wire_bytes.values()),
        "parameters": told,
    }
    return Recording(content, stage.observer.violations, renewals, outages.count)


def _reseal(stage: Stage, lifetime: int) -> tuple[int, int]:
    """Have all services sealed anew at once, as the simulation has them at its start.

    A change of their grants does it: the site tells its nodes, and they ask for new seals.

    Returns: the second in which half of them were sealed, and the one in which all was said.
    """
    with database.writing(stage.site.manager.engine) as connection:  # all of it in one moment
        tables.lock(connection)
        for service in stage.services:
            grants.grant(connection, service, ["log"], tables.EVERY_NODE, force=True)
    end = time.monotonic() + _RESEALED_SECONDS
    while waiting := stage.site.manager.guarantee().waiting:
        if time.monotonic() > end:
            raise RuntimeError(f"not sealed anew: {', '.join(waiting)}")
        time.sleep(_STEP)
    begun = sorted(_newest_begins(stage))
    _quiet(stage, begun[0] + lifetime // 2)
    stage.say(f"all sealed anew, half of them within {begun[-1] - begun[len(begun) // 2]} s")
    return begun[len(begun) // 2], int(time.time()) + 1


def _quiet(stage: Stage, latest: int) -> None:
    """Wait for a second in which nothing is said, `latest` at most: what starts anew is reported
    after it is sealed, on a busy machine some seconds after."""
    while (now := int(time.time())) < latest and stage.network.wire_bytes[now - 1]:
        time.sleep(_STEP)


def _newest_begins(stage: Stage) -> list[int]:
    """For each service on each node, when its newest seal begins."""
    table = tables.seals.c
    query = select(func.max(table.not_before)).group_by(table.node, table.service)
    with database.reading(stage.site.manager.engine) as connection:
        return [int(begin) for begin in connection.execute(query).scalars()]


class _Outages:
    """Takes nodes off the network as the simulation does."""

    def __init__(self, stage: Stage, calm: Calm) -> None:
        self._stage, self._calm = stage, calm
        self._drawn = random.Random(calm.seed)
        self._back: dict[str, int] = {}
        self.count = 0

    def second(self, now: int) -> None:
        """Once in each."""
        for node in self._stage.boards:
            if node in self._back:
                if now >= self._back[node]:
                    self._end(node)
            elif self._drawn.random() < self._calm.churn:
                self.count += 1
                self._stage.disturb(node)
                self._stage.network.cut(node)
                self._back[node] = now + self._drawn.randint(1, self._calm.offline_max)

    def _end(self, node: str) -> None:
        del self._back[node]
        self._stage.network.mend(node, drop=True)
        self._stage.calm(node)


def _watch(stage: Stage, outages: _Outages, until: int) -> None:
    """To the end, once in each second: outages, and the observer's checks."""
    looked = int(time.time())
    while (now := int(time.time())) < until:
        while looked < now:
            looked += 1
            outages.second(looked)
        stage.look()
        time.sleep(max(0.0, now + 1 - time.time()))


def main(arguments: list[str]) -> int:
    """Run as a command; see the module's text."""
    parser = argparse.ArgumentParser(description="A live site without faults, recorded.")
    for one in fields(Calm):
        parser.add_argument(f"--{one.name.replace('_', '-')}", type=type(one.default))
    given = {k: v for k, v in vars(parser.parse_args(arguments)).items() if v is not None}
    with tempfile.TemporaryDirectory(prefix="triseal-calm-") as folder:
        found = run(Calm(**given), Path(folder), verbose=True)
    files.write(DATA, json.dumps(found.content).encode() + b"\n")
    print(f"{found.renewals} renewals, {found.outages} outages of nodes: {DATA}")
    for sentence in found.violations:
        print(f"  {sentence}")
    return 1 if found.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
