"""Measurements: one module per subject, each with a function `measure()` that yields figures."""

from typing import NamedTuple


class Figure(NamedTuple):
    """One figure, beside the figure that it is compared with.

    Attributes:
        name: stable and unique, for example `node.custody.rsa2048`.
        value: the measured value, in `unit`.
        unit: for example `ms`, `KiB`, `bytes` or `1/s`.
        baseline: the same quantity of the bare minimum, measured in the same run; None if nothing
            compares.
    """

    name: str
    value: float
    unit: str
    baseline: float | None = None

    @property
    def ratio(self) -> float | None:
        """Value divided by baseline; None without a baseline."""
        return None if self.baseline is None else self.value / self.baseline

    def __str__(self) -> str:
        """Return the one line that is printed."""
        line = f"{self.name:<28} {self.value:>12,.4g} {self.unit:<6}"
        if self.ratio is None:
            return line.rstrip()
        return f"{line} baseline {self.baseline:>10,.4g}   ratio {self.ratio:.3f}"
