"""The class `machine.WDT` of a virtual board."""


class WDT:
    """Resets the board unless it is fed in time. It can't be stopped, and there is one: the newest
    object says how long it waits."""

    def __init__(self, id=0, timeout=5000):
        if not 0 < timeout <= _longest:
            raise ValueError("timeout exceeds %d" % _longest)
        global _timeout  # noqa: PLW0603 - smaller than an attribute
        _timeout = timeout.to_bytes(4, "big")
        self.feed()

    def feed(self):
        _pipe.write(_timeout)


def make(pipe, longest):
    """Return the class for the descriptor `pipe` and at most `longest` ms."""
    global _pipe, _longest  # noqa: PLW0603 - smaller than attributes
    _pipe = open(pipe, "wb")  # noqa: SIM115 - as long as the board runs
    _longest = longest
    return WDT
