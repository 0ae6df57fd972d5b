"""The metrics of a server process, in the text format of Prometheus.

Each label has a bounded number of values: names that the site itself has given, and words of this
program. A node can't make up labels: what it reports is looked up here, and all else is OTHER.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import Gauge

from triseal.advice import REFUSALS
from triseal.serving import jsonlog
from triseal.serving.series import Series
from triseal.site.records import restarts
from triseal.site.views.figures import Figures

OTHER = "other"
_NAN = float("nan")
_CODES = REFUSALS.keys() | {restarts.CODE, "MemoryError", "removed"}


class Metrics(Series):
    """The counters and gauges of one server process."""

    def __init__(self) -> None:
        super().__init__()
        self._dropped = 0  # lines of the log that are counted already
        self._make_of_process()
        self._make_of_nodes()
        self._make_of_site()

    def _make_of_process(self) -> None:
        self._make_build()
        self.connected = self._gauge("triseal_connected_nodes", "Nodes connected to this process.")
        self.connecting = self._gauge(
            "triseal_connecting", "Connections that have not yet proved to be a node's."
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
        self._problems = self._gauge(
            "triseal_problem", "1 while /health names this problem, else 0.", "code"
        )
        self._database = self._gauge(
            "triseal_database_up", "1 if the database can be read and written, else 0."
        )
        self._free = self._gauge(
            "triseal_database_free_bytes", "Free bytes on the disk of an SQLite database, or NaN."
        )
        self._unlogged = self._counter(
            "triseal_dropped_log_lines", "Lines of the log that could not be written."
        )
        self._doubted = self._gauge(
            "triseal_clock_doubted",
            "1 while the server doubts its clock and signs nothing, else 0.",
        )

    def _make_of_nodes(self) -> None:
        self._changes = self._counter(
            "triseal_state_changes",
            "Changes of the state of a service on a node, by the new state.",
            "service",
            "state",
        )
        self._restarts = self._counter(
            "triseal_service_restarts", "Restarts of a service by its nodes.", "service"
        )
        self._fallbacks = self._counter(
            "triseal_fallbacks",
            "Refusals of a seal by a node that goes on with the one before.",
            "service",
        )
        self._reports = self._counter(
            "triseal_reports", "Errors that nodes have reported, by code.", "code"
        )
        self._states = self._gauge(
            "triseal_service_nodes", "Nodes with this service in this state.", "service", "state"
        )
        self._silent = self._gauge(
            "triseal_node_silent_seconds", "Seconds since the node was last heard.", "node"
        )
        self._enrolled = self._gauge("triseal_enrolled_nodes", "Enrolled nodes of the site.")
        self._claimed = self._gauge(
            "triseal_claimed_nodes", "Nodes that two boards have claimed to be."
        )
        self._behind = self._gauge(
            "triseal_outdated_bundle_nodes", "Nodes that have an older trust bundle than the site."
        )
        self._strange = self._gauge(
            "triseal_other_bundle_nodes", "Nodes that have a trust bundle unknown to the site."
        )

    def _make_of_site(self) -> None:
        self._lifetime = self._gauge("triseal_seal_lifetime_seconds", "Lifetime of a site seal.")
        self._expiry = self._gauge(
            "triseal_next_expiry_seconds",
            "Seconds until the next service has no valid seal any more.",
        )
        self._ended = self._gauge(
            "triseal_ended_services",
            "Assigned services on nodes that have no valid seal any more.",
        )
        self._concerns = self._gauge(
            "triseal_withdrawn_services",
            "Running releases that their Store has withdrawn, or whose developer it has suspended.",
        )
        self._bundle = self._gauge("triseal_bundle_version", "Version of the newest trust bundle.")
        self._ends = self._gauge(
            "triseal_certificate_end_timestamp_seconds",
            "The earliest end of a certificate of this kind, Unix seconds.",
            "kind",
        )

    def count(self, outcomes: Mapping[str, int]) -> None:
        """Add the outcomes of one message.

        Args:
            outcomes: number of outcomes by name.
        """
        for outcome, number in outcomes.items():
            self.answers.labels(outcome).inc(number)

    def changed(self, service: str, state: str) -> None:
        """Count a change of the state of a service on a node.

        Args:
            service: name of a service that the site has given to the node.
            state: the new state, one of `figures.STATES`.
        """
        self._changes.labels(service, state).inc()

    def reported(self, service: str, code: str, restarted: int, *, fell_back: bool) -> None:
        """Count a report of a node.

        Args:
            service: name of a service that the site has given to the node.
            code: code of the error, as the node has sent it; "" for none.
            restarted: number of restarts since the last report.
            fell_back: whether the node refused a seal and goes on with the one before.
        """
        if code:
            self._reports.labels(code if code in _CODES else OTHER).inc()
        if restarted:
            self._restarts.labels(service).inc(restarted)
        if fell_back:
            self._fallbacks.labels(service).inc()

    def value(self, name: str, labels: Mapping[str, str]) -> float:
        """Return the value of one metric, 0 if there is none yet.

        Args:
            name: name of the metric on the page.
            labels: values of its labels by name.
        """
        return self._registry.get_sample_value(name, dict(labels)) or 0.0

    def take_health(
        self, problems: Mapping[str, bool], *, database: bool, free: float | None, doubted: bool
    ) -> None:
        """Take the state of the process, see `health`.

        Args:
            problems: for each code whether it is a problem now.
            database: whether the database can be read and written.
            free: free bytes on the disk of the database, or None.
            doubted: whether the server doubts its clock.
        """
        for code, present in problems.items():
            self._problems.labels(code).set(present)
        self._database.set(database)
        self._free.set(_NAN if free is None else free)
        self._doubted.set(doubted)

    def text(self, figures: Figures | None, ends: Iterable[tuple[str, int]] = ()) -> bytes:
        """Make the page for Prometheus, as UTF-8 bytes.

        Args:
            figures: what the database says now; None if it can't be read: then the page has no old
                figures either.
            ends: ends of other certificates by kind, Unix seconds.
        """
        dropped = jsonlog.dropped()
        self._unlogged.inc(dropped - self._dropped)
        self._dropped = dropped
        for labelled in (self._states, self._silent, self._ends):
            labelled.clear()
        for kind, end in (*ends, *(figures.ends.items() if figures else ())):
            self._ends.labels(kind).set(end)
        for (service, state), number in (figures.states if figures else {}).items():
            self._states.labels(service, state).set(number)
            # From 0 on: `increase` of Prometheus does not count the first value of a counter.
            self._restarts.labels(service)
            self._fallbacks.labels(service)
        for node, seconds in (figures.silent if figures else {}).items():
            self._silent.labels(node).set(seconds)
        for gauge, value in self._plain(figures):
            gauge.set(_NAN if value is None else value)
        return self._text()

    def _plain(self, figures: Figures | None) -> list[tuple[Gauge, float | None]]:
        gauges = (
            (self._lifetime, "lifetime"),
            (self._expiry, "expiry"),
            (self._enrolled, "enrolled"),
            (self._claimed, "claimed"),
            (self._concerns, "concerns"),
            (self._bundle, "bundle_version"),
            (self._behind, "behind"),
            (self._strange, "strange"),
        )
        self._ended.set(len(figures.ended) if figures else _NAN)
        return [(gauge, getattr(figures, name) if figures else None) for gauge, name in gauges]
