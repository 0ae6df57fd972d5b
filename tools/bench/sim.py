"""Speed and memory of the simulation, beside the same model in SimPy."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Generator, Iterator
from time import perf_counter
from typing import Any

import numpy as np
import simpy

from bench import Figure
from sealcore import renewal
from triseal.sim import engine, sizes, traffic
from triseal.sim.parameters import Parameters

SITE = Parameters(services=40, churn=1e-5, runs=20, companions="none")
MILLION = Parameters(nodes=25_000, services=40, runs=1)
_ROUNDS = 3


class SimPySite:
    """One run of the same site, by events: a process for each service and for each
    node's outages."""

    def __init__(
        self, parameters: Parameters, run: int, drawn: engine.Draws, wire_bytes: Any
    ) -> None:
        self.parameters = parameters
        self.random = np.random.default_rng(run)
        self.wire_bytes = wire_bytes
        self.seconds = [0] * parameters.duration
        self.renewals = 0
        self.environment = simpy.Environment()
        first = run * parameters.nodes
        outages = drawn.outages
        for node in range(first, first + parameters.nodes):
            mine = outages.node == node
            back = [0]  # end of the node's latest outage; its services read it
            intervals = zip(outages.begin[mine].tolist(), outages.end[mine].tolist(), strict=True)
            self.environment.process(self.node(list(intervals), back))
            for service in range(node * parameters.services, (node + 1) * parameters.services):
                self.environment.process(self.service(int(drawn.payloads[service]), back))

    def node(self, intervals: list[tuple[int, int]], back: list[int]) -> Generator[Any, Any, None]:
        """Lose the connection and come back.

        Args:
            intervals: begin and end of each outage, seconds.
            back: one number, the end of the latest outage.
        """
        for begin, end in intervals:
            yield self.environment.timeout(begin - self.environment.now)
            back[0] = end
            yield self.environment.timeout(end - begin)

    def service(self, payload: int, back: list[int]) -> Generator[Any, Any, None]:
        """Renew at the drawn moment, or when the node is back.

        Args:
            payload: bytes of its grants.
            back: one number, the end of its node's latest outage.
        """
        environment, lifetime = self.environment, self.parameters.lifetime
        most = self.parameters.duration // (lifetime - renewal.window(lifetime)) + 2
        for word in self.random.integers(0, 2**32, most).tolist():
            now = int(environment.now)
            due = renewal.draw(now, now + lifetime, word, self.parameters.share)
            yield environment.timeout(due - now)
            if back[0] > environment.now:
                yield environment.timeout(back[0] - environment.now)
            self.renewals += 1
            self.seconds[int(environment.now)] += self.wire_bytes[payload]


def simpy_rate(parameters: Parameters) -> float:
    """Return the renewals per second of wall time that SimPy simulates, without setting up its
    site.

    Args:
        parameters: of the simulation.
    """
    drawn = engine.draws(parameters)
    wire_bytes = sizes.wire(parameters).renewal.tolist()
    elapsed, renewals = 0.0, 0
    for run in range(parameters.runs):
        site = SimPySite(parameters, run, drawn, wire_bytes)
        begin = perf_counter()
        site.environment.run(until=parameters.duration)
        elapsed += perf_counter() - begin
        renewals += site.renewals
    return renewals / elapsed


def rate(parameters: Parameters) -> float:
    """Return the renewals per second of wall time that `triseal.sim` simulates, everything
    included.

    Args:
        parameters: of the simulation.
    """
    traffic.simulate(parameters)  # certificates are made once and kept
    best = 0.0
    for _ in range(_ROUNDS):
        begin = perf_counter()
        simulated = traffic.simulate(parameters)
        best = max(best, simulated.renewals / (perf_counter() - begin))
    return best


def million() -> tuple[float, float]:
    """Return the seconds and GiB of 10**6 services over 100,000 s, in a process of its own."""
    begin = perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "bench.sim"], capture_output=True, text=True, check=True
    )
    return perf_counter() - begin, float(done.stdout)


def measure() -> Iterator[Figure]:
    """Yield the figures of the simulation."""
    yield Figure("sim.events", rate(SITE), "1/s", simpy_rate(SITE))
    seconds, memory = million()
    yield Figure("sim.million", seconds, "s")
    yield Figure("sim.million.memory", memory, "GiB")


def main() -> None:
    """Simulate a million services and print this process's highest memory in GiB."""
    traffic.simulate(MILLION)
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(kilobytes / (1 << 20 if sys.platform == "linux" else 1 << 30))


if __name__ == "__main__":
    main()
