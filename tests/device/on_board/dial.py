"""How many failures a node counts when it waits before it connects again."""

import asyncio

from fakes import Node, Ticks

from nlsm import dial

Ticks.now = Ticks.PERIOD // 2 - 500  # they wrap on the way
plays = []


class Enough(BaseException):
    """All connections were tried."""


class Dial(dial.Dial):
    """A link whose connections fail as a test says."""

    async def _serve(self):
        self.greeted, lasted = plays.pop(0)
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
    """Let connections fail: for each, whether the site said WELCOME, and after how many ms."""
    plays.extend(connections)
    try:
        asyncio.run(Dial(Node).run())
    except Enough:
        pass
