"""Connections that want more memory than there is: GREETED, the one that the site answers to.

The port has no `machine`, so a reset ends the program.
"""

import asyncio
import sys

from nlsm import dial

greeted = int(sys.argv[1])


class Node:
    """A node that runs nothing; the clock runs."""

    settings = {}
    services = {}
    offered = None
    bundle = 1, b"mark"

    @staticmethod
    def land():
        pass


class Starved(dial.Dial):
    """A link that finds no memory."""

    tries = 0

    async def _serve(self):
        self.tries += 1
        self.greeted = self.tries == greeted
        bytearray(1 << 30)

    def _draw(self, name, *values):
        return 0

    def _stakes(self):
        return ()


starved = Starved(Node)
try:
    asyncio.run(starved.run())
finally:
    print("tries", starved.tries)
