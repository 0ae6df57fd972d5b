"""Metrics of a server process, in the text format of Prometheus."""

from __future__ import annotations

import importlib.metadata

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nobody asks for


class Series:
    """The counters and gauges of one server process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)  # memory, CPU time, open files, start

    def _make_build(self) -> None:
        build = self._gauge("triseal_build_info", "1, with the release of Triseal.", "version")
        build.labels(importlib.metadata.version("triseal")).set(1)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

    def _text(self) -> bytes:
        """Make the page for Prometheus, as UTF-8 bytes."""
        return generate_latest(self._registry)
