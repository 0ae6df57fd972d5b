"""A site under load and faults: `python -m tests.lifecycle.soak [--seconds 300]`.

MicroPython nodes with real seals against one real server, while processes are killed, networks cut
and grants changed. Checked from outside all the while (`observer`); exit status 1 on a violation.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, fields, replace
from pathlib import Path

from sqlalchemy import Select, func, select

from tests.lifecycle import outcome
from tests.lifecycle.faults import Faults
from tests.lifecycle.parameters import Parameters
from tests.lifecycle.stage import Stage
from triseal import database
from triseal.site.records import tables

_LOOK = 1.0  # seconds between looks
_MEMORY = ("/dev/shm",)  # folders in memory
_STEP = 0.1
_ASK_EVERY = 5


@dataclass
class Result:
    """What came of a soak.

    Attributes:
        violations: a sentence each; more of a kind are only counted in `kinds`.
        kinds: of violations.
        faults: how often each was done.
        figures: for the summary.
        traffic: bytes in each second from the begin on.
        parameters: as they fit the machine.
    """

    violations: list[str]
    kinds: Counter[str]
    faults: Counter[str]
    figures: dict[str, float]
    traffic: list[int]
    parameters: Parameters


def run(parameters: Parameters, folder: Path, *, verbose: bool) -> Result:
    """One soak, from the making of the site to the last check."""
    stage = Stage(folder, parameters, verbose=verbose)
    with stage:
        wait_for_all(stage)
        stage.say("all services run")
        if stage.updates:
            stage.updates.begin()
            stage.say("all agents have come over the link")
        parameters = stage.fit()
        stage.shorten()
        wait_for_short_seals(stage)
        begin = time.time()
        before = sealed(stage)
        memory = [stage.server.memory()]
        faults = Faults(stage, parameters.seed)
        stage.say("all seals are short")
        _play(stage, faults, memory)
        faults.make_good(all_of_it=True)
        faults.join()
        agents = (
            stage.updates.finish(random.Random(parameters.seed)) if stage.updates else (0, 0, 0)
        )
        _settle(stage, parameters)
        renewals = [now - had for now, had in zip(sealed(stage), before, strict=True)]
        _check_end(stage, renewals, memory)
    seconds = range(int(begin), int(begin + parameters.seconds))
    observer = stage.observer
    figures = {
        "signs of life": observer.ticks,
        "seals held and found in the ledger": observer.checked,
        "seals issued": sum(renewals),
        "fewest for one service": min(renewals),
        "hostile connections": faults.attacks,
        "quarantines lifted": observer.lifted,
        "nodes that have given a bad agent up": agents[0],
        "nodes with the newest agent": agents[1],
        "nodes that have kept the one before": agents[2],
        "KiB free on a node, at least": min(one.free for one in stage.boards.values()) / 1024,
        "server MiB, at the begin": memory[0],
        "server MiB, most": max(memory),
    }
    traffic = [stage.network.wire_bytes[second] for second in seconds]
    return Result(observer.violations, observer.kinds, faults.counts, figures, traffic, parameters)


def wait_for_all(stage: Stage) -> None:
    """Wait until every service has shown that it runs. Raises RuntimeError if one does not."""
    end = time.monotonic() + stage.observer.parameters.installing
    wanted = len(stage.observer.wishes)
    while len(stage.observer.last) < wanted:
        if time.monotonic() > end:
            words = {node: board.lines[-3:] for node, board in stage.boards.items()}
            raise RuntimeError(f"{len(stage.observer.last)} of {wanted} services run: {words}")
        time.sleep(_STEP)


def wait_for_short_seals(stage: Stage) -> None:
    """Wait until every node holds only seals of the lifetime of the soak. Raises RuntimeError."""
    parameters = stage.observer.parameters
    end = time.monotonic() + parameters.installing
    wanted = len(stage.observer.wishes)
    seals, held = tables.seals.c, tables.holdings.c
    short = seals.not_after - seals.not_before == parameters.lifetime
    short &= seals.service.in_(stage.services)
    query = select(func.count()).join_from(
        tables.seals, tables.holdings, seals.serial == held.serial
    )
    while (count := _count(stage, query.where(short))) < wanted:
        if time.monotonic() > end:
            raise RuntimeError(f"{count} of {wanted} services have a short seal")
        time.sleep(_LOOK)


def _count(stage: Stage, query: Select[int]) -> int:
    with database.reading(stage.site.manager.engine) as connection:
        return connection.execute(query).scalar_one()


def _play(stage: Stage, faults: Faults, memory: list[float]) -> None:
    """Faults until the calm at the end; looks all the while.

    Each kind is done once at least: where that takes longer, the run does.
    """
    parameters = stage.observer.parameters
    start = time.monotonic()
    first = faults.everything_once()
    due = start + parameters.every
    calm = parameters.seconds - parameters.calm
    looked = 0
    while first or time.monotonic() - start < calm + parameters.calm:
        passed = time.monotonic() - start
        faults.make_good()
        if time.monotonic() >= due and (first or passed < calm):
            faults.do(first.pop() if first else faults.any())
            due = time.monotonic() + parameters.every
            calm = max(calm, time.monotonic() - start)
        if passed >= looked * _LOOK:
            looked += 1
            stage.look()
            memory.append(stage.server.memory())
            if looked % _ASK_EVERY == 0:
                for node, board in stage.boards.items():
                    if not stage.observer.health[node].disturbed:
                        board.ask()
        time.sleep(_STEP)


def _settle(stage: Stage, parameters: Parameters) -> None:
    """The last look: everything is there again."""
    stage.look()
    connected = stage.server.connected() or set()
    for node in stage.boards.keys() - connected:
        if time.time() > stage.observer.health[node].away_until:
            stage.observer.violation("stays-away", f"{node} at the end")
    stage.say(f"{len(connected)} of {parameters.nodes} nodes connected at the end")


def sealed(stage: Stage) -> list[int]:
    """How many seals each service was issued so far. Their times do not tell since when: the site's
    clock is set back on the way."""
    table = tables.seals.c
    with database.reading(stage.site.manager.engine) as connection:
        query = select(table.node, table.service, func.count())
        rows = connection.execute(query.group_by(table.node, table.service)).all()
    counted = {(node, service): int(count) for node, service, count in rows}
    return [counted.get(place, 0) for place in stage.observer.wishes]


def _check_end(stage: Stage, renewals: list[int], memory: list[float]) -> None:
    parameters = stage.observer.parameters
    for (node, service), count in zip(stage.observer.wishes, renewals, strict=True):
        absent = stage.observer.health[node].absent
        if count < parameters.renewals - math.ceil(absent / parameters.lifetime):
            text = f"{count} for {service} on {node}, which was away for {absent:.0f} s"
            stage.observer.violation("too-few-renewals", text)
    grown = max(memory) - max(memory[: max(1, len(memory) // 5)])
    if grown > parameters.growth:
        stage.observer.violation("memory", f"the server has grown by {grown:.0f} MiB")


def main(arguments: list[str]) -> int:
    """Run as a command; see the module's text."""
    parser = argparse.ArgumentParser(description="A site under load and faults.")
    default = Parameters()
    for one in fields(Parameters):
        value = getattr(default, one.name)
        parser.add_argument(f"--{one.name}", type=type(value), default=value)
    parameters = replace(default, **vars(parser.parse_args(arguments)))
    # The flash of a board is no disk: where others write much, a write to it may take ten seconds.
    place = next((path for path in _MEMORY if os.access(path, os.W_OK)), None)
    with tempfile.TemporaryDirectory(prefix="triseal-soak-", dir=place) as folder:
        result = run(parameters, Path(folder), verbose=True)
    outcome.write(result.traffic, result.parameters)
    outcome.show(result)
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
