"""The cause of the last reset, on a port that a test describes."""

from nlsm import board


class Machine:
    """A `machine`: the names that it has, and the cause that it tells."""

    def __init__(self, cause, **names):
        self._cause = cause
        for name, value in names.items():
            setattr(self, name, value)

    def reset_cause(self):
        return self._cause


def tell(machine):
    """Print the word for the cause."""
    board.machine = machine
    print(board.reset_cause())
