"""The metrics of a server process, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class Figures(NamedTuple):
    """The figures that are read from the database for each scrape.

    Attributes:
        expiry: seconds until the first of the valid newest seals expires; None if none is valid.
        ended: number of assigned services whose newest seal is no longer valid.
        silent: seconds since each node that is not retired was heard, by node.
    """

    expiry: float | None
    ended: int
    silent: Mapping[str, float]


class Metrics:
    """The counters and gauges of one server process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.connected = Gauge(
            "triseal_connected_nodes", "Nodes connected to this process.", registry=self._registry
        )
        self.connecting = Gauge(
            "triseal_connecting",
            "Connections that have not yet said HELLO.",
            registry=self._registry,
        )
        self.answers = Counter(
            "triseal_answers",
            "Answers by outcome: delta, whole, assigned, chunk, report, or the code of a refusal.",
            ["outcome"],
            registry=self._registry,
        )
        self.closed = Counter(
            "triseal_closed_connections",
            "Connections that have ended, by code.",
            ["code"],
            registry=self._registry,
        )
        self.bytes_out = Counter(
            "triseal_sent_bytes", "Bytes of frames sent.", registry=self._registry
        )
        self.garbled = Counter(
            "triseal_garbled_lines",
            "Lines from nodes at serial lines that are not a message.",
            registry=self._registry,
        )
        self.lines = Gauge(
            "triseal_line_up",
            "1 if a node is served at this serial port, else 0.",
            ["port"],
            registry=self._registry,
        )
        self._expiry = Gauge(
            "triseal_next_expiry_seconds",
            "Seconds until the next service has no valid seal any more.",
            registry=self._registry,
        )
        self._ended = Gauge(
            "triseal_ended_services",
            "Assigned services on nodes that have no valid seal any more.",
            registry=self._registry,
        )
        self._silent = Gauge(
            "triseal_node_silent_seconds",
            "Seconds since the node was last heard.",
            ["node"],
            registry=self._registry,
        )

    def count(self, outcomes: Mapping[str, int]) -> None:
        """Add the outcomes of one message.

        Args:
            outcomes: number of outcomes by name.
        """
        for outcome, number in outcomes.items():
            self.answers.labels(outcome).inc(number)

    def value(self, name: str, labels: Mapping[str, str]) -> float:
        """Return the value of one metric, 0 if there is none yet.

        Args:
            name: name of the metric on the page.
            labels: values of its labels by name.
        """
        return self._registry.get_sample_value(name, dict(labels)) or 0.0

    def text(self, figures: Figures) -> bytes:
        """Make the page for Prometheus, as UTF-8 bytes.

        Args:
            figures: what the database says now.
        """
        self._expiry.set(float("nan") if figures.expiry is None else figures.expiry)
        self._ended.set(figures.ended)
        self._silent.clear()
        for node, seconds in figures.silent.items():
            self._silent.labels(node).set(seconds)
        return generate_latest(self._registry)
