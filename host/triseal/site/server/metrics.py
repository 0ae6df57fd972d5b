"""What the server counts, in Prometheus' text form."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class Metrics:
    """Counters and gauges of one server process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.connected = Gauge(
            "triseal_connected_nodes", "Nodes connected to this process.", registry=self._registry
        )
        self.connecting = Gauge(
            "triseal_connecting", "Connections that have not said HELLO.", registry=self._registry
        )
        self.answers = Counter(
            "triseal_answers",
            "Answers by outcome: delta, whole, assigned, chunk, report, or a refusal's code.",
            ["outcome"],
            registry=self._registry,
        )
        self.closed = Counter(
            "triseal_closed_connections", "Ended, by code.", ["code"], registry=self._registry
        )
        self.octets_out = Counter(
            "triseal_sent_bytes", "Octets of frames sent.", registry=self._registry
        )
        self.garbled = Counter(
            "triseal_garbled_lines",
            "Lines of nodes at serial lines that were no message.",
            registry=self._registry,
        )
        self.lines = Gauge(
            "triseal_line_up",
            "Whether a node at a serial line is served.",
            ["port"],
            registry=self._registry,
        )
        self._expiry = Gauge(
            "triseal_next_expiry_seconds",
            "Until the first of the newest seals of all assigned services ends.",
            registry=self._registry,
        )
        self._silent = Gauge(
            "triseal_node_silent_seconds",
            "Since a node was heard last.",
            ["node"],
            registry=self._registry,
        )

    def count(self, outcomes: Mapping[str, int]) -> None:
        """Add what one message came to."""
        for outcome, number in outcomes.items():
            self.answers.labels(outcome).inc(number)

    def value(self, name: str, labels: Mapping[str, str]) -> float:
        """One value by the name that the page gives it; 0 if there is none yet."""
        return self._registry.get_sample_value(name, dict(labels)) or 0.0

    def text(self, expiry: float | None, silent: Mapping[str, float]) -> bytes:
        """The page.

        Args:
            expiry: seconds to the next expiry; None if nothing has been sealed.
            silent: seconds since each node was heard.
        """
        self._expiry.set(float("nan") if expiry is None else expiry)
        self._silent.clear()
        for node, seconds in silent.items():
            self._silent.labels(node).set(seconds)
        return generate_latest(self._registry)
