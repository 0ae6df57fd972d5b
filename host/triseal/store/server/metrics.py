"""The metrics of a Store's server process. Each label has a bounded number of values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from triseal.serving.series import Series

_NAN = float("nan")


@dataclass(frozen=True)
class Figures:
    """What the database and the log say.

    Attributes:
        developers: number of developers by state.
        releases: number of releases by state.
        entries: number of entries of the log.
        ends: the end of the Store's certificate, Unix seconds.
    """

    developers: Mapping[str, int]
    releases: Mapping[str, int]
    entries: int
    ends: int


class Metrics(Series):
    """The counters and gauges of one server process."""

    def __init__(self) -> None:
        super().__init__()
        self._make_build()
        self.answers = self._counter(
            "triseal_store_answers", "Answers by route and status.", "route", "status"
        )
        self.seconds = self._counter(
            "triseal_store_answer_seconds", "Time that answers took, without streams.", "route"
        )
        self.refused = self._counter("triseal_store_refusals", "Refusals by their code.", "code")
        self.bodies = self._gauge(
            "triseal_store_bodies", "Bodies of requests that are being received."
        )
        self.listeners = self._gauge("triseal_store_listeners", "Listeners of /v1/events.")
        self._developers = self._gauge(
            "triseal_store_developers", "Keys of developers, by state.", "state"
        )
        self._releases = self._gauge("triseal_store_releases", "Releases, by state.", "state")
        self._entries = self._gauge("triseal_store_log_entries", "Entries of the signed log.")
        self._ends = self._gauge(
            "triseal_store_certificate_end_timestamp_seconds",
            "End of the Store's certificate, Unix seconds.",
        )
        self._free = self._gauge(
            "triseal_store_free_bytes", "Free bytes on the disk of the Store's folder, or NaN."
        )
        self._problems = self._gauge(
            "triseal_store_problem", "1 while /health names this problem, else 0.", "code"
        )

    def text(
        self, problems: Mapping[str, bool], figures: Figures | None, free: float | None
    ) -> bytes:
        """Make the page for Prometheus, as UTF-8 bytes.

        Args:
            problems: for each code whether it is a problem now.
            figures: what the database says now; None if it can't be read.
            free: free bytes of the disk, or None.
        """
        for code, present in problems.items():
            self._problems.labels(code).set(present)
        self._developers.clear()
        self._releases.clear()
        for state, number in (figures.developers if figures else {}).items():
            self._developers.labels(state).set(number)
        for state, number in (figures.releases if figures else {}).items():
            self._releases.labels(state).set(number)
        self._entries.set(figures.entries if figures else _NAN)
        self._ends.set(figures.ends if figures else _NAN)
        self._free.set(_NAN if free is None else free)
        return self._text()
