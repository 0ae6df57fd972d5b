"""The first design of the rule for companions, in which a node draws a moment for each seal.

Our rule makes one draw for all seals of a node that begin together. In the model all of them do, so
`engine` needs one draw for each node. With a draw for each seal, the earliest one decides which
seals are renewed with it. So each step here makes the next renewal of every node.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sealcore import renewal
from triseal.sim import engine, rules
from triseal.sim.parameters import Parameters

Integers = NDArray[np.int64]


class _Words:
    """Random bits for each seal of each service, the same that `engine` uses."""

    def __init__(self, drawn: engine.Draws) -> None:
        self._drawn = drawn
        self._rows = [drawn.bits()]

    def of(self, service: Integers, generation: Integers) -> Integers:
        while len(self._rows) <= int(generation.max()):
            self._rows.append(self._drawn.bits())
        found: Integers = np.empty_like(service)
        for number in np.unique(generation):
            those = generation == number
            found[those] = self._rows[number][service[those]]
        return found


def generations(parameters: Parameters, drawn: engine.Draws) -> Iterator[engine.Generation]:
    """Renew all services again and again, as `engine.generations` does, with companions.

    When a seal of a node is due, the node renews all its seals whose window has opened. Each step
    yields the next renewals of every node.

    Args:
        parameters: the site.
        drawn: the random values.
    """
    p, outages, words = parameters, drawn.outages, _Words(drawn)
    lead = rules.rule(p)
    window = renewal.window(p.lifetime, p.share)
    node = np.arange(p.runs * p.nodes, dtype=np.int64)
    base = node * outages.span
    services = np.arange(node.size * p.services).reshape(node.size, p.services)
    issued = np.repeat(base[:, None], p.services, axis=1)
    generation = np.zeros_like(issued)
    due = issued + p.lifetime - lead(words.of(services, generation))
    while node.size:
        first = due[node].min(axis=1)
        at = outages.online_from(first)
        if p.reconnect == "all":
            at = np.minimum(at, outages.reconnect_after(issued[node].max(axis=1)))
        inside = at - base[node] < p.duration
        node, first, at = node[inside], first[inside], at[inside]
        opens = issued[node] + p.lifetime - window
        taken = np.minimum(due[node], opens) <= at[:, None]
        if p.reconnect == "all":
            taken |= (at != first)[:, None]
        row, column = np.nonzero(taken)
        who = node[row]
        old, now, returned = issued[who, column], at[row], (at != first)[row]
        not_after = old + p.lifetime
        yield engine.Generation(
            services[who, column],
            now - base[who],
            old - base[who],
            np.maximum(0, now - not_after - 1),
            returned & (now >= not_after),
            returned,
        )
        issued[who, column] = now
        generation[who, column] += 1
        if row.size:
            bits = words.of(services[who, column], generation[who, column])
            due[who, column] = now + p.lifetime - lead(bits)
