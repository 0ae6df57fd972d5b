"""How many failures a node counts when it waits before it connects again."""

import asyncio

from fakes import Node as Bare
from fakes import Ticks

from nlsm import dial

Ticks.now = Ticks.PERIOD // 2 - 500  # they wrap on the way
plays = []


class Enough(BaseException):
    """All connections were tried."""


class Node(Bare):
    """A node with a trust bundle."""

    bundle = 1, b"mark"


class Dial(dial.Dial):
    """A link whose connections fail as a test says."""

    async def _serve(self):
        self.greeted, lasted, *newer = plays.pop(0)
        if newer:
            self.node.bundle = self.node.bundle[0] + 1, b"mark"
        Ticks.now += lasted
        raise OSError

    def say(self, code, error):
        pass

    def _draw(self, name, *values):
        return 0

    def _pause(self, attempt):
        print(attempt, end=" ")
        assert not self.greeted  # else `tick` would go on to ask a site that is not there
        if not plays:
            raise Enough
        return 0


def play(*connections):
    """Let connections fail: for each, whether the site said WELCOME, after how many ms, and, if
    there is more, that the node has got a newer trust bundle.
    """
    plays.extend(connections)
    try:
        asyncio.run(Dial(Node).run())
    except Enough:
        pass
