"""The flaws that make a virtual board as bad as real ones: of clock, entropy, supply and flash."""

from dataclasses import dataclass
from typing import Literal, get_args

Entropy = Literal["good", "same", "poor", "stuck"]

_MAX_DRIFT = 100_000
_MAX_WRAP = (1 << 30) // 1000  # the period of the tick counters of boards, in seconds


@dataclass(frozen=True)
class Flaws:
    """Everything that can be wrong with a virtual board; by default nothing is.

    Attributes:
        drift: millionths by which its clock and its counters run fast; below 0: slow.
        wrap: seconds from each start until its tick counters wrap; None: days.
        epoch: the year from which `time.time()` counts. With 2000 the clock also starts there, at
            each start; with 1970 it is set.
        entropy: of `os.urandom`. "same": the same bytes after each start, on each board;
            "poor": four values; "stuck": one.
        brown_out: seconds between losses of power, on average; None: never.
        slow_flash: milliseconds that each write and each erasure of a block takes; if the flash
            is a folder, each file that is opened for writing, renamed or removed.
    """

    drift: int = 0
    wrap: float | None = None
    epoch: int = 1970
    entropy: Entropy = "good"
    brown_out: float | None = None
    slow_flash: int = 0

    def __post_init__(self) -> None:
        """Check the figures. Raises: ValueError."""
        if abs(self.drift) > _MAX_DRIFT:
            raise ValueError(f"drift must be at most {_MAX_DRIFT} millionths")
        if self.wrap is not None and not 0 <= self.wrap <= _MAX_WRAP:
            raise ValueError(f"wrap must be 0 to {_MAX_WRAP} s")
        if self.epoch not in (1970, 2000):
            raise ValueError("epoch must be 1970 or 2000")
        if self.entropy not in get_args(Entropy):
            raise ValueError(f"entropy must be one of {', '.join(get_args(Entropy))}")
        if self.brown_out is not None and self.brown_out <= 0:
            raise ValueError("brown_out must be more than 0 s")
        if not 0 <= self.slow_flash <= 10_000:
            raise ValueError("slow_flash must be 0 to 10000 ms")

    @property
    def inside(self) -> tuple[int, int, int, str] | None:
        """Return the arguments for `apply` of the shim's module `flaws`; None if it has nothing to
        do."""
        wrap = -1 if self.wrap is None else int(self.wrap * 1000)
        if (self.drift, wrap, self.epoch, self.entropy) == (0, -1, 1970, "good"):
            return None
        return self.drift, wrap, self.epoch, self.entropy


GOOD = Flaws()
