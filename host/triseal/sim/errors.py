"""The errors of the simulation."""

from __future__ import annotations

from triseal.errors import Failure


class MissingExtra(Failure):
    """NumPy or Matplotlib is not installed."""

    code = "missing-extra"
    advice = "pip install 'triseal[sim]'"


class BadTraffic(Failure):
    """A file does not hold the traffic of a live run."""

    code = "bad-traffic"
    advice = 'Give {"seconds": [...], "bytes": [...], "parameters": {...}}, as the soak writes it.'


class ParameterError(ValueError):
    """A parameter is out of its range, or two of them contradict each other: wrong usage."""
