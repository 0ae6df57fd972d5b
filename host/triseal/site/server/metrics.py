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
        self.connected = self._gauge("triseal_connected_nodes", "Nodes connected to this process.")
        self.connecting = self._gauge(
            "triseal_connecting", "Connections that have not yet said HELLO."
        )
        self.answers = self._counter(
            "triseal_answers",
            "Answers by outcome: delta, whole, assigned, chunk, report, or the code of a refusal.",
            "outcome",
        )
        self.closed = self._counter(
            "triseal_closed_connections", "Connections that have ended, by code.", "code"
        )
        self.bytes_out = self._counter("triseal_sent_bytes", "Bytes of frames sent.")
        self.garbled = self._counter(
            "triseal_garbled_lines", "Lines from nodes at serial lines that are not a message."
        )
        self.lines = self._gauge(
            "triseal_line_up", "1 if a node is served at this serial port, else 0.", "port"
        )
        self._expiry = self._gauge(
            "triseal_next_expiry_seconds",
            "Seconds until the next service has no valid seal any more.",
        )
        self._ended = self._gauge(
            "triseal_ended_services",
            "Assigned services on nodes that have no valid seal any more.",
        )
        self._silent = self._gauge(
            "triseal_node_silent_seconds", "Seconds since the node was last heard.", "node"
        )

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

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
