"""Timers of services, on a port whose timers a test lets go off."""

import asyncio

from fakes import Node

from nlsm import board, bus, context, loop, service, tasks


class Timer:
    """A hardware timer. As on an ESP32 there are four, or as on a Pico any number of one kind."""

    numbers = (0, 1, 2, 3)
    made = []

    def __init__(self, number):
        if number not in self.numbers:
            raise ValueError
        self.number = number
        self.made.append(self)

    def init(self, period, callback):
        self.period = period
        self.callback = callback

    def deinit(self):
        print("timer", self.number, "ends")
        self.callback = None

    def go_off(self):
        self.callback(self)


class Machine:
    """A board with timers."""

    Timer = Timer


board.machine = Machine
context.serve(Node, bus.Bus())


def have(name, *grants):
    """Return a running service, and its `ctx`."""
    one = Node.services[name] = service.Service(name)
    one.set("running")
    one.grants = grants
    return one, context.Context(one)


def attempt(*acts):
    """Print what each of these raises."""
    for act in acts:
        try:
            act()
            print("done")
        except Exception as error:
            print(type(error).__name__, error)


def go_on(turns=4):
    """Let the tasks of all services run for some turns."""

    async def turn():
        for _ in range(turns):
            await asyncio.sleep(0)

    loop.run(turn(), lambda: None)


tasks.begin(Node.services, None)
one, ctx = have("one", "timer")
other, its = have("other", "timer", "log")
