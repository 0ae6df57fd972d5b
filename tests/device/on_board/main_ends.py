"""A service whose main ends while a task that it has started goes on."""

import asyncio

from fakes import Node

from nlsm import loop, runner, service


async def beat():
    while True:
        await asyncio.sleep(0)


def run(start):
    """Run a service with this main for a while, and print what has become of it."""
    one = Node.services["a"] = service.Service("a")
    one.main = start
    one.grants = ("log",)
    running = runner.Runner(Node)

    async def main():
        running.begin()
        for _ in range(9):
            await asyncio.sleep(0)
        print(one.state, one.code, one.grants, one.ended())

    loop.run(main(), lambda: None)
