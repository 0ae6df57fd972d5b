"""The loop of the agent: its first two looks find too little memory, after the third it ends."""

import watch  # noqa: F401 - first: nothing is real
from fakes import Node as Bare

from nlsm import agent, board, runner, service


class Node(Bare):
    """A node with a watchdog."""

    settings = {"watchdog": 8}
    services = {"a": service.Service("a")}


class Runner:
    """A runner that runs nothing."""

    def __init__(self, node):
        print("begin")

    def begin(self):
        pass


looks = [MemoryError("short"), RuntimeError("deep")]


def look(node):
    if looks:
        raise looks.pop(0)
    node.services = {}


async def sleep_ms(_):
    pass


agent.watch = look
agent.asyncio.sleep_ms = sleep_ms
runner.Runner = Runner
board.watch = lambda seconds: lambda: print("fed", seconds)
