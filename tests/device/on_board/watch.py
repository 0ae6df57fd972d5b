"""A node whose services a test looks at after some seconds, as the agent does each second."""

from fakes import NOW, Task, Ticks
from fakes import Node as Bare
from fakes import have as have_one

from nlsm import agent, board, clock, installer, linked  # noqa: F401 - rows use clock


class Node(Bare):
    """A node that knows the time and tells when it lands."""

    flight = None

    @staticmethod
    def tell():
        pass

    @staticmethod
    def land():
        print("lands")


def have(name, end, clings=False):
    """Let a service run whose seal ends after so many seconds, and return it."""
    one = have_one(Node, name)
    one.not_after = NOW + end
    one.grants = one.granted = ("log",)
    one.tasks = [Task(clings)]
    return one


def watch(seconds=0):
    """Let seconds pass, look, and print what the services are then."""
    Ticks.now += seconds * 1000
    agent.watch(Node)
    for name in sorted(Node.services):
        one = Node.services[name]
        print(name, one.state, len(one.grants), sum([not task.done() for task in one.tasks]))


board.reset = lambda: print("reset")
linked.load = lambda: None
installer.finish = lambda node: print("finish")
Node.clock.set(NOW, 0)
