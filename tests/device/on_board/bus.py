"""A bus `b` and two services, `x` and `y`, that may use it."""

import asyncio

from nlsm import bus, service
from sealcore import errors

b = bus.Bus()
x, y = service.Service("x"), service.Service("y")
x.grants = y.grants = ("some",)


def said(act):
    """Print whether this was done, or why not."""
    try:
        act()
        print("done")
    except (TypeError, errors.SealError) as error:
        print(type(error).__name__)


def heard(*subscriptions):
    """Print all that subscriptions hear in a while."""

    async def all_of(one):
        while True:
            topic, value = await one.__anext__()
            print(topic + "=" + repr(value))

    async def for_a_while():
        tasks = [asyncio.create_task(all_of(one)) for one in subscriptions]
        for _ in range(20):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()

    asyncio.run(for_a_while())
