"""Timers of services. This module is loaded when a service asks for its first one.

The callback of a hardware timer runs between any two instructions of the interpreter, also while
another service has its turn. So the node notes whose code runs, and hands an error of the callback
to a task of the service.
"""

from sealcore import errors

from . import service, tasks


def lend(services: dict, one, period: int, callback):
    """Call `callback()` every `period` ms until the service ends. Return the port's timer.

    Raises TypeError or ValueError for wrong arguments, TooLarge if the board has no timer left.
    """
    if type(period) is not int or not callable(callback):
        raise TypeError("a timer takes an int and a function")
    if period < 1:
        raise ValueError("less than 1 ms")

    def run(_) -> None:
        if one.state != "running":
            return
        before = tasks.begin(services, one)
        try:
            callback()
        except BaseException as error:
            if service.by_person(error):
                raise
            try:
                tasks.create(_fail(error), one)
            except MemoryError:
                one.cut("MemoryError")
        finally:
            tasks.begin(services, before)

    timer = _free(services, one)
    timer.init(period=period, callback=run)
    return timer


async def _fail(error) -> None:
    raise error


def _free(services: dict, one):
    """Lend a timer that no service has. Where the port has timers of its own software, they all
    have the number -1.
    """
    from . import board  # not above: this module stays loaded, and `board` shall not

    lent = [item for other in services.values() for item in other.lent if type(item) is tuple]
    taken = [number for what, number in lent if type(what) is not int]  # the others are pins
    for number in (-1, 0, 1, 2, 3):
        if number < 0 or number not in taken:
            try:
                timer = board.timer(number)
            except ValueError:  # the port has no timer of this number
                continue
            one.lend((timer, number))
            return timer
    raise errors.TooLarge("timers")
