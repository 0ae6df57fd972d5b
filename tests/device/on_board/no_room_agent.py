"""The flash has no room: what the agent does in spite of it."""

import asyncio

import elsewhere  # noqa: F401 - first: it moves the file
from fakes import NOW
from fakes import Node as Bare

from nlsm import admission, agent, board, console, floors, grace, service


def full(*_):
    raise OSError(28)


class Node(Bare):
    """A node whose clock cannot be read."""

    services = {"a": service.Service("a")}

    class clock:  # noqa: N801 - an object with one function
        """A clock that cannot be read."""

        now = full


def watch(node):
    agent.watch = lambda node: node.services.clear()
    full()


print(grace.spend(600))
board.sync = full
floors.rise(NOW)
grace.restore()
print(grace.spend(900), floors.read()[floors.TIME])
try:
    floors.rise(NOW, "thermo", 3)
except OSError as error:
    print(error.errno, "thermo" in floors.read())
one = Node.services["a"]
admission.check(Node, one)
print(one.state)
line = console.Console(Node)
line._whole = True
console.memory.load = full
line.take()
agent.watch = watch
asyncio.run(agent._main(Node))
print("end")
