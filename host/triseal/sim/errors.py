"""What a simulation refuses."""

from __future__ import annotations

from triseal.errors import Failure


class MissingExtra(Failure):
    """NumPy or Matplotlib is not installed."""

    code = "missing-extra"
    advice = "pip install 'triseal[sim]'"


class BadTraffic(Failure):
    """A file is not the traffic of a live run."""

    code = "bad-traffic"
    advice = 'give {"seconds": [...], "bytes": [...], "parameters": {...}} as the soak writes it'


class ParameterError(ValueError):
    """A parameter is out of its range, or two contradict each other: wrong usage."""
